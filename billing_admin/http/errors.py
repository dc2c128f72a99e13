"""Error dispatch: the API answers errors below /api/, pages answer all others.

Both log failures in the same way.
"""

from collections.abc import Callable
from types import TracebackType

import structlog
from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from billing_admin.db.errors import Unavailable, driver_message, explain_unavailable
from billing_admin.domain.approvals import NeedsApproval
from billing_admin.domain.errors import Denied, DomainError
from billing_admin.http.callers import describe_request
from billing_admin.http.rate_limits import TooManyRequests
from billing_admin.http.request_ids import request_id

API_PATHS = "/api/"
DOCUMENTATION = "api_docs"  # the blueprint of the pages below /api/

ErrorResponder = Callable[[Exception], Response]
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_log = structlog.get_logger(__name__)


def init_errors(app: Flask, *, page: ErrorResponder, api: ErrorResponder) -> None:
    """Register the responders for errors of pages and of the API.

    They receive a DomainError, a NeedsApproval, an HTTPException, or an error that means that the database is unavailable.
    """

    def respond(error: Exception) -> Response:
        return api(error) if _is_api_request() else page(error)

    def respond_to_http(error: HTTPException) -> Response:
        original = getattr(error, "original_exception", None)  # of a 500, raised after the view
        return respond(original if isinstance(original, Exception) and explain_unavailable(original) else error)

    def respond_to_unexpected(error: Exception) -> Response:
        if explain_unavailable(error) is None:
            raise error  # a bug: Flask logs it, then asks for the response to a 500
        return respond(error)

    app.log_exception = log_failure  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, respond_to_http)
    app.register_error_handler(DomainError, respond)
    app.register_error_handler(NeedsApproval, respond)
    app.register_error_handler(Exception, respond_to_unexpected)


def log_failure(exc_info: ExceptionInfo | Exception) -> None:
    """Log the traceback of a 500 with the request id that its response shows.

    Flask's own line does not have the id.
    """
    _log.error("request_failed", request_id=request_id(), method=request.method, path=request.path, exc_info=exc_info)


_REFUSALS = ((Denied, "denied"), (TooManyRequests, "limit_exceeded"), (CSRFError, "form_token_refused"))


def log_refusal(error: Exception) -> None:
    """Log an error that refuses the caller, with the missing permission."""
    for kind, event in _REFUSALS:
        if isinstance(error, kind):
            needs = error.extra.get("permission") if isinstance(error, Denied) else None
            _log.warning(event, **describe_request(), **({"needs": needs} if needs else {}))


def log_unavailable(error: Exception, reason: Unavailable) -> None:
    """Log that a request was refused because the database is unavailable."""
    _log.error(reason.code, request_id=request_id(), error=driver_message(error))


def _is_api_request() -> bool:
    return request.path.startswith(API_PATHS) and request.blueprint != DOCUMENTATION

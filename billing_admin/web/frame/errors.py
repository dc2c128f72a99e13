"""What a person sees when something is refused or fails: what happened, the next step, and a reference to quote."""

from http import HTTPStatus
from typing import Final

import structlog
from flask import Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from billing_admin.db.errors import RETRY_AFTER_SECONDS, Unavailable, explain_unavailable
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid, NotFound, Stale
from billing_admin.http.body_limits import describe_limit
from billing_admin.http.errors import log_unavailable
from billing_admin.http.request_ids import request_id
from billing_admin.web.frame.local_urls import requested_url
from billing_admin.web.frame.signed_in import current_organisation, current_person

_log = structlog.get_logger(__name__)

_STATUS: Final = {Invalid: 422, NotFound: 404, Conflict: 409, Stale: 409, Denied: 403}
_PAGES: Final = {
    400: ("The request could not be read", "Go back, reload the page and try again."),
    403: ("You may not do this", "Ask an admin of your organisation if you need to."),
    404: ("There is nothing here", "Check the address, or look for what you need from the dashboard."),
    405: ("This page does not do that", "Go back and use the page's own buttons."),
    409: ("This contradicts what is stored", "Go back, reload the page and look again."),
    413: ("That is too large", "Go back and send fewer rows, shorter texts or a smaller file."),
    414: ("This address is too long", "Go back and use fewer filters."),
    422: ("This cannot be done as asked", "Go back and mend what you entered."),
    429: ("Too many requests", "Wait a few minutes, then try again."),
    500: ("Something broke", "Nothing was changed. Try again; if it happens twice, pass on the reference below."),
}
_OLD_PAGE = (
    "This page was open for too long",
    "You may have signed in or out in another tab. Go back, reload the page and send the form again.",
)
_WAIT = "Wait a few seconds, then try again. If you were saving something, check first whether it was saved."
_STALE = "Somebody else changed this meanwhile"


def error_page(error: Exception) -> Response:
    """Return the page for an error of a page's request; see `http.errors`."""
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, DomainError):
        return _domain(error)
    reason = explain_unavailable(error)
    if reason is None:
        raise error
    return _unavailable(error, reason)


def _http(error: HTTPException) -> Response:
    if isinstance(error, SecurityError):  # an unknown host: no address can be made for it, so no page either
        return Response("This host name is not one of ours.\n", 400, mimetype="text/plain")
    if error.response is not None:
        return make_response(error.get_response())
    code = error.code or 500
    title, message = _OLD_PAGE if isinstance(error, CSRFError) else _words(code)
    response = _page(code, title, describe_limit() if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else message)
    if code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return response


def _domain(error: DomainError) -> Response:
    if isinstance(error, Denied):
        _log.warning("denied", method=request.method, path=request.path, needs=error.extra.get("permission"))
    code = _STATUS.get(type(error), 422)
    title = _STALE if isinstance(error, Stale) else _words(code)[0]
    return _page(code, title, error.message)


def _unavailable(error: Exception, reason: Unavailable) -> Response:
    log_unavailable(error, reason)
    response = _page(503, reason.title, f"{reason.detail} {_WAIT}")
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _words(code: int) -> tuple[str, str]:
    return _PAGES.get(code) or _PAGES[400 if code < 500 else 500]


def _is_known() -> bool:
    """Return whether somebody is signed in and the database answers: then the page has its usual frame."""
    try:
        return current_person() is not None and bool(current_organisation())
    except Exception as error:
        if explain_unavailable(error):
            return False
        raise


def _page(code: int, title: str, message: str) -> Response:
    known = code < HTTPStatus.INTERNAL_SERVER_ERROR and _is_known()
    g.failing = not known
    again = code == HTTPStatus.SERVICE_UNAVAILABLE and request.method == "GET"
    page = render_template(
        "errors/error.html",
        code=code,
        title=title,
        message=message,
        next_url=requested_url() if again else "/",
        next_label="Try again" if again else "Go to the dashboard",
        request_id=request_id(),
        in_shell=known,
    )
    return make_response(page, code)

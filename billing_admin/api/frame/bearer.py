"""Authentication of API requests by bearer token.

Cookies and query parameters are never read.
"""

from datetime import datetime

import structlog
from flask import Response, current_app, request

from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import NotAuthenticated
from billing_admin.http.callers import describe_request
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access.tokens import record_use
from billing_admin.queries.access.tokens import Bearer, bad_token_error, bearer_of_secret, token_of_secret, token_state

_log = structlog.get_logger(__name__)


def authenticate() -> Bearer:
    """Return the bearer of this request's token.

    Raises NotAuthenticated.
    """
    secret, at = _secret(), now()
    if secret is None:
        _log.warning("token_refused", **describe_request(), reason="missing")
        raise NotAuthenticated("no_token", "Send an API token in the header “Authorization: Bearer <token>”.")
    bearer = bearer_of_secret(db.engine, secret, at, request_id())
    if bearer is None:
        _log_refused_token(secret, at)
        raise bad_token_error()
    return bearer


def _log_refused_token(secret: str, at: datetime) -> None:
    """Log why a token is refused, and its name, but never the token itself."""
    token = token_of_secret(db.session(), secret)
    reason, name = ("unknown", None) if token is None else (token_state(token, at), token.name)
    token_id = None if token is None else str(token.id)
    _log.warning("token_refused", **describe_request(), reason=reason, token=name, token_id=token_id)


def _secret() -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def record_use_later(bearer: Bearer, response: Response) -> None:
    """Store when the token was used, once the response is sent.

    A failure to store it is only logged.
    """
    token_id = bearer.actor.id
    if bearer.fresh or token_id is None:
        return
    app, at = current_app._get_current_object(), now()  # type: ignore[attr-defined]

    @response.call_on_close
    def store_use() -> None:
        with app.app_context(), LogIfUnavailable("token_use_not_stored", token=str(token_id)):
            transaction(record_use, token_id, at)

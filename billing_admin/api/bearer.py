"""Who is calling? A bearer token, and nothing else, says so: no cookie, no query parameter."""

import logging
from uuid import uuid4

from flask import Response, current_app, g, request

from billing_admin.clock import now
from billing_admin.database import DATABASE_AWAY, db, transaction
from billing_admin.domain.errors import DomainError
from billing_admin.operations.tokens import note_use
from billing_admin.queries.tokens import Bearer, by_secret

log = logging.getLogger(__name__)


class NotAuthenticated(DomainError):
    """There is no token, or none that is good."""


def request_id() -> str:
    """By what this request is found in the log, in the audit trail, and in a problem's `instance`."""
    if "request_id" not in g:
        g.request_id = str(uuid4())
    return str(g.request_id)


def bearer() -> Bearer:
    """The bearer of the request's token. Raises NotAuthenticated."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated("no_token", "Send the header “Authorization: Bearer” with an API token.")
    found = by_secret(db.engine, secret.strip(), now(), request_id())
    if found is None:
        raise NotAuthenticated("bad_token", "This token is unknown, expired or revoked.")
    return found


def note_later(found: Bearer, response: Response) -> None:
    """Write the token's use down once the answer is sent; that it could not be written harms nobody."""
    token_id = found.actor.id
    if found.fresh or token_id is None:
        return
    app, at = current_app._get_current_object(), now()  # type: ignore[attr-defined]

    @response.call_on_close
    def note() -> None:
        with app.app_context():
            try:
                transaction(note_use, token_id, at)
            except DATABASE_AWAY as error:
                log.warning("The use of token %s could not be noted: %s", token_id, error)

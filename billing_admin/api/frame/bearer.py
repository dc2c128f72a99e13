"""Who is calling? A bearer token, and nothing else, says so: no cookie, no query parameter."""

from dataclasses import dataclass, replace
from datetime import datetime

from flask import Flask, Response, current_app, request

from billing_admin.clock import now
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import db, transaction
from billing_admin.domain.errors import NotAuthenticated
from billing_admin.domain.tokens import digest
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access.tokens import record_use
from billing_admin.queries.access.tokens import USE_IS_FRESH, Bearer, bad_token, by_secret

MOST_SEEN = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """A bearer whose token was good lately, and when."""

    bearer: Bearer
    at: datetime


def init_bearers(app: Flask) -> None:
    """Remember who was seen, by the digests of their tokens."""
    app.extensions["billing_bearers"] = {}


def bearer() -> Bearer:
    """The bearer of the request's token. Raises NotAuthenticated."""
    secret, at = _secret(), now()
    if secret is None:
        raise NotAuthenticated("no_token", "Send the header “Authorization: Bearer” with an API token.")
    found = by_secret(db.engine, secret, at, request_id())
    if found is None:
        raise bad_token()
    seen = _all_seen()
    if len(seen) >= MOST_SEEN:
        seen.clear()
    seen[digest(secret)] = Seen(found, at)
    return found


def seen_lately() -> Bearer | None:
    """The bearer of the request's token, if it was good within the last minute: whether it still is must be proven."""
    secret, at = _secret(), now()
    found = _all_seen().get(digest(secret)) if secret else None
    if found is None or not found.at <= at < min(found.at + USE_IS_FRESH, found.bearer.expires_at):
        return None
    return replace(found.bearer, actor=replace(found.bearer.actor, request_id=request_id()))


def _secret() -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _all_seen() -> dict[str, Seen]:
    found: dict[str, Seen] = current_app.extensions["billing_bearers"]
    return found


def note_later(found: Bearer, response: Response) -> None:
    """Write the token's use down once the answer is sent; that it could not be written harms nobody."""
    token_id = found.actor.id
    if found.fresh or token_id is None:
        return
    seen, key = _all_seen(), digest(_secret() or "")
    if key in seen:
        seen[key] = replace(seen[key], bearer=replace(found, fresh=True))
    app, at = current_app._get_current_object(), now()  # type: ignore[attr-defined]

    @response.call_on_close
    def note() -> None:
        with app.app_context(), LogIfUnavailable("token_use_not_noted", token=str(token_id)):
            transaction(record_use, token_id, at)

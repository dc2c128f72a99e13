"""Authentication of API requests by bearer token; cookies and query parameters are never read."""

from dataclasses import dataclass, replace
from datetime import datetime

from flask import Flask, Response, current_app, request

from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import NotAuthenticated
from billing_admin.domain.tokens import digest
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access.tokens import record_use
from billing_admin.queries.access.tokens import USE_STAYS_FRESH, Bearer, bad_token_error, bearer_of_secret

MAX_CACHED_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class CachedToken:
    """The bearer of a token, and the moment at which the database confirmed it."""

    bearer: Bearer
    confirmed_at: datetime


def init_token_cache(app: Flask) -> None:
    """Create the cache of confirmed tokens, by their digests."""
    app.extensions["billing_token_cache"] = {}


def authenticate() -> Bearer:
    """Return the bearer of this request's token, and cache it. Raises NotAuthenticated."""
    secret, at = _secret(), now()
    if secret is None:
        raise NotAuthenticated("no_token", "Send an API token in the header “Authorization: Bearer <token>”.")
    bearer = bearer_of_secret(db.engine, secret, at, request_id())
    if bearer is None:
        raise bad_token_error()
    cache = _cache()
    if len(cache) >= MAX_CACHED_TOKENS:
        cache.clear()
    cache[digest(secret)] = CachedToken(bearer, at)
    return bearer


def cached_bearer() -> Bearer | None:
    """Return the bearer of this request's token if it was confirmed within `USE_STAYS_FRESH`.

    The token may have been revoked since: the caller must verify it in its transaction.
    """
    secret, at = _secret(), now()
    cached = _cache().get(digest(secret)) if secret else None
    if cached is None:
        return None
    expires_at = min(cached.confirmed_at + USE_STAYS_FRESH, cached.bearer.expires_at)
    if not cached.confirmed_at <= at < expires_at:
        return None
    return replace(cached.bearer, actor=replace(cached.bearer.actor, request_id=request_id()))


def _secret() -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _cache() -> dict[str, CachedToken]:
    cache: dict[str, CachedToken] = current_app.extensions["billing_token_cache"]
    return cache


def record_use_later(bearer: Bearer, response: Response) -> None:
    """Store when the token was used, once the response is sent. A failure to store it is only logged."""
    token_id = bearer.actor.id
    if bearer.fresh or token_id is None:
        return
    cache, key = _cache(), digest(_secret() or "")
    if key in cache:
        cache[key] = replace(cache[key], bearer=replace(bearer, fresh=True))
    app, at = current_app._get_current_object(), now()  # type: ignore[attr-defined]

    @response.call_on_close
    def store_use() -> None:
        with app.app_context(), LogIfUnavailable("token_use_not_stored", token=str(token_id)):
            transaction(record_use, token_id, at)

"""Create and revoke API tokens."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import SCOPES, Actor
from billing_admin.domain.errors import Conflict, Denied, Invalid, NotFound
from billing_admin.domain.text import check_not_blank
from billing_admin.domain.tokens import (
    ALPHABET,
    MAX_LIFETIME_DAYS,
    MAX_NAME_LENGTH,
    RANDOM_CHARACTERS,
    digest,
    visible_prefix,
    with_checksum,
)
from billing_admin.domain.translation import Phrase
from billing_admin.models import ApiToken
from billing_admin.operations.audit import record
from billing_admin.operations.jobs import stop_unauthorised
from billing_admin.queries.access.tokens import USE_STAYS_FRESH


def create(
    session: Session,
    name: str,
    scopes: Sequence[str],
    expires_in_days: int = 365,
    *,
    id: UUID | None = None,
    user_id: UUID | None = None,
    actor: Actor,
    now: datetime,
) -> tuple[ApiToken, str]:
    """Create a token of a person, or of none (`user_id` None).

    Returns it and its secret, which is not stored. Raises Invalid for the name, scopes or lifetime, Denied for a
    scope that the actor does not have, and Conflict when the id exists: the secret cannot be shown a second time.
    """
    if id is not None and session.get(ApiToken, id) is not None:
        raise Conflict(
            "token_exists", Phrase("This token has already been created. Its secret is shown only once."), "id"
        )
    granted = _check_request(name, scopes, expires_in_days, actor)
    secret = with_checksum("".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS)))
    token = ApiToken(
        id=id or new_id(now),
        name=name,
        prefix=visible_prefix(secret),
        token_hash=digest(secret),
        scopes=granted,
        user_id=user_id,
        created_at=now,
        expires_at=now + timedelta(days=expires_in_days),
        last_used_at=None,
        revoked_at=None,
    )
    session.add(token)
    session.flush()
    details = {"name": name, "scopes": granted, "expires_at": token.expires_at.isoformat()}
    record(session, actor, now, "token.created", "token", token.id, details)
    return token, secret


def _check_request(name: str, scopes: Sequence[str], expires_in_days: int, actor: Actor) -> list[str]:
    check_not_blank(name, "name", longest=MAX_NAME_LENGTH)
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise Invalid(
            "unknown_scope",
            Phrase(
                "There is no scope “{unknown}”. Choose from {scopes}.",
                unknown=unknown[0][:80],
                scopes=", ".join(SCOPES),
            ),
            "scopes",
        )
    if not scopes:
        raise Invalid("no_scope", Phrase("Choose at least one scope."), "scopes")
    if not 1 <= expires_in_days <= MAX_LIFETIME_DAYS:
        raise Invalid(
            "out_of_range",
            Phrase("Use 1 to {max_lifetime_days} days.", max_lifetime_days=MAX_LIFETIME_DAYS),
            "expires_in_days",
        )
    missing = [scope for scope in scopes if scope not in actor.permissions]
    if missing:
        raise Denied(
            "beyond_own_rights",
            Phrase("You cannot grant the scope “{missing}” because you do not have it.", missing=missing[0]),
            "scopes",
        )
    return [scope for scope in SCOPES if scope in scopes]


def revoke(session: Session, token_id: UUID, actor: Actor, now: datetime) -> bool:
    """Revoke a token for good, and stop its jobs.

    Returns False when it was already revoked. Raises NotFound.
    """
    token = session.get(ApiToken, token_id, with_for_update={"of": ApiToken})
    if token is None:
        raise NotFound("unknown_token", Phrase("There is no token {token_id}.", token_id=token_id), "id")
    if token.revoked_at is not None:
        return False
    token.revoked_at = now
    session.flush()
    record(session, actor, now, "token.revoked", "token", token.id, {"name": token.name})
    stop_unauthorised(session, actor, now)
    return True


def record_use(session: Session, token_id: UUID, now: datetime) -> None:
    """Store when a token was last used, unless the stored time is recent.

    A use is not an act and has no audit event.
    """
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.id == token_id,
            or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < now - USE_STAYS_FRESH),
        )
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )

"""API tokens: their bearers, and what these may do."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.prepared import PreparedQuery, run_without_transaction
from billing_admin.domain.access import Actor, role_permissions, with_parts
from billing_admin.domain.errors import NotAuthenticated, NotFound
from billing_admin.domain.tokens import EXPIRY_WARNING, digest, is_well_formed
from billing_admin.domain.translation import Phrase
from billing_admin.models import ApiToken, Role, User

# `last_used_at` is updated once per this time.
USE_STAYS_FRESH = timedelta(minutes=1)

_TOKEN, _USER, _ROLE = ApiToken.__table__.c, User.__table__.c, Role.__table__.c


def usable_tokens(*columns: Any) -> Select[Any]:
    """Select columns of tokens that can be used, of their owners and own roles.

    Such a token is not revoked, and its owner is active or it has none.
    """
    with_owners = ApiToken.__table__.outerjoin(User.__table__, _USER.id == _TOKEN.user_id).outerjoin(
        Role.__table__, _ROLE.name == _USER.role
    )
    is_usable = (_TOKEN.revoked_at.is_(None), or_(_TOKEN.user_id.is_(None), _USER.active))
    return select(*columns).select_from(with_owners).where(*is_usable)


# Built once, since every request runs it.
_BY_HASH = PreparedQuery(
    usable_tokens(
        *(_TOKEN.id, _TOKEN.name, _TOKEN.expires_at, _TOKEN.last_used_at),
        *(_TOKEN.scopes, _TOKEN.user_id, _USER.role, _ROLE.permissions),
    ).where(_TOKEN.token_hash == bindparam("hash"))
)


@dataclass(frozen=True, slots=True)
class Bearer:
    """The bearer of a valid token.

    `fresh` is true while the stored `last_used_at` needs no update.
    """

    actor: Actor
    fresh: bool


def bearer_of_secret(engine: Engine, secret: str, now: datetime, request_id: str | None = None) -> Bearer | None:
    """Return the bearer of a token, or None if the token is not valid."""
    if not is_well_formed(secret):
        return None
    for id, name, expires_at, last_used_at, *rights in run_without_transaction(
        engine, _BY_HASH, {"hash": digest(secret)}
    ):
        if expires_at <= now:
            return None
        permissions = token_permissions(*rights)
        fresh = last_used_at is not None and now - last_used_at < USE_STAYS_FRESH
        return Bearer(Actor("token", id, name, permissions, request_id), fresh)
    return None


def token_permissions(
    scopes: Collection[str], user_id: UUID | None, role: str | None, own_permissions: Collection[str] | None
) -> frozenset[str]:
    """Return the permissions that both a token's scopes and its owner's role grant.

    `own_permissions` are those of a role that is no built-in one. A token created on the command line has no owner; its
    scopes alone decide.
    """
    permissions = with_parts(scopes)
    return permissions if user_id is None else permissions & role_permissions(role, own_permissions)


def bad_token_error() -> NotAuthenticated:
    """Return the error for an invalid token, the same for every reason."""
    return NotAuthenticated("bad_token", Phrase("This token is unknown, expired or revoked."))


def tokens(session: Session) -> list[ApiToken]:
    """Return every token with its owner, newest first."""
    return list(session.scalars(select(ApiToken).order_by(ApiToken.created_at.desc(), ApiToken.id.desc())))


def usable_tokens_of(session: Session, user_id: UUID, now: datetime) -> list[ApiToken]:
    """Return the unrevoked, unexpired tokens of a person, newest first."""
    query = select(ApiToken).where(
        ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now
    )
    return list(session.scalars(query.order_by(ApiToken.created_at.desc(), ApiToken.id.desc())))


def token(session: Session, id: UUID) -> ApiToken:
    """Return one token with its owner.

    Raises:
        NotFound: No token has this id.
    """
    token = session.get(ApiToken, id)
    if token is None:
        raise NotFound("unknown_token", Phrase("There is no token {id}.", id=id), "id")
    return token


def token_of_secret(session: Session, secret: str) -> ApiToken | None:
    """Return the token that a secret belongs to, even if it is no longer valid."""
    if not is_well_formed(secret):
        return None
    return session.scalars(select(ApiToken).where(ApiToken.token_hash == digest(secret))).one_or_none()


def count_expiring(session: Session, now: datetime) -> int:
    """Return the number of usable tokens that expire within EXPIRY_WARNING."""
    expires_soon = (_TOKEN.expires_at > now, _TOKEN.expires_at <= now + EXPIRY_WARNING)
    return session.scalar(usable_tokens(func.count()).where(*expires_soon)) or 0


def warned_state(token: ApiToken, now: datetime) -> str:
    """Return the state of a token, or expires soon for an active one."""
    state = token_state(token, now)
    return "expires soon" if state == "active" and token.expires_at <= now + EXPIRY_WARNING else state


def token_state(token: ApiToken, now: datetime) -> str:
    """Return revoked, expired, inactive (the owner is deactivated) or active."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at <= now:
        return "expired"
    return "active" if token.user is None or token.user.active else "inactive"

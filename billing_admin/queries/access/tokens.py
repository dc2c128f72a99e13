"""Whose token is this, and what may it do?"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Select, bindparam, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import ValueList, list_contains
from billing_admin.db.prepared import PreparedQuery, run_without_transaction
from billing_admin.domain.access import ROLES, Actor
from billing_admin.domain.errors import NotAuthenticated, NotFound
from billing_admin.domain.tokens import digest, is_well_formed
from billing_admin.models import ApiToken, User

USE_STAYS_FRESH = timedelta(minutes=1)

_TOKEN, _USER = ApiToken.__table__.c, User.__table__.c


def usable_tokens(*columns: Any) -> Select[Any]:
    """These columns of the tokens, and of their owners, that are not revoked and have an active owner, or none."""
    with_owners = ApiToken.__table__.outerjoin(User.__table__, _USER.id == _TOKEN.user_id)
    is_good = (_TOKEN.revoked_at.is_(None), or_(_TOKEN.user_id.is_(None), _USER.active))
    return select(*columns).select_from(with_owners).where(*is_good)


# Asked by every request, hence built once.
_BY_HASH = PreparedQuery(
    usable_tokens(
        *(_TOKEN.id, _TOKEN.name, _TOKEN.scopes, _TOKEN.user_id, _TOKEN.expires_at, _TOKEN.last_used_at, _USER.role)
    ).where(_TOKEN.token_hash == bindparam("hash"))
)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who carries a token that is good now, with the role of its owner, if it has one; `fresh`: its last use is written down."""

    actor: Actor
    role: str | None
    expires_at: datetime
    fresh: bool


def bearer_of_secret(engine: Engine, secret: str, now: datetime, request_id: str | None = None) -> Bearer | None:
    """The bearer of a token, or None for one that is unknown, expired, revoked, or whose owner is deactivated.

    It may do what its scopes and its owner's role both allow. Made on the command line it has no owner: its scopes decide.
    """
    if not is_well_formed(secret):
        return None
    for id, name, scopes, user_id, expires_at, last_used_at, role in run_without_transaction(
        engine, _BY_HASH, {"hash": digest(secret)}
    ):
        if expires_at <= now:
            return None
        permissions = frozenset(scopes)
        if user_id is not None:
            permissions &= ROLES.get(role, frozenset())
        fresh = last_used_at is not None and now - last_used_at < USE_STAYS_FRESH
        return Bearer(Actor("token", id, name, permissions, request_id), role, expires_at, fresh)
    return None


_ROLES_BY_TOKEN = PreparedQuery(
    usable_tokens(_TOKEN.id, _USER.role).where(list_contains(_TOKEN.id, bindparam("ids", type_=ValueList())))
)


def valid_tokens(session: Session, bearers: Collection[Bearer]) -> set[Bearer]:
    """Return the bearers whose tokens are not revoked, and whose owners are active and have the role that they had.

    Tokens do not change their scopes or expiry, so that a token that was good a moment ago is good if this holds.
    """
    roles: dict[UUID, str | None] = dict(_ROLES_BY_TOKEN(session, {"ids": {bearer.actor.id for bearer in bearers}}))
    return {bearer for bearer in bearers if bearer.actor.id in roles and roles[bearer.actor.id] == bearer.role}


def bad_token_error() -> NotAuthenticated:
    """What one is told whose token is not good, whatever is wrong with it."""
    return NotAuthenticated("bad_token", "This token is unknown, expired or revoked.")


def tokens(session: Session) -> list[ApiToken]:
    """Every token, newest first, with its owner."""
    return list(session.scalars(select(ApiToken).order_by(ApiToken.created_at.desc(), ApiToken.id.desc())))


def token(session: Session, id: UUID) -> ApiToken:
    """One token, with its owner, or raise NotFound."""
    found = session.get(ApiToken, id)
    if found is None:
        raise NotFound("unknown_token", f"There is no token {id}.", "id")
    return found


def token_state(token: ApiToken, now: datetime) -> str:
    """Read revoked, expired, inactive (its owner is deactivated) or active off a token."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at <= now:
        return "expired"
    return "active" if token.user is None or token.user.active else "inactive"

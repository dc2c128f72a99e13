"""People, their sessions, and their failed sign-ins."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.sign_in import FAILURES_COUNT_FOR, NETWORK_IS_FAMILIAR_FOR, RecentFailures, fold_email
from billing_admin.domain.translation import Phrase
from billing_admin.models import FamiliarNetwork, Role, SignInFailure, User, UserSession
from billing_admin.queries.access.second_factors import must_set_up_second_factor


@dataclass(frozen=True, slots=True)
class Credentials:
    """A person, and the hash that a password is checked against."""

    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session and its person.

    `domain.sign_in.SessionLifetime` decides whether it has ended.
    """

    id: UUID
    user_id: UUID
    email: str
    role: str
    password_temporary: bool
    created_at: datetime
    last_seen_at: datetime
    confirmed_at: datetime
    single_sign_on: bool
    theme: str
    density: str
    language: str
    own_permissions: list[str] | None  # of a role that is no built-in one
    must_set_up_second_factor: bool


# In the order of the fields of OpenSession.
_OPEN_SESSION: tuple[Any, ...] = (
    UserSession.id,
    User.id,
    User.email,
    User.role,
    User.password_temporary,
    UserSession.created_at,
    UserSession.last_seen_at,
    UserSession.confirmed_at,
    UserSession.single_sign_on,
    User.theme,
    User.density,
    User.language,
    Role.permissions,
    must_set_up_second_factor(),
)


def people(session: Session) -> Sequence[User]:
    """Return all people, active or not, by e-mail address."""
    return session.scalars(select(User).order_by(User.email)).all()


def user(session: Session, id: UUID) -> User:
    """Return one person.

    Raises:
        NotFound: No person has this id.
    """
    user = session.get(User, id)
    if user is None:
        raise NotFound("unknown_user", Phrase("There is no person with the ID {id}.", id=id), "id")
    return user


def user_by_email(session: Session, email: str) -> User:
    """Return one person by their address.

    Raises:
        NotFound: No person has this address.
    """
    user = session.scalars(select(User).where(User.email == fold_email(email, "email"))).one_or_none()
    if user is None:
        raise NotFound(
            "unknown_user",
            Phrase("There is no person with the address {fold_email}.", fold_email=fold_email(email)),
            "email",
        )
    return user


def session_token_hash(token: str) -> str:
    """Return the hash under which a session's token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def credentials(session: Session, email: str) -> Credentials | None:
    """Return the credentials of an active person, or None."""
    row = session.execute(
        select(User.id, User.password_hash).where(User.email == fold_email(email), User.active)
    ).one_or_none()
    return None if row is None else Credentials(row.id, row.password_hash)


def has_password(session: Session, user_id: UUID) -> bool:
    """Return whether a person has a password."""
    return bool(session.scalar(select(User.password_hash).where(User.id == user_id)))


def open_session(session: Session, token: str) -> OpenSession | None:
    """Return the session of an active person by the browser's token, or None."""
    row = session.execute(
        select(*_OPEN_SESSION)
        .join(UserSession, UserSession.user_id == User.id)
        .outerjoin(Role, Role.name == User.role)
        .where(UserSession.token_hash == session_token_hash(token), User.active)
    ).one_or_none()
    return None if row is None else OpenSession(*row)


def sessions_of(session: Session, user_id: UUID) -> Sequence[UserSession]:
    """Return the sessions of a person, the last used one first; some may have expired."""
    query = select(UserSession).where(UserSession.user_id == user_id)
    return session.scalars(query.order_by(UserSession.last_seen_at.desc(), UserSession.id.desc())).all()


def is_sign_in_throttled(session: Session, email: str, network: str, now: datetime) -> bool:
    """Return whether attempts on an account from a network are refused."""
    address = fold_email(email)
    of_account, from_network = SignInFailure.email == address, SignInFailure.address == network
    counts = session.execute(
        select(
            func.count().filter(of_account, from_network),
            func.count().filter(of_account),
            func.count().filter(from_network),
            func.count(),
        ).where(SignInFailure.at > now - FAILURES_COUNT_FOR)
    ).one()
    failures = RecentFailures(*counts)
    return failures.block(is_familiar=False) and failures.block(
        is_familiar=_is_familiar(session, address, network, now)
    )


def is_network_throttled(session: Session, network: str, now: datetime) -> bool:
    """Return whether attempts from a network are refused for all accounts."""
    from_network = SignInFailure.address == network
    counts = session.execute(
        select(func.count().filter(from_network), func.count()).where(SignInFailure.at > now - FAILURES_COUNT_FOR)
    ).one()
    return RecentFailures(0, 0, *counts).block(is_familiar=False)


def is_network_familiar(session: Session, network: str, now: datetime) -> bool:
    """Return whether anybody signed in from a network lately."""
    query = select(FamiliarNetwork.at).where(
        FamiliarNetwork.address == network, FamiliarNetwork.at > now - NETWORK_IS_FAMILIAR_FOR
    )
    return session.scalars(query.limit(1)).first() is not None


def _is_familiar(session: Session, address: str, network: str, now: datetime) -> bool:
    """Return whether the person signed in from the network lately."""
    query = (
        select(FamiliarNetwork.at)
        .join(User, User.id == FamiliarNetwork.user_id)
        .where(
            User.email == address,
            FamiliarNetwork.address == network,
            FamiliarNetwork.at > now - NETWORK_IS_FAMILIAR_FOR,
        )
    )
    return session.scalar(query) is not None

"""People, the sessions they have open, and their failed attempts to sign in."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.sign_in import (
    FAILURES_COUNT_FOR,
    FAILURES_PER_ACCOUNT_AND_ADDRESS,
    FAILURES_PER_ADDRESS,
    fold_email,
)
from billing_admin.models import SignInFailure, User, UserSession


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is checked against."""

    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session and whose it is; whether it has ended is for `domain.signing_in.Lifetime` to say."""

    user_id: UUID
    email: str
    role: str
    created_at: datetime
    last_seen_at: datetime


def people(session: Session) -> Sequence[User]:
    """Everybody who can or could sign in, by e-mail address."""
    return session.scalars(select(User).order_by(User.email)).all()


def user(session: Session, id: UUID) -> User:
    """One of them, or raise NotFound."""
    found = session.get(User, id)
    if found is None:
        raise NotFound("unknown_user", f"There is no user {id}.", "id")
    return found


def session_token_hash(token: str) -> str:
    """What is stored of a session's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def credentials(session: Session, email: str) -> Credentials | None:
    """What an active person signs in with, or None."""
    found = session.execute(
        select(User.id, User.password_hash).where(User.email == fold_email(email), User.active)
    ).one_or_none()
    return None if found is None else Credentials(*found)


def open_session(session: Session, token: str) -> OpenSession | None:
    """The session of an active person that a browser's token belongs to, or None."""
    found = session.execute(
        select(User.id, User.email, User.role, UserSession.created_at, UserSession.last_seen_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(UserSession.token_hash == session_token_hash(token), User.active)
    ).one_or_none()
    return None if found is None else OpenSession(*found)


def is_sign_in_throttled(session: Session, email: str, network: str, now: datetime) -> bool:
    """Whether too many attempts failed: on this account from this network, or from this network at all."""
    of_account = func.count().filter(SignInFailure.email == fold_email(email))
    in_all, on_account = session.execute(
        select(func.count(), of_account).where(
            SignInFailure.address == network, SignInFailure.at > now - FAILURES_COUNT_FOR
        )
    ).one()
    return bool(in_all >= FAILURES_PER_ADDRESS or on_account >= FAILURES_PER_ACCOUNT_AND_ADDRESS)

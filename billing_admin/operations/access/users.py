"""Create, change, deactivate and activate people, and sign them in and out."""

import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import ROLES, Actor
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.sign_in import FAILURES_COUNT_FOR, check_email, check_password, fold_email, normalise_password
from billing_admin.models import SignInFailure, User, UserSession
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.access.users import Credentials, is_sign_in_throttled, session_token_hash

TOKEN_BYTES = 32
MAX_SESSION_AGE = timedelta(hours=24)

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The hash of a random value: checking it for an unknown e-mail address takes as long as for a known one.
_DECOY_HASH: Final = "$argon2id$v=19$m=19456,t=2,p=1$Q0v7QMYsFJ1lXcGSnCUszQ$Sgc01lX2PfMBiPBA8S0Gv8/1w29U0i0rn1KARNrrkFE"


@dataclass(frozen=True, slots=True)
class VerifiedPassword:
    """Credentials whose password was right.

    `new_hash` is set when the stored hash has outdated parameters.
    """

    credentials: Credentials
    new_hash: str | None


def create_user(session: Session, email: str, password: str, role: str, actor: Actor, now: datetime) -> User:
    """Create a person.

    Raises Invalid for the address, password or role, and Conflict for an address that exists.
    """
    address = check_email(email, "email")
    _check_role(role)
    check_password(password, address, "password")
    if session.scalars(select(User.id).where(User.email == address)).first() is not None:
        raise Conflict("email_taken", f"{address} has already been added.", "email")
    user = User(
        id=new_id(now), email=address, role=role, password_hash=_hash_password(password), active=True, created_at=now
    )
    session.add(user)
    session.flush()
    record(session, actor, now, "user.created", "user", user.id, {"email": address, "role": role})
    return user


def set_password(
    session: Session, user_id: UUID, password: str, actor: Actor, now: datetime, kept_token: str | None = None
) -> None:
    """Change a password, and end all sessions of the person.

    The session with the token `kept_token` does not end.
    """
    user = _lock_user(session, user_id)
    check_password(password, user.email, "password")
    user.password_hash = _hash_password(password)
    session.flush()
    _end_sessions(session, user_id, kept_token)
    record(session, actor, now, "user.password_changed", "user", user_id)


def change_role(session: Session, user_id: UUID, role: str, actor: Actor, now: datetime) -> None:
    """Change the role of a person, and end their sessions.

    Raises Conflict for the last admin.
    """
    _check_role(role)
    user = _lock_user(session, user_id)
    if user.role == role:
        return
    _refuse_last_admin(session, user)
    changed = changed_fields({"role": user.role}, {"role": role})
    user.role = role
    session.flush()
    _end_sessions(session, user_id)
    record(session, actor, now, "user.role_changed", "user", user_id, changed)


def deactivate(session: Session, user_id: UUID, actor: Actor, now: datetime) -> None:
    """Close a person's access, and end their sessions.

    Raises Conflict for the last admin.
    """
    user = _lock_user(session, user_id)
    if not user.active:
        return
    _refuse_last_admin(session, user)
    user.active = False
    session.flush()
    _end_sessions(session, user_id)
    record(session, actor, now, "user.deactivated", "user", user_id)


def activate(session: Session, user_id: UUID, actor: Actor, now: datetime) -> None:
    """Open a person's access again, with the same password."""
    user = _lock_user(session, user_id)
    if user.active:
        return
    user.active = True
    session.flush()
    record(session, actor, now, "user.activated", "user", user_id)


def generate_password() -> str:
    """Return 20 random letters and digits in groups of five (about 100 bits).

    Characters that look alike, such as 0 and o, are not used.
    """
    alphabet = [c for c in string.ascii_lowercase + string.digits if c not in "0o1li"]
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def verify_password(credentials: Credentials | None, password: str) -> VerifiedPassword | None:
    """Check a password against the stored hash, or against a decoy that takes as long.

    Returns None when it is wrong. The check is slow on purpose: call it outside of a transaction.
    """
    try:
        normalised = normalise_password(password)
    except Invalid:
        return None  # it is longer than any stored password
    try:
        _HASHER.verify(credentials.password_hash if credentials else _DECOY_HASH, normalised)
    except (VerificationError, InvalidHashError):
        return None
    if credentials is None:
        return None
    return VerifiedPassword(
        credentials, _HASHER.hash(normalised) if _HASHER.check_needs_rehash(credentials.password_hash) else None
    )


def sign_in(
    session: Session, email: str, verified: VerifiedPassword | None, network: str, request_id: str | None, now: datetime
) -> str | None:
    """Open a session and return its token, or None when the sign-in is refused.

    A refusal is a result, not an error, so that the failed sign-in is committed. A throttled attempt stores nothing,
    so that an attacker cannot fill the database.
    """
    if is_sign_in_throttled(session, email, network, now):
        return None
    user = _find_verified_user(session, verified)
    if verified is None or user is None:
        _record_failure(session, email, network, request_id, now)
        return None
    if verified.new_hash:
        user.password_hash = verified.new_hash
        session.flush()
    _delete_expired(session, user.email, network, now)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(
        insert(UserSession),
        [{"token_hash": session_token_hash(token), "user_id": user.id, "created_at": now, "last_seen_at": now}],
    )
    user_actor = Actor("person", user.id, user.email, ROLES[user.role], request_id)
    record(session, user_actor, now, "user.signed_in", "user", user.id, {"address": network})
    return token


def end_session(session: Session, token: str, actor: Actor, now: datetime, action: str = "user.signed_out") -> None:
    """Delete a session, so that its cookie stops working.

    Does nothing for a session that has ended.
    """
    user_id = session.scalars(
        delete(UserSession).where(UserSession.token_hash == session_token_hash(token)).returning(UserSession.user_id)
    ).one_or_none()
    if user_id is not None:
        record(session, actor, now, action, "user", user_id)


def record_session_use(session: Session, token: str, now: datetime) -> None:
    """Store when a session was last used.

    A use is not an act and has no audit event.
    """
    session.execute(
        update(UserSession).where(UserSession.token_hash == session_token_hash(token)).values(last_seen_at=now)
    )


def _lock_user(session: Session, user_id: UUID) -> User:
    user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
    if user is None:
        raise NotFound("unknown_user", f"There is no person with the ID {user_id}.")
    return user


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Invalid("unknown_role", f"Choose one of the roles {', '.join(ROLES)}.", "role")


def _hash_password(password: str) -> str:
    return _HASHER.hash(normalise_password(password))


def _refuse_last_admin(session: Session, user: User) -> None:
    # Locked in one order: two admins cannot remove each other at the same moment.
    admins = session.scalars(
        select(User.id).where(User.role == "admin", User.active).order_by(User.id).with_for_update()
    ).all()
    if list(admins) == [user.id]:
        raise Conflict("last_admin", "This is the last admin. Make another person an admin first.", "role")


def _end_sessions(session: Session, user_id: UUID, kept_token: str | None = None) -> None:
    deletion = delete(UserSession).where(UserSession.user_id == user_id)
    if kept_token:
        deletion = deletion.where(UserSession.token_hash != session_token_hash(kept_token))
    session.execute(deletion)


def _find_verified_user(session: Session, verified: VerifiedPassword | None) -> User | None:
    """Return the person, or None if they have changed since the check.

    They may have a new password, or have been deactivated.
    """
    if verified is None:
        return None
    credentials = verified.credentials
    return session.scalars(
        select(User).where(User.id == credentials.user_id, User.password_hash == credentials.password_hash, User.active)
    ).one_or_none()


def _record_failure(session: Session, email: str, network: str, request_id: str | None, now: datetime) -> None:
    """Count a failed sign-in.

    The audit event names only an existing person: other input may be a password.
    """
    address = fold_email(email)
    user_id = session.scalars(select(User.id).where(User.email == address)).one_or_none()
    session.execute(insert(SignInFailure), [{"id": new_id(now), "email": address, "address": network, "at": now}])
    anonymous = Actor("person", None, "not signed in", frozenset(), request_id)
    record(session, anonymous, now, "user.sign_in_failed", "user", user_id, {"address": network})


def _delete_expired(session: Session, email: str, network: str, now: datetime) -> None:
    """Delete failures that no longer count, and sessions over the maximum age.

    The failures of this person and network no longer count either.
    """
    session.execute(delete(SignInFailure).where(SignInFailure.at <= now - FAILURES_COUNT_FOR))
    session.execute(delete(SignInFailure).where(SignInFailure.email == email, SignInFailure.address == network))
    session.execute(delete(UserSession).where(UserSession.created_at <= now - MAX_SESSION_AGE))

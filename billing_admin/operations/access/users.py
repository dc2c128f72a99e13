"""People: created, given a role and a password, deactivated and activated; signed in and out."""

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
# The hash of a value nobody knows: an unknown account takes as long as a known one.
_DECOY: Final = "$argon2id$v=19$m=19456,t=2,p=1$Q0v7QMYsFJ1lXcGSnCUszQ$Sgc01lX2PfMBiPBA8S0Gv8/1w29U0i0rn1KARNrrkFE"


@dataclass(frozen=True, slots=True)
class VerifiedPassword:
    """A password was right for these credentials; `fresh_hash` replaces a hash that is weaker than today's."""

    credentials: Credentials
    fresh_hash: str | None


def create_user(session: Session, email: str, password: str, role: str, actor: Actor, now: datetime) -> User:
    """Add a person. Raises Invalid for an address, password or role that will not do, Conflict for an address that is taken."""
    spelled = check_email(email, "email")
    _check_role(role)
    check_password(password, spelled, "password")
    if session.scalars(select(User.id).where(User.email == spelled)).first() is not None:
        raise Conflict("email_taken", f"{spelled} already has an account.", "email")
    user = User(id=new_id(now), email=spelled, role=role, password_hash=_hashed(password), active=True, created_at=now)
    session.add(user)
    session.flush()
    record(session, actor, now, "user.created", "user", user.id, {"email": spelled, "role": role})
    return user


def set_password(
    session: Session, user_id: UUID, password: str, actor: Actor, now: datetime, keep: str | None = None
) -> None:
    """Change a password. Every session of the person ends, but the one whose token is `keep`."""
    user = _user(session, user_id)
    check_password(password, user.email, "password")
    user.password_hash = _hashed(password)
    session.flush()
    _end_sessions(session, user_id, keep)
    record(session, actor, now, "user.password_changed", "user", user_id)


def change_role(session: Session, user_id: UUID, role: str, actor: Actor, now: datetime) -> None:
    """Give a person another role; their sessions end. Raises Conflict for the last admin."""
    _check_role(role)
    user = _user(session, user_id)
    if user.role == role:
        return
    _refuse_last_admin(session, user)
    changed = changed_fields({"role": user.role}, {"role": role})
    user.role = role
    session.flush()
    _end_sessions(session, user_id)
    record(session, actor, now, "user.role_changed", "user", user_id, changed)


def deactivate(session: Session, user_id: UUID, actor: Actor, now: datetime) -> None:
    """Close a person's account, and end their sessions. Raises Conflict for the last admin."""
    user = _user(session, user_id)
    if not user.active:
        return
    _refuse_last_admin(session, user)
    user.active = False
    session.flush()
    _end_sessions(session, user_id)
    record(session, actor, now, "user.deactivated", "user", user_id)


def activate(session: Session, user_id: UUID, actor: Actor, now: datetime) -> None:
    """Open a closed account again, with the password it had."""
    user = _user(session, user_id)
    if user.active:
        return
    user.active = True
    session.flush()
    record(session, actor, now, "user.activated", "user", user_id)


def generate_password() -> str:
    """Twenty letters and digits that are not taken for one another: 100 bits or so."""
    alphabet = [c for c in string.ascii_lowercase + string.digits if c not in "0o1li"]
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def verify_password(known: Credentials | None, password: str) -> VerifiedPassword | None:
    """Check a password against what is stored, or against a decoy that takes as long. It is slow: do it outside a transaction."""
    try:
        spelled = normalise_password(password)
    except Invalid:
        return None  # no account's password is as long
    try:
        _HASHER.verify(known.password_hash if known else _DECOY, spelled)
    except (VerificationError, InvalidHashError):
        return None
    if known is None:
        return None
    return VerifiedPassword(known, _HASHER.hash(spelled) if _HASHER.check_needs_rehash(known.password_hash) else None)


def sign_in(
    session: Session, email: str, proof: VerifiedPassword | None, network: str, request_id: str | None, now: datetime
) -> str | None:
    """Open a session and return its token, or None when that is refused; a refusal is a result, so that it is stored, too.

    Nothing is stored for an attempt that is throttled: what an attacker can write is bounded.
    """
    if is_sign_in_throttled(session, email, network, now):
        return None
    user = _proven(session, proof)
    if proof is None or user is None:
        _note_failure(session, email, network, request_id, now)
        return None
    if proof.fresh_hash:
        user.password_hash = proof.fresh_hash
        session.flush()
    _tidy_up(session, user.email, network, now)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(
        insert(UserSession),
        [{"token_hash": session_token_hash(token), "user_id": user.id, "created_at": now, "last_seen_at": now}],
    )
    person = Actor("person", user.id, user.email, ROLES[user.role], request_id)
    record(session, person, now, "user.signed_in", "user", user.id, {"address": network})
    return token


def end_session(session: Session, token: str, actor: Actor, now: datetime, action: str = "user.signed_out") -> None:
    """Forget a session: its cookie is worth nothing from here on. Ending one that has ended is fine."""
    ended = session.scalars(
        delete(UserSession).where(UserSession.token_hash == session_token_hash(token)).returning(UserSession.user_id)
    ).one_or_none()
    if ended is not None:
        record(session, actor, now, action, "user", ended)


def record_session_use(session: Session, token: str, now: datetime) -> None:
    """Note that a session is in use. This alone has no audit event: it is no act."""
    session.execute(
        update(UserSession).where(UserSession.token_hash == session_token_hash(token)).values(last_seen_at=now)
    )


def _user(session: Session, user_id: UUID) -> User:
    user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
    if user is None:
        raise NotFound("unknown_user", f"There is no user {user_id}.")
    return user


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Invalid("unknown_role", f"Choose one of the roles {', '.join(ROLES)}.", "role")


def _hashed(password: str) -> str:
    return _HASHER.hash(normalise_password(password))


def _refuse_last_admin(session: Session, user: User) -> None:
    """The admins are locked in one order, so that two of them cannot remove each other at the same moment."""
    admins = session.scalars(
        select(User.id).where(User.role == "admin", User.active).order_by(User.id).with_for_update()
    ).all()
    if list(admins) == [user.id]:
        raise Conflict("last_admin", "This is the last admin. Make another person an admin first.", "role")


def _end_sessions(session: Session, user_id: UUID, keep: str | None = None) -> None:
    ended = delete(UserSession).where(UserSession.user_id == user_id)
    session.execute(ended.where(UserSession.token_hash != session_token_hash(keep)) if keep else ended)


def _proven(session: Session, proof: VerifiedPassword | None) -> User | None:
    """The person whom the proof is for, unless their password or their account changed since it was checked."""
    if proof is None:
        return None
    stored = proof.credentials
    return session.scalars(
        select(User).where(User.id == stored.user_id, User.password_hash == stored.password_hash, User.active)
    ).one_or_none()


def _note_failure(session: Session, email: str, network: str, request_id: str | None, now: datetime) -> None:
    """Count it, and name the account in the audit log if there is one: else what was typed may well be a password."""
    typed = fold_email(email)
    known = session.scalars(select(User.id).where(User.email == typed)).one_or_none()
    session.execute(insert(SignInFailure), [{"id": new_id(now), "email": typed, "address": network, "at": now}])
    nobody = Actor("person", None, "not signed in", frozenset(), request_id)
    record(session, nobody, now, "user.sign_in_failed", "user", known, {"address": network})


def _tidy_up(session: Session, email: str, network: str, now: datetime) -> None:
    """Forget what no longer counts: old failures and this person's own, and sessions that outlived any limit."""
    session.execute(delete(SignInFailure).where(SignInFailure.at <= now - FAILURES_COUNT_FOR))
    session.execute(delete(SignInFailure).where(SignInFailure.email == email, SignInFailure.address == network))
    session.execute(delete(UserSession).where(UserSession.created_at <= now - MAX_SESSION_AGE))

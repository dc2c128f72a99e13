"""Create, change, deactivate and activate people, and sign them in and out."""

import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain import languages
from billing_admin.domain.access import ADMIN, ROLES, Actor
from billing_admin.domain.appearance import Density, Theme
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.sign_in import (
    FAILURES_COUNT_FOR,
    NETWORK_IS_FAMILIAR_FOR,
    PendingSignIn,
    check_email,
    check_password,
    fold_email,
    normalise_password,
    password_fingerprint,
)
from billing_admin.domain.text import strip_controls
from billing_admin.domain.translation import Phrase
from billing_admin.models import ApiToken, FamiliarNetwork, ProviderAccount, Role, SignInFailure, User, UserSession
from billing_admin.operations.access.tokens import revoke
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.jobs import stop_unauthorised
from billing_admin.queries.access.roles import permissions_of, roles_in_use
from billing_admin.queries.access.second_factors import second_factors
from billing_admin.queries.access.users import (
    Credentials,
    is_network_throttled,
    is_sign_in_throttled,
    session_token_hash,
)
from billing_admin.queries.master_data.organisation import organisation

TOKEN_BYTES = 32
MAX_SESSION_AGE = timedelta(hours=24)
MAX_USER_AGENT_LENGTH: Final = 300

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


def create_user(
    session: Session,
    email: str,
    password: str | None,
    role: str,
    actor: Actor,
    now: datetime,
    *,
    temporary: bool = False,
) -> User:
    """Create a person.

    Without a password they cannot sign in until they choose one by a link. `temporary`: they must change the password after
    they sign in. Raises Invalid for the address, password or role, Denied for a role with more rights than the actor has,
    and Conflict for an address that exists.
    """
    address = check_email(email, "email")
    _check_role(session, role, actor)
    if password is not None:
        _check_new_password(session, password, address)
    if session.scalars(select(User.id).where(User.email == address)).first() is not None:
        raise Conflict("email_taken", Phrase("{address} has already been added.", address=address), "email")
    user = User(
        id=new_id(now),
        email=address,
        role=role,
        password_hash="" if password is None else _hash_password(password),
        password_temporary=temporary,
        active=True,
        created_at=now,
    )
    session.add(user)
    session.flush()
    record(session, actor, now, "user.created", "user", user.id, {"email": address, "role": role})
    return user


def set_password(
    session: Session,
    user_id: UUID,
    password: str,
    actor: Actor,
    now: datetime,
    *,
    temporary: bool = True,
    revoked_tokens: Collection[UUID] = (),
) -> None:
    """Set the password of another person, and end their sessions.

    `temporary`: they must change it after they sign in. `revoked_tokens`: those of their API tokens to revoke.
    """
    user = lock_user(session, user_id)
    check_permissions_over(session, user, actor)
    _check_new_password(session, password, user.email)
    _store_password(session, user, password, temporary=temporary)
    record(session, actor, now, "user.password_changed", "user", user_id)
    _revoke_tokens(session, user_id, revoked_tokens, actor, now)


def choose_password(session: Session, user_id: UUID, password: str, request_id: str | None, now: datetime) -> None:
    """Store the password that a person chose by a link, and end their sessions.

    Raises Conflict for a deactivated person, and Invalid for the password.
    """
    user = lock_user(session, user_id)
    if not user.active:
        raise _account_changed()
    _check_new_password(session, password, user.email)
    _store_password(session, user, password, temporary=False)
    record(
        session,
        Actor("person", user.id, user.email, frozenset(), request_id),
        now,
        "user.password_changed",
        "user",
        user.id,
    )


def change_appearance(
    session: Session, theme: Theme | None, density: Density | None, language: str | None, actor: Actor, now: datetime
) -> None:
    """Store look and language of pages for the actor; None leaves a value as it is.

    `language` is one of `PAGE_LANGUAGES`, or '' for that of the browser. Raises Invalid for another one.
    """
    if language and language not in languages.PAGE_LANGUAGES:
        raise Invalid(
            "unknown_language",
            Phrase("Choose one of the languages {languages}.", languages=", ".join(languages.PAGE_LANGUAGES.values())),
            "language",
        )
    user = session.scalars(select(User).where(User.id == actor.id).with_for_update()).one()
    stored = {"theme": user.theme, "density": user.density, "language": user.language}
    chosen = {"theme": theme and theme.value, "density": density and density.value, "language": language}
    changes = changed_fields(stored, {name: value for name, value in chosen.items() if value is not None})
    if changes:
        for name, (_, value) in changes.items():
            setattr(user, name, value)
        record(session, actor, now, "user.appearance_changed", "user", user.id, changes)


def change_own_password(
    session: Session,
    verified: VerifiedPassword | None,
    password: str,
    network: str,
    actor: Actor,
    now: datetime,
    *,
    user_agent: str = "",
) -> str | None:
    """Change the password of the actor, and end all their sessions.

    Returns the token of a new session, or None when the current password is wrong or attempts are throttled: as a
    result, not an error, so that the failure is committed. Raises Conflict for an account that was closed meanwhile, or
    whose password was changed.
    """
    user = _find_verified_actor(session, verified, network, actor, now)
    if user is None:
        return None
    _check_new_password(session, password, user.email)
    _store_password(session, user, password, temporary=False)
    record(session, actor, now, "user.password_changed", "user", user.id)
    return _open_session(session, user.id, network, user_agent, now)


def confirm_identity(
    session: Session, token: str, verified: VerifiedPassword | None, network: str, actor: Actor, now: datetime
) -> str | None:
    """Record that the actor confirmed their identity, and renew their session.

    Returns the session's new token, or None when the password is wrong or attempts are throttled. Raises Conflict for an
    account or a session that was closed meanwhile.
    """
    user = _find_verified_actor(session, verified, network, actor, now)
    return None if user is None else renew_session(session, token, actor, now)


def renew_session(session: Session, token: str, actor: Actor, now: datetime) -> str:
    """Give a session whose person confirmed their identity a new token, and return it.

    Raises Conflict for a session that has ended.
    """
    new_token = secrets.token_urlsafe(TOKEN_BYTES)
    renewed = session.scalars(
        update(UserSession)
        .where(UserSession.token_hash == session_token_hash(token), UserSession.user_id == actor.id)
        .values(token_hash=session_token_hash(new_token), confirmed_at=now, last_seen_at=now)
        .returning(UserSession.id)
    ).one_or_none()
    if renewed is None:
        raise _account_changed()
    record(session, actor, now, "user.identity_confirmed", "user", actor.id)
    return new_token


def change_role(session: Session, user_id: UUID, role: str, actor: Actor, now: datetime) -> None:
    """Change the role of a person, and end their sessions.

    Jobs that need the former role stop. Raises Conflict for the last admin, and Denied if either role has more rights
    than the actor.
    """
    _check_role(session, role, actor)
    user = lock_user(session, user_id)
    if user.role == role:
        return
    check_permissions_over(session, user, actor)
    refuse_last_admin(session, user)
    changed = changed_fields({"role": user.role}, {"role": role})
    user.role = role
    session.flush()
    _end_sessions(session, user_id)
    record(session, actor, now, "user.role_changed", "user", user_id, changed)
    stop_unauthorised(session, actor, now)


def deactivate(
    session: Session, user_id: UUID, actor: Actor, now: datetime, *, revoked_tokens: Collection[UUID] = ()
) -> None:
    """Close a person's access, end their sessions, and stop their jobs.

    `revoked_tokens`: those of their API tokens to revoke. The others work again
    when the person is activated. Raises Conflict for the last admin, and Denied
    for a person with more rights than the actor.
    """
    user = lock_user(session, user_id)
    if not user.active:
        return
    check_permissions_over(session, user, actor)
    refuse_last_admin(session, user)
    user.active = False
    session.flush()
    _end_sessions(session, user_id)
    record(session, actor, now, "user.deactivated", "user", user_id)
    _revoke_tokens(session, user_id, revoked_tokens, actor, now)
    stop_unauthorised(session, actor, now)


def activate(session: Session, user_id: UUID, actor: Actor, now: datetime) -> None:
    """Open a person's access again, with the same password."""
    user = lock_user(session, user_id)
    if user.active:
        return
    check_permissions_over(session, user, actor)
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
    stored = credentials.password_hash if credentials else ""  # a person who was invited has none
    try:
        _HASHER.verify(stored or _DECOY_HASH, normalised)
    except (VerificationError, InvalidHashError):
        return None
    if credentials is None or not stored:
        return None
    return VerifiedPassword(
        credentials, _HASHER.hash(normalised) if _HASHER.check_needs_rehash(credentials.password_hash) else None
    )


def sign_in(
    session: Session,
    email: str,
    verified: VerifiedPassword | None,
    network: str,
    request_id: str | None,
    now: datetime,
    *,
    user_agent: str = "",
) -> str | PendingSignIn | None:
    """Open a session and return its token, or None when the sign-in is refused.

    A person with a second factor gets a pending sign-in instead of a session. Their failures still count until the
    second factor is right too. A refusal is a result, not an error, so that the failed sign-in is committed. A throttled
    attempt stores nothing, so that an attacker cannot fill the database.
    """
    if is_sign_in_throttled(session, email, network, now):
        return None
    user = _find_verified_user(session, verified)
    if verified is None or user is None:
        record_failure(session, email, network, request_id, now)
        return None
    if verified.new_hash:
        user.password_hash = verified.new_hash
        session.flush()
    if second_factors(session, user.id):
        return PendingSignIn(user.id, password_fingerprint(user.password_hash))
    return finish_sign_in(session, user, network, request_id, now, user_agent=user_agent)


def finish_sign_in(
    session: Session,
    user: User,
    network: str,
    request_id: str | None,
    now: datetime,
    *,
    user_agent: str,
    single_sign_on: bool = False,
    **details: str,
) -> str:
    """Open a session for a person who proved who they are, and return its token.

    `details` are those of the audit event. `single_sign_on`: they did so at the identity provider.
    """
    _delete_expired(session, now)
    session.execute(delete(SignInFailure).where(SignInFailure.email == user.email, SignInFailure.address == network))
    session.merge(FamiliarNetwork(user_id=user.id, address=network, at=now))
    session.flush()
    token = _open_session(session, user.id, network, user_agent, now, single_sign_on=single_sign_on)
    if single_sign_on:
        details["method"] = "single sign-on"
    user_actor = Actor("person", user.id, user.email, permissions_of(session, user.role), request_id)
    record(session, user_actor, now, "user.signed_in", "user", user.id, {"address": network} | details)
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


def end_session_by_id(session: Session, user_id: UUID, id: UUID, actor: Actor, now: datetime) -> bool:
    """End a session of a person, and return whether it existed."""
    ended = session.scalars(
        delete(UserSession).where(UserSession.id == id, UserSession.user_id == user_id).returning(UserSession.id)
    ).all()
    if ended:
        record(session, actor, now, "user.sessions_ended", "user", user_id, {"count": 1})
    return bool(ended)


def end_sessions(session: Session, user_id: UUID, actor: Actor, now: datetime, *, kept_id: UUID | None = None) -> int:
    """End the sessions of a person except one, and return their number."""
    sessions = delete(UserSession).where(UserSession.user_id == user_id)
    if kept_id is not None:
        sessions = sessions.where(UserSession.id != kept_id)
    count = len(session.scalars(sessions.returning(UserSession.id)).all())
    if count:
        record(session, actor, now, "user.sessions_ended", "user", user_id, {"count": count})
    return count


def record_session_use(session: Session, token: str, now: datetime) -> None:
    """Store when a session was last used.

    A use is not an act and has no audit event.
    """
    session.execute(
        update(UserSession).where(UserSession.token_hash == session_token_hash(token)).values(last_seen_at=now)
    )


def check_permissions_over(session: Session, user: User, actor: Actor) -> None:
    """Check that the actor has all rights of a person whose access is changed.

    Otherwise they could get these rights with a new password of the person.
    """
    actor.require_all(permissions_of(session, user.role), "role")


def lock_user(session: Session, user_id: UUID) -> User:
    """Return a person, whose row is locked.

    Raises:
        NotFound: No person has this id.
    """
    user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
    if user is None:
        raise NotFound("unknown_user", Phrase("There is no person with the ID {user_id}.", user_id=user_id))
    return user


def _check_role(session: Session, role: str, actor: Actor) -> None:
    """Check that a role can be given, and lock it against a change at the same moment."""
    locked = select(Role.permissions).where(Role.name == role, Role.archived_at.is_(None)).with_for_update(read=True)
    permissions = ROLES.get(role) or session.scalar(locked)
    if permissions is None:
        names = ", ".join(in_use.key for in_use in roles_in_use(session))
        raise Invalid("unknown_role", Phrase("Choose one of the roles {roles}.", roles=names), "role")
    actor.require_all(permissions, "role")


def _hash_password(password: str) -> str:
    return _HASHER.hash(normalise_password(password))


def refuse_last_admin(session: Session, user: User) -> None:
    """Check that a person is not the only admin who can sign in.

    An admin who was invited and has neither a password nor an account at the identity provider does not count. Raises
    Conflict.
    """
    # Locked in one order: two admins cannot remove each other at the same moment.
    has_account = select(ProviderAccount.user_id).where(ProviderAccount.user_id == User.id).exists()
    admins = session.scalars(
        select(User.id)
        .where(User.role == ADMIN, User.active, or_(User.password_hash != "", has_account))
        .order_by(User.id)
        .with_for_update()
    ).all()
    if list(admins) == [user.id]:
        raise Conflict("last_admin", Phrase("This is the last admin. Make another person an admin first."), "role")


def _check_new_password(session: Session, password: str, address: str) -> None:
    check_password(password, address, "password", organisation=organisation(session).legal_name)


def _store_password(session: Session, user: User, password: str, *, temporary: bool) -> None:
    """Store a password and end the person's sessions."""
    user.password_hash, user.password_temporary = _hash_password(password), temporary
    session.flush()
    _end_sessions(session, user.id)


def _open_session(
    session: Session, user_id: UUID, network: str, user_agent: str, now: datetime, *, single_sign_on: bool = False
) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = {
        "id": new_id(now),
        "token_hash": session_token_hash(token),
        "user_id": user_id,
        "created_at": now,
        "last_seen_at": now,
        "confirmed_at": now,
        "user_agent": strip_controls(user_agent)[:MAX_USER_AGENT_LENGTH],
        "address": network,
        "single_sign_on": single_sign_on,
    }
    session.execute(insert(UserSession), [row])
    return token


def _end_sessions(session: Session, user_id: UUID) -> None:
    session.execute(delete(UserSession).where(UserSession.user_id == user_id))


def _revoke_tokens(session: Session, user_id: UUID, token_ids: Collection[UUID], actor: Actor, now: datetime) -> None:
    """Revoke those of the tokens that belong to the person."""
    if token_ids:
        actor.require("tokens:write")
        query = select(ApiToken.id).where(ApiToken.user_id == user_id, ApiToken.id.in_(token_ids))
        for id in session.scalars(query.order_by(ApiToken.id)).all():
            revoke(session, id, actor, now)


def _find_verified_actor(
    session: Session, verified: VerifiedPassword | None, network: str, actor: Actor, now: datetime
) -> User | None:
    """Return the actor's row after a check of their password.

    Returns None, and counts a failure, if the password was wrong or attempts are throttled. Raises Conflict for an
    account that was closed meanwhile, or whose password was changed.
    """
    if is_sign_in_throttled(session, actor.name, network, now):
        return None
    if verified is None:
        _store_failure(session, actor.name, network, now)
        record(session, actor, now, "user.password_check_failed", "user", actor.id, {"address": network})
        return None
    user = _find_verified_user(session, verified)
    if user is None:
        raise _account_changed()
    return user


def _account_changed() -> Conflict:
    return Conflict(
        "account_changed",
        Phrase("Your account was deactivated or has a new password. Sign in again, or ask an admin."),
    )


def _find_verified_user(session: Session, verified: VerifiedPassword | None) -> User | None:
    """Return the person, or None if they have changed since the check.

    They may have a new password, or have been deactivated. The row is locked, so that a change at the same moment either
    prevents the session that is opened, or ends it.
    """
    if verified is None:
        return None
    credentials = verified.credentials
    return session.scalars(
        select(User)
        .where(User.id == credentials.user_id, User.password_hash == credentials.password_hash, User.active)
        .with_for_update()
    ).one_or_none()


def record_failure(
    session: Session,
    email: str,
    network: str,
    request_id: str | None,
    now: datetime,
    action: str = "user.sign_in_failed",
) -> None:
    """Count a failed sign-in against the account and the network.

    The audit event names only an existing person: other input may be a password.
    """
    address = fold_email(email)
    user_id = session.scalars(select(User.id).where(User.email == address)).one_or_none()
    _store_failure(session, address, network, now)
    record(session, not_signed_in(request_id), now, action, "user", user_id, {"address": network})


def record_provider_failure(
    session: Session, user_id: UUID | None, reason: str, network: str, request_id: str | None, now: datetime
) -> None:
    """Count a failed single sign-on against the network alone.

    So an account cannot be blocked by what happens at the identity provider. `user_id`: the person, if that is known. A
    throttled attempt stores nothing, so that an attacker cannot fill the database.
    """
    if is_network_throttled(session, network, now):
        return
    _store_failure(session, "", network, now)
    details = {"address": network, "reason": reason}
    record(session, not_signed_in(request_id), now, "user.single_sign_on_failed", "user", user_id, details)


def not_signed_in(request_id: str | None) -> Actor:
    """Return the actor of a request by somebody who is not signed in."""
    return Actor("person", None, "not signed in", frozenset(), request_id)


def _store_failure(session: Session, address: str, network: str, now: datetime) -> None:
    _delete_expired(session, now)
    session.execute(insert(SignInFailure), [{"id": new_id(now), "email": address, "address": network, "at": now}])


def _delete_expired(session: Session, now: datetime) -> None:
    """Delete failures, networks and sessions that no longer count."""
    session.execute(delete(SignInFailure).where(SignInFailure.at <= now - FAILURES_COUNT_FOR))
    session.execute(delete(FamiliarNetwork).where(FamiliarNetwork.at <= now - NETWORK_IS_FAMILIAR_FOR))
    session.execute(delete(UserSession).where(UserSession.created_at <= now - MAX_SESSION_AGE))

"""Set up and remove second factors, and accept their codes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.authenticator import (
    RECOVERY_ALPHABET,
    RECOVERY_CODES,
    RECOVERY_GROUP_LENGTH,
    RECOVERY_GROUPS,
    authenticator_secret,
    matching_step,
    recovery_code_hash,
)
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.passkeys import Ceremony, check_passkey_count
from billing_admin.domain.sign_in import PendingSignIn
from billing_admin.domain.text import check_not_blank
from billing_admin.domain.translation import Phrase
from billing_admin.formats.passkeys import check_assertion, check_new_credential, credential_id, refused_passkey
from billing_admin.models import AuthenticatorApp, Organisation, Passkey, RecoveryCode, User
from billing_admin.operations.access.users import (
    check_permissions_over,
    end_sessions,
    finish_sign_in,
    lock_user,
    record_failure,
)
from billing_admin.operations.audit import record
from billing_admin.queries.access.roles import permissions_of
from billing_admin.queries.access.second_factors import passkey, pending_email, second_factors
from billing_admin.queries.access.users import is_sign_in_throttled

SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class CodeAttempt:
    """A code that a person typed, its network, and the installation's key."""

    code: str = field(repr=False)
    network: str
    key: str = field(repr=False)


def generate_salt() -> str:
    """Return the random salt of a new authenticator app."""
    return secrets.token_hex(SALT_BYTES)


def set_up_authenticator(
    session: Session, salt: str, code: str, current: CodeAttempt, session_id: UUID, actor: Actor, now: datetime
) -> Sequence[str] | None:
    """Set up the actor's authenticator app, and end their other sessions.

    `code` is one of the new app. A person with a second factor must also give a current code: None is returned, and a
    failure counted, if it is wrong or attempts are throttled. Otherwise returns new recovery codes, which are not
    stored. Raises Invalid for a wrong code of the new app.
    """
    user = lock_user(session, _person(actor))
    step = matching_step(authenticator_secret(current.key, user.id, salt), code, now, last_step=0)
    if step is None:
        raise Invalid(
            "wrong_code",
            Phrase("This is not the code that your app should show now. Check the clock of your phone, and try again."),
            "code",
        )
    replaces = bool(second_factors(session, user.id))
    if replaces and not _use_code(session, user, current, actor, now):
        return None
    session.execute(delete(AuthenticatorApp).where(AuthenticatorApp.user_id == user.id))
    row = {"user_id": user.id, "salt": salt, "last_step": step, "created_at": now}
    session.execute(insert(AuthenticatorApp), [row])
    end_sessions(session, user.id, actor, now, kept_id=session_id)
    record(
        session, actor, now, "user.authenticator_replaced" if replaces else "user.authenticator_set_up", "user", user.id
    )
    return _new_recovery_codes(session, user.id)


def remove_authenticator(session: Session, current: CodeAttempt, session_id: UUID, actor: Actor, now: datetime) -> bool:
    """Remove the actor's authenticator app, and end their other sessions.

    Returns False if the code is wrong or attempts are throttled.
    """
    user = lock_user(session, _person(actor))
    if not _use_code(session, user, current, actor, now):
        return False
    session.execute(delete(AuthenticatorApp).where(AuthenticatorApp.user_id == user.id))
    _remove_useless_codes(session, user.id)
    end_sessions(session, user.id, actor, now, kept_id=session_id)
    record(session, actor, now, "user.authenticator_removed", "user", user.id)
    return True


def renew_recovery_codes(
    session: Session, current: CodeAttempt, session_id: UUID, actor: Actor, now: datetime
) -> Sequence[str] | None:
    """Replace the actor's recovery codes, and end their other sessions.

    Returns None if the code is wrong or attempts are throttled.
    """
    user = lock_user(session, _person(actor))
    if not _use_code(session, user, current, actor, now):
        return None
    end_sessions(session, user.id, actor, now, kept_id=session_id)
    record(session, actor, now, "user.recovery_codes_renewed", "user", user.id)
    return _new_recovery_codes(session, user.id)


def remove_second_factors(session: Session, user_id: UUID, actor: Actor, now: datetime) -> bool:
    """Remove all second factors of another person, and end their sessions.

    Returns whether they had one. Raises Conflict for the actor's own, and Denied for a person with more rights.
    """
    if user_id == actor.id:
        raise Conflict(
            "own_second_factors", Phrase("Remove your own second factor on the page “Security” of your settings.")
        )
    user = lock_user(session, user_id)
    check_permissions_over(session, user, actor)
    if not second_factors(session, user.id):
        return False
    session.execute(delete(AuthenticatorApp).where(AuthenticatorApp.user_id == user.id))
    session.execute(delete(Passkey).where(Passkey.user_id == user.id))
    _remove_useless_codes(session, user.id)
    end_sessions(session, user.id, actor, now)
    record(session, actor, now, "user.second_factors_removed", "user", user.id)
    return True


def require_second_factor(session: Session, required: bool, actor: Actor, now: datetime) -> None:
    """Set whether everyone must have a second factor."""
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    if organisation.requires_second_factor != required:
        session.execute(update(Organisation).values(requires_second_factor=required))
        changes = {"requires_second_factor": [not required, required]}
        record(session, actor, now, "organisation.second_factor_rule_changed", "organisation", None, changes)


def complete_sign_in(
    session: Session,
    pending: PendingSignIn,
    current: CodeAttempt,
    request_id: str | None,
    now: datetime,
    *,
    user_agent: str = "",
) -> str | None:
    """Open the session of a pending sign-in and return its token.

    Returns None if the code is wrong, attempts are throttled, or the person has changed since.
    """
    user = session.scalars(select(User).where(User.id == pending.user_id).with_for_update()).one_or_none()
    if user is None or pending_email(session, pending) is None:
        return None
    actor = Actor("person", user.id, user.email, permissions_of(session, user.role), request_id)
    if not _use_code(session, user, current, actor, now):
        return None
    return finish_sign_in(
        *(session, user, current.network, request_id, now),
        user_agent=user_agent,
        single_sign_on=pending.single_sign_on,
    )


def add_passkey(
    session: Session, name: str, answer: str, ceremony: Ceremony, session_id: UUID, actor: Actor, now: datetime
) -> Sequence[str]:
    """Add a passkey of the actor, and end their other sessions.

    Returns new recovery codes if it is their first second factor. Raises Invalid for an answer of the browser that is
    refused, and Conflict for a passkey that exists or one too many.
    """
    user = lock_user(session, _person(actor))
    name = check_not_blank(name, "name")
    credential = check_new_credential(answer, ceremony)
    if not ceremony.is_valid(now):
        raise refused_passkey()
    factors = second_factors(session, user.id)
    check_passkey_count(factors.passkeys)
    if session.scalars(select(Passkey.id).where(Passkey.credential_id == credential.credential_id)).first() is not None:
        raise Conflict("passkey_exists", Phrase("This passkey has been added already."))
    row = Passkey(
        id=new_id(now),
        user_id=user.id,
        credential_id=credential.credential_id,
        public_key=credential.public_key,
        sign_count=credential.sign_count,
        name=name,
        created_at=now,
    )
    session.add(row)
    session.flush()
    end_sessions(session, user.id, actor, now, kept_id=session_id)
    record(session, actor, now, "user.passkey_added", "user", user.id, {"name": name})
    return () if factors else _new_recovery_codes(session, user.id)


def remove_passkey(
    session: Session, id: UUID, current: CodeAttempt, session_id: UUID, actor: Actor, now: datetime
) -> bool:
    """Remove a passkey of the actor, and end their other sessions.

    Returns False if the code is wrong or attempts are throttled. Raises NotFound for an unknown passkey.
    """
    user = lock_user(session, _person(actor))
    row = passkey(session, user.id, id)
    if not _use_code(session, user, current, actor, now):
        return False
    name = row.name
    session.execute(delete(Passkey).where(Passkey.id == id))
    _remove_useless_codes(session, user.id)
    end_sessions(session, user.id, actor, now, kept_id=session_id)
    record(session, actor, now, "user.passkey_removed", "user", user.id, {"name": name})
    return True


def sign_in_with_passkey(
    session: Session,
    answer: str,
    ceremony: Ceremony,
    network: str,
    request_id: str | None,
    now: datetime,
    *,
    user_agent: str = "",
) -> str:
    """Open the session of the person of a passkey, and return its token.

    The device verified the person, so that a passkey counts as password and second factor. Raises Invalid for an answer
    that is refused.
    """
    pair = session.execute(
        select(Passkey, User)
        .join(User, User.id == Passkey.user_id)
        .where(Passkey.credential_id == credential_id(answer), User.active)
        .with_for_update()
    ).one_or_none()
    if pair is None or not ceremony.is_valid(now) or not ceremony.is_newer_than(pair.Passkey.last_used_at):
        raise refused_passkey()
    row, user = pair
    row.sign_count = check_assertion(answer, ceremony, row.public_key, row.sign_count)
    row.last_used_at = now
    session.flush()
    return finish_sign_in(session, user, network, request_id, now, user_agent=user_agent, passkey=row.name)


def _remove_useless_codes(session: Session, user_id: UUID) -> None:
    """Remove the recovery codes of a person without a second factor."""
    if not second_factors(session, user_id):
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _use_code(session: Session, user: User, current: CodeAttempt, actor: Actor, now: datetime) -> bool:
    """Return whether a code is right; then it does not work again.

    A wrong one counts as a failed attempt. The person's row is locked, so that two requests cannot use one code.
    """
    if is_sign_in_throttled(session, user.email, current.network, now):
        return False
    if _use_app_code(session, user.id, current, now):
        return True
    used = delete(RecoveryCode).where(
        RecoveryCode.user_id == user.id, RecoveryCode.code_hash == recovery_code_hash(current.code)
    )
    if session.scalars(used.returning(RecoveryCode.user_id)).one_or_none() is not None:
        remaining = second_factors(session, user.id).recovery_codes
        record(session, actor, now, "user.recovery_code_used", "user", user.id, {"remaining": remaining})
        return True
    record_failure(session, user.email, current.network, actor.request_id, now, "user.second_factor_failed")
    return False


def _use_app_code(session: Session, user_id: UUID, current: CodeAttempt, now: datetime) -> bool:
    app = session.get(AuthenticatorApp, user_id)
    if app is None:
        return False
    step = matching_step(authenticator_secret(current.key, user_id, app.salt), current.code, now, app.last_step)
    if step is None:
        return False
    app.last_step = step
    session.flush()
    return True


def _new_recovery_codes(session: Session, user_id: UUID) -> Sequence[str]:
    """Replace the recovery codes of a person and return them."""
    codes = [_generate_recovery_code() for _ in range(RECOVERY_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(
        insert(RecoveryCode), [{"user_id": user_id, "code_hash": recovery_code_hash(code)} for code in codes]
    )
    return codes


def _generate_recovery_code() -> str:
    groups = (
        "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_GROUP_LENGTH)) for _ in range(RECOVERY_GROUPS)
    )
    return "-".join(groups)


def _person(actor: Actor) -> UUID:
    if actor.id is None:
        raise Conflict("no_person", Phrase("Only people have second factors."))
    return actor.id

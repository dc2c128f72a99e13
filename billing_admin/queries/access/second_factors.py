"""Second factors of people."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, not_, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.sign_in import PendingSignIn, password_fingerprint
from billing_admin.domain.translation import Phrase
from billing_admin.models import AuthenticatorApp, Organisation, Passkey, RecoveryCode, User


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """The second factors of a person, and the number of recovery codes that are left."""

    app_since: datetime | None
    recovery_codes: int
    passkeys: int

    def __bool__(self) -> bool:
        """Return whether the person has a second factor."""
        return self.app_since is not None or self.passkeys > 0


def second_factors(session: Session, user_id: UUID) -> SecondFactors:
    """Return the second factors of a person."""
    codes = select(func.count()).where(RecoveryCode.user_id == user_id).scalar_subquery()
    app_since = select(AuthenticatorApp.created_at).where(AuthenticatorApp.user_id == user_id).scalar_subquery()
    passkeys = select(func.count()).where(Passkey.user_id == user_id).scalar_subquery()
    return SecondFactors(*session.execute(select(app_since, codes, passkeys)).one())


def people_with_second_factors(session: Session) -> Collection[UUID]:
    """Return the ids of the people who have a second factor."""
    return set(session.scalars(select(AuthenticatorApp.user_id).union(select(Passkey.user_id))))


def has_passkeys(session: Session) -> bool:
    """Return whether anybody has a passkey."""
    return session.scalars(select(Passkey.id).limit(1)).first() is not None


def passkeys_of(session: Session, user_id: UUID) -> Sequence[Passkey]:
    """Return the passkeys of a person, the oldest first."""
    query = select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)
    return session.scalars(query).all()


def passkey(session: Session, user_id: UUID, id: UUID) -> Passkey:
    """Return a passkey of a person.

    Raises:
        NotFound: The person has no passkey with this id.
    """
    row = session.scalars(select(Passkey).where(Passkey.user_id == user_id, Passkey.id == id)).one_or_none()
    if row is None:
        raise NotFound("unknown_passkey", Phrase("There is no passkey with the ID {id}.", id=id), "id")
    return row


def must_set_up_second_factor() -> ColumnElement[bool]:
    """Return the condition that a user lacks a second factor that is required."""
    required = select(Organisation.requires_second_factor).scalar_subquery()
    has_app = select(AuthenticatorApp.user_id).where(AuthenticatorApp.user_id == User.id).exists()
    has_passkey = select(Passkey.id).where(Passkey.user_id == User.id).exists()
    return and_(required, not_(has_app), not_(has_passkey))


def requires_second_factor(session: Session) -> bool:
    """Return whether the organisation requires a second factor of everyone."""
    return session.scalars(select(Organisation.requires_second_factor)).one()


def pending_email(session: Session, pending: PendingSignIn) -> str | None:
    """Return the address of the person of a pending sign-in.

    None if they were deactivated or have a new password since.
    """
    row = session.execute(
        select(User.email, User.password_hash).where(User.id == pending.user_id, User.active)
    ).one_or_none()
    return row.email if row and password_fingerprint(row.password_hash) == pending.fingerprint else None

"""Second factors, by which people sign in besides their password."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base
from billing_admin.models.user import User


class AuthenticatorApp(Base):
    """A person's authenticator app.

    Its secret is derived from `salt` and the installation's key (`domain.authenticator`). `last_step` is the time step of
    the last code that was accepted: a code works once.
    """

    __tablename__ = "authenticator_apps"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    salt: Mapped[str]
    last_step: Mapped[int]
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """A recovery code that was not used yet, by the SHA-256 of the code."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    code_hash: Mapped[str] = mapped_column(primary_key=True)


class Passkey(Base):
    """A passkey (WebAuthn) of a person.

    `sign_count` is the device's count of uses; many devices always send 0.
    """

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    name: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]

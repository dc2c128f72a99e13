"""People who sign in, their sessions, and API tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.appearance import Density, Theme
from billing_admin.models.base import Base, value_check


class User(Base):
    """A person.

    A person is deactivated, never deleted. `password_hash` is empty until a person who was invited chooses a password.
    `password_temporary`: somebody else set the password, and the person must change it first. `language` is that of
    their pages, or '' for that of the browser.
    """

    __tablename__ = "users"
    __table_args__ = (value_check("theme", *Theme), value_check("density", *Density))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    password_temporary: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool]
    created_at: Mapped[datetime]
    theme: Mapped[str] = mapped_column(default=Theme.SYSTEM.value)
    density: Mapped[str] = mapped_column(default=Density.DENSE.value)
    language: Mapped[str] = mapped_column(default="")


class UserSession(Base):
    """A signed-in browser.

    `token_hash` is the SHA-256 of the random value in its cookie, which changes when the person confirms their identity at
    `confirmed_at`; `id` names the session in pages. `user_agent` and `address` are those of the sign-in; they are empty for
    sessions of earlier versions. `single_sign_on`: the person signed in at the identity provider.
    """

    __tablename__ = "user_sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    id: Mapped[UUID] = mapped_column(unique=True)
    confirmed_at: Mapped[datetime]
    user_agent: Mapped[str]
    address: Mapped[str]
    single_sign_on: Mapped[bool] = mapped_column(default=False)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class ProviderAccount(Base):
    """A person's account at an identity provider, by which they sign in.

    `issuer` and `subject` name it; the provider never gives a subject to another person.
    """

    __tablename__ = "provider_accounts"
    __table_args__ = (UniqueConstraint("user_id", "issuer"),)

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


class FamiliarNetwork(Base):
    """A network from which a person signed in, and when they last did.

    The attempts of others to guess their password do not block them there.
    """

    __tablename__ = "familiar_networks"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class SignInFailure(Base):
    """A failed sign-in, or a wrong current password.

    It is kept for as long as it counts against its account and network.
    """

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "email", "at"), Index(None, "address", "at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    address: Mapped[str]
    at: Mapped[datetime]


class ApiToken(Base):
    """An API token.

    Only its SHA-256 is stored; people recognise it by `prefix`.
    """

    __tablename__ = "api_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    prefix: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    user: Mapped[User | None] = relationship(lazy="joined")

"""One-time links, by which people get access without a password."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.one_time_links import LinkPurpose
from billing_admin.models.base import Base, StoredPhrase, value_check
from billing_admin.models.user import User

_TO_BE_SENT = text("mail_due_at IS NOT NULL")


class OneTimeLink(Base):
    """A link that works once, until it expires; its row is deleted when it is used.

    `token_hash` is the SHA-256 of the random value in the link. A link that is sent by e-mail has none until then: its
    secret is made when the message is sent, and is stored nowhere. `mail_due_at` is the time of the next attempt to send it;
    `mail_failure` says why it could not be sent. The set-up link belongs to nobody.
    """

    __tablename__ = "one_time_links"
    __table_args__ = (
        value_check("purpose", *LinkPurpose),
        CheckConstraint("(purpose = 'set_up') = (user_id IS NULL)", name="has_person"),
        Index(None, "user_id", "purpose", unique=True),
        Index("ix_one_time_links_to_be_sent", "mail_due_at", postgresql_where=_TO_BE_SENT, sqlite_where=_TO_BE_SENT),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id))
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    mail_due_at: Mapped[datetime | None]
    mail_attempts: Mapped[int]
    mail_failure: Mapped[str]
    mail_failure_phrase: Mapped[dict[str, Any] | None]
    mail_failure_text = StoredPhrase("mail_failure")

    user: Mapped[User | None] = relationship(lazy="joined")

"""Messages to customers, with their recipients, documents and letters.

Nothing of a message is deleted: it is the evidence of the delivery to a customer.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.messages import PURPOSES, RECIPIENT_KINDS, RECIPIENT_RESULTS, STATES
from billing_admin.models.base import Base, StoredPhrase, value_check
from billing_admin.models.customer import Customer
from billing_admin.models.invoice import Invoice

_UNFINISHED = text("finished_at IS NULL")
_AGAIN = text("again_of IS NOT NULL")
_FIRST_STATEMENT = text("purpose = 'statement' AND again_of IS NULL AND state NOT IN ('cancelled', 'dropped')")
_CURRENT = text("current")
NOT_DELIVERED = text("result IN ('refused', 'bounced')")


class Message(Base):
    """An e-mail to a customer, or the note that a document was sent by other means.

    `reason` says why the message is in its state: why it failed, was dropped or cancelled, who marked it as sent and how,
    or why the last attempt of a waiting one did not succeed. `by_hand` means that a person marked it as sent. `again_of`
    is the message that this one repeats, for `again_reason`. An attachment is a document in a form, `{"invoice_id",
    "form", "name"}`, or one of the message's files, `{"file"}`. `content` holds the bytes of the e-mail from the first
    attempt until the message is finished, so that every attempt sends the same.

    A worker holds a sending message until `held_until`. `attempted_at` is the begin of the last attempt.
    `handed_over_at` is committed before the content is written to the mail server: a message whose worker died before is
    waiting again, after it is uncertain. `response` is the server's answer to the content. Statements have a period.
    """

    __tablename__ = "messages"
    __table_args__ = (
        value_check("purpose", *PURPOSES),
        value_check("state", *STATES),
        CheckConstraint("(state = 'waiting') = (next_attempt_at IS NOT NULL)", name="waiting_is_due"),
        CheckConstraint(
            "(state = 'sending') = (worker IS NOT NULL) AND (worker IS NULL) = (held_until IS NULL)",
            name="sending_is_held",
        ),
        CheckConstraint("(state IN ('waiting', 'sending')) = (finished_at IS NULL)", name="finished_has_moment"),
        CheckConstraint("finished_at IS NULL OR content IS NULL", name="content_until_finished"),
        CheckConstraint(
            "(purpose = 'statement') = (period_from IS NOT NULL) AND (period_from IS NULL) = (period_to IS NULL)"
            " AND (period_from IS NULL OR period_to >= period_from)",
            name="statement_has_period",
        ),
        CheckConstraint("(again_of IS NULL) = (again_reason = '')", name="again_has_reason"),
        CheckConstraint("state = 'sent' OR NOT by_hand", name="marked_is_sent"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "created_at", "id"),
        Index(None, "state", "created_at", "id"),
        Index(
            "ix_messages_unfinished",
            "next_attempt_at",
            "created_at",
            "id",
            postgresql_where=_UNFINISHED,
            sqlite_where=_UNFINISHED,
        ),
        Index(None, "attempted_at"),
        Index("ix_messages_again", "again_of", postgresql_where=_AGAIN, sqlite_where=_AGAIN),
        Index(
            "uq_messages_first_statement",
            "customer_id",
            "currency",
            "period_from",
            "period_to",
            unique=True,
            postgresql_where=_FIRST_STATEMENT,
            sqlite_where=_FIRST_STATEMENT,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    purpose: Mapped[str]
    currency: Mapped[str]
    language: Mapped[str]
    period_from: Mapped[date | None]
    period_to: Mapped[date | None]
    subject: Mapped[str]
    text: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    reason_phrase: Mapped[dict[str, Any] | None]
    reason_text = StoredPhrase("reason")
    by_hand: Mapped[bool]
    again_of: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id"))
    again_reason: Mapped[str]
    attachments: Mapped[list[dict[str, Any]]]
    content: Mapped[bytes | None] = mapped_column(deferred=True)
    tries: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    attempted_at: Mapped[datetime | None]
    handed_over_at: Mapped[datetime | None]
    response: Mapped[str]
    worker: Mapped[str | None]
    held_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    finished_at: Mapped[datetime | None]

    customer: Mapped[Customer] = relationship(viewonly=True)
    recipients: Mapped[list["MessageRecipient"]] = relationship(order_by="MessageRecipient.position", viewonly=True)
    documents: Mapped[list["MessageDocument"]] = relationship(viewonly=True)
    files: Mapped[list["MessageFile"]] = relationship(order_by="MessageFile.name", viewonly=True)


class MessageRecipient(Base):
    """A recipient of a message, with the outcome for it.

    Positions begin at 1. `code` and `response` are the mail server's answer, or that of a bounce.
    """

    __tablename__ = "message_recipients"
    __table_args__ = (
        value_check("kind", *RECIPIENT_KINDS),
        value_check("result", *RECIPIENT_RESULTS),
        CheckConstraint("(result = '') = (at IS NULL)", name="result_has_moment"),
        Index(
            "ix_message_recipients_not_delivered",
            "message_id",
            postgresql_where=NOT_DELIVERED,
            sqlite_where=NOT_DELIVERED,
        ),
    )

    message_id: Mapped[UUID] = mapped_column(ForeignKey(Message.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    address: Mapped[str]
    kind: Mapped[str]
    result: Mapped[str]
    code: Mapped[int | None]
    response: Mapped[str]
    at: Mapped[datetime | None]


class MessageDocument(Base):
    """A document that a message sends, or reminds of at a level.

    The level of a document is 0. `current` marks the first message for a document, purpose and level; it ends when the
    message is cancelled or dropped. So a document is not sent twice by mistake.
    """

    __tablename__ = "message_documents"
    __table_args__ = (
        value_check("purpose", *PURPOSES),
        CheckConstraint("(purpose = 'reminder') = (level > 0)", name="reminder_has_level"),
        Index(None, "invoice_id"),
        Index(
            "uq_message_documents_current",
            "invoice_id",
            "purpose",
            "level",
            unique=True,
            postgresql_where=_CURRENT,
            sqlite_where=_CURRENT,
        ),
    )

    message_id: Mapped[UUID] = mapped_column(ForeignKey(Message.id), primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id), primary_key=True)
    purpose: Mapped[str]
    level: Mapped[int]
    current: Mapped[bool]

    message: Mapped[Message] = relationship(viewonly=True)
    invoice: Mapped[Invoice] = relationship(viewonly=True)


class MessageLetter(Base):
    """A letter of a message that was not printed yet, such as that of a reminder.

    `contents` holds its texts, as they were when the message was enqueued; the logo is named by its hash. The worker
    prints the letter, and replaces it by a `MessageFile`.
    """

    __tablename__ = "message_letters"

    message_id: Mapped[UUID] = mapped_column(ForeignKey(Message.id), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    contents: Mapped[dict[str, Any]]


class MessageFile(Base):
    """A file that was made for a message, such as the letter of a reminder.

    It is no rendition of a document, and kept as evidence.
    """

    __tablename__ = "message_files"

    message_id: Mapped[UUID] = mapped_column(ForeignKey(Message.id), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    sha256: Mapped[str]
    data: Mapped[bytes] = mapped_column(deferred=True)

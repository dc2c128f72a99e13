"""Sending runs: many documents that are sent, or marked as sent, in one act."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.messages import NOT_SENT_REASONS, SENDING_ACTS
from billing_admin.models.base import Base, value_check
from billing_admin.models.invoice import Invoice
from billing_admin.models.message import Message


class SendingRun(Base):
    """One act of sending documents, or of marking them as sent by other means.

    `reason` says how they were sent; it is empty for documents that are sent. `documents` is their number.
    """

    __tablename__ = "sending_runs"
    __table_args__ = (
        value_check("act", *SENDING_ACTS),
        CheckConstraint("(act = 'mark_sent') = (reason <> '')", name="marked_has_reason"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    act: Mapped[str]
    reason: Mapped[str]
    documents: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class SendingRunItem(Base):
    """A document of a sending run: its message, or the reason to leave it out.

    It waits while it has neither. `recipients` is the digest of those that a person has confirmed, empty without one.
    """

    __tablename__ = "sending_run_items"
    __table_args__ = (
        value_check("reason", "", *NOT_SENT_REASONS),
        CheckConstraint("message_id IS NULL OR reason = ''", name="sent_or_left_out"),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey(SendingRun.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey(Message.id))
    reason: Mapped[str]
    recipients: Mapped[str]

"""Reminder runs, and pauses of reminders."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.domain.reminders import REASONS
from billing_admin.models.base import Base, value_check
from billing_admin.models.customer import Customer
from billing_admin.models.invoice import Invoice
from billing_admin.models.message import Message

_CURRENT_OF_CUSTOMER = text("ended_at IS NULL AND invoice_id IS NULL")
_CURRENT_OF_INVOICE = text("ended_at IS NULL AND invoice_id IS NOT NULL")


class ReminderPause(Base):
    """A pause of the reminders of a customer or an invoice.

    It lasts up to and including the day `through`. Each of them has one current pause at most; it ends before its last
    day if a person resumes reminders or sets another pause. Pauses are kept.
    """

    __tablename__ = "reminder_pauses"
    __table_args__ = (
        Index(
            "uq_reminder_pauses_customer",
            "customer_id",
            unique=True,
            postgresql_where=_CURRENT_OF_CUSTOMER,
            sqlite_where=_CURRENT_OF_CUSTOMER,
        ),
        Index(
            "uq_reminder_pauses_invoice",
            "invoice_id",
            unique=True,
            postgresql_where=_CURRENT_OF_INVOICE,
            sqlite_where=_CURRENT_OF_INVOICE,
        ),
        Index(None, "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey(Invoice.id))
    through: Mapped[date]
    reason: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    ended_at: Mapped[datetime | None]

    customer: Mapped[Customer] = relationship(viewonly=True)
    invoice: Mapped[Invoice | None] = relationship(viewonly=True)


class ReminderRun(Base):
    """One act of reminding customers of overdue invoices on a day.

    `customers` are the only ones to remind, or None for all. `without_customers` and `without_invoices` were left out by a
    person. `confirmed` is the digest of the preview that was shown. `reminders` is the number of messages.
    """

    __tablename__ = "reminder_runs"
    __table_args__ = (Index(None, "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date]
    customers: Mapped[list[str] | None]
    currency: Mapped[str | None]
    without_customers: Mapped[list[str]]
    without_invoices: Mapped[list[str]]
    confirmed: Mapped[str | None]
    reminders: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class ReminderRunItem(Base):
    """An invoice in a reminder run, with its message or the reason without one.

    `level` is the one that was due, `open_amount` is in minor units. `day` and `note` belong to the reason, as in
    `domain.reminders.LeftOutInvoice`.
    """

    __tablename__ = "reminder_run_items"
    __table_args__ = (
        value_check("reason", "", *REASONS),
        CheckConstraint("(message_id IS NULL) = (reason <> '')", name="reminded_or_left_out"),
        Index(None, "message_id"),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey(ReminderRun.id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id))
    currency: Mapped[str]
    level: Mapped[int]
    open_amount: Mapped[int]
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey(Message.id))
    reason: Mapped[str]
    day: Mapped[date | None]
    note: Mapped[str]

"""Payments, their allocations to invoices, and refunds of what is not allocated.

Money is in minor units.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.opening_balances import OPENING_CREDIT
from billing_admin.domain.payments import METHODS, WRITE_OFF
from billing_admin.models.audit import AuditEvent
from billing_admin.models.base import Base, value_check

PAYMENT_METHODS = (*METHODS, WRITE_OFF, OPENING_CREDIT)
_IS_OPENING = text("method = 'opening_credit'")
_UNALLOCATED = text("status = 'recorded' AND allocated < amount")
_REVERSED, _WITHDRAWN = text("reversed_on IS NOT NULL"), text("withdrawn_on IS NOT NULL")


class Payment(Base):
    """A payment, a write-off or an opening credit, as its `method` says.

    It is reversed, never deleted. `allocated` is the sum of its allocations that are not withdrawn, and of its parts
    that recorded refunds paid back; the remainder is the customer's credit. `asked` is the requested allocation as text
    (`domain.payments`), with which a repeated request under the same id is compared. `reason` is that of the write-off,
    `reversal_reason` that of the reversal.
    An opening credit comes from an earlier system: `reference` is its number there and `original_date` its date; it counts
    from `received_on`, the cut-over day.
    """

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "currency"], ["accounts.customer_id", "accounts.currency"]),
        UniqueConstraint("id", "customer_id", "currency"),
        value_check("status", "recorded", "reversed"),
        value_check("method", *PAYMENT_METHODS),
        CheckConstraint("amount > 0 AND allocated >= 0 AND allocated <= amount", name="not_over_allocated"),
        CheckConstraint("(status = 'reversed') = (reversed_on IS NOT NULL)", name="reversed_has_day"),
        CheckConstraint("status = 'recorded' OR allocated = 0", name="reversed_pays_nothing"),
        CheckConstraint("(method = 'opening_credit') = (original_date IS NOT NULL)", name="opening_has_date"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "currency"),
        Index(None, "reference"),
        Index(
            "ix_payments_unallocated",
            *("customer_id", "currency"),
            postgresql_where=_UNALLOCATED,
            sqlite_where=_UNALLOCATED,
        ),
        # Sums by day read this index alone.
        Index("ix_payments_by_day", "received_on", "currency", "status", "method", "amount"),
        Index(None, "reversed_on", postgresql_where=_REVERSED, sqlite_where=_REVERSED),
        Index("ix_payments_opening", "reference", postgresql_where=_IS_OPENING, sqlite_where=_IS_OPENING),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    amount: Mapped[int]
    allocated: Mapped[int]
    received_on: Mapped[date]
    method: Mapped[str]
    reference: Mapped[str]
    asked: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    reversed_on: Mapped[date | None]
    reversal_reason: Mapped[str]
    created_at: Mapped[datetime]
    event_id: Mapped[UUID] = mapped_column(ForeignKey(AuditEvent.id))
    original_date: Mapped[date | None]


class Allocation(Base):
    """The part of a payment that pays an invoice, from `made_on` until `withdrawn_on`."""

    __tablename__ = "allocations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["payment_id", "customer_id", "currency"], ["payments.id", "payments.customer_id", "payments.currency"]
        ),
        ForeignKeyConstraint(
            ["invoice_id", "customer_id", "currency"], ["invoices.id", "invoices.customer_id", "invoices.currency"]
        ),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("withdrawn_on >= made_on", name="withdrawn_after_made"),
        Index(None, "payment_id"),
        Index(None, "invoice_id"),
        Index(None, "made_on"),
        Index(None, "withdrawn_on", postgresql_where=_WITHDRAWN, sqlite_where=_WITHDRAWN),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID]
    invoice_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    amount: Mapped[int]
    made_on: Mapped[date]
    withdrawn_on: Mapped[date | None]


class Refund(Base):
    """Money paid back to a customer from their credit.

    It is reversed, never deleted. Its parts name the payments whose credit it pays back.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "currency"], ["accounts.customer_id", "accounts.currency"]),
        UniqueConstraint("id", "customer_id", "currency"),
        value_check("status", "recorded", "reversed"),
        value_check("method", *METHODS),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("(status = 'reversed') = (reversed_on IS NOT NULL)", name="reversed_has_day"),
        CheckConstraint("reversed_on >= paid_on", name="reversed_after_paid"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "currency"),
        Index(None, "paid_on"),
        Index(None, "reversed_on", postgresql_where=_REVERSED, sqlite_where=_REVERSED),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    amount: Mapped[int]
    paid_on: Mapped[date]
    method: Mapped[str]
    reference: Mapped[str]
    status: Mapped[str]
    reversed_on: Mapped[date | None]
    reversal_reason: Mapped[str]
    created_at: Mapped[datetime]
    event_id: Mapped[UUID] = mapped_column(ForeignKey(AuditEvent.id))


class RefundPart(Base):
    """The part of a payment that a refund pays back."""

    __tablename__ = "refund_parts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["refund_id", "customer_id", "currency"], ["refunds.id", "refunds.customer_id", "refunds.currency"]
        ),
        ForeignKeyConstraint(
            ["payment_id", "customer_id", "currency"], ["payments.id", "payments.customer_id", "payments.currency"]
        ),
        CheckConstraint("amount > 0", name="positive"),
        Index(None, "payment_id"),
    )

    refund_id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    amount: Mapped[int]

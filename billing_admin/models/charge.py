"""Charges: amounts that customers owe, each for something on a day."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, ForeignKeyConstraint, Index, bindparam, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.audit import AuditEvent
from billing_admin.models.base import Base, exact_checks, period_check, value_check
from billing_admin.models.service import Service

CHARGE_STATUSES = ("pending", "held", "billed", "cancelled")
_REPLACES = text("replaces_id IS NOT NULL")
_TO_REVIEW = text("duplicate_of_id IS NOT NULL AND duplicate_kept_at IS NULL AND status IN ('pending', 'held')")
_RECENT = text("fingerprint IS NOT NULL")
_UNBILLED = text("status IN ('pending', 'held')")


class Charge(Base):
    """A charge is never edited: only its status and its invoice line change.

    `replaces_id` names the cancelled charge that this one corrects. A likely duplicate names the earlier
    charge (`duplicate_of_id`) and when a person decided to keep it (`duplicate_kept_at`). `unit_price` is
    None if the charge was posted as an amount. `event_id` is the audit event of its posting. The
    `fingerprint` finds likely duplicates; billing may clear that of an old charge.
    The charge is for the days from `period_from` to `period_to`, both included; for its day alone if these are
    None. `period_of_days` is the length of the whole period if the charge is for some of its days.
    The foreign keys include customer and currency, so that a charge cannot be on another customer's
    invoice.
    """

    __tablename__ = "charges"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "currency"], ["accounts.customer_id", "accounts.currency"]),
        ForeignKeyConstraint(
            ["invoice_line_id", "customer_id", "currency"],
            ["invoice_lines.id", "invoice_lines.customer_id", "invoice_lines.currency"],
        ),
        value_check("status", *CHARGE_STATUSES),
        CheckConstraint("(status = 'billed') = (invoice_line_id IS NOT NULL)", name="billed_is_on_a_line"),
        *exact_checks("quantity", "unit_price", "amount"),
        Index(None, "created_at", "incurred_on", "id"),
        # Fingerprints are looked up within the last two days. With the day first, new entries are adjacent in the
        # index.
        Index(None, "created_on", "fingerprint", postgresql_where=_RECENT, sqlite_where=_RECENT),
        Index("ix_charges_unbilled", "customer_id", "incurred_on", postgresql_where=_UNBILLED, sqlite_where=_UNBILLED),
        Index("ix_charges_replaces", "replaces_id", unique=True, postgresql_where=_REPLACES, sqlite_where=_REPLACES),
        # In the order of the list: another index of that order has no condition, and SQLite would read all charges by it.
        Index(
            "ix_charges_to_review",
            *("created_at", "incurred_on", "id"),
            postgresql_where=_TO_REVIEW,
            sqlite_where=_TO_REVIEW,
        ),
        Index("ix_charges_customer", "customer_id", "created_at", "incurred_on", "id"),
        Index(
            "ix_charges_line",
            "invoice_line_id",
            postgresql_where=text("invoice_line_id IS NOT NULL"),
            sqlite_where=text("invoice_line_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey(Service.id))
    invoice_line_id: Mapped[UUID | None]
    event_id: Mapped[UUID] = mapped_column(ForeignKey(AuditEvent.id))
    duplicate_of_id: Mapped[UUID | None]
    duplicate_kept_at: Mapped[datetime | None]
    replaces_id: Mapped[UUID | None] = mapped_column(ForeignKey("charges.id"))
    fingerprint: Mapped[int | None]
    created_at: Mapped[datetime]
    created_on: Mapped[date]
    incurred_on: Mapped[date]
    late: Mapped[bool]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    currency: Mapped[str]
    quantity: Mapped[Decimal]
    unit_price: Mapped[Decimal | None]
    amount: Mapped[Decimal]
    tax_included: Mapped[bool]
    description: Mapped[str]
    details: Mapped[dict[str, Any] | None]
    period_from: Mapped[date | None]
    period_to: Mapped[date | None]
    period_of_days: Mapped[int | None] = mapped_column(period_check())
    purchase_order: Mapped[str] = mapped_column(server_default="")


def is_unbilled() -> ColumnElement[bool]:
    """Return the condition of the index of unbilled charges, in exactly its words.

    With parameters in the condition SQLite would not use the index and read all charges of a customer.
    """
    return Charge.status.in_(bindparam("unbilled", ("pending", "held"), expanding=True, literal_execute=True))

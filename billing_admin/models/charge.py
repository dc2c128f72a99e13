"""One measured or agreed thing that a customer owes for."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, ForeignKeyConstraint, Index, bindparam, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.audit import AuditEvent
from billing_admin.models.base import Base, exact_checks, value_check
from billing_admin.models.service import Service

CHARGE_STATUSES = ("pending", "held", "billed", "cancelled")
_REPLACES = text("replaces_id IS NOT NULL")
_TO_REVIEW = text("duplicate_of_id IS NOT NULL AND duplicate_kept_at IS NULL AND status <> 'cancelled'")
_RECENT = text("fingerprint IS NOT NULL")
_UNBILLED = text("status IN ('pending', 'held')")


class Charge(Base):
    """A charge is never edited: only its status and its invoice line move.

    `replaces_id` names the cancelled charge that it corrects. A likely duplicate names the earlier charge, and when a person
    decided to keep it. `unit_price` is None where the caller gave a plain amount. `event_id` is the audit event of
    its posting: who, when and how. The `fingerprint` finds look-alikes; a charge that was too old for that when it was
    billed may be without.
    The foreign keys carry customer and currency along, so that the database refuses a charge on another's invoice.
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
        Index(None, "created_at", "id"),
        # A fingerprint is looked for among the last two days: the day first keeps new entries together at the index's end.
        Index(None, "created_on", "fingerprint", postgresql_where=_RECENT, sqlite_where=_RECENT),
        Index("ix_charges_unbilled", "customer_id", "incurred_on", postgresql_where=_UNBILLED, sqlite_where=_UNBILLED),
        Index("ix_charges_replaces", "replaces_id", unique=True, postgresql_where=_REPLACES, sqlite_where=_REPLACES),
        Index("ix_charges_to_review", "created_at", "id", postgresql_where=_TO_REVIEW, sqlite_where=_TO_REVIEW),
        Index("ix_charges_customer", "customer_id", "created_at", "id"),
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


def is_unbilled() -> ColumnElement[bool]:
    """The condition of the index of what is unbilled, word for word. With parameters in it SQLite does not know it again, and
    would read all that a customer ever had.
    """
    return Charge.status.in_(bindparam("unbilled", ("pending", "held"), expanding=True, literal_execute=True))

"""Recurring charges, and the charges that they posted.

A recurring charge is a schedule that posts a charge for each period, such as a month.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.recurring_charges import INTERVALS, TIMINGS
from billing_admin.models.base import Base, exact_checks, value_check
from billing_admin.models.charge import Charge
from billing_admin.models.service import Service

_WHOLE = text("NOT takes_back")


class RecurringCharge(Base):
    """A schedule (`domain.recurring_charges.Schedule`).

    The charge of a period is incurred on the first day of the period that the customer owes, or on the
    last one if `timing` is `in_arrears`. `unit_price` is None if the list price of its day applies. A
    change from a date ends one schedule and starts another, whose `follows_id` names the first.
    """

    __tablename__ = "recurring_charges"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "currency"], ["accounts.customer_id", "accounts.currency"]),
        value_check("interval", *INTERVALS),
        value_check("timing", *TIMINGS),
        CheckConstraint("interval_count >= 1", name="interval_count_positive"),
        CheckConstraint("ends_on >= starts_on", name="ends_after_start"),
        *exact_checks("quantity", "unit_price"),
        Index(None, "customer_id"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    service_id: Mapped[UUID] = mapped_column(ForeignKey(Service.id))
    description: Mapped[str]
    quantity: Mapped[Decimal]
    unit_price: Mapped[Decimal | None]
    interval: Mapped[str]
    anchor_on: Mapped[date]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    posted_through: Mapped[date | None]
    paused_on: Mapped[date | None]
    follows_id: Mapped[UUID | None] = mapped_column(ForeignKey("recurring_charges.id"), unique=True)
    created_at: Mapped[datetime]
    interval_count: Mapped[int]
    timing: Mapped[str]
    purchase_order: Mapped[str]


class RecurringPosting(Base):
    """A charge that a schedule posted for a period.

    The period is the days from `period_from` to `period_to`, both included.

    A posting that `takes_back` shortens an earlier one, which then ends on `period_to`. The database
    refuses a second charge for a period.
    """

    __tablename__ = "recurring_postings"
    __table_args__ = (
        Index(None, "recurring_charge_id", "period_from"),
        Index(
            "ix_recurring_postings_once",
            "recurring_charge_id",
            "period_from",
            unique=True,
            postgresql_where=_WHOLE,
            sqlite_where=_WHOLE,
        ),
    )

    charge_id: Mapped[UUID] = mapped_column(ForeignKey(Charge.id), primary_key=True)
    recurring_charge_id: Mapped[UUID] = mapped_column(ForeignKey(RecurringCharge.id))
    period_from: Mapped[date]
    period_to: Mapped[date]
    takes_back: Mapped[bool]

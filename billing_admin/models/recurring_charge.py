"""Charges that come again: what a customer owes every month, quarter or year."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, exact_checks, one_of
from billing_admin.models.service import Service

INTERVALS = ("monthly", "quarterly", "yearly")


class RecurringCharge(Base):
    """A schedule. Periods are counted from `starts_on`; the charge of a period is incurred on its first day.

    `posted_through` is the first day of the last period posted. A change from a date ends one schedule and starts another,
    which `follows_id` names.
    """

    __tablename__ = "recurring_charges"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "currency"], ["accounts.customer_id", "accounts.currency"]),
        one_of("interval", *INTERVALS),
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
    prorate: Mapped[bool]
    follows_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

"""One act of turning pending charges into invoices, and its work list."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, exact_checks, value_check

RUN_STATES = ("running", "done", "failed")
_WAITING = text("state = 'waiting'")


class BillingRun(Base):
    """What was asked and how far it is. `confirmed` is the digest of the preview that a person said yes to; `failure` says why it
    stopped: posting the same id again goes on.
    """

    __tablename__ = "billing_runs"
    __table_args__ = (value_check("state", *RUN_STATES), Index(None, "created_at", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    through: Mapped[date]
    issue: Mapped[bool]
    issue_date: Mapped[date]
    customers: Mapped[list[str] | None]
    currency: Mapped[str | None]
    confirmed: Mapped[str | None]
    failure: Mapped[str | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    finished_at: Mapped[datetime | None]


class BillingRunItem(Base):
    """One account's part in a run. All that is pending waits as `due`; when its turn comes, what is due by the cut-off is billed
    or left out, and what is later is left out: beside it as a part of its own, or in its place if nothing is due. What is held is
    left out from the start. `position` orders what waits, by customer reference; `expected` is the digest of the document that a
    person confirmed.
    """

    __tablename__ = "billing_run_items"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "currency"], ["accounts.customer_id", "accounts.currency"]),
        value_check("part", "due", "later", "held"),
        value_check("state", "waiting", "billed", "left_out"),
        CheckConstraint("(state = 'billed') = (invoice_id IS NOT NULL)", name="billed_has_invoice"),
        CheckConstraint("(state = 'left_out') = (reason IS NOT NULL)", name="left_out_has_reason"),
        *exact_checks("amount"),
        Index("ix_billing_run_items_waiting", "run_id", "position", postgresql_where=_WAITING, sqlite_where=_WAITING),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey(BillingRun.id), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    state: Mapped[str]
    charges: Mapped[int]
    amount: Mapped[Decimal]
    reason: Mapped[str | None]
    expected: Mapped[str | None]
    # A draft that is thrown away leaves the run's history behind: the id stays, the row may be gone.
    invoice_id: Mapped[UUID | None]

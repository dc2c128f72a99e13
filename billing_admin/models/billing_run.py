"""Billing runs, and the accounts that each of them processes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, StoredPhrase, exact_checks, value_check

RUN_STATES = ("running", "done", "failed")
_WAITING = text("state = 'waiting'")


class BillingRun(Base):
    """One act of making documents of pending charges, with settings and progress.

    `through` is the cut-off day of the charges. `confirmed` is the digest of the preview that a person
    confirmed. `failure` says why the run stopped; posting the same id again continues it. `purchase_order` is that of
    invoices without one of their own. A run that is limited to `selected_charges` charges has a selection with its id.
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
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    finished_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    failure_phrase: Mapped[dict[str, Any] | None]
    failure_text = StoredPhrase("failure")
    purchase_order: Mapped[str] = mapped_column(server_default="")
    selected_charges: Mapped[int | None]
    # Customer ids and currencies of the accounts that a person excluded, sorted.
    excluded: Mapped[list[list[str]] | None]


class BillingRunItem(Base):
    """A part of an account's charges in a run: `due`, `later` or `held`.

    A run starts with all pending charges of an account as its `due` part. When the account is processed,
    its charges up to the cut-off day are billed or left out. Later charges are left out as a `later`
    part, which replaces the `due` part if no charge is due. Held charges are left out from the start.
    `position` orders the waiting parts by customer reference. `expected` is the digest of the document
    that a person confirmed.
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
    # Not a foreign key: when a draft is discarded, its id remains here as history.
    invoice_id: Mapped[UUID | None]

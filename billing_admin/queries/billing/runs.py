"""Billing runs: how far each is, what it made, and what it left out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.errors import NotFound
from billing_admin.models import BillingRun, BillingRunItem, Customer, Invoice, Job
from billing_admin.queries.billing.preview import LeftOut
from billing_admin.queries.invoices.currency_totals import CurrencyTotal


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with its counts. `processed` of `accounts` is its progress; money is in minor units."""

    run: BillingRun
    accounts: int
    processed: int
    invoices: int
    charges: int
    totals: list[CurrencyTotal]
    left_out: list[LeftOut]


def runs() -> Select[BillingRun]:
    """Every run, newest first; for `paging.page`."""
    return select(BillingRun).order_by(BillingRun.created_at.desc(), BillingRun.id.desc())


def run_report(session: Session, run_id: UUID) -> RunReport:
    """What became of a run, or raise NotFound."""
    run = session.get(BillingRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound("unknown_billing_run", f"There is no billing run {run_id}.", "id")
    due = _due(session, run_id)
    return RunReport(
        run=run,
        accounts=due.accounts,
        processed=due.processed,
        invoices=due.invoices,
        charges=int(due.charges or 0),
        totals=run_totals(session, [run_id])[run_id],
        left_out=left_out_of_run(session, run_id),
    )


def job_to_join(session: Session, accounts: int) -> Job | None:
    """Return the oldest running job whose billing run has more than this many accounts waiting, or None."""
    more = (
        select(BillingRunItem.position)
        .where(BillingRunItem.run_id == BillingRun.id, BillingRunItem.state == "waiting")
        .limit(1)
        .offset(accounts)
    )
    return session.scalar(
        select(Job)
        .join(BillingRun, BillingRun.id == Job.subject_id)
        .where(Job.state == "running", BillingRun.state == "running", more.exists())
        .order_by(Job.created_at, Job.id)
        .limit(1)
    )


def run_progress(session: Session, run_id: UUID) -> tuple[int, int]:
    """How many of the run's accounts are billed or left out, and of how many."""
    due = _due(session, run_id)
    return due.processed, due.accounts


def _due(session: Session, run_id: UUID) -> Record:
    billed = BillingRunItem.state == "billed"
    return session.execute(
        select(
            func.count().label("accounts"),
            func.count().filter(BillingRunItem.state != "waiting").label("processed"),
            func.count().filter(billed).label("invoices"),
            func.sum(BillingRunItem.charges).filter(billed).label("charges"),
        ).where(BillingRunItem.run_id == run_id, BillingRunItem.part == "due")
    ).one()


def left_out_of_run(session: Session, run_id: UUID) -> list[LeftOut]:
    """The charges that the run left out, and why, by customer reference."""
    item = BillingRunItem
    query = (
        select(
            item.customer_id, Customer.reference, Customer.name, item.currency, item.charges, item.amount, item.reason
        )
        .join(Customer, Customer.id == item.customer_id)
        .where(item.run_id == run_id, item.state == "left_out")
        .order_by(Customer.reference, item.currency, item.reason)
    )
    return [LeftOut(*row[:6], row.reason or "") for row in session.execute(query)]


def run_totals(session: Session, run_ids: Collection[UUID]) -> Mapping[UUID | None, list[CurrencyTotal]]:
    """What each of these runs made, per currency; nothing for a run that made nothing."""
    sums = (func.sum(amount) for amount in (Invoice.net, Invoice.tax, Invoice.total))
    query = (
        select(Invoice.run_id, Invoice.currency, func.count(), *sums)
        .where(is_any_of(Invoice.run_id, run_ids))
        .group_by(Invoice.run_id, Invoice.currency)
        .order_by(Invoice.currency)
    )
    made: dict[UUID | None, list[CurrencyTotal]] = {run_id: [] for run_id in run_ids}
    for run_id, currency, *counted in session.execute(query):
        made[run_id].append(CurrencyTotal(currency, *map(int, counted)))
    return made

"""Billing runs: their progress, documents, and the charges that they left out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import BillingRun, BillingRunItem, Customer, Invoice, Job
from billing_admin.queries.billing.preview import LeftOut
from billing_admin.queries.invoices.currency_totals import CurrencyTotal


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with its counts.

    `processed` of `accounts` is its progress; money is in minor units. `invoices` counts the documents that it made,
    `statuses` those that exist now, by status: drafts may be issued or discarded later.
    """

    run: BillingRun
    accounts: int
    processed: int
    invoices: int
    charges: int
    totals: list[CurrencyTotal]
    left_out: list[LeftOut]
    statuses: Mapping[str, int]
    excluded: Sequence[tuple[str, str]] = ()

    @property
    def drafts(self) -> int:
        """Number of documents that are still drafts."""
        return self.statuses.get("draft", 0)

    @property
    def issued(self) -> int:
        """Number of documents that have a number, void ones included."""
        return self.statuses.get("issued", 0) + self.statuses.get("void", 0)

    @property
    def discarded(self) -> int:
        """Number of drafts that were discarded."""
        return self.invoices - sum(self.statuses.values())


def runs() -> Select[BillingRun]:
    """Select every run, newest first; for `paging.page`."""
    return select(BillingRun).order_by(BillingRun.created_at.desc(), BillingRun.id.desc())


def run_report(session: Session, run_id: UUID) -> RunReport:
    """Return a run with its counts.

    Raises:
        NotFound: No run has this id.
    """
    run = session.get(BillingRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound("unknown_billing_run", Phrase("There is no billing run {run_id}.", run_id=run_id), "id")
    due = _due(session, run_id)
    return RunReport(
        run=run,
        accounts=due.accounts,
        processed=due.processed,
        invoices=due.invoices,
        charges=int(due.charges or 0),
        totals=run_totals(session, [run_id])[run_id],
        left_out=left_out_of_run(session, run_id),
        statuses=_count_by_status(session, run_id),
        excluded=name_accounts(session, excluded_accounts(run)),
    )


def only_document(session: Session, run_id: UUID) -> tuple[UUID, str | None] | None:
    """Return id and number of a run's document if there is exactly one."""
    query = select(Invoice.id, Invoice.number).where(Invoice.run_id == run_id).limit(2)
    documents = session.execute(query).all()
    return (documents[0].id, documents[0].number) if len(documents) == 1 else None


def excluded_accounts(run: BillingRun) -> frozenset[AccountKey]:
    """Return the accounts that a person excluded from a run."""
    return frozenset((UUID(customer_id), currency) for customer_id, currency in run.excluded or ())


def name_accounts(session: Session, accounts: Collection[AccountKey]) -> list[tuple[str, str]]:
    """Return customer reference and currency of accounts, in order."""
    if not accounts:
        return []
    query = select(Customer.id, Customer.reference).where(is_any_of(Customer.id, {id for id, _ in accounts}))
    references = dict(session.execute(query).all())
    return sorted((references[id], currency) for id, currency in accounts)


def _count_by_status(session: Session, run_id: UUID) -> dict[str, int]:
    query = select(Invoice.status, func.count().label("documents")).where(Invoice.run_id == run_id)
    return {row.status: row.documents for row in session.execute(query.group_by(Invoice.status))}


def job_to_join(session: Session, accounts: int) -> Job | None:
    """Return the oldest running job that has more accounts to bill, or None.

    More than `accounts` accounts wait in its billing run.
    """
    has_more_waiting = (
        select(BillingRunItem.position)
        .where(BillingRunItem.run_id == BillingRun.id, BillingRunItem.state == "waiting")
        .limit(1)
        .offset(accounts)
    )
    return session.scalar(
        select(Job)
        .join(BillingRun, BillingRun.id == Job.subject_id)
        .where(Job.state == "running", BillingRun.state == "running", has_more_waiting.exists())
        .order_by(Job.created_at, Job.id)
        .limit(1)
    )


def run_progress(session: Session, run_id: UUID) -> tuple[int, int]:
    """Return how many accounts of the run are processed, and how many it has."""
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
    """Return the charges that a run left out, with reasons, by customer reference."""
    item = BillingRunItem
    query = (
        select(
            item.customer_id, Customer.reference, Customer.name, item.currency, item.charges, item.amount, item.reason
        )
        .join(Customer, Customer.id == item.customer_id)
        .where(item.run_id == run_id, item.state == "left_out")
        .order_by(Customer.reference, item.currency, item.reason)
    )
    # The columns are in the order of LeftOut's fields.
    return [LeftOut(*row[:6], row.reason or "") for row in session.execute(query)]


def run_totals(session: Session, run_ids: Collection[UUID]) -> Mapping[UUID | None, list[CurrencyTotal]]:
    """Return the sums per currency of each run's documents.

    The list is empty if the run made none.
    """
    sums = (func.sum(amount) for amount in (Invoice.net, Invoice.tax, Invoice.total))
    query = (
        select(Invoice.run_id, Invoice.currency, func.count(), *sums)
        .where(is_any_of(Invoice.run_id, run_ids))
        .group_by(Invoice.run_id, Invoice.currency)
        .order_by(Invoice.currency)
    )
    totals: dict[UUID | None, list[CurrencyTotal]] = {run_id: [] for run_id in run_ids}
    for run_id, currency, *counts in session.execute(query):  # documents, net, tax, total
        totals[run_id].append(CurrencyTotal(currency, *map(int, counts)))
    return totals

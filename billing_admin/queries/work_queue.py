"""The work queue: rows that wait for a person, with count and sum per currency.

Each figure is that of the list that it leads to: both come from the same query. The dashboard and the month end show them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.money import ZERO, Money, exact_sum
from billing_admin.models import Account, Invoice, Job, Message
from billing_admin.queries import jobs
from billing_admin.queries.access.tokens import count_expiring
from billing_admin.queries.approvals import count_waiting
from billing_admin.queries.charges import charges, recurring_charges
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.charges.unbilled import UnbilledTotal
from billing_admin.queries.invoices import invoices
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.messages import messages
from billing_admin.queries.messages.messages import ATTENTION, WAITING_UNNOTICED, MessageFilter
from billing_admin.queries.payments.open_items import OpenSum
from billing_admin.queries.payments.receivables import unallocated_sums

FAILED_JOB_DAYS: Final = timedelta(30)


@dataclass(frozen=True, slots=True)
class WorkSum:
    """Count and sum of the rows that wait in one currency."""

    currency: str
    count: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Work:
    """Rows that wait for a person; those without an amount have a count only."""

    count: int
    sums: Sequence[WorkSum] = ()


def unbilled_work(totals: Sequence[UnbilledTotal]) -> tuple[Work, Work]:
    """Return the pending charges, and the held ones."""
    return (
        _work(WorkSum(total.currency, total.pending_charges, total.pending_amount) for total in totals),
        _work(WorkSum(total.currency, total.held_charges, total.held_amount) for total in totals),
    )


def due_work(session: Session, through: date) -> Work:
    """Return the charges of recurring charges that are due up to a day and not posted.

    Charges without a price count, but have no amount.
    """
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row, charge in recurring_charges.due_charges(session, through):
        amounts[row.currency].append(charge.amount or ZERO)
    return _work(WorkSum(currency, len(rows), exact_sum(rows)) for currency, rows in sorted(amounts.items()))


def charge_work(session: Session, filters: ChargeFilter) -> Work:
    """Return the charges of a filter."""
    sums = charges.charge_sums(session, filters)
    return _work(WorkSum(row.currency, row.charges, row.amount) for row in sums)


def invoice_work(session: Session, filters: InvoiceFilter) -> Work:
    """Return the documents of a filter, with their totals.

    Invoices and credit notes are summed separately.
    """
    return _work(
        WorkSum(
            row.currency,
            row.invoices,
            Money(-row.total if row.kind == "credit_note" else row.total, row.currency).decimal,
        )
        for row in invoices.invoice_totals(session, filters)
    )


def open_work(sums: Iterable[OpenSum], first_bucket: int = 0) -> Work:
    """Return the open invoices from an ageing bucket on."""
    return _work(
        WorkSum(
            row.currency,
            sum(row.invoices[first_bucket:]),
            Money(sum(row.amounts[first_bucket:]), row.currency).decimal,
        )
        for row in sums
    )


def unallocated_work(session: Session, day: date) -> Work:
    """Return the payments with money that is not allocated to invoices."""
    return _work(
        WorkSum(currency, count, Money(amount, currency).decimal)
        for currency, (count, amount) in unallocated_sums(session, day).items()
    )


def message_work(session: Session) -> Work:
    """Return the messages that failed, or may not have been sent."""
    return Work(messages.count_messages(session, MessageFilter(state=ATTENTION)))


def failed_jobs(session: Session, now: datetime) -> Work:
    """Return the jobs of the last 30 days that failed and were not started again."""
    return Work(session.scalar(_failed_job_count(_failed_since(now))) or 0)


def approvals_work(session: Session) -> Work:
    """Return the acts that wait for approval."""
    return Work(session.scalar(count_waiting()) or 0)


def expiring_tokens(session: Session, now: datetime) -> Work:
    """Return the API tokens that expire soon: scripts stop with them."""
    return Work(count_expiring(session, now))


def _failed_since(now: datetime) -> datetime:
    return datetime.combine(now.date() - FAILED_JOB_DAYS, time.min, UTC)


def _failed_job_count(since: datetime | ColumnElement[datetime]) -> Select[int]:
    failed = jobs.jobs("failed", since).order_by(None).subquery()
    return select(func.count()).select_from(failed)


@dataclass(frozen=True, slots=True)
class MenuCounts:
    """The numbers of the work queue that the menu of every page shows.

    `delayed_messages` have waited for more than an hour.
    """

    pending_charges: int
    drafts: int
    failed_jobs: int
    messages: int
    delayed_messages: int
    approvals: int


def menu_counts(session: Session, now: datetime) -> MenuCounts:
    """Return the numbers of rows that wait for a person, without their sums.

    Every page needs them: one statement reads all.
    """
    moments = {"failed_since": _failed_since(now), "delayed_since": now - WAITING_UNNOTICED}
    row = session.execute(_menu_statement(), moments).one()
    return MenuCounts(*(int(count) for count in row))


@cache
def _menu_statement() -> Select[Any]:
    # Made once: to put it together takes longer than to run it.
    counts = (
        select(func.coalesce(func.sum(Account.pending_charges), 0)),
        select(func.count()).where(Invoice.status == "draft"),
        _failed_job_count(bindparam("failed_since", type_=Job.created_at.type)),
        messages.attention_count(),
        messages.delayed_count(bindparam("delayed_since", type_=Message.created_at.type)),
        count_waiting(),
    )
    return select(*(count.scalar_subquery() for count in counts))


def _work(sums: Iterable[WorkSum]) -> Work:
    waiting = [row for row in sums if row.count]
    return Work(sum(row.count for row in waiting), waiting)

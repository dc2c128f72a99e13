"""Trends per currency by month, and the largest debtors.

Money is in minor units. The figures of each day come from indexes that hold all columns they need.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.receivable_trends import MonthFigures, month_figures, trend_months
from billing_admin.models import Customer, Invoice, Payment, Refund
from billing_admin.queries.payments.open_items import OpenItemFilter, OpenSum, open_item_rows
from billing_admin.queries.payments.payments import is_money
from billing_admin.queries.payments.receivables import balances_by_currency, entry_sums_by_day

Rows: TypeAlias = Select[*tuple[Any, ...]]
DayAmounts: TypeAlias = dict[str, list[tuple[date, int]]]  # by currency


def month_trends(session: Session, today: date, open_items: Iterable[OpenSum]) -> dict[str, list[MonthFigures]]:
    """Return the figures of the last twelve months, by currency.

    `open_items` are the sums of today's open items.
    """
    first = trend_months(today)[0].first
    balances = balances_by_currency(session, today, {row.currency: sum(row.amounts) for row in open_items})
    entries = _by_currency(entry_sums_by_day(session, first, today))
    billed = _by_currency(session.execute(_billed(first, today)))
    received = _by_currency(session.execute(_received(first, today)))
    refunded = _by_currency(session.execute(_refunded(first, today)))
    return {
        currency: month_figures(
            today,
            balances.get(currency, 0),
            entries[currency],
            billed[currency],
            received[currency],
            refunded[currency],
        )
        for currency in sorted(balances.keys() | entries.keys())
    }


def _by_currency(rows: Iterable[Any]) -> DayAmounts:
    amounts: DayAmounts = defaultdict(list)
    for currency, day, amount in rows:
        amounts[currency].append((day, int(amount)))
    return amounts


def _billed(first: date, last: date) -> Rows:
    """Sum the invoices of each day less its credit notes.

    Void documents count as zero, as in the list of invoices. An earlier system billed the opening invoices.
    """
    amount = case((Invoice.kind == "credit_note", -Invoice.total), else_=Invoice.total)
    is_billed = (Invoice.status == "issued", Invoice.kind != OPENING_INVOICE)
    query: Rows = select(Invoice.currency, Invoice.issue_date, func.sum(amount))
    return query.where(Invoice.issue_date.between(first, last), *is_billed).group_by(
        Invoice.issue_date, Invoice.currency
    )


def _received(first: date, last: date) -> Rows:
    """Sum the money received on each day.

    Reversed payments, write-offs and opening credits do not count.
    """
    query: Rows = select(Payment.currency, Payment.received_on, func.sum(Payment.amount))
    return query.where(Payment.received_on.between(first, last), Payment.status == "recorded", is_money()).group_by(
        Payment.received_on, Payment.currency
    )


def _refunded(first: date, last: date) -> Rows:
    """Sum the refunds paid on each day, without reversed ones."""
    query: Rows = select(Refund.currency, Refund.paid_on, func.sum(Refund.amount))
    return query.where(Refund.paid_on.between(first, last), Refund.status == "recorded").group_by(
        Refund.paid_on, Refund.currency
    )


@dataclass(frozen=True, slots=True)
class Debtor:
    """A customer's open amount in a currency, with the overdue part of it."""

    reference: str
    name: str
    invoices: int
    open: int
    overdue: int


def top_debtors(session: Session, filters: OpenItemFilter, count: int) -> list[Debtor]:
    """Return the customers with the largest open amounts; the filter has a currency."""
    invoices, rows = open_item_rows(session, filters)
    items = invoices.c
    amount = items.invoiced - items.credited - items.allocated
    open_amount = func.sum(amount)
    query = (
        rows.order_by(None)
        .add_columns(
            Customer.reference,
            Customer.name,
            func.count(),
            open_amount,
            func.sum(case((items.due_date < filters.as_of, amount), else_=0)),
        )
        .group_by(Customer.id)
        .order_by(open_amount.desc(), Customer.reference)
        .limit(count)
    )
    return [Debtor(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in session.execute(query)]

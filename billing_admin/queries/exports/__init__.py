"""Exports: the columns, rows and control totals of each kind of file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import func
from sqlalchemy.orm import Session

from billing_admin.db.paging import Sort, find_order
from billing_admin.domain.money import Money
from billing_admin.models.base import exact_sum
from billing_admin.queries import list_sorts
from billing_admin.queries.audit import AuditFilter
from billing_admin.queries.charges import charges as charge_queries
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.charges.recurring_charges import RecurringFilter
from billing_admin.queries.exports.catalogue import (
    BANK_ACCOUNTS,
    CONTACTS,
    CUSTOMERS,
    EXCHANGE_RATES,
    SERVICES,
    bank_accounts,
    contacts,
    customers,
    exchange_rates,
    services,
)
from billing_admin.queries.exports.charges import CHARGES, charges
from billing_admin.queries.exports.columns import Column, Export, Kind
from billing_admin.queries.exports.documents import LINES, NUMBERS, invoice_columns, invoices, lines, numbers
from billing_admin.queries.exports.log import EVENTS, events
from billing_admin.queries.exports.messages import MESSAGES, messages
from billing_admin.queries.exports.payments import ALLOCATIONS, PAYMENTS, REFUNDS, allocations, payments, refunds
from billing_admin.queries.exports.receivables import OPEN_ITEMS, open_items
from billing_admin.queries.exports.recurring_charges import recurring_charges, recurring_columns
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.invoices.numbers import SeriesFilter
from billing_admin.queries.master_data.bank_accounts import BankAccountFilter
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.exchange_rates import RateFilter
from billing_admin.queries.master_data.services import ServiceFilter
from billing_admin.queries.messages.messages import MessageFilter
from billing_admin.queries.payments.open_items import OpenItemFilter
from billing_admin.queries.payments.payments import PaymentFilter
from billing_admin.queries.payments.refunds import RefundFilter

__all__ = ["KINDS", "Column", "Export", "Filters", "Kind", "Totals", "export", "sorts_of", "totals"]

Filters = (
    AuditFilter
    | BankAccountFilter
    | ChargeFilter
    | CustomerFilter
    | InvoiceFilter
    | MessageFilter
    | OpenItemFilter
    | PaymentFilter
    | RateFilter
    | RecurringFilter
    | RefundFilter
    | SeriesFilter
    | ServiceFilter
)


class FileKind(NamedTuple):
    """A kind of file: filters, function, columns, summed column and sorts.

    The summed column is the one of its control totals. The sorts are those of the list that the file is exported from.
    """

    filters: type[Filters]
    build: Callable[[Session, Any], Export]
    columns: tuple[Column, ...]
    summed: str | None = None
    sorts: Mapping[str, Sort] = {}


FILE_KINDS: Final[Mapping[str, FileKind]] = {
    "invoices": FileKind(InvoiceFilter, invoices, invoice_columns(date.min), "total", list_sorts.INVOICES),
    "invoice-lines": FileKind(InvoiceFilter, lines, LINES, "net", list_sorts.INVOICES),
    "charges": FileKind(ChargeFilter, charges, CHARGES, "amount", list_sorts.CHARGES),
    "recurring-charges": FileKind(
        RecurringFilter, recurring_charges, recurring_columns(date.min), sorts=list_sorts.RECURRING_CHARGES
    ),
    "payments": FileKind(PaymentFilter, payments, PAYMENTS, "amount", list_sorts.PAYMENTS),
    "allocations": FileKind(PaymentFilter, allocations, ALLOCATIONS, "amount", list_sorts.PAYMENTS),
    "customers": FileKind(CustomerFilter, customers, CUSTOMERS, sorts=list_sorts.CUSTOMERS),
    "contacts": FileKind(CustomerFilter, contacts, CONTACTS, sorts=list_sorts.CUSTOMERS),
    "services": FileKind(ServiceFilter, services, SERVICES, sorts=list_sorts.SERVICES),
    "bank-accounts": FileKind(BankAccountFilter, bank_accounts, BANK_ACCOUNTS),
    "exchange-rates": FileKind(RateFilter, exchange_rates, EXCHANGE_RATES, sorts=list_sorts.EXCHANGE_RATES),
    "audit-events": FileKind(AuditFilter, events, EVENTS, sorts=list_sorts.AUDIT_EVENTS),
    "open-items": FileKind(OpenItemFilter, open_items, OPEN_ITEMS, "open_amount", list_sorts.OPEN_ITEMS),
    "numbers": FileKind(SeriesFilter, numbers, NUMBERS, "total"),
    "refunds": FileKind(RefundFilter, refunds, REFUNDS, "amount", list_sorts.REFUNDS),
    "messages": FileKind(MessageFilter, messages, MESSAGES, sorts=list_sorts.MESSAGES),
}


def sorts_of(kind: str) -> Mapping[str, Sort]:
    """Return the sorts of a kind of file, none for an unknown kind."""
    return FILE_KINDS[kind].sorts if kind in FILE_KINDS else {}


def export(session: Session, kind: str, filters: Filters, sort: str = "") -> Export:
    """Return the file of a kind with the rows that match a filter.

    `sort` is one of the kind's `sorts`, after a minus sign to reverse it; without one, the file has its own order, as have
    the rows of one object. Raises as the list does.
    """
    file = FILE_KINDS[kind].build(session, filters)
    if not sort:
        return file
    order = find_order(FILE_KINDS[kind].sorts, sort).clauses({column.name: column.value for column in file.columns})
    return replace(file, rows=file.rows.order_by(None).order_by(*order, *file.rows._order_by_clauses))


@dataclass(frozen=True, slots=True)
class Totals:
    """The number of rows of a file, and the sum of one column per currency.

    Rows of every status count. The column is the exact amount of charges, the net of lines, the total of
    invoices and credit notes, the open amount of open items, and the amount of payments, allocations and
    refunds. Other files have no sums.
    """

    rows: int
    sums: Mapping[str, Decimal]


def totals(session: Session, kind: str, filters: Filters) -> Totals:
    """Return the control totals of a file, in one query."""
    if isinstance(filters, ChargeFilter):  # faster: without the joins for the names in the file
        sums = charge_queries.charge_sums(session, filters)
        return Totals(sum(row.charges for row in sums), {row.currency: row.amount for row in sums})
    file = export(session, kind, filters)
    if FILE_KINDS[kind].summed is None:
        return Totals(session.scalar(file.rows.order_by(None).add_columns(func.count())) or 0, {})
    return _summed(session, file, FILE_KINDS[kind].summed)


def _summed(session: Session, file: Export, name: str | None) -> Totals:
    column = next(column for column in file.columns if column.name == name)
    is_money = column.kind is Kind.MONEY
    total = func.sum(column.value) if is_money else exact_sum(column.value)
    query: Any = file.rows.order_by(None).add_columns(file.currency, func.count(), total)
    rows = session.execute(query.group_by(file.currency).order_by(file.currency)).all()
    sums = {currency: Money(int(sum_), currency).decimal if is_money else sum_ for currency, _, sum_ in rows}
    return Totals(sum(count for _, count, _ in rows), sums)

"""What is exported: for each kind of file its columns in their fixed order, its rows by the filter of the list, its totals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import func
from sqlalchemy.orm import Session

from billing_admin.domain.money import Money
from billing_admin.models.base import exact_sum
from billing_admin.queries.audit import AuditFilter
from billing_admin.queries.charges import charges as charge_queries
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.exports.catalogue import CUSTOMERS, SERVICES, customers, services
from billing_admin.queries.exports.charges import CHARGES, charges
from billing_admin.queries.exports.columns import Column, Export, Kind
from billing_admin.queries.exports.documents import LINES, NUMBERS, invoice_columns, invoices, lines, numbers
from billing_admin.queries.exports.log import EVENTS, events
from billing_admin.queries.exports.payments import ALLOCATIONS, PAYMENTS, allocations, payments
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.invoices.numbers import SeriesFilter
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.services import ServiceFilter
from billing_admin.queries.payments.payments import PaymentFilter

__all__ = ["KINDS", "Column", "Export", "Filters", "Kind", "Totals", "export", "totals"]

Filters = AuditFilter | ChargeFilter | CustomerFilter | InvoiceFilter | PaymentFilter | SeriesFilter | ServiceFilter


class FileKind(NamedTuple):
    """A kind of file: the filters it takes, how it is made, its columns, and the one that the control totals add up."""

    filters: type[Filters]
    build: Callable[[Session, Any], Export]
    columns: tuple[Column, ...]
    summed: str | None = None


KINDS: Final[Mapping[str, FileKind]] = {
    "invoices": FileKind(InvoiceFilter, invoices, invoice_columns(date.min), "total"),
    "invoice-lines": FileKind(InvoiceFilter, lines, LINES, "net"),
    "charges": FileKind(ChargeFilter, charges, CHARGES, "amount"),
    "payments": FileKind(PaymentFilter, payments, PAYMENTS, "amount"),
    "allocations": FileKind(PaymentFilter, allocations, ALLOCATIONS, "amount"),
    "customers": FileKind(CustomerFilter, customers, CUSTOMERS),
    "services": FileKind(ServiceFilter, services, SERVICES),
    "audit-events": FileKind(AuditFilter, events, EVENTS),
    "numbers": FileKind(SeriesFilter, numbers, NUMBERS, "total"),
}


def export(session: Session, kind: str, filters: Filters) -> Export:
    """The file of that kind, with the rows that the filter lets through. Raises as the list does."""
    return KINDS[kind].build(session, filters)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows a file has, and per currency what its summed column adds up to, whatever became of a row: charges exactly,
    lines by net, invoices and credit notes by total, payments and allocations by amount. Nothing else is summed.
    """

    rows: int
    sums: Mapping[str, Decimal]


def totals(session: Session, kind: str, filters: Filters) -> Totals:
    """Those of the file, in one question."""
    if isinstance(filters, ChargeFilter):  # without the names that the file has beside each charge
        found = charge_queries.charge_sums(session, filters)
        return Totals(sum(one.charges for one in found), {one.currency: one.amount for one in found})
    file = export(session, kind, filters)
    if KINDS[kind].summed is None:
        return Totals(session.scalar(file.rows.order_by(None).add_columns(func.count())) or 0, {})
    return _summed(session, file, KINDS[kind].summed)


def _summed(session: Session, file: Export, name: str | None) -> Totals:
    column = next(one for one in file.columns if one.name == name)
    is_money = column.kind is Kind.MONEY
    added = func.sum(column.value) if is_money else exact_sum(column.value)
    query = file.rows.order_by(None).add_columns(file.currency, func.count(), added)
    found = session.execute(query.group_by(file.currency).order_by(file.currency)).all()
    sums = {row[0]: Money(int(row[2]), row[0]).decimal if is_money else row[2] for row in found}
    return Totals(sum(row[1] for row in found), sums)

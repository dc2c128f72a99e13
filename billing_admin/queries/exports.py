"""What is exported: for each file its columns in their fixed order, its rows by the filter of the list, and what they add up to.

`documents.csv` turns these typed columns into cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, null, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.money import Money
from billing_admin.models import Charge, Customer, Invoice, InvoiceLine, Payment, Service
from billing_admin.queries import charges, invoices, numbers, payments
from billing_admin.queries.charges import ChargeFilter
from billing_admin.queries.invoices import InvoiceFilter
from billing_admin.queries.numbers import SeriesFilter
from billing_admin.queries.payments import PaymentFilter

Filters = ChargeFilter | InvoiceFilter | PaymentFilter | SeriesFilter
Sums = dict[str, tuple[int, Decimal]]


class Kind(Enum):
    """How a column is written."""

    TEXT = auto()
    """What somebody typed: it is kept from looking like a formula."""
    WORD = auto()
    """A word of ours, a key or a currency."""
    WHOLE = auto()
    EXACT = auto()
    MONEY = auto()
    """Minor units of the row's currency."""
    DAY = auto()
    MOMENT = auto()
    FLAG = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of a file."""

    name: str
    kind: Kind
    value: ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Export:
    """One file: `rows` selects nothing yet, `columns` say what. Money is in the row's `currency`."""

    columns: Sequence[Column]
    rows: Select[Any]
    currency: ColumnElement[str]


def export(session: Session, kind: str, filters: Filters) -> Export:
    """The file of that kind, with the rows that the filter lets through, newest first. Raises as the list does."""
    if isinstance(filters, SeriesFilter):
        return Export(_NUMBERS, numbers.numbered(filters).order_by(Invoice.sequence), Invoice.currency.expression)
    if isinstance(filters, PaymentFilter):
        return Export(_PAYMENTS, _payments(session, filters), Payment.currency.expression)
    if isinstance(filters, ChargeFilter):
        return Export(_CHARGES, _charges(session, filters), Charge.currency.expression)
    if kind == "invoices":
        return Export(_invoice_columns(filters.today), _invoices(session, filters), Invoice.currency.expression)
    return Export(_LINES, _lines(session, filters), Invoice.currency.expression)


def sums(session: Session, kind: str, filters: Filters) -> Sums:
    """How many rows the file has per currency, and what its column adds up to, whatever became of a row: charges exactly,
    lines by net, invoices and credit notes by total, payments by amount.
    """
    if isinstance(filters, ChargeFilter):
        return {one.currency: (one.charges, one.amount) for one in charges.sums(session, filters)}
    file = export(session, kind, filters)
    query = file.rows.order_by(None).add_columns(file.currency, func.count(), func.sum(_SUMMED[kind]))
    found = session.execute(query.group_by(file.currency).order_by(file.currency))
    return {currency: (count, _major(int(amount), currency)) for currency, count, amount in found}


def _major(minor: int, currency: str) -> Decimal:
    return Money(minor, currency).decimal


def _charges(session: Session, filters: ChargeFilter) -> Select[Any]:
    return (
        select()
        .select_from(Charge)
        .join(Customer, Customer.id == Charge.customer_id)
        .outerjoin(Service, Service.id == Charge.service_id)
        .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(*charges.conditions(session, filters))
        .order_by(Charge.created_at.desc(), Charge.id.desc())
    )


def _invoices(session: Session, filters: InvoiceFilter) -> Select[Any]:
    return (
        select()
        .select_from(Invoice)
        .where(*invoices.conditions(session, filters))
        .order_by(Invoice.created_at.desc(), Invoice.id.desc())
    )


def _lines(session: Session, filters: InvoiceFilter) -> Select[Any]:
    return (
        select()
        .select_from(Invoice)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(*invoices.conditions(session, filters))
        .order_by(Invoice.created_at.desc(), Invoice.id.desc(), InvoiceLine.position)
    )


def _payments(session: Session, filters: PaymentFilter) -> Select[Any]:
    return (
        select()
        .select_from(Payment)
        .join(Customer, Customer.id == Payment.customer_id)
        .where(*payments.conditions(session, filters))
        .order_by(Payment.created_at.desc(), Payment.id.desc())
    )


def _number_of(id: Any) -> ColumnElement[str | None]:
    other = aliased(Invoice)
    return select(other.number).where(other.id == id).correlate(Invoice).scalar_subquery()


def _column(name: str, kind: Kind, value: Any) -> Column:
    return Column(name, kind, value)


_CHARGES = (
    _column("id", Kind.WORD, Charge.id),
    _column("customer", Kind.TEXT, Customer.reference),
    _column("service", Kind.TEXT, Service.code),
    _column("description", Kind.TEXT, Charge.description),
    _column("quantity", Kind.EXACT, Charge.quantity),
    _column("unit_price", Kind.EXACT, Charge.unit_price),
    _column("amount", Kind.EXACT, Charge.amount),
    _column("currency", Kind.WORD, Charge.currency),
    _column("incurred_on", Kind.DAY, Charge.incurred_on),
    _column("status", Kind.WORD, Charge.status),
    _column("invoice", Kind.TEXT, Invoice.number),
    _column("created_at", Kind.MOMENT, Charge.created_at),
    _column("late", Kind.FLAG, Charge.late),
    _column("tax_included", Kind.FLAG, Charge.tax_included),
)
_LINES = (
    _column("invoice", Kind.TEXT, Invoice.number),
    _column("position", Kind.WHOLE, InvoiceLine.position),
    _column("customer", Kind.TEXT, Invoice.customer_reference),
    _column("service", Kind.TEXT, InvoiceLine.service_code),
    _column("description", Kind.TEXT, InvoiceLine.description),
    _column("quantity", Kind.EXACT, InvoiceLine.quantity),
    _column("unit_price", Kind.EXACT, InvoiceLine.unit_price),
    _column("currency", Kind.WORD, Invoice.currency),
    _column("net", Kind.MONEY, InvoiceLine.net),
    _column("tax_category", Kind.WORD, InvoiceLine.tax_category),
    _column("tax_percent", Kind.EXACT, InvoiceLine.tax_percent),
    _column("amount", Kind.EXACT, InvoiceLine.amount),
    _column("charges", Kind.WHOLE, InvoiceLine.charges),
    _column("invoice_id", Kind.WORD, Invoice.id),
    _column("gross", Kind.MONEY, InvoiceLine.gross),
)
_NUMBERS = (
    _column("number", Kind.TEXT, Invoice.number),
    _column("kind", Kind.WORD, Invoice.kind),
    _column("sequence", Kind.WHOLE, Invoice.sequence),
    _column("issue_date", Kind.DAY, Invoice.issue_date),
    _column("status", Kind.WORD, Invoice.status),
    _column("customer", Kind.TEXT, Invoice.customer_reference),
    _column("customer_name", Kind.TEXT, Invoice.customer_name),
    _column("currency", Kind.WORD, Invoice.currency),
    _column("total", Kind.MONEY, Invoice.total),
    _column("corrects", Kind.TEXT, _number_of(Invoice.corrects_id)),
    _column("voided_on", Kind.DAY, Invoice.voided_on),
    _column("reason", Kind.TEXT, Invoice.reason),
    _column("id", Kind.WORD, Invoice.id),
)
_SUMMED = {
    "invoices": Invoice.total,
    "invoice-lines": InvoiceLine.net,
    "payments": Payment.amount,
    "numbers": Invoice.total,
}
_PAYMENTS = (
    _column("id", Kind.WORD, Payment.id),
    _column("customer", Kind.TEXT, Customer.reference),
    _column("received_on", Kind.DAY, Payment.received_on),
    _column("method", Kind.WORD, Payment.method),
    _column("reference", Kind.TEXT, Payment.reference),
    _column("currency", Kind.WORD, Payment.currency),
    _column("amount", Kind.MONEY, Payment.amount),
    _column("allocated", Kind.MONEY, Payment.allocated),
    _column("unallocated", Kind.MONEY, payments.left()),
    _column("status", Kind.WORD, Payment.status),
    _column("reversed_on", Kind.DAY, Payment.reversed_on),
    _column("created_at", Kind.MOMENT, Payment.created_at),
)


def _invoice_columns(today: date) -> tuple[Column, ...]:
    left = Invoice.total - Invoice.paid - Invoice.credited
    owes = and_(Invoice.status == "issued", Invoice.kind == "invoice")
    return (
        _column("number", Kind.TEXT, Invoice.number),
        _column("kind", Kind.WORD, Invoice.kind),
        _column("status", Kind.WORD, Invoice.status),
        _column("payment_status", Kind.WORD, _payment_status(left, today)),
        _column("customer", Kind.TEXT, Invoice.customer_reference),
        _column("customer_name", Kind.TEXT, Invoice.customer_name),
        _column("issue_date", Kind.DAY, Invoice.issue_date),
        _column("due_date", Kind.DAY, Invoice.due_date),
        _column("currency", Kind.WORD, Invoice.currency),
        _column("net", Kind.MONEY, Invoice.net),
        _column("tax", Kind.MONEY, Invoice.tax),
        _column("total", Kind.MONEY, Invoice.total),
        _column("paid", Kind.MONEY, Invoice.paid),
        _column("credited", Kind.MONEY, Invoice.credited),
        _column("balance", Kind.MONEY, case((owes, left), else_=0)),
        _column("id", Kind.WORD, Invoice.id),
        _column("corrects", Kind.TEXT, _number_of(Invoice.corrects_id)),
        _column("replaces", Kind.TEXT, _number_of(Invoice.replaces_id)),
        _column("voided_on", Kind.DAY, Invoice.voided_on),
        _column("reason", Kind.TEXT, Invoice.reason),
        _column("purchase_order", Kind.TEXT, Invoice.purchase_order),
    )


def _payment_status(left: ColumnElement[int], today: date) -> ColumnElement[str | None]:
    """As `domain.invoicing.payment_status` says it; a test compares the two."""
    return case(
        (or_(Invoice.status != "issued", Invoice.kind != "invoice"), null()),
        (and_(left <= 0, Invoice.credited != 0, Invoice.paid == 0), "credited"),
        (left <= 0, "paid"),
        (Invoice.due_date < today, "overdue"),
        ((Invoice.paid != 0) | (Invoice.credited != 0), "part_paid"),
        else_="unpaid",
    )

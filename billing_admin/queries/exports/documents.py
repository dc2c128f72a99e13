"""Exports of invoices, credit notes, their lines, and the number register."""

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, cast, null, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.models import ExchangeRate, Invoice, InvoiceLine
from billing_admin.queries.exports.columns import Column, Export, Kind, column
from billing_admin.queries.invoices.invoices import InvoiceFilter, conditions
from billing_admin.queries.invoices.numbers import SeriesFilter, series_documents


def invoices(session: Session, filters: InvoiceFilter) -> Export:
    """Return the export of invoices and credit notes, newest first."""
    rows: Select[Any] = (
        select()
        .select_from(Invoice)
        .where(*conditions(session, filters))
        .order_by(Invoice.created_at.desc(), Invoice.id.desc())
    )
    return Export(invoice_columns(filters.today), rows, Invoice.currency.expression)


def lines(session: Session, filters: InvoiceFilter) -> Export:
    """Return the export of document lines, document by document."""
    rows: Select[Any] = (
        select()
        .select_from(Invoice)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(*conditions(session, filters))
        .order_by(Invoice.created_at.desc(), Invoice.id.desc(), InvoiceLine.position)
    )
    return Export(LINES, rows, Invoice.currency.expression)


def numbers(_session: Session, filters: SeriesFilter) -> Export:
    """Return the export of a number series, in its order."""
    return Export(NUMBERS, series_documents(filters).order_by(Invoice.sequence), Invoice.currency.expression)


def _number_of(id: Any) -> ColumnElement[str | None]:
    related = aliased(Invoice)
    return select(related.number).where(related.id == id).correlate(Invoice).scalar_subquery()


LINES = (
    column("invoice", Kind.TEXT, Invoice.number),
    column("position", Kind.WHOLE, InvoiceLine.position),
    column("customer", Kind.TEXT, Invoice.customer_reference),
    column("service", Kind.TEXT, InvoiceLine.service_code),
    column("description", Kind.TEXT, InvoiceLine.description),
    column("quantity", Kind.EXACT, InvoiceLine.quantity),
    column("unit_price", Kind.EXACT, InvoiceLine.unit_price),
    column("currency", Kind.WORD, Invoice.currency),
    column("net", Kind.MONEY, InvoiceLine.net),
    column("tax_category", Kind.WORD, InvoiceLine.tax_category),
    column("tax_percent", Kind.EXACT, InvoiceLine.tax_percent),
    column("amount", Kind.EXACT, InvoiceLine.amount),
    column("charges", Kind.WHOLE, InvoiceLine.charges),
    column("invoice_id", Kind.WORD, Invoice.id),
    column("gross", Kind.MONEY, InvoiceLine.gross),
    column("period_from", Kind.DAY, InvoiceLine.period_from),
    column("period_to", Kind.DAY, InvoiceLine.period_to),
    column("period_of_days", Kind.WHOLE, InvoiceLine.period_of_days),
    column("unit", Kind.TEXT, InvoiceLine.unit),
    column("purchase_order", Kind.TEXT, InvoiceLine.purchase_order),
    column("unit_code", Kind.TEXT, InvoiceLine.unit_code),
)
NUMBERS = (
    column("number", Kind.TEXT, Invoice.number),
    column("kind", Kind.WORD, Invoice.kind),
    column("sequence", Kind.WHOLE, Invoice.sequence),
    column("issue_date", Kind.DAY, Invoice.issue_date),
    column("status", Kind.WORD, Invoice.status),
    column("customer", Kind.TEXT, Invoice.customer_reference),
    column("customer_name", Kind.TEXT, Invoice.customer_name),
    column("currency", Kind.WORD, Invoice.currency),
    column("total", Kind.MONEY, Invoice.total),
    column("corrects", Kind.TEXT, _number_of(Invoice.corrects_id)),
    column("voided_on", Kind.DAY, Invoice.voided_on),
    column("reason", Kind.TEXT, Invoice.reason),
    column("id", Kind.WORD, Invoice.id),
)


def invoice_columns(today: date) -> tuple[Column, ...]:
    """Return the columns of documents; the payment status depends on the day."""
    open_amount = Invoice.total - Invoice.paid - Invoice.credited
    is_owed = and_(Invoice.status == "issued", Invoice.kind != "credit_note")
    return (
        column("number", Kind.TEXT, Invoice.number),
        column("kind", Kind.WORD, Invoice.kind),
        column("status", Kind.WORD, Invoice.status),
        column("payment_status", Kind.WORD, _payment_status(open_amount, today)),
        column("customer", Kind.TEXT, Invoice.customer_reference),
        column("customer_name", Kind.TEXT, Invoice.customer_name),
        column("issue_date", Kind.DAY, Invoice.issue_date),
        column("due_date", Kind.DAY, case((Invoice.kind != "credit_note", Invoice.due_date))),
        column("currency", Kind.WORD, Invoice.currency),
        column("net", Kind.MONEY, Invoice.net),
        column("tax", Kind.MONEY, Invoice.tax),
        column("total", Kind.MONEY, Invoice.total),
        column("paid", Kind.MONEY, Invoice.paid),
        column("credited", Kind.MONEY, Invoice.credited),
        column("balance", Kind.MONEY, case((is_owed, open_amount), else_=0)),
        column("id", Kind.WORD, Invoice.id),
        column("corrects", Kind.TEXT, _number_of(Invoice.corrects_id)),
        column("replaces", Kind.TEXT, _number_of(Invoice.replaces_id)),
        column("voided_on", Kind.DAY, Invoice.voided_on),
        column("reason", Kind.TEXT, Invoice.reason),
        column("purchase_order", Kind.TEXT, Invoice.purchase_order),
        column("period_from", Kind.DAY, Invoice.period_from),
        column("period_to", Kind.DAY, Invoice.period_to),
        column("tax_in_base", Kind.MONEY, Invoice.tax_in_base, _base_rate("currency")),
        column("base_currency", Kind.WORD, _base_rate("currency")),
        column("base_rate", Kind.EXACT, cast(_base_rate("rate"), ExchangeRate.rate.type)),
        column("base_rate_day", Kind.DAY, _base_rate("day")),
        column("base_rate_source", Kind.TEXT, _base_rate("source")),
        column("original_date", Kind.DAY, Invoice.original_date),
        column("original_total", Kind.MONEY, Invoice.original_total),
        column("original_tax", Kind.MONEY, Invoice.original_tax),
    )


def _base_rate(member: str) -> ColumnElement[str]:
    """Return a member of the exchange rate in the details of a document, or null."""
    value: ColumnElement[str] = Invoice.details["base_rate"][member].as_string()
    return value


def _payment_status(open_amount: ColumnElement[int], today: date) -> ColumnElement[str | None]:
    """Return the column that equals `domain.lifecycle.payment_status`.

    A test compares the two.
    """
    return case(
        (or_(Invoice.status != "issued", Invoice.kind == "credit_note"), null()),
        (and_(open_amount <= 0, Invoice.credited != 0, Invoice.paid == 0), "credited"),
        (open_amount <= 0, "paid"),
        (Invoice.due_date < today, "overdue"),
        ((Invoice.paid != 0) | (Invoice.credited != 0), "part_paid"),
        else_="unpaid",
    )

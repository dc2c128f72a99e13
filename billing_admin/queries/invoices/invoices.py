"""Invoices and credit notes: one with its parts, many by filter, and sums.

Money is in minor units.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal_column, or_, select, true
from sqlalchemy.orm import Session

from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Invalid
from billing_admin.domain.messages import COUNTS_AS_SENT
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Invoice, InvoiceLine, Message, MessageDocument, VoidedCharge
from billing_admin.queries.invoices.currency_totals import CurrencyTotal, sum_by_currency
from billing_admin.queries.invoices.search import matches
from billing_admin.queries.listing import load_document_parts, load_message_states
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.object_ids import invoice_id
from billing_admin.queries.selections import is_selected


def invoice(session: Session, name: str) -> Invoice:
    """Return one invoice by id or number, with lines, taxes and related documents.

    Raises NotFound.
    """
    query = load_document_parts(select(Invoice)).execution_options(populate_existing=True)
    return session.scalars(query.where(Invoice.id == invoice_id(session, name))).one()


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """A filter for documents.

    `status` is draft, issued or void, or a state that depends on balance and `today`: open, overdue or
    paid. An invoice that an earlier version dated after today is not open yet. `q` is a part of the
    number, of a purchase order, or of a text of the customer, today's or an earlier one, or the total.
    Issued documents are `sent` or not, see `is_sent`. `selection` is the id of the documents that a person selected.
    """

    today: date
    q: str = ""
    customer: str = ""
    status: str = ""
    kind: str = ""
    currency: str = ""
    issued_from: date | None = None
    issued_to: date | None = None
    due_from: date | None = None
    due_to: date | None = None
    overdue: bool | None = None
    run: str = ""
    sent: bool | None = None
    selection: UUID | None = None


STATES = ("draft", "open", "overdue", "paid", "void")
_OWES = and_(Invoice.status == "issued", Invoice.kind != "credit_note")
_UNPAID = and_(_OWES, Invoice.total != Invoice.paid + Invoice.credited)
_OWED = Invoice.total - Invoice.paid - Invoice.credited


def _state(state: str, today: date) -> ColumnElement[bool]:
    # The first part of each condition makes the databases use the index of open invoices.
    is_open = and_(_UNPAID, Invoice.issue_date <= today)
    conditions: dict[str, ColumnElement[bool]] = {
        "draft": Invoice.status == literal_column("'draft'"),  # in the words of the index of drafts
        "open": is_open,
        "overdue": and_(is_open, Invoice.due_date < today),
        "paid": and_(_OWES, Invoice.total == Invoice.paid + Invoice.credited),
    }
    return conditions.get(state, Invoice.status == state)


def conditions(session: Session, filters: InvoiceFilter) -> list[ColumnElement[bool]]:
    """Return the filter as SQL conditions.

    Raises NotFound for an unknown customer and Invalid for a billing run that is not an id.
    """
    f = filters
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.customer, lambda: Invoice.customer_id == customer(session, f.customer).id),
        (f.status, lambda: _state(f.status, f.today)),
        (f.kind, lambda: Invoice.kind == f.kind),
        (f.currency, lambda: Invoice.currency == f.currency),
        (f.issued_from, lambda: Invoice.issue_date >= f.issued_from),
        (f.issued_to, lambda: Invoice.issue_date <= f.issued_to),
        (f.due_from, lambda: and_(Invoice.kind != "credit_note", Invoice.due_date >= f.due_from)),
        (f.due_to, lambda: and_(Invoice.kind != "credit_note", Invoice.due_date <= f.due_to)),
        (f.overdue is True, lambda: _state("overdue", f.today)),
        (f.overdue is False, lambda: or_(~_state("overdue", f.today), Invoice.due_date.is_(None))),
        (f.run, lambda: Invoice.run_id == _run_id(f.run)),
        (
            f.sent is not None,
            lambda: and_(Invoice.status == "issued", is_sent(Invoice.id) if f.sent else _is_unsent()),
        ),
        (f.q, lambda: matches(session, f.q)),
        (f.selection, lambda: is_selected(Invoice.id, f.selection)),
    ]
    return [condition() for value, condition in candidates if value]


def _is_unsent() -> ColumnElement[bool]:
    """Return the condition that a document was not sent and may be.

    An opening invoice never is.
    """
    return and_(Invoice.kind != OPENING_INVOICE, ~is_sent(Invoice.id))


def is_sent(invoice_id: Any) -> ColumnElement[bool]:
    """Return the condition that a customer has a document, or may have it."""
    return exists().where(
        MessageDocument.invoice_id == invoice_id,
        Message.id == MessageDocument.message_id,
        Message.state.in_(COUNTS_AS_SENT),
    )


def _run_id(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise Invalid("not_an_id", Phrase("Use the ID of a billing run."), "run")
    return id


def invoices(session: Session, filters: InvoiceFilter) -> Select[Invoice]:
    """Select the invoices that match a filter, newest first; for `paging.page`."""
    query = load_message_states(select(Invoice)).where(*conditions(session, filters))
    return query.order_by(Invoice.created_at.desc(), Invoice.id.desc())


def issued_ids(session: Session, filters: InvoiceFilter) -> list[UUID]:
    """Return the ids of matching documents with a series, by series and number."""
    query = select(Invoice.id).where(*conditions(session, filters), Invoice.series_id.is_not(None))
    return list(session.scalars(query.order_by(Invoice.series_id, Invoice.sequence)))


def count_issued(session: Session, filters: InvoiceFilter) -> int:
    """Return how many matching documents have a number series."""
    query = (
        select(func.count()).select_from(Invoice).where(*conditions(session, filters), Invoice.series_id.is_not(None))
    )
    return session.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class InvoiceSum:
    """Sums of documents of one kind in one currency, in minor units.

    Void documents count as zero. `balance` is the open amount.
    """

    currency: str
    kind: str
    invoices: int
    net: int
    tax: int
    total: int
    paid: int
    credited: int
    balance: int


def invoice_sums(session: Session, filters: InvoiceFilter) -> list[InvoiceSum]:
    """Return the sums of matching documents per currency.

    Each kind of document is summed separately.
    """
    owed = func.coalesce(func.sum(_OWED).filter(_OWES), 0)
    stored = (Invoice.net, Invoice.tax, Invoice.total, Invoice.paid, Invoice.credited)
    amounts = [case((Invoice.status == "void", 0), else_=amount) for amount in stored]
    kinds = (Invoice.currency, Invoice.kind)
    query = select(*kinds, func.count(), *(func.sum(amount) for amount in amounts), owed).group_by(*kinds)
    rows = session.execute(query.where(*conditions(session, filters)).order_by(Invoice.currency, Invoice.kind.desc()))
    # The columns are in the order of InvoiceSum's fields.
    return [InvoiceSum(row[0], row[1], *(int(value) for value in row[2:])) for row in rows]


class InvoiceTotal(NamedTuple):
    """Count and total of documents of one kind in one currency, in minor units."""

    currency: str
    kind: str
    invoices: int
    total: int


def invoice_totals(session: Session, filters: InvoiceFilter) -> list[InvoiceTotal]:
    """Return the totals of matching documents, per currency and kind.

    They take half as long as all sums.
    """
    kinds = (Invoice.currency, Invoice.kind)
    query = select(*kinds, func.count(), func.sum(Invoice.total)).where(Invoice.status != "void").group_by(*kinds)
    rows = session.execute(query.where(*conditions(session, filters)).order_by(Invoice.currency, Invoice.kind.desc()))
    return [InvoiceTotal(currency, kind, count, int(total)) for currency, kind, count, total in rows]


def count_by_state(session: Session, filters: InvoiceFilter) -> dict[str, int]:
    """Count the invoices that match the rest of the filter, by state.

    The empty state counts all. Those of unpaid invoices read their index, the others that of days.
    """
    without_status = conditions(session, replace(filters, status=""))
    is_open = Invoice.issue_date <= filters.today
    documents = select(
        func.count().label("documents"),
        func.count().filter(Invoice.status == "draft").label("draft"),
        func.count().filter(Invoice.status == "void").label("void"),
        func.count().filter(_OWES).label("owing"),
    ).where(*without_status)
    unpaid = select(
        func.count().label("unpaid"),
        func.count().filter(is_open).label("open"),
        func.count().filter(is_open, Invoice.due_date < filters.today).label("overdue"),
    ).where(_UNPAID, *without_status)
    row: Any = session.execute(
        select(literal_column("*")).select_from(documents.subquery().join(unpaid.subquery(), true()))
    ).one()
    return {
        "": row.documents,
        "draft": row.draft,
        "open": row.open,
        "overdue": row.overdue,
        "paid": row.owing - row.unpaid,
        "void": row.void,
    }


def charge_count(invoice: Invoice) -> int:
    """Return how many charges are on the lines of an invoice."""
    return sum(line.charges for line in invoice.lines)


def charges_of_line(line_id: UUID) -> Select[Charge]:
    """Select the charges on a line, or on it before the invoice became void, by day."""
    voided = select(VoidedCharge.charge_id).where(VoidedCharge.invoice_line_id == line_id)
    query = select(Charge).where(or_(Charge.invoice_line_id == line_id, Charge.id.in_(voided)))
    return query.order_by(Charge.incurred_on, Charge.id)


def charges_of_invoice(invoice_id: UUID) -> Select[Charge]:
    """Select the charges on an invoice, by day; for `paging.page`."""
    line_ids = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    return select(Charge).where(Charge.invoice_line_id.in_(line_ids)).order_by(Charge.incurred_on, Charge.id)


@dataclass(frozen=True, slots=True)
class DraftSelection:
    """A selection of drafts to issue together.

    It has their ids, their sums, and the digest of the list that was shown.
    """

    ids: list[UUID]
    totals: list[CurrencyTotal]
    digest: str


def draft_selection(session: Session, filters: InvoiceFilter) -> DraftSelection:
    """Return the drafts among the invoices that match a filter."""
    columns = (Invoice.id, Invoice.version, Invoice.currency, Invoice.net, Invoice.tax, Invoice.total)
    query = select(*columns).where(*conditions(session, replace(filters, status="draft"))).order_by(Invoice.id)
    rows = session.execute(query).all()
    # The form sends the digest back: its layout must match that of the page that was shown.
    digest = hash_data([[str(row.id), row.version, row.total] for row in rows])
    totals = sum_by_currency((row.currency, row.net, row.tax, row.total) for row in rows)
    return DraftSelection([row.id for row in rows], totals, digest)


def invoice_lines(session: Session, filters: InvoiceFilter) -> Select[Any]:
    """Select the lines of matching invoices.

    Lines have the number and the customer of their invoice.
    """
    return (
        select(*InvoiceLine.__table__.c, Invoice.number, Invoice.customer_reference)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(*conditions(session, filters))
        .order_by(Invoice.created_at.desc(), Invoice.id.desc(), InvoiceLine.position)
    )

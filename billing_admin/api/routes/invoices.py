"""Invoices: listed, read, issued; and what a customer's next one would say."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    Day,
    Exact,
    FigureDay,
    Flag,
    Key,
    Listing,
    Paging,
    Parameters,
    ResponseModel,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, list_reply, route
from billing_admin.api.frame.versions import etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.invoices import Document
from billing_admin.domain.lifecycle import balance, payment_status
from billing_admin.domain.money import Money, currency_code
from billing_admin.models import Invoice
from billing_admin.operations.invoices import invoices as operations
from billing_admin.queries.billing.preview import prepare_current_document
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice, invoice_id, invoices
from billing_admin.queries.listing import with_lines
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import today


class PendingLineOut(ResponseModel):
    """A line of what is not billed yet. `gross` is what `net` was taken out of where prices include tax, else null."""

    position: int
    service: str | None
    description: str
    quantity: Exact
    unit_price: Exact | None
    gross: str | None
    net: str
    tax_category: str
    tax_percent: Exact
    charges: int


class LineOut(PendingLineOut):
    """A line of an invoice: the exact sum of its charges, rounded once."""

    id: UUID


class TaxOut(ResponseModel):
    """The tax at one rate; `included` in prices, or added. `note` is the reason where none is charged."""

    category: str
    percent: Exact
    included: bool
    base: str
    tax: str
    note: str


class InvoiceOut(ResponseModel):
    """An invoice or a credit note, whole. `reason` says why it is void, or why it credits."""

    id: UUID
    number: str | None
    kind: Annotated[str, enumeration("invoice", "credit_note")]
    status: Annotated[str, enumeration("draft", "issued", "void")]
    payment_status: Annotated[str, enumeration("unpaid", "part_paid", "paid", "credited", "overdue")] | None
    customer: str
    currency: str
    issue_date: date | None
    due_date: date | None
    period_from: date
    period_to: date
    net: str
    tax: str
    total: str
    paid: str
    credited: str
    balance: str
    corrects: str | None
    credit_notes: list[str]
    replaces: str | None
    replaced_by: UUID | None
    reason: str
    voided_on: date | None
    note: str
    purchase_order: str
    run: UUID | None
    lines: list[LineOut]
    taxes: list[TaxOut]


class DocumentOut(ResponseModel):
    """What pending charges would make. `left_out` says why no invoice would be made of them."""

    customer: str
    currency: str
    period_from: date | None
    period_to: date | None
    charges: int
    net: str
    tax: str
    total: str
    left_out: str | None
    lines: list[PendingLineOut]
    taxes: list[TaxOut]


class InvoiceFilters(Parameters):
    """Which invoices; the days of issue and those of the due date are all included."""

    customer: str = ""
    status: Literal["", "draft", "issued", "void", "open", "overdue", "paid"] = ""
    kind: Literal["", "invoice", "credit_note"] = ""
    currency: Currency = ""
    issued_from: Day | None = None
    issued_to: Day | None = None
    due_from: Day | None = None
    due_to: Day | None = None
    overdue: Flag | None = None
    run: Key | None = None

    def to_filter(self, day: date) -> InvoiceFilter:
        """The filter of the queries; what is overdue depends on the day."""
        return InvoiceFilter(**self.filters() | {"run": str(self.run or ""), "today": day})


class InvoiceQuery(InvoiceFilters, Paging):
    """A page of invoices."""


class CurrentQuery(Parameters):
    """Up to which day, today if left out; in which currency, the customer's if left out."""

    through: FigureDay | None = None
    currency: Currency = ""


class IssueIn(Body):
    """On which day; today if left out."""

    issue_date: Day = OMITTED


def invoice_out(row: Invoice, day: date) -> InvoiceOut:
    """An invoice with its parts, as it is answered; whether it is overdue depends on the day."""

    def money(minor: int) -> str:
        return str(Money(minor, row.currency))

    return InvoiceOut(
        id=row.id,
        number=row.number,
        kind=row.kind,
        status=row.status,
        payment_status=payment_status(row, day),
        customer=row.customer_reference,
        currency=row.currency,
        issue_date=row.issue_date,
        due_date=row.due_date,
        period_from=row.period_from,
        period_to=row.period_to,
        net=money(row.net),
        tax=money(row.tax),
        total=money(row.total),
        paid=money(row.paid),
        credited=money(row.credited),
        balance=money(balance(row)),
        corrects=row.corrected.number if row.corrected else None,
        credit_notes=[note.number or "" for note in row.credit_notes],
        replaces=row.replaced.number if row.replaced else None,
        replaced_by=row.replacement.id if row.replacement else None,
        reason=row.reason,
        voided_on=row.voided_on,
        note=row.note,
        purchase_order=row.purchase_order,
        run=row.run_id,
        lines=[
            LineOut(
                id=line.id,
                position=line.position,
                service=line.service_code or None,
                description=line.description,
                quantity=line.quantity,
                unit_price=line.unit_price,
                gross=None if line.gross is None else money(line.gross),
                net=money(line.net),
                tax_category=line.tax_category,
                tax_percent=line.tax_percent,
                charges=line.charges,
            )
            for line in row.lines
        ],
        taxes=[
            TaxOut(
                category=tax.category,
                percent=tax.percent,
                included=tax.included,
                base=money(tax.base),
                tax=money(tax.tax),
                note=tax.note,
            )
            for tax in row.taxes
        ],
    )


def document_out(reference: str, document: Document, left_out: str | None) -> DocumentOut:
    """What would be made of pending charges, as it is answered."""

    def money(minor: int) -> str:
        return str(Money(minor, document.currency))

    return DocumentOut(
        customer=reference,
        currency=document.currency,
        period_from=document.period_from,
        period_to=document.period_to,
        charges=document.charges,
        net=money(document.net),
        tax=money(document.tax),
        total=money(document.total),
        left_out=left_out,
        lines=[
            PendingLineOut(
                position=line.position,
                service=line.group.service_code or None,
                description=line.group.description,
                quantity=line.group.quantity,
                unit_price=line.group.unit_price,
                gross=None if line.gross is None else money(line.gross),
                net=money(line.net),
                tax_category=line.group.tax.category,
                tax_percent=line.group.tax.percent,
                charges=line.group.charges,
            )
            for line in document.lines
        ],
        taxes=[
            TaxOut(
                category=one.rate.category,
                percent=one.rate.percent,
                included=one.included,
                base=money(one.base),
                tax=money(one.tax),
                note=one.note,
            )
            for one in document.taxes
        ],
    )


def _nothing(reference: str, currency: str) -> DocumentOut:
    zero = str(Money(0, currency))
    return DocumentOut(
        customer=reference,
        currency=currency,
        period_from=None,
        period_to=None,
        charges=0,
        net=zero,
        tax=zero,
        total=zero,
        left_out="no_charges",
        lines=[],
        taxes=[],
    )


@route("GET", "/invoices", scope="read", query=InvoiceQuery, response=Listing[InvoiceOut])
def list_invoices(query: InvoiceQuery) -> Reply:
    """List invoices, newest first."""
    session = db.session()
    day = today(session, now())
    found = with_lines(invoices(session, query.to_filter(day)))
    return list_reply(page(session, found, query.limit, query.after), lambda row: invoice_out(row, day))


@route("GET", "/invoices/{number}", scope="read", response=InvoiceOut, versioned=True)
def get_invoice(number: str) -> Reply:
    """Read one invoice, by id or number. The ETag is for changing a draft."""
    return invoice_reply(db.session(), number, now())


def invoice_reply(session: Session, name: str, at: datetime) -> Reply:
    """One invoice as it is now, with its version."""
    row = invoice(session, name)
    return Reply(invoice_out(row, today(session, at)), headers={"ETag": etag(row.version)})


@route(
    "POST",
    "/invoices/{number}/issue",
    scope="billing:write",
    body=IssueIn,
    body_optional=True,
    response=InvoiceOut,
    versioned=True,
)
def issue_invoice(actor: Actor, number: str, body: IssueIn) -> Reply:
    """Issue a draft: it gets its number, and never changes again."""
    return transaction(_issue, number, body.issue_date, actor, now())


def _issue(session: Session, name: str, issue_date: date | None, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    operations.issue(session, id, issue_date, actor, at)
    return invoice_reply(session, str(id), at)


@route("GET", "/customers/{ref}/current-invoice", scope="read", query=CurrentQuery, response=DocumentOut)
def get_current_invoice(ref: str, query: CurrentQuery) -> Reply:
    """Show what a customer's pending charges would make if billed now."""
    session = db.session()
    who = customer(session, ref)
    currency = query.currency or who.currency
    prepared = prepare_current_document(session, who.id, currency, query.through or today(session, now()))
    if prepared is None:
        return Reply(_nothing(who.reference, currency_code(currency)))
    return Reply(document_out(who.reference, prepared.document, prepared.reason))

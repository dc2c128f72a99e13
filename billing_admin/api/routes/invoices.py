"""Invoices: listed, read and issued; and the current invoice of a customer."""

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
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.lifecycle import balance, payment_due, payment_status
from billing_admin.domain.messages import STATES
from billing_admin.domain.money import Money, currency_code
from billing_admin.domain.webhook_payloads import base_currency_members
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import Invoice
from billing_admin.models.invoice import DOCUMENT_KINDS
from billing_admin.operations.invoices import invoices as operations
from billing_admin.queries.billing.preview import prepare_current_document
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice, invoices
from billing_admin.queries.listing import load_document_parts
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.object_ids import invoice_id


class PendingLineOut(ResponseModel):
    """A line of a document that is not billed yet.

    `gross` includes tax if the price does; otherwise it is null. The period is that of the charges; it is null if no
    charge has one. `period_of_days` is the length of the whole period if the line is for some of its days. `unit` and
    `unit_code` are those of the service; they are null if the service has none.
    """

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
    period_from: date | None
    period_to: date | None
    period_of_days: int | None
    unit: str | None
    purchase_order: str
    unit_code: str | None


class LineOut(PendingLineOut):
    """A line of an invoice: the exact sum of its charges, rounded once."""

    id: UUID


class TaxOut(ResponseModel):
    """The tax at one rate, `included` in prices or added to them.

    `note` is the reason if no tax is charged, and `vatex` its code in e-invoices.
    """

    category: str
    percent: Exact
    included: bool
    base: str
    tax: str
    note: str
    vatex: str


class BaseRateOut(ResponseModel):
    """The exchange rate of a document.

    One unit of `currency`, the base currency, costs `rate` units of the document's currency.
    """

    currency: str
    rate: Exact
    day: date
    source: str


class InvoiceOut(ResponseModel):
    """An invoice, a credit note or an opening invoice, with its lines and taxes.

    `reason` is that of a void or a credit note. `message_state` is the state of the last message that sends it to the
    customer and was not cancelled or dropped, if there is such a message. It was `sent` if one was sent, may have been
    sent or was marked as sent. `tax_in_base` is the tax in the base currency by `base_rate`; both are null if the
    document is in the base currency or has no tax, and for drafts. An opening invoice has neither lines nor taxes:
    `original_date`, `original_total` and `original_tax` are those of the document of the earlier system, and
    `issue_date` is the cut-over day.
    """

    id: UUID
    number: str | None
    kind: Annotated[str, enumeration(*DOCUMENT_KINDS)]
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
    sent: bool
    message_state: Annotated[str, enumeration(*STATES)] | None
    lines: list[LineOut]
    taxes: list[TaxOut]
    tax_in_base: str | None
    base_rate: BaseRateOut | None
    original_date: date | None
    original_total: str | None
    original_tax: str | None


class DocumentOut(ResponseModel):
    """The document that pending charges would make.

    `left_out` is the reason if no invoice would be made.
    """

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
    purchase_order: str = ""


class InvoiceFilters(Parameters):
    """Filters of invoices.

    All days are included. `sent` selects issued documents that were sent to the customer, or were not.
    """

    customer: str = ""
    status: Literal["", "draft", "issued", "void", "open", "overdue", "paid"] = ""
    kind: Literal["", "invoice", "credit_note", "opening_invoice"] = ""
    currency: Currency = ""
    issued_from: Day | None = None
    issued_to: Day | None = None
    due_from: Day | None = None
    due_to: Day | None = None
    overdue: Flag | None = None
    run: Key | None = None
    sent: Flag | None = None

    def to_filter(self, day: date) -> InvoiceFilter:
        """Return the filter for the queries.

        `day` decides which invoices are overdue.
        """
        return InvoiceFilter(**self.filters() | {"run": str(self.run or ""), "today": day})


class InvoiceQuery(InvoiceFilters, Paging):
    """A page of invoices."""


class CurrentQuery(Parameters):
    """The last day of the charges, and the currency.

    The day defaults to today, the currency to the customer's.
    """

    through: FigureDay | None = None
    currency: Currency = ""


class IssueIn(Body):
    """The issue date, by default today."""

    issue_date: Day = OMITTED


def invoice_out(row: Invoice, day: date) -> InvoiceOut:
    """Return an invoice with its parts.

    `day` decides whether it is overdue.
    """

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
        due_date=payment_due(row),
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
        sent=row.was_sent,
        message_state=row.message_state,
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
                period_from=line.period_from,
                period_to=line.period_to,
                period_of_days=line.period_of_days,
                unit=line.unit,
                purchase_order=line.purchase_order,
                unit_code=line.unit_code,
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
                vatex=tax.vatex,
            )
            for tax in row.taxes
        ],
        original_date=row.original_date,
        original_total=None if row.original_total is None else money(row.original_total),
        original_tax=None if row.original_tax is None else money(row.original_tax),
        **base_currency_members(row.details, row.tax_in_base),
    )


def document_out(prepared: PreparedDocument) -> DocumentOut:
    """Return the document that pending charges would make."""
    document = prepared.document

    def money(minor: int) -> str:
        return str(Money(minor, document.currency))

    return DocumentOut(
        customer=prepared.reference,
        currency=document.currency,
        period_from=document.period_from,
        period_to=document.period_to,
        charges=document.charges,
        net=money(document.net),
        tax=money(document.tax),
        total=money(document.total),
        left_out=prepared.reason,
        purchase_order=prepared.purchase_order,
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
                period_from=line.group.service_period[0],
                period_to=line.group.service_period[1],
                period_of_days=line.group.period_of_days,
                unit=line.group.unit or None,
                purchase_order=line.group.purchase_order,
                unit_code=line.group.unit_code or None,
            )
            for line in document.lines
        ],
        taxes=[
            TaxOut(
                category=tax.rate.category,
                percent=tax.rate.percent,
                included=tax.included,
                base=money(tax.base),
                tax=money(tax.tax),
                note=tax.note,
                vatex=tax.vatex,
            )
            for tax in document.taxes
        ],
    )


def _empty_document(reference: str, currency: str) -> DocumentOut:
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
    rows = load_document_parts(invoices(session, query.to_filter(day)))
    return list_reply(page(session, rows, query.limit, query.after), lambda row: invoice_out(row, day))


@route("GET", "/invoices/{number}", scope="read", response=InvoiceOut, versioned=True)
def get_invoice(number: str) -> Reply:
    """Read one invoice by ID or number.

    Use the ETag to change a draft.
    """
    return invoice_reply(db.session(), number, now())


def invoice_reply(session: Session, name: str, at: datetime) -> Reply:
    """Return the reply with an invoice and its ETag."""
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
    """Issue a draft: it receives its number and can no longer change."""
    return bounded_transaction(_issue, number, body.issue_date, actor, now())


def _issue(session: Session, name: str, issue_date: date | None, actor: Actor, at: datetime) -> Reply:
    id = invoice_id(session, name)
    operations.issue(session, id, issue_date, actor, at)
    return invoice_reply(session, str(id), at)


@route("GET", "/customers/{ref}/current-invoice", scope="read", query=CurrentQuery, response=DocumentOut)
def get_current_invoice(ref: str, query: CurrentQuery) -> Reply:
    """Show the invoice that a customer's pending charges would make today."""
    session = db.session()
    row = customer(session, ref)
    currency = query.currency or row.currency
    prepared = prepare_current_document(session, row.id, currency, query.through or today(session, now()))
    if prepared is None:
        return Reply(_empty_document(row.reference, currency_code(currency)))
    return Reply(document_out(prepared))

"""Invoices: the list, the document, the charges behind each line, issuing and discarding a draft."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Response, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.transactions import db, transaction
from billing_admin.domain.errors import NotFound
from billing_admin.domain.lifecycle import balance, editable
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.formats.glyphs import Glyphs, load_glyphs, missing_glyphs_sentence
from billing_admin.formats.pdf import missing_characters, pdf
from billing_admin.models import Customer, Invoice
from billing_admin.operations.invoices import invoices as operations
from billing_admin.queries.charges import late
from billing_admin.queries.invoices import invoices as queries
from billing_admin.queries.invoices.explanation import explanation
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.invoices.printing import texts_of_drafts
from billing_admin.queries.invoices.readiness import unready_drafts
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments.payments import of_invoice
from billing_admin.web.frame.forms import DayField, Form, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.labels import counted, invoice_state, rounding
from billing_admin.web.frame.list_params import (
    address,
    bare,
    chips,
    given,
    given_choice,
    given_day,
    given_id,
    here,
    may,
    rows,
)
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import day as written_day

WRITE = "billing:write"
TABS = ("", *queries.STATES)
KIND_LABELS = {"invoice": "Invoices", "credit_note": "Credit notes"}

pages = subject("invoices", __name__, "/invoices", write=WRITE)


class IssueForm(Form):
    """The day that stands on the invoice."""

    issue_date = DayField("Issue date", needed="Enter the issue date, such as 2026-11-30.")


def read_filters() -> queries.InvoiceFilter:
    """The filter that the URL states."""
    run = given_id("run")
    return queries.InvoiceFilter(
        today(),
        q=given("q"),
        customer=given("customer"),
        status=given_choice("status", queries.STATES),
        kind=given_choice("kind", KIND_LABELS),
        currency=given_choice("currency", MINOR_DIGITS),
        issued_from=given_day("issued_from"),
        issued_to=given_day("issued_to"),
        due_from=given_day("due_from"),
        due_to=given_day("due_to"),
        run=str(run) if run else "",
    )


def resolve_customer(filters: queries.InvoiceFilter) -> queries.InvoiceFilter:
    """The same with the customer's own reference, also where a part of the name was typed. Raises NotFound."""
    if not filters.customer:
        return filters
    return replace(filters, customer=customers.likely(db.session(), filters.customer).reference)


def filter_chips(filters: queries.InvoiceFilter) -> list[Any]:
    """The filter in words; the status has its tabs."""
    return chips(
        ("q", "Search", filters.q),
        ("customer", "Customer", filters.customer),
        ("kind", "Kind", KIND_LABELS.get(filters.kind, "")),
        ("currency", "Currency", filters.currency),
        ("issued_from", "Issued from", written_day(filters.issued_from) if filters.issued_from else ""),
        ("issued_to", "Issued to", written_day(filters.issued_to) if filters.issued_to else ""),
        ("due_from", "Due from", written_day(filters.due_from) if filters.due_from else ""),
        ("due_to", "Due to", written_day(filters.due_to) if filters.due_to else ""),
        ("run", "Billing run", filters.run),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """The invoices that the filter lets through, newest first, with the filter's sums."""
    session, filters, unknown = db.session(), read_filters(), None
    try:
        filters = resolve_customer(filters)
    except NotFound as refusal:
        unknown = refusal.message
    return render_template(
        "invoices/list.html",
        filters=filters,
        tabs=[] if unknown else _tabs(filters),
        chips=filter_chips(filters),
        clear_url=bare(),
        unknown=unknown,
        page=None if unknown else rows(queries.invoices(session, filters)),
        sums=[] if unknown else queries.sums(session, filters),
        kinds=list(KIND_LABELS.items()),
        currencies=[(code, code) for code in customers.currencies(session)],
        issue_url=address("drafts.issue", status=None),
        export_url=address("exports.invoice_files"),
        may_write=may(WRITE),
    )


def _tabs(filters: queries.InvoiceFilter) -> list[dict[str, Any]]:
    counts = queries.counts(db.session(), filters)
    return [
        {
            "label": state.capitalize() or "All",
            "url": here(status=state),
            "count": counts[state],
            "active": state == filters.status,
        }
        for state in TABS
    ]


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """The document."""
    invoice = _invoice(id)
    return render_template(
        "invoices/show.html",
        invoice=invoice,
        state=invoice_state(invoice, today()),
        owed=balance(invoice),
        terms=_terms(invoice),
        late=late.on_lines(db.session(), id),
        **_acts(invoice),
        payments=of_invoice(db.session(), id),
        unprintable=_unprintable(invoice),
        unready=unready_drafts(db.session(), [id]) if invoice.status == "draft" else [],
        may_pay=may("payments:write"),
    )


def _acts(invoice: Invoice) -> dict[str, bool]:
    """What the person may do with it as it stands."""
    may_write, draft = may(WRITE), invoice.status == "draft"
    stands = may_write and invoice.status == "issued" and invoice.kind == "invoice"
    return {
        "may_change": may_write and draft,
        "may_void": stands and not (invoice.paid or invoice.credited),
        "may_credit": stands and invoice.credited != invoice.total,
    }


@pages.get("/<uuid:id>/explain")
def explain(id: UUID) -> ResponseReturnValue:
    """How each number came about: its total of net and tax, these of its lines, and these of their charges."""
    invoice = _invoice(id)
    return render_template(
        "invoices/explain.html",
        invoice=invoice,
        explanation=explanation(db.session(), invoice),
        rounding=rounding(invoice.currency),
        line_urls=[url_for("invoices.line", id=id, line_id=line.id) for line in invoice.lines],
    )


@pages.get("/<uuid:id>/lines/<uuid:line_id>")
def line(id: UUID, line_id: UUID) -> ResponseReturnValue:
    """The charges that one line sums up, and where it was rounded."""
    invoice = _invoice(id)
    place = next((place for place, one in enumerate(invoice.lines) if one.id == line_id), None)
    if place is None:
        raise NotFound("unknown_line", "There is no such line on this invoice.", "line_id")
    return render_template(
        "invoices/line.html",
        invoice=invoice,
        line=invoice.lines[place],
        step=explanation(db.session(), invoice).lines[place] if invoice.kind == "invoice" else None,
        page=rows(queries.charges_of_line(line_id)),
        rounding=rounding(invoice.currency),
    )


@pages.get("/<uuid:id>/pdf")
def download_pdf(id: UUID) -> ResponseReturnValue:
    """The issued document as PDF."""
    invoice = _invoice(id)
    headers = {"Content-Disposition": f'attachment; filename="{invoice.number}.pdf"'}
    return Response(pdf(invoice, _glyphs()), headers=headers, content_type="application/pdf")


@pages.route("/<uuid:id>/issue", methods=["GET", "POST"])
def issue(id: UUID) -> ResponseReturnValue:
    """Say what issuing means; once that is confirmed, do it."""
    form = IssueForm(issue_date=today())
    if form.validate_on_submit():
        with refusals_on(form):
            issued = transaction(operations.issue, id, form.issue_date.data, actor(), now())
            number = _invoice(id).number
            flash(
                f"{number} was issued." if issued else f"{number} is issued already.", "success" if issued else "info"
            )
            return redirect(url_for("invoices.show", id=id), 303)
    invoice = _invoice(id)
    if invoice.status != "draft" and not form.errors:
        flash(f"{invoice.number} is {invoice.status} already.", "info")
        return redirect(url_for("invoices.show", id=id), 303)
    number = next_number(db.session(), form.issue_date.data or today())
    return form_page(
        "invoices/issue.html",
        form,
        invoice=invoice,
        number=number,
        terms=_terms(invoice),
        charges=_charges(invoice),
        unprintable=unprintable_of_drafts([id]),
        unready=unready_drafts(db.session(), [id]),
    )


@pages.route("/<uuid:id>/discard", methods=["GET", "POST"])
def discard(id: UUID) -> ResponseReturnValue:
    """Say what discarding means; once that is confirmed, do it."""
    form = Form()
    if form.validate_on_submit():
        try:
            invoice = _invoice(id)
            done = f"The draft for {invoice.customer_name} was discarded. {_charges(invoice)} pending again."
            transaction(operations.discard, id, actor(), now())
            flash(done, "success")
        except NotFound:
            flash("This draft is discarded already.", "info")
        return redirect(url_for("invoices.index", status="draft"), 303)
    return form_page("invoices/discard.html", form, invoice=_draft(id), charges=_charges(_draft(id)))


def _draft(id: UUID) -> Invoice:
    invoice = _invoice(id)
    editable(invoice.status, invoice.number, "discarded")
    return invoice


def _invoice(id: UUID) -> Invoice:
    return queries.invoice(db.session(), str(id))


def unprintable_of_drafts(ids: Collection[UUID]) -> str:
    """Name the characters that the PDFs of these drafts could not print; an empty text if there are none."""
    return missing_glyphs_sentence(_glyphs().missing(texts_of_drafts(db.session(), ids)))


def _unprintable(invoice: Invoice) -> str:
    if invoice.status == "draft":
        return unprintable_of_drafts([invoice.id])
    return missing_glyphs_sentence(missing_characters(invoice, _glyphs()))


def _glyphs() -> Glyphs:
    return load_glyphs(current_app.extensions["billing_settings"].fonts)


def _charges(invoice: Invoice) -> str:
    return counted(queries.charge_count(invoice), "charge")


def _terms(invoice: Invoice) -> int:
    """Days to pay, as a draft would get them today."""
    customer: Customer = customers.customer(db.session(), str(invoice.customer_id))
    own = customer.payment_terms_days
    return organisation(db.session()).payment_terms_days if own is None else own

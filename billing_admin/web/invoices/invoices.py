"""Invoices: the list, the document, and the charges of each line.

A draft is issued or discarded here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from flask import current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.document_details import DocumentDetails, details_from_json
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.formatting import format_day
from billing_admin.domain.lifecycle import balance, check_editable
from billing_admin.domain.messages import DOCUMENT, WITHDRAWN, again_problem
from billing_admin.domain.money import exact_sum
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.parties import address_lines
from billing_admin.domain.readiness import NO_E_INVOICE
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word
from billing_admin.formats.addresses import country_name
from billing_admin.formats.glyphs import Glyphs, load_glyphs, missing_glyphs_sentence
from billing_admin.formats.pdf import missing_characters
from billing_admin.http.downloads import Download, send_recorded, unrecorded_attachment
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import BillingRun, Customer, Invoice, Message
from billing_admin.operations.invoices import invoices as operations
from billing_admin.operations.invoices.renditions import draft_pdf, issued_pdf
from billing_admin.operations.messages.documents import plan_sending, send_documents
from billing_admin.queries.charges import late
from billing_admin.queries.invoices import invoices as queries
from billing_admin.queries.invoices.explanation import load_explanation
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.invoices.printing import texts_of_drafts
from billing_admin.queries.invoices.readiness import details_of, incomplete_drafts
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.messages import messages_of_document
from billing_admin.queries.messages.reminder_pauses import current_pause
from billing_admin.queries.messages.reminders import reminders_of_invoice
from billing_admin.queries.payments.payments import allocations_of_invoice
from billing_admin.queries.payments.refunds import credit_to_apply
from billing_admin.web.frame.customer_field import match_customer
from billing_admin.web.frame.forms import DayField, Form, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import REMINDER_NAMES, invoice_state, pluralise, rounding, status_label
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    currency_param,
    current_url,
    day_range_params,
    export_url,
    filtered_url,
    has_permission,
    id_param,
    load_page,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import INVOICES, invoice_totals
from billing_admin.web.frame.readiness import ShownShortcoming, show_shortcomings
from billing_admin.web.frame.selections import continue_with_selection
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import load_table
from billing_admin.web.frame.template_filters import moment, signed_total
from billing_admin.web.invoices.bank_account import bank_account_facts
from billing_admin.web.invoices.timeline import load_timeline
from billing_admin.web.messages.sending_plans import (
    SENT_ALREADY,
    digest_of_plan,
    may_send,
    plan_of_drafts,
    recipients_changed,
    wants_to_send,
)

WRITE = "billing:write"
CORRECT = "corrections:write"
PDF = "application/pdf"
TABS = ("", *queries.STATES)
SENT_LABELS = {"1": Phrase("Sent"), "0": Phrase("Not sent")}
KIND_LABELS = {
    "invoice": Phrase("Invoices"),
    "credit_note": Phrase("Credit notes"),
    OPENING_INVOICE: Phrase("Opening invoices"),
}

pages = page_blueprint("invoices", __name__, "/invoices", write=WRITE)


class IssueForm(Form):
    """Issue date of one invoice; `recipients` is a digest of those on the page."""

    issue_date = DayField(Phrase("Issue date"), blank_message=Phrase("Enter the issue date, such as 2026-11-30."))
    recipients = HiddenField()


def read_filters() -> queries.InvoiceFilter:
    """Return the list filter in the URL."""
    run = id_param("run")
    issued_from, issued_to = day_range_params("issued_from", "issued_to")
    due_from, due_to = day_range_params("due_from", "due_to")
    sent = choice_param("sent", SENT_LABELS)
    return queries.InvoiceFilter(
        today(),
        q=text_param("q"),
        customer=text_param("customer"),
        status=choice_param("status", queries.STATES),
        kind=choice_param("kind", KIND_LABELS),
        currency=currency_param(),
        issued_from=issued_from,
        issued_to=issued_to,
        due_from=due_from,
        due_to=due_to,
        run=str(run) if run else "",
        sent=sent == "1" if sent else None,
        selection=id_param("selection"),
    )


def filter_chips(filters: queries.InvoiceFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter, except status.

    Status has tabs.
    """
    return build_chips(
        ("q", Phrase("Search"), filters.q),
        ("customer", Phrase("Customer"), filters.customer),
        ("kind", Phrase("Kind"), KIND_LABELS.get(filters.kind, "")),
        ("currency", Phrase("Currency"), filters.currency),
        ("issued_from", Phrase("Issue date from"), format_day(filters.issued_from) if filters.issued_from else ""),
        ("issued_to", Phrase("Issue date to"), format_day(filters.issued_to) if filters.issued_to else ""),
        ("due_from", Phrase("Due date from"), format_day(filters.due_from) if filters.due_from else ""),
        ("due_to", Phrase("Due date to"), format_day(filters.due_to) if filters.due_to else ""),
        ("run", Phrase("Billing run"), _run_name(filters.run)),
        ("sent", Phrase("Sent to the customer"), "" if filters.sent is None else SENT_LABELS[str(int(filters.sent))]),
        ("selection", Phrase("Only"), Phrase("selected documents") if filters.selection else ""),
    )


def _run_name(id: str) -> str:
    """Return the start of a billing run, or its id if there is none."""
    run = db.session().get(BillingRun, UUID(id)) if id else None
    return moment(run.created_at) if run else id


@pages.get("")
def index() -> ResponseReturnValue:
    """List the invoices that match the filter, newest first, with their sums."""
    session, (filters, unknown_customer) = db.session(), match_customer(read_filters())
    sums = [] if unknown_customer else queries.invoice_sums(session, filters)
    return render_template(
        "invoices/list.html",
        filters=filters,
        tabs=[] if unknown_customer else _status_tabs(filters),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None if unknown_customer else load_table(queries.invoices(session, filters), INVOICES),
        totals=[] if unknown_customer else invoice_totals(sums),
        count=sum(row.invoices for row in sums),
        select_sums=_signed_sums(sums),
        act_urls={act: filtered_url("invoices.select", act=act) for act in SELECTION_ACTS},
        kinds=list(KIND_LABELS.items()),
        sent=list(SENT_LABELS.items()),
        currencies=[(code, code) for code in customers.account_currencies(session)],
        issue_url=filtered_url("drafts.issue", status=None),
        send_url=filtered_url("sending.send_many"),
        mark_url=filtered_url("sending.mark_many_sent"),
        may_send=has_permission("messages:write"),
        export_url=export_url("exports.invoice_files"),
        may_write=has_permission(WRITE),
    )


def _signed_sums(sums: Sequence[queries.InvoiceSum]) -> list[tuple[str, Decimal]]:
    """Return the totals per currency, with credit notes subtracted."""
    amounts: dict[str, list[Decimal]] = {}
    for row in sums:
        amounts.setdefault(row.currency, []).append(signed_total(row.kind, row.total, row.currency))
    return [(currency, exact_sum(values)) for currency, values in amounts.items()]


# Act → endpoint of its page, which takes the filter of the list.
SELECTION_ACTS: Final[Mapping[str, str]] = {
    "issue": "drafts.issue",
    "send": "sending.send_many",
    "mark-sent": "sending.mark_many_sent",
    "export": "exports.invoice_files",
}


@pages.post("/select/<any(issue, send, 'mark-sent', export):act>")
def select(act: str) -> ResponseReturnValue:
    """Continue with an act on the selected documents."""
    return continue_with_selection("invoices", SELECTION_ACTS[act], "invoices.index")


def _status_tabs(filters: queries.InvoiceFilter) -> list[dict[str, Any]]:
    counts = queries.count_by_state(db.session(), filters)
    return [
        {
            "label": status_label(state) if state else Phrase("All"),
            "url": current_url(status=state),
            "count": counts[state],
            "active": state == filters.status,
        }
        for state in TABS
    ]


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one document."""
    invoice = _load_invoice(id)
    if invoice.kind == OPENING_INVOICE:
        return _opening_page(invoice)
    messages = messages_of_document(db.session(), id)
    return render_template(
        "invoices/show.html",
        invoice=invoice,
        state=invoice_state(invoice, today()),
        balance=balance(invoice),
        terms=_payment_terms(invoice),
        late=late.count_late_by_line(db.session(), id),
        acts=_document_acts(invoice, messages),
        payments=allocations_of_invoice(db.session(), id),
        reminders=reminders_of_invoice(db.session(), invoice),
        reminder_pause=current_pause(db.session(), invoice.customer_id, id),
        reminder_names=REMINDER_NAMES,
        today=today(),
        may_remind=has_permission("reminders:write"),
        messages=messages,
        timeline=load_timeline(invoice, messages),
        unprintable=_unprintable_characters(invoice),
        shortcomings=shortcomings_of_drafts([id]),
        **_printed_details(invoice),
    )


def _opening_page(invoice: Invoice) -> ResponseReturnValue:
    """Show an invoice of an earlier system, which has no lines."""
    messages = messages_of_document(db.session(), invoice.id)
    return render_template(
        "invoices/opening.html",
        invoice=invoice,
        state=invoice_state(invoice, today()),
        balance=balance(invoice),
        acts=_document_acts(invoice, messages),
        payments=allocations_of_invoice(db.session(), invoice.id),
        reminders=reminders_of_invoice(db.session(), invoice),
        reminder_pause=current_pause(db.session(), invoice.customer_id, invoice.id),
        reminder_names=REMINDER_NAMES,
        today=today(),
        may_remind=has_permission("reminders:write"),
        messages=messages,
        timeline=load_timeline(invoice, messages),
    )


def _printed_details(invoice: Invoice) -> dict[str, Any]:
    """Return the references, the delivery address and the bank account of a PDF."""
    details = details_of(db.session(), invoice)
    return {
        "references": [
            *(((Phrase("Your reference"), details.buyer_reference),) if details.buyer_reference else ()),
            *(((Phrase("Contract"), details.contract),) if details.contract else ()),
            *((line.label, line.value) for line in details.custom_lines),
        ],
        "delivery": _delivery(invoice, details),
        "bank_account": bank_account_facts(details.account, invoice.seller_name),
    }


def _delivery(invoice: Invoice, details: DocumentDetails) -> tuple[str, str] | None:
    """Return name and address of the place of delivery.

    None if they are the customer's.
    """
    if details.delivery is None:
        return None
    name, address = details.delivery.name or invoice.customer_name, details.delivery.address
    printed = "\n".join(address_lines(address, country_name(address.country, details.language)))
    is_same = (name, printed) == (invoice.customer_name, invoice.customer_address)
    return None if is_same else (name, printed)


Act: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DocumentActs:
    """The acts on a document, each with label, URL and icon.

    `next` is the one that it needs next, if any; `second` is shown beside it.
    """

    next: Act | None
    second: Act | None
    menu: Sequence[Act]


def _document_acts(invoice: Invoice, messages: Sequence[Message]) -> DocumentActs:
    """Return what the person may do with a document, the next act first.

    A draft is issued, then sent, then paid. Nothing is next for an invoice that is settled.
    """
    acts = [*_acts_on_draft(invoice), *_acts_of_sending(invoice, messages), *_acts_on_balance(invoice)]
    is_settled = invoice.status == "issued" and invoice.kind == "invoice" and not balance(invoice)
    leading = [] if is_settled else [act for act in acts if act[0] in _LEADING_ACTS]
    next_act, second = [*leading, None, None][:2]
    menu = [act for act in acts if act not in leading]
    return DocumentActs(next_act, second, [*menu, *_acts_of_correcting(invoice), *_files_of(invoice)])


_LEADING_ACTS = (Phrase("Issue invoice"), Phrase("Send"), Phrase("Record payment"))  # in the order of a document's life


def _acts_on_draft(invoice: Invoice) -> list[Act]:
    if not _permitted_acts(invoice)["may_change"]:
        return []
    return [
        (Phrase("Issue invoice"), url_for("invoices.issue", id=invoice.id), "send"),
        (Phrase("Edit"), url_for("drafts.edit", id=invoice.id), "pencil"),
        (Phrase("Change charges"), url_for("drafts.charges", id=invoice.id), "list-details"),
        (Phrase("Discard draft"), url_for("invoices.discard", id=invoice.id), "trash"),
    ]


def _acts_of_sending(invoice: Invoice, messages: Sequence[Message]) -> list[Act]:
    if invoice.status != "issued" or invoice.kind == OPENING_INVOICE or not has_permission("messages:write"):
        return []
    first = next((row for row in messages if row.purpose == DOCUMENT and row.state not in WITHDRAWN), None)
    if first is None:
        return [
            (Phrase("Send"), url_for("sending.send", id=invoice.id), "send"),
            (Phrase("Mark as sent"), url_for("sending.mark_sent", id=invoice.id), "check"),
        ]
    can_repeat = again_problem(first.state) is None
    return [(Phrase("Send again"), url_for("messages.again", id=first.id), "refresh")] if can_repeat else []


def _acts_on_balance(invoice: Invoice) -> list[Act]:
    if not balance(invoice):
        return []
    account: dict[str, Any] = {"customer": invoice.customer_id, "currency": invoice.currency, "invoice": invoice.id}
    acts = (
        ("payments:write", (Phrase("Record payment"), url_for("payments.new", **account), "credit-card")),
        ("write-offs:write", (Phrase("Write off"), url_for("payments.write_off", invoice_id=invoice.id), "ban")),
    )
    return [act for permission, act in acts if has_permission(permission)]


def _acts_of_correcting(invoice: Invoice) -> list[Act]:
    acts = _permitted_acts(invoice)
    return [
        *([(Phrase("Credit"), url_for("corrections.credit", id=invoice.id), "receipt")] if acts["may_credit"] else []),
        *(
            [(Phrase("Credit and bill again"), url_for("rebilling.bill_again", id=invoice.id), "refresh")]
            if acts["may_credit"]
            else []
        ),
        *([(Phrase("Void"), url_for("corrections.void", id=invoice.id), "ban")] if acts["may_void"] else []),
    ]


def _files_of(invoice: Invoice) -> list[Act]:
    calculation = (Phrase("Show calculation"), url_for("invoices.explain", id=invoice.id), "list-details")
    e_invoice_url = _e_invoice_url(invoice)
    return [
        *([calculation] if invoice.kind == "invoice" else []),
        *([(Phrase("E-invoice"), e_invoice_url, "code")] if e_invoice_url else []),
        *(
            [(Phrase("Export CSV"), url_for("exports.invoice_files", q=invoice.number), "download")]
            if invoice.number is not None and has_permission("exports:read")
            else []
        ),
    ]


def _e_invoice_url(invoice: Invoice) -> str | None:
    """Return the URL of the e-invoice in the customer's format.

    Without a format, it is that of the page of all formats.
    """
    if invoice.status != "issued" or invoice.kind == OPENING_INVOICE:
        return None
    format = details_from_json(invoice.details).e_invoice
    if format == NO_E_INVOICE:
        return url_for("e_invoices.index", id=invoice.id)
    return url_for("e_invoices.download", id=invoice.id, format=format)


def _permitted_acts(invoice: Invoice) -> dict[str, bool]:
    """Return the acts that the person's role and the state of the document allow."""
    correctable = has_permission(CORRECT) and invoice.status == "issued" and invoice.kind != "credit_note"
    return {
        "may_change": has_permission(WRITE) and invoice.status == "draft",
        "may_void": correctable and not (invoice.paid or invoice.credited),
        "may_credit": correctable and invoice.kind == "invoice" and invoice.credited != invoice.total,
    }


@pages.get("/<uuid:id>/explain")
def explain(id: UUID) -> ResponseReturnValue:
    """Show the calculation of totals from lines, and of lines from charges."""
    invoice = _load_invoice(id)
    return render_template(
        "invoices/explain.html",
        invoice=invoice,
        explanation=load_explanation(db.session(), invoice),
        rounding=rounding(invoice.currency),
        line_urls=[url_for("invoices.line", id=id, line_id=line.id) for line in invoice.lines],
    )


@pages.get("/<uuid:id>/lines/<uuid:line_id>")
def line(id: UUID, line_id: UUID) -> ResponseReturnValue:
    """List the charges of one line, and show where their sum was rounded."""
    invoice = _load_invoice(id)
    index = next((index for index, candidate in enumerate(invoice.lines) if candidate.id == line_id), None)
    if index is None:
        raise NotFound(
            "unknown_line", Phrase("This line is not on the invoice. Choose a line from the invoice."), "line_id"
        )
    return render_template(
        "invoices/line.html",
        invoice=invoice,
        line=invoice.lines[index],
        step=load_explanation(db.session(), invoice).lines[index] if invoice.kind == "invoice" else None,
        page=load_page(queries.charges_of_line(line_id)),
        rounding=rounding(invoice.currency),
    )


@pages.get("/<uuid:id>/pdf")
def download_pdf(id: UUID) -> ResponseReturnValue:
    """Send the document as PDF; that of a draft is marked as such."""
    invoice, session = _load_invoice(id), db.session()
    if invoice.status == "draft":
        return unrecorded_attachment(draft_pdf(session, invoice, _load_glyphs()), "draft.pdf", PDF)
    file = Download(f"{invoice.number}.pdf", PDF, object_type="invoice", object_id=id)
    return send_recorded(file, issued_pdf(transaction, session, invoice, _load_glyphs(), now()))


@pages.route("/<uuid:id>/issue", methods=["GET", "POST"])
def issue(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation and the issue date, then issue the draft."""
    form = IssueForm(issue_date=today())
    if form.validate_on_submit():
        with errors_on(form):
            if wants_to_send():
                shown = (form.recipients.data or "", form.issue_date.data)
                bounded_transaction(_issue_and_send, id, *shown, may_send(), actor(), now())
                flash(
                    Phrase("{number} was issued and will be sent shortly.", number=_load_invoice(id).number), "success"
                )
                return redirect(url_for("invoices.show", id=id), 303)
            issued = bounded_transaction(operations.issue, id, form.issue_date.data, actor(), now())
            number = _load_invoice(id).number
            message = (
                Phrase("{number} was issued.", number=number)
                if issued
                else Phrase("{number} was already issued.", number=number)
            )
            flash(message, "success" if issued else "info")
            return redirect(url_for("invoices.show", id=id), 303)
    invoice = _load_invoice(id)
    if invoice.status != "draft" and not form.errors:
        flash(
            Phrase("{invoice_number} is already {status}.", invoice_number=invoice.number, status=word(invoice.status)),
            "info",
        )
        return redirect(url_for("invoices.show", id=id), 303)
    number, sending = next_number(db.session(), form.issue_date.data or today()), plan_of_drafts([id])
    form.recipients.data = digest_of_plan(sending.plan) if sending else ""
    return render_form(
        "invoices/issue.html",
        form,
        invoice=invoice,
        number=number,
        terms=_payment_terms(invoice),
        charges=_charge_count_text(invoice),
        credit=sum(credit_to_apply(db.session(), [((invoice.customer_id, invoice.currency), invoice.total)]).values()),
        unprintable=unprintable_in_drafts([id]),
        shortcomings=shortcomings_of_drafts([id], form.issue_date.data),
        sending=sending,
    )


def _issue_and_send(
    session: Session, id: UUID, recipients: str, issue_date: date | None, mail_on: bool, actor: Actor, at: datetime
) -> None:
    """Issue a draft and send it to the recipients that were shown, or do neither.

    A document that was issued before is sent unless it was sent before.
    """
    plan = plan_sending(session, [id], drafts_allowed=True)
    if plan.ready and digest_of_plan(plan) != recipients:
        raise recipients_changed()
    operations.issue(session, id, issue_date, actor, at)
    sent = send_documents(session, [id], mail_on, actor, at)
    for left_out in sent.left_out:
        if left_out.problem.code not in SENT_ALREADY:
            raise Conflict(left_out.problem.code, left_out.problem.message)


@pages.route("/<uuid:id>/discard", methods=["GET", "POST"])
def discard(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then discard the draft."""
    form = Form()
    if form.validate_on_submit():
        try:
            invoice = load_draft(id, "discarded")
            message = Phrase(
                "The draft for {customer_name} was discarded. {charge_count_text} became pending again.",
                customer_name=invoice.customer_name,
                charge_count_text=_charge_count_text(invoice),
            )
            bounded_transaction(operations.discard, id, actor(), now())
            flash(message, "success")
        except NotFound:
            flash(Phrase("This draft was already discarded."), "info")
        return redirect(url_for("invoices.index", status="draft"), 303)
    draft = load_draft(id, "discarded")
    return render_form("invoices/discard.html", form, invoice=draft, charges=_charge_count_text(draft))


def load_draft(id: UUID, act: str) -> Invoice:
    """Return a draft that is to be `changed` or `discarded`.

    Raises:
        Conflict: It is not a draft; the error page leads to the acts that correct it.
    """
    invoice = _load_invoice(id)
    try:
        check_editable(invoice.status, invoice.number, act)
    except Conflict as error:
        acts = _permitted_acts(invoice)
        error.extra["links"] = [
            (label, url_for(f"corrections.{name}", id=id))
            for name, label in (("credit", Phrase("Credit")), ("void", Phrase("Void")))
            if acts[f"may_{name}"]
        ]
        raise
    return invoice


def _load_invoice(id: UUID) -> Invoice:
    return queries.invoice(db.session(), str(id))


def unprintable_in_drafts(ids: Collection[UUID]) -> str:
    """Return a sentence with the characters that the PDFs cannot print; empty if none."""
    return missing_glyphs_sentence(_load_glyphs().missing(texts_of_drafts(db.session(), ids)))


def shortcomings_of_drafts(ids: Collection[UUID], issue_date: date | None = None) -> list[ShownShortcoming]:
    """Return all that drafts lack on their issue date, by default today.

    Documents that are not drafts lack nothing.
    """
    drafts = incomplete_drafts(db.session(), ids, issue_date)
    return show_shortcomings((draft.customer_id, item) for draft in drafts for item in draft.shortcomings)


def _unprintable_characters(invoice: Invoice) -> str:
    if invoice.status == "draft":
        return unprintable_in_drafts([invoice.id])
    return missing_glyphs_sentence(missing_characters(invoice, _load_glyphs()))


def _load_glyphs() -> Glyphs:
    return load_glyphs(current_app.extensions["billing_settings"].fonts)


def _charge_count_text(invoice: Invoice) -> str:
    return pluralise(queries.charge_count(invoice), "charge")


def _payment_terms(invoice: Invoice) -> int:
    """Return the days to pay that a draft would get if it were issued today."""
    customer: Customer = customers.customer(db.session(), str(invoice.customer_id))
    customer_terms = customer.payment_terms_days
    return organisation(db.session()).payment_terms_days if customer_terms is None else customer_terms

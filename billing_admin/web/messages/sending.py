"""Send documents: one with a choice of recipients and text, or many at once."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.background import wake_worker
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.formatting import format_whole
from billing_admin.domain.message_texts import MessageText
from billing_admin.domain.messages import (
    MARK_SENT,
    NOT_SENT_REASONS,
    SEND,
    Recipient,
    check_recipients,
    recipients_digest,
)
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase, plural
from billing_admin.models import SendingRun
from billing_admin.operations.messages import documents as operations
from billing_admin.operations.messages.documents import SendSpec
from billing_admin.operations.messages.outbox import Attachment, NewMessage, check_addresses
from billing_admin.operations.messages.sending_runs import CHUNK, SendingRunSpec, send_run, start_run
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice as load_invoice
from billing_admin.queries.master_data.contacts import contacts
from billing_admin.queries.messages.documents import (
    count_unsent,
    includes_settled,
    unmarked_digest,
    unsent_ids,
    unsent_sums,
)
from billing_admin.queries.messages.sending_runs import sending_progress, sending_run
from billing_admin.web.frame.customer_field import resolve_customer
from billing_admin.web.frame.forms import Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import filtered_url
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.invoices.invoices import filter_chips, read_filters
from billing_admin.web.messages.recipients import MessageForm
from billing_admin.web.messages.sending_plans import WRITE, digest_of_plan, mail_on, may_send, show_plan

MAX_ROWS: Final = 200  # of a table of documents to confirm
MAX_DOCUMENTS: Final = 10_000  # whose recipients the page looks up
pages = page_blueprint("sending", __name__, "/invoices", write=WRITE)


class MarkForm(Form):
    """How a document was sent; `id` makes a repeated request harmless."""

    id = NewIdField()
    reason = TextField(
        Phrase("How it was sent"),
        blank_message=Phrase("Enter how it was sent, such as: by letter on 28 November."),
        max_length=MAX_REASON_LENGTH,
    )


class ConfirmForm(Form):
    """Confirmation of many messages; `shown` is a digest of the documents on the page."""

    id = NewIdField()
    shown = HiddenField()


class MarkManyForm(Form):
    """How many documents were sent; `shown` is a digest of the documents on the page."""

    id = NewIdField()
    reason = TextField(
        Phrase("How they were sent"),
        blank_message=Phrase("Enter how they were sent, such as: by letter."),
        max_length=MAX_REASON_LENGTH,
    )
    shown = HiddenField()


@pages.route("/<uuid:id>/send", methods=["GET", "POST"])
def send(id: UUID) -> ResponseReturnValue:
    """Choose recipients and text, then send a document."""
    session, document_url = db.session(), url_for("invoices.show", id=id)
    invoice = load_invoice(session, str(id))
    try:
        proposed = _propose(session, id)
    except Conflict as error:
        message_id = error.extra.get("message_id")
        if message_id and message_id == request.form.get("id"):  # a double click
            return redirect(document_url, 303)
        flash(error.message, "warning")
        return redirect(url_for("messages.show", id=message_id) if message_id else document_url, 303)
    text = MessageText(proposed.subject, proposed.text)
    form = MessageForm(contacts(session, invoice.customer_id), proposed.recipients, text)
    preview = False
    if form.validate_on_submit():
        preview = "preview" in request.form
        spec = SendSpec(form.recipients(), form.subject.data, form.text.data or "", form.id.data)
        with errors_on(form, form.error_fields()):
            form.refuse_changed()
            if preview:
                check_recipients(check_addresses(spec.recipients or ()))
            else:
                transaction(operations.send_document, id, spec, may_send(), actor(), now())
                flash(
                    Phrase(
                        "{invoice_number} is in the outbox and will be sent shortly.", invoice_number=invoice.number
                    ),
                    "success",
                )
                return redirect(document_url, 303)
        preview = preview and not form.errors
        invoice = load_invoice(db.session(), str(id))
    return render_form(
        "messages/send.html",
        form,
        invoice=invoice,
        attachments=[(attachment.name, _attachment_url(attachment)) for attachment in proposed.attachments],
        preview=form.recipients() if preview else [],
        mail_on=mail_on(),
    )


def _propose(session: Session, id: UUID) -> NewMessage:
    """Return the message that sends a document, also if no contact gets invoices.

    Raises:
        Conflict: The document cannot be sent.
    """
    try:
        return operations.prepare_message(session, id)
    except Invalid:
        return replace(operations.prepare_message(session, id, [Recipient("", "")]), recipients=())


def _attachment_url(attachment: Attachment) -> str:
    """Return the URL of the file that a message will send."""
    if attachment.name.endswith(".pdf"):
        return url_for("invoices.download_pdf", id=attachment.invoice_id)
    return url_for("e_invoices.download", id=attachment.invoice_id, format=attachment.form)


@pages.route("/<uuid:id>/mark-sent", methods=["GET", "POST"])
def mark_sent(id: UUID) -> ResponseReturnValue:
    """Mark a document as sent by other means, such as letter post."""
    invoice, form = load_invoice(db.session(), str(id)), MarkForm()
    back = url_for("invoices.show", id=id)
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.mark_document_sent, id, form.reason.data, form.id.data, actor(), now())
            flash(Phrase("{invoice_number} was marked as sent.", invoice_number=invoice.number), "success")
            return redirect(back, 303)
        invoice = load_invoice(db.session(), str(id))
    return render_form("messages/mark_document_sent.html", form, invoice=invoice)


@pages.route("/send", methods=["GET", "POST"])
def send_many() -> ResponseReturnValue:
    """Show the unsent documents of a filter; once confirmed, send exactly those."""
    filters, form = resolve_customer(read_filters()), ConfirmForm()
    back = _list_url(filters)
    if (unsent := count_unsent(db.session(), filters)) > MAX_DOCUMENTS:
        flash(
            Phrase(
                "{unsent} documents were not sent. At most {max_documents} can be sent at once: narrow the list,"
                " such as by issue date.",
                unsent=format_whole(unsent),
                max_documents=format_whole(MAX_DOCUMENTS),
            ),
            "warning",
        )
        return redirect(url_for("invoices.index", run=filters.run, sent=0) if filters.run else back, 303)
    if form.validate_on_submit():
        with errors_on(form):
            run_id = transaction(
                _start_sending, filters, form.shown.data or "", form.id.data, may_send(), actor(), now()
            )
            return _show_run(run_id, back)
    shown = show_plan(unsent_ids(db.session(), filters))
    if not (shown.plan.ready or shown.plan.left_out):
        flash(Phrase("There are no unsent documents."), "info")
        return redirect(back, 303)
    form.shown.data = digest_of_plan(shown.plan)
    return render_form(
        "messages/send_many.html",
        form,
        shown=shown,
        ready=shown.plan.ready[:MAX_ROWS],
        left_out=shown.plan.left_out[:MAX_ROWS],
        reasons=NOT_SENT_REASONS,
        chips=filter_chips(filters),
        leaves_settled=not includes_settled(filters),
        back=back,
    )


@pages.route("/mark-sent", methods=["GET", "POST"])
def mark_many_sent() -> ResponseReturnValue:
    """Show the unsent documents of a filter; once confirmed, mark those as sent."""
    session, filters, form = db.session(), resolve_customer(read_filters()), MarkManyForm()
    back = _list_url(filters)
    if form.validate_on_submit():
        with errors_on(form):
            spec = SendingRunSpec(MARK_SENT, form.reason.data, form.id.data)
            run_id = transaction(_start_marking, filters, form.shown.data or "", spec, may_send(), actor(), now())
            return _show_run(run_id, back)
    sums = unsent_sums(session, filters)
    if not sums:
        flash(Phrase("There are no unsent documents."), "info")
        return redirect(back, 303)
    form.shown.data = unmarked_digest(session, filters)
    return render_form(
        "messages/mark_many_sent.html",
        form,
        count=sum(count for count, _ in sums.values()),
        sums=sums,
        chips=filter_chips(filters),
        back=back,
    )


def _list_url(filters: InvoiceFilter) -> str:
    """Return the page that offers to send or to mark documents."""
    return url_for("billing_runs.show", id=filters.run) if filters.run else filtered_url("invoices.index")


def _show_run(run_id: UUID, back: str) -> ResponseReturnValue:
    """Finish a small run at once, and wait for the worker with a large one.

    A small one with a result that needs no page leads back.
    """
    run = sending_run(db.session(), run_id)
    act = run.act
    if run.documents > CHUNK:
        wake_worker()
        return redirect(url_for("sending_runs.show", id=run_id), 303)
    send_run(transaction, run_id, may_send(), actor(), now())
    wake_worker()  # closes the job of the run, which has nothing left to do
    progress = sending_progress(db.session(), run_id)
    if progress.left_out:
        return redirect(url_for("sending_runs.show", id=run_id), 303)
    if act == MARK_SENT:
        flash(
            plural(
                "{count} document was marked as sent.",
                "{count} documents were marked as sent.",
                progress.sent,
            ),
            "success",
        )
    else:
        flash(
            plural(
                "{count} message will be sent shortly. See the outbox for the results.",
                "{count} messages will be sent shortly. See the outbox for the results.",
                progress.sent,
            ),
            "success",
        )
    return redirect(back, 303)


def _start_sending(
    session: Session, filters: InvoiceFilter, shown: str, id: UUID, mail_on: bool, actor: Actor, now: datetime
) -> UUID:
    """Start a run with the documents that were shown, and return its id.

    Raises:
        Conflict: They have changed since.
    """
    if session.get(SendingRun, id) is not None:  # a double click
        return id
    plan = operations.plan_sending(session, unsent_ids(session, filters))
    if digest_of_plan(plan) != shown:
        raise _changed()
    confirmed = {facts.invoice_id: recipients_digest(facts.recipients) for facts in plan.ready}
    return start_run(session, SendingRunSpec(SEND, id=id), confirmed, mail_on, actor, now)[0]


def _start_marking(
    session: Session,
    filters: InvoiceFilter,
    shown: str,
    spec: SendingRunSpec,
    mail_on: bool,
    actor: Actor,
    now: datetime,
) -> UUID:
    """Start a run that marks the documents that were shown, and return its id.

    Raises:
        Conflict: They have changed since.
    """
    if session.get(SendingRun, spec.id) is not None:  # a double click
        return start_run(session, spec, None, mail_on, actor, now)[0]
    if unmarked_digest(session, filters) != shown:
        raise _changed()
    return start_run(session, spec, filters, mail_on, actor, now)[0]


def _changed() -> Conflict:
    return Conflict(
        "documents_changed", Phrase("The documents have changed since you saw them. Check the new list below.")
    )

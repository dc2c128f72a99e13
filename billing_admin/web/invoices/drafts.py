"""Drafts: editing their details, moving charges, and issuing many at once.

Charges are moved on and off a draft.
"""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.formatting import format_money
from billing_admin.domain.master_data import DRAFT_RULES, MAX_NOTE_LENGTH
from billing_admin.domain.messages import NOT_SENT_REASONS
from billing_admin.domain.translation import Phrase, join, plural
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.invoices import drafts as operations
from billing_admin.operations.invoices.invoices import issue_many
from billing_admin.operations.messages.documents import plan_sending, send_documents
from billing_admin.queries.charges import unbilled
from billing_admin.queries.invoices import invoices as queries
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.selections import count_selected
from billing_admin.web.frame.customer_field import resolve_customer
from billing_admin.web.frame.editing import EditForm, VersionField, save
from billing_admin.web.frame.forms import DayField, Form, MultilineField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import choice_param, filtered_url, selected_ids
from billing_admin.web.frame.lists import DRAFT_CHARGES
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import load_table
from billing_admin.web.frame.template_filters import amounts
from billing_admin.web.invoices.invoices import (
    WRITE,
    filter_chips,
    load_draft,
    read_filters,
    shortcomings_of_drafts,
    unprintable_in_drafts,
)
from billing_admin.web.messages.sending_plans import (
    digest_of_plan,
    may_send,
    plan_of_drafts,
    recipients_changed,
    wants_to_send,
)

pages = page_blueprint("drafts", __name__, "/invoices", write=WRITE)


class DraftForm(EditForm):
    """The details of a draft that can be edited."""

    purchase_order = TextField(Phrase("Purchase order number"))
    due_date = DayField(Phrase("Due date"))
    note = MultilineField(Phrase("Note"), max_length=MAX_NOTE_LENGTH, render_kw={"rows": 4})


class MoveChargesForm(Form):
    """The version of the draft.

    The selected charges are sent as check boxes outside of the form.
    """

    version = VersionField()


class IssueDraftsForm(Form):
    """Issue date of all drafts.

    `shown` is a digest of the drafts on the confirmation page, `recipients` of those that can be sent.
    """

    issue_date = DayField(Phrase("Issue date"), blank_message=Phrase("Enter the issue date, such as 2026-11-30."))
    shown = HiddenField()
    recipients = HiddenField()


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Edit a draft; when other values were saved meanwhile, show both."""
    form = DraftForm(obj=load_draft(id, "changed"))
    if form.validate_on_submit():
        fields = {name: form[name].data for name in DRAFT_RULES}
        with errors_on(form):
            save(form, lambda: DraftForm(formdata=None, obj=load_draft(id, "changed")), operations.change, id, fields)
            flash(Phrase("The draft was saved."), "success")
            return redirect(url_for("invoices.show", id=id), 303)
    draft = load_draft(id, "changed")
    shortcomings = shortcomings_of_drafts([id])
    return render_form("drafts/edit.html", form, draft=draft, shortcomings=shortcomings)


@pages.route("/<uuid:id>/charges", methods=["GET", "POST"])
def charges(id: UUID) -> ResponseReturnValue:
    """List the charges on a draft to remove some, or the pending charges to add some."""
    draft, adding = load_draft(id, "changed"), choice_param("show", ("pending",)) == "pending"
    form, selected = MoveChargesForm(obj=draft), selected_ids()
    if form.validate_on_submit():
        if not selected:
            form.form_errors.append(Phrase("Select at least one charge."))
        add, remove = (selected, []) if adding else ([], selected)
        with errors_on(form):
            if selected:
                moved = bounded_transaction(operations.move_charges, id, add, remove, form.version.data, actor(), now())
                draft = load_draft(id, "changed")
                total = format_money(draft.total, draft.currency)
                flash(_moved_message(moved, total, adding=adding), "success")
                return redirect(url_for("drafts.charges", id=id, show="pending" if adding else None), 303)
        draft = load_draft(id, "changed")
        form.version.set_version(draft.version)
    pending_filter = unbilled.UnbilledFilter(customer_id=draft.customer_id, currency=draft.currency, status="pending")
    session = db.session()
    return render_form(
        "drafts/charges.html",
        form,
        draft=draft,
        adding=adding,
        billed=queries.charge_count(draft),
        pending=unbilled.unbilled_sum(session, pending_filter)[0],
        page=load_table(
            unbilled.charges_of_account(pending_filter) if adding else queries.charges_of_invoice(id), DRAFT_CHARGES
        ),
        selected=selected,
    )


@pages.route("/issue", methods=["GET", "POST"])
def issue() -> ResponseReturnValue:
    """Show the drafts that match the filter; once confirmed, issue exactly those."""
    filters = resolve_customer(replace(read_filters(), status="draft"))
    form = IssueDraftsForm(issue_date=today())
    drafts_url = filtered_url("invoices.index", status="draft")
    if form.validate_on_submit():
        with errors_on(form):
            wants = wants_to_send()
            recipients = form.recipients.data or "" if wants else None
            shown = (filters, form.shown.data or "", recipients, form.issue_date.data)
            count, sent = bounded_transaction(_issue_as_shown, *shown, may_send(), actor(), now())
            sentences = [plural("{count} invoice issued.", "{count} invoices issued.", count)]
            if wants:
                sentences.append(
                    plural("{count} message will be sent shortly.", "{count} messages will be sent shortly.", sent)
                )
            flash(join(" ", sentences), "success")
            return redirect(filtered_url("invoices.index", status="open"), 303)
    drafts = queries.draft_selection(db.session(), filters)
    if not drafts.ids:
        flash(Phrase("There are no drafts to issue."), "info")
        return redirect(drafts_url, 303)
    sending = plan_of_drafts(drafts.ids)
    form.shown.data, form.recipients.data = drafts.digest, digest_of_plan(sending.plan) if sending else ""
    number = next_number(db.session(), form.issue_date.data or today())
    button_label = plural(
        "Issue {count} invoice, {totals}",
        "Issue {count} invoices, {totals}",
        len(drafts.ids),
        totals=amounts(drafts.totals),
    )
    return render_form(
        "drafts/issue.html",
        form,
        drafts=drafts,
        number=number,
        button_label=button_label,
        chips=filter_chips(filters),
        drafts_url=drafts_url,
        unprintable=unprintable_in_drafts(drafts.ids),
        shortcomings=shortcomings_of_drafts(drafts.ids, form.issue_date.data),
        sending=sending,
        reasons=NOT_SENT_REASONS,
        left_out=_count_selected(filters) - len(drafts.ids) if filters.selection else 0,
    )


def _count_selected(filters: queries.InvoiceFilter) -> int:
    selection_id = filters.selection
    return count_selected(db.session(), selection_id, "invoices") if selection_id else 0


def _issue_as_shown(
    session: Session,
    filters: queries.InvoiceFilter,
    shown: str,
    recipients: str | None,
    issue_date: date,
    mail_on: bool,
    actor: Actor,
    now: datetime,
) -> tuple[int, int]:
    """Issue the drafts that were shown, and send them to `recipients`.

    Without `recipients`, none is sent. Those that cannot be sent are issued alone. Returns how many were issued, and how
    many will be sent.

    Raises:
        Conflict: They have changed since.
    """
    drafts = queries.draft_selection(session, filters)
    if drafts.digest != shown:
        raise Conflict(
            "drafts_changed", Phrase("The drafts have changed since you saw them. Check the new totals below.")
        )
    if recipients is None:
        return issue_many(session, drafts.ids, issue_date, actor, now), 0
    if digest_of_plan(plan_sending(session, drafts.ids, drafts_allowed=True)) != recipients:
        raise recipients_changed()
    issued = issue_many(session, drafts.ids, issue_date, actor, now)
    return issued, len(send_documents(session, drafts.ids, mail_on, actor, now).messages)


def _moved_message(moved: int, total: str, *, adding: bool) -> Phrase:
    """Return the message after charges were put on a draft, or taken off."""
    if adding:
        return plural(
            "{count} charge added. The draft's total is now {total}.",
            "{count} charges added. The draft's total is now {total}.",
            moved,
            total=total,
        )
    return plural(
        "{count} charge removed. The draft's total is now {total}.",
        "{count} charges removed. The draft's total is now {total}.",
        moved,
        total=total,
    )

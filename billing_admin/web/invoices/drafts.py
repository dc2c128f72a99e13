"""Drafts: what they say, the charges on them, and issuing many at once."""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.transactions import Session, db, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.lifecycle import editable
from billing_admin.models import Invoice
from billing_admin.operations.invoices import drafts as operations
from billing_admin.operations.invoices.invoices import issue_many
from billing_admin.queries.charges import unbilled
from billing_admin.queries.invoices import invoices as queries
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.invoices.readiness import unready_drafts
from billing_admin.web.frame.editing import Difference, VersionField, differences
from billing_admin.web.frame.forms import DayField, Form, LinesField, TextField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.labels import counted
from billing_admin.web.frame.list_params import address, given_choice, rows, ticked
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import amounts, money
from billing_admin.web.invoices.invoices import (
    WRITE,
    filter_chips,
    read_filters,
    resolve_customer,
    unprintable_of_drafts,
)

pages = subject("drafts", __name__, "/invoices", write=WRITE)

MAX_NOTE = 1000


class DraftForm(Form):
    """What a person says on a draft."""

    purchase_order = TextField("Purchase order number")
    due_date = DayField("Due date")
    note = LinesField("Note", longest=MAX_NOTE, render_kw={"rows": 4})
    version = VersionField()


class MoveChargesForm(Form):
    """Which charges, by their ticks; of which version of the draft."""

    version = VersionField()


class IssueDraftsForm(Form):
    """The day that stands on the invoices, and a digest of the drafts that were shown."""

    issue_date = DayField("Issue date", needed="Enter the issue date, such as 2026-11-30.")
    shown = HiddenField()


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Change what a draft says; what somebody else changed meanwhile is shown beside it."""
    draft = _draft(id)
    form, meanwhile = DraftForm(obj=draft), list[Difference]()
    if form.validate_on_submit():
        fields = {name: form[name].data for name in operations.FIELDS}
        with refusals_on(form):
            transaction(operations.change, id, fields, form.version.data, actor(), now())  # type: ignore[arg-type]
            flash("The draft was saved.", "success")
            return redirect(url_for("invoices.show", id=id), 303)
        draft = _draft(id)
        meanwhile = differences(form, DraftForm(formdata=None, obj=draft), draft.version)
    unready = unready_drafts(db.session(), [id])
    return form_page("drafts/edit.html", form, draft=draft, meanwhile=meanwhile, unready=unready)


@pages.route("/<uuid:id>/charges", methods=["GET", "POST"])
def charges(id: UUID) -> ResponseReturnValue:
    """The charges on a draft, to take off, or those that wait, to put on."""
    draft, adding = _draft(id), given_choice("show", ("pending",)) == "pending"
    form, chosen = MoveChargesForm(obj=draft), ticked()
    if form.validate_on_submit():
        if not chosen:
            form.form_errors.append("Tick at least one charge.")
        add, remove = (chosen, []) if adding else ([], chosen)
        with refusals_on(form):
            if chosen:
                moved = transaction(operations.move_charges, id, add, remove, form.version.data, actor(), now())
                draft = _draft(id)
                what = "put on" if adding else "taken off"
                total = money(draft.total, draft.currency)
                flash(f"{counted(moved, 'charge')} {what}. The draft's total is {total}.", "success")
                return redirect(url_for("drafts.charges", id=id, show="pending" if adding else None), 303)
        draft = _draft(id)
        form.version.renew(draft.version)
    waiting = unbilled.Waiting(draft.customer_id, draft.currency, status="pending")
    session = db.session()
    return form_page(
        "drafts/charges.html",
        form,
        draft=draft,
        adding=adding,
        on_it=queries.charge_count(draft),
        pending=unbilled.waiting_sum(session, waiting)[0],
        page=rows(unbilled.waiting(session, waiting) if adding else queries.charges_of(id)),
        chosen=chosen,
    )


def _draft(id: UUID) -> Invoice:
    draft = queries.invoice(db.session(), str(id))
    editable(draft.status, draft.number, "changed")
    return draft


@pages.route("/issue", methods=["GET", "POST"])
def issue() -> ResponseReturnValue:
    """Say what issuing the drafts of a filter means; once that is confirmed, issue exactly those."""
    filters = resolve_customer(replace(read_filters(), status="draft"))
    form = IssueDraftsForm(issue_date=today())
    back = address("invoices.index", status="draft")
    if form.validate_on_submit():
        with refusals_on(form):
            count = transaction(_issue, filters, form.shown.data or "", form.issue_date.data, actor(), now())
            flash(f"{counted(count, 'invoice')} issued.", "success")
            return redirect(address("invoices.index", status="open"), 303)
    drafts = queries.drafts(db.session(), filters)
    if not drafts.ids:
        flash("There are no drafts to issue.", "info")
        return redirect(back, 303)
    form.shown.data = drafts.digest
    number = next_number(db.session(), form.issue_date.data or today())
    button = f"Issue {counted(len(drafts.ids), 'invoice')}, {amounts(drafts.totals)}"
    return form_page(
        "drafts/issue.html",
        form,
        drafts=drafts,
        number=number,
        button=button,
        chips=filter_chips(filters),
        back=back,
        unprintable=unprintable_of_drafts(drafts.ids),
        unready=unready_drafts(db.session(), drafts.ids),
    )


def _issue(
    session: Session, filters: queries.InvoiceFilter, shown: str, issue_date: date, who: Actor, at: datetime
) -> int:
    """Issue exactly what was shown."""
    drafts = queries.drafts(session, filters)
    if drafts.digest != shown:
        raise Conflict("drafts_changed", "The drafts have changed since you saw them. Look at the new sums below.")
    return issue_many(session, drafts.ids, issue_date, who, at)

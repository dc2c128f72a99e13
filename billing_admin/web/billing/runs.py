"""Billing runs: choose charges, preview and confirm documents, show the result.

Exactly the documents of the preview are confirmed.
"""

from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, RadioField, SelectField

from billing_admin.background import wake_worker
from billing_admin.db.engine import db
from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.formatting import format_whole
from billing_admin.domain.lifecycle import default_cut_off
from billing_admin.http.lock_waits import bounded_transaction, run_bounded
from billing_admin.models import BillingRun
from billing_admin.operations.billing import runs as operations
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.messages.documents import SendingPlan, plan_sending
from billing_admin.queries import jobs
from billing_admin.queries.billing import preview as billing, runs as queries
from billing_admin.queries.charges import late
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data import customers
from billing_admin.queries.messages.documents import unsent_ids
from billing_admin.web.frame.customer_field import CustomersField
from billing_admin.web.frame.forms import DayField, Form, NewIdField, TextField, add_errors, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import NOTHING_CHANGED, pluralise
from billing_admin.web.frame.list_params import (
    choice_param,
    currency_param,
    day_param,
    has_permission,
    load_page,
    name_params,
    strict_day_param,
    text_param,
)
from billing_admin.web.frame.readiness import group_shortcomings
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import amounts

WRITE = "billing:write"
HOLD = "charges:write"
MAX_PREVIEW_ROWS = 200
MAKE_CHOICES = {
    "issue": "Issue invoices now — Each invoice gets its number and can no longer be changed.",
    "drafts": "Create drafts — You can check each draft, then issue or discard it.",
}

pages = page_blueprint("billing_runs", __name__, "/billing-runs", write=WRITE)


class RunForm(Form):
    """The charges to bill and the documents to make."""

    through = DayField("Charges up to", blank_message="Enter the last day to bill, such as 2026-11-30.")
    currency = SelectField("Currency", default="")
    customers = CustomersField()
    make = RadioField("Documents", choices=MAKE_CHOICES)
    issue_date = DayField("Issue date")
    purchase_order = TextField("Purchase order number")


class ConfirmForm(Form):
    """Confirmation of a preview.

    `id` is that of the new run; `digest` identifies the preview that was shown.
    """

    id = NewIdField()
    digest = HiddenField()


@pages.get("")
def index() -> ResponseReturnValue:
    """List the billing runs, newest first."""
    page = load_page(queries.runs())
    totals = queries.run_totals(db.session(), {run.id for run in page.rows})
    return render_template("billing_runs/list.html", page=page, totals=totals, may_write=has_permission(WRITE))


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Choose the charges to bill."""
    form = _filled_form()
    if form.validate_on_submit():
        try:
            spec = _spec_from_form(form)
            operations.resolve_scope(db.session(), spec, now())
        except Invalid as error:
            add_errors(form, error)
        else:
            return redirect(url_for("billing_runs.preview", **_url_params(spec)), 303)
    return render_form("billing_runs/form.html", form)


def _filled_form(**options: Any) -> RunForm:
    day = today()
    form = RunForm(
        **options,
        through=day_param("through") or default_cut_off(day),
        currency=currency_param(),
        customers="\n".join(_customer_params()),
        make=choice_param("make", ("issue", "drafts")) or "issue",
        issue_date=day_param("issue_date") or day,
        purchase_order=text_param("purchase_order"),
    )
    currencies = customers.account_currencies(db.session())
    form.currency.choices = {"": "All currencies"} | {code: code for code in currencies}
    return form


def _spec_from_form(form: RunForm) -> RunSpec:
    return RunSpec(
        through=form.through.data,
        customers=_references(form) or None,
        currency=form.currency.data or None,
        issue=form.make.data == "issue",
        issue_date=form.issue_date.data or today(),
        purchase_order=form.purchase_order.data or None,
    )


def _references(form: RunForm) -> tuple[str, ...]:
    try:
        return form.customers.references()
    except Invalid as error:
        raise Invalid(error.code, error.message, "customers") from error


def _url_params(spec: RunSpec) -> dict[str, Any]:
    return {
        "through": spec.through.isoformat(),
        "customer": spec.customers,
        "currency": spec.currency,
        "make": "issue" if spec.issue else "drafts",
        "issue_date": spec.issue_date.isoformat() if spec.issue_date else None,
        "purchase_order": spec.purchase_order,
    }


def _customer_params() -> list[str]:
    """Return the customers in the URL, `?customer=A&customer=B`.

    Bookmarks of an earlier version hold several names in one `customers`, separated by commas. It is read as one name, since
    names may contain commas; if it held several names, the page says that the customer does not exist.
    """
    return name_params("customer", "customers")


def _spec_from_url(id: UUID | None = None, digest: str | None = None) -> RunSpec | None:
    """Return the run that the URL describes; None without a valid last day."""
    through = strict_day_param("through")
    if through is None:
        return None
    return RunSpec(
        through=through,
        customers=tuple(_customer_params()) or None,
        currency=currency_param() or None,
        issue=choice_param("make", ("issue", "drafts")) != "drafts",
        issue_date=strict_day_param("issue_date") or today(),
        confirmed=digest,
        id=id,
        purchase_order=text_param("purchase_order") or None,
    )


@pages.get("/preview")
def preview() -> ResponseReturnValue:
    """Show the documents that a run would make, and what it would leave out and why.

    Writes nothing.
    """
    spec = _spec_from_url()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    return _render_preview(spec, ConfirmForm(formdata=None))


@pages.post("/preview", provide_automatic_options=False)  # `preview` answers OPTIONS at this URL
def confirm() -> ResponseReturnValue:
    """Start the run if its preview is still the one that was shown.

    Otherwise show the new preview.
    """
    form = ConfirmForm()
    spec = _spec_from_url(form.id.data, form.digest.data or "")
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    if not form.validate():
        return _render_preview(spec, form)
    try:
        run_id, created = transaction(operations.start_in_background, spec, actor(), now())
    except DomainError as error:
        return _show_refusal(spec, form, error)
    wake_worker()
    if created:
        flash(_describe_result(run_id), "success")
    return redirect(url_for("billing_runs.show", id=run_id), 303)


@pages.post("/preview/hold-duplicates")
def hold_duplicates() -> ResponseReturnValue:
    """Hold the likely duplicates in a preview, and show the new preview."""
    actor().require(HOLD)
    spec = _spec_from_url()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    try:
        held = bounded_transaction(operations.hold_duplicates, spec, actor(), now())
    except Invalid as error:
        return _choose_again(error)
    message = f"{pluralise(held, 'charge')} held. Review the new preview." if held else NOTHING_CHANGED
    flash(message, "success" if held else "info")
    return redirect(url_for("billing_runs.preview", **_url_params(spec)), 303)


def _show_refusal(spec: RunSpec, form: ConfirmForm, error: DomainError) -> ResponseReturnValue:
    """Show the page again after an error.

    It is the new preview after a conflict, or the first page if a date or customer was refused.
    """
    if isinstance(error, Conflict):
        if error.code == "id_conflict":
            form.id.data = uuid4()
        add_errors(form, error)
        return _render_preview(spec, form)
    return _choose_again(error)


def _choose_again(error: DomainError) -> ResponseReturnValue:
    form = _filled_form(formdata=None)
    add_errors(form, error)
    return render_form("billing_runs/form.html", form)


def _render_preview(spec: RunSpec, form: ConfirmForm) -> ResponseReturnValue:
    session = db.session()
    try:
        preview = operations.preview_run(_roll_back, session, spec, actor(), now())
    except Invalid as error:
        return _choose_again(error)
    form.digest.data = preview.digest
    shown = preview.documents[:MAX_PREVIEW_ROWS]
    late_charges = Counter(late.count_pending_late(session, {row.customer_id for row in shown}, spec.through))
    late_charges.update((due.charge.customer_id, due.charge.currency) for due in preview.due if due.charge.late)
    return render_form(
        "billing_runs/preview.html",
        form,
        spec=spec,
        preview=preview,
        shown=shown,
        late=late_charges,
        incomplete=group_shortcomings(preview.documents),
        due_totals=preview.due_sums,
        max_rows=MAX_PREVIEW_ROWS,
        button=_button_label(spec, preview),
        change_url=url_for("billing_runs.new", **_url_params(spec)),
        confirm_url=url_for("billing_runs.confirm", **_url_params(spec)),
        hold_url=url_for("billing_runs.hold_duplicates", **_url_params(spec)),
        may_write=has_permission(WRITE),
        may_hold=has_permission(HOLD),
    )


def _roll_back(work: Any, *args: Any) -> Any:
    """Run work in a transaction that is rolled back.

    It does not wait long for locked accounts.
    """
    return run_bounded(dry_run, lambda session: work(session, *args))


def _button_label(spec: RunSpec, preview: billing.Preview) -> str:
    count = len(preview.documents)
    if not spec.issue:
        return f"Create {pluralise(count, 'draft')}"
    return f"Issue {pluralise(count, 'invoice')}, {amounts(preview.totals)}"


def _describe_documents(report: queries.RunReport) -> dict[str, str]:
    """Return the documents of a run as they are now.

    `noun` is for a table of them, `shown` for a link to their list, and `all` has their statuses.
    """
    existing, drafts = sum(report.statuses.values()), report.drafts
    shown = [pluralise(count, noun) for count, noun in ((existing - drafts, "invoice"), (drafts, "draft")) if count]
    parts = [(report.statuses.get("issued", 0), "issued"), (drafts, "draft" if drafts == 1 else "drafts")]
    parts += [(report.statuses.get("void", 0), "void"), (report.discarded, "discarded")]
    return {
        "noun": "drafts" if existing == drafts else "invoices",
        "shown": " and ".join(shown),
        "all": ", ".join(f"{format_whole(count)} {word}" for count, word in parts if count),
    }


def _describe_result(run_id: UUID) -> str:
    report = queries.run_report(db.session(), run_id)
    if report.run.state != "done":
        return "Billing run started."
    noun, verb = ("invoice", "issued") if report.run.issue else ("draft", "created")
    return f"{pluralise(report.invoices, noun)} {verb}, {amounts(report.totals)}."


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show a run: its progress and result."""
    report, job = queries.run_report(db.session(), id), jobs.latest_job(db.session(), id)
    return render_template(
        "billing_runs/show.html",
        report=report,
        job=job,
        documents=_describe_documents(report),
        sending=_plan_sending(id) if report.run.state == "done" and has_permission("messages:write") else None,
        live=report.run.state != "done" and job is not None and job.state in {"queued", "running"},
        may_write=has_permission(WRITE),
    )


def _plan_sending(id: UUID) -> SendingPlan:
    """Return which unsent documents of a run can be sent, and why others cannot."""
    return plan_sending(db.session(), unsent_ids(db.session(), InvoiceFilter(today(), run=str(id))))


@pages.post("/<uuid:id>/continue")
def resume(id: UUID) -> ResponseReturnValue:
    """Continue a run that stopped.

    A finished run does not change.
    """
    transaction(
        operations.start_in_background, _spec_from_run(queries.run_report(db.session(), id).run), actor(), now()
    )
    wake_worker()
    return redirect(url_for("billing_runs.show", id=id), 303)


def _spec_from_run(run: BillingRun) -> RunSpec:
    names: Any = run.customers
    issued_on: date = run.issue_date
    return RunSpec(
        through=run.through,
        customers=tuple(names) if names is not None else None,
        currency=run.currency,
        issue=run.issue,
        issue_date=issued_on,
        confirmed=run.confirmed,
        id=run.id,
        purchase_order=run.purchase_order,
    )

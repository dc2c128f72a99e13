"""Billing runs: choose, look at what would be made, confirm exactly that; and what became of each run."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, RadioField, SelectField

from billing_admin.background import wake_worker
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.lifecycle import default_cut_off
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.models import BillingRun
from billing_admin.operations.billing import runs as operations
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.queries import jobs
from billing_admin.queries.billing import preview as billing, runs as queries
from billing_admin.queries.charges import late
from billing_admin.queries.master_data import customers
from billing_admin.web.frame.forms import DayField, Form, MultilineField, NewIdField, add_errors, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.list_params import (
    choice_param,
    day_param,
    has_permission,
    load_page,
    name_params,
    strict_day_param,
    text_param,
)
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import amounts

WRITE = "billing:write"
MOST_SHOWN = 200
CHOICES = {
    "issue": "Issue invoices now — Each gets its number and can no longer be changed.",
    "drafts": "Leave drafts — Look at each one first; issue or discard it later.",
}

pages = page_blueprint("billing_runs", __name__, "/billing-runs", write=WRITE)


class RunForm(Form):
    """What to bill."""

    through = DayField("Charges up to", blank_message="Enter the last day to bill, such as 2026-11-30.")
    currency = SelectField("Currency", default="")
    customers = MultilineField("Customers", max_length=10_000)  # one on each line: no reference has a line end in it
    make = RadioField("What to make", choices=CHOICES)
    issue_date = DayField("Issue date")


class ConfirmForm(Form):
    """Says yes to a preview. `id` is the run's, made when the preview was shown; `digest` is what was shown."""

    id = NewIdField()
    digest = HiddenField()


@pages.get("")
def index() -> ResponseReturnValue:
    """Every run, newest first."""
    found = load_page(queries.runs())
    made = queries.run_totals(db.session(), {run.id for run in found.rows})
    return render_template("billing_runs/list.html", page=found, made=made, may_write=has_permission(WRITE))


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Choose what to bill."""
    form = _chosen_form()
    if form.validate_on_submit():
        spec = _spec_of(form)
        try:
            operations.resolve_scope(db.session(), spec, now())
        except Invalid as refusal:
            add_errors(form, refusal)
        else:
            return redirect(url_for("billing_runs.preview", **_address(spec)), 303)
    return render_form("billing_runs/form.html", form)


def _chosen_form(**how: Any) -> RunForm:
    day = today()
    form = RunForm(
        **how,
        through=day_param("through") or default_cut_off(day),
        currency=choice_param("currency", MINOR_DIGITS),
        customers="\n".join(_names_given()),
        make=choice_param("make", ("issue", "drafts")) or "issue",
        issue_date=day_param("issue_date") or day,
    )
    known = customers.account_currencies(db.session())
    form.currency.choices = {"": "Every currency"} | {code: code for code in known}
    return form


def _spec_of(form: RunForm) -> RunSpec:
    names = tuple(name.strip() for name in form.customers.data.split("\n") if name.strip())
    return RunSpec(
        through=form.through.data,
        customers=names or None,
        currency=form.currency.data or None,
        issue=form.make.data == "issue",
        issue_date=form.issue_date.data or today(),
    )


def _address(spec: RunSpec) -> dict[str, Any]:
    return {
        "through": spec.through.isoformat(),
        "customer": spec.customers,
        "currency": spec.currency,
        "make": "issue" if spec.issue else "drafts",
        "issue_date": spec.issue_date.isoformat() if spec.issue_date else None,
    }


def _names_given() -> list[str]:
    """Return the customers that the URL names, `?customer=A&customer=B`.

    `customers` is of URLs that were kept from an earlier version, which put several names into one value, with commas between.
    It is read as one name, as names may hold commas: where it was several, the page says that there is no such customer.
    """
    return name_params("customer", "customers")


def _spec_given(id: UUID | None = None, digest: str | None = None) -> RunSpec | None:
    """What the URL asks for; None without a last day."""
    through = strict_day_param("through")
    if through is None:
        return None
    return RunSpec(
        through=through,
        customers=tuple(_names_given()) or None,
        currency=choice_param("currency", MINOR_DIGITS) or None,
        issue=text_param("make") != "drafts",
        issue_date=strict_day_param("issue_date") or today(),
        confirmed=digest,
        id=id,
    )


@pages.get("/preview")
def preview() -> ResponseReturnValue:
    """Show every invoice that would be made, and everything left out and why. Writes nothing."""
    spec = _spec_given()
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    return _preview(spec, ConfirmForm(formdata=None))


@pages.post("/preview", provide_automatic_options=False)  # the page beside it answers OPTIONS
def confirm() -> ResponseReturnValue:
    """Run exactly what was shown; if anything has changed, show it again."""
    form = ConfirmForm()
    spec = _spec_given(form.id.data, form.digest.data or "")
    if spec is None:
        return redirect(url_for("billing_runs.new"), 303)
    if not form.validate():
        return _preview(spec, form)
    try:
        run_id, created = transaction(operations.start_in_background, spec, actor(), now())
    except DomainError as refusal:
        return _refused(spec, form, refusal)
    wake_worker()
    if created:
        flash(_outcome(run_id), "success")
    return redirect(url_for("billing_runs.show", id=run_id), 303)


def _refused(spec: RunSpec, form: ConfirmForm, refusal: DomainError) -> ResponseReturnValue:
    """Another preview by now: show it. A date that cannot be: back to where it was chosen."""
    if isinstance(refusal, Conflict):
        if refusal.code == "id_conflict":
            form.id.data = uuid4()
        add_errors(form, refusal)
        return _preview(spec, form)
    return _choose_again(refusal)


def _choose_again(refusal: DomainError) -> ResponseReturnValue:
    form = _chosen_form(formdata=None)
    add_errors(form, refusal)
    return render_form("billing_runs/form.html", form)


def _preview(spec: RunSpec, form: ConfirmForm) -> ResponseReturnValue:
    session = db.session()
    try:
        found = billing.preview(session, operations.resolve_scope(session, spec, now()))
    except Invalid as refusal:
        return _choose_again(refusal)
    form.digest.data = found.digest
    shown = found.documents[:MOST_SHOWN]
    return render_form(
        "billing_runs/preview.html",
        form,
        spec=spec,
        found=found,
        shown=shown,
        late=late.count_pending_late(session, {one.customer_id for one in shown}, spec.through),
        button=_button(spec, found),
        change_url=url_for("billing_runs.new", **_address(spec)),
        confirm_url=url_for("billing_runs.confirm", **_address(spec)),
        may_write=has_permission(WRITE),
    )


def _button(spec: RunSpec, found: billing.Preview) -> str:
    count = len(found.documents)
    if not spec.issue:
        return f"Make {pluralise(count, 'draft')}"
    return f"Issue {pluralise(count, 'invoice')}, {amounts(found.totals)}"


def _outcome(run_id: UUID) -> str:
    found = queries.run_report(db.session(), run_id)
    if found.run.state != "done":
        return "The billing run was started."
    noun = "invoice" if found.run.issue else "draft"
    return f"{pluralise(found.invoices, noun)} {'issued' if found.run.issue else 'made'}, {amounts(found.totals)}."


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """What became of a run: its permanent page."""
    job = jobs.latest_job(db.session(), id)
    return render_template(
        "billing_runs/show.html",
        report=queries.run_report(db.session(), id),
        job=job,
        live=job is not None and job.state in {"queued", "running"},
        may_write=has_permission(WRITE),
    )


@pages.post("/<uuid:id>/continue")
def go_on(id: UUID) -> ResponseReturnValue:
    """Go on with a run that stopped. One that is done is left as it is."""
    transaction(operations.start_in_background, _spec_stored(queries.run_report(db.session(), id).run), actor(), now())
    wake_worker()
    return redirect(url_for("billing_runs.show", id=id), 303)


def _spec_stored(run: BillingRun) -> RunSpec:
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
    )

"""Recurring charges: list, details, add, change, pause, resume, end and post."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session
from billing_admin.domain.errors import NotFound
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.recurring_charges import (
    DAY,
    IN_ADVANCE,
    IN_ARREARS,
    LONGEST_DESCRIPTION,
    Period,
    RecurringChargeSpec,
)
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase, plural
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import recurring_charges as operations
from billing_admin.operations.charges.recurring_posting import post_due_charges
from billing_admin.queries.charges import recurring_charges as queries
from billing_admin.queries.master_data import customers, services
from billing_admin.web.charges.charges import service_choices
from billing_admin.web.frame.currencies import currency_choices_after
from billing_admin.web.frame.customer_field import CustomerField, resolve_customer
from billing_admin.web.frame.field_labels import TERM_LABELS
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    ExactField,
    Form,
    NewIdField,
    TextField,
    WholeNumberField,
    errors_on,
    render_form,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import INTERVAL_LABELS, INTERVAL_PERIODS, TIMING_LABELS, status_label
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    currency_param,
    export_url,
    has_permission,
    load_page,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import RECURRING_CHARGES
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import load_table

WRITE = "charges:write"
PERIODS_SHOWN = 3

pages = page_blueprint("recurring_charges", __name__, "/recurring-charges", write=WRITE)


class TermsForm(Form):
    """The terms of a recurring charge.

    `id` is the id of the one that the form creates.
    """

    id = NewIdField()
    service = SelectField(Phrase("Service"), default="")
    quantity = ExactField(Phrase("Quantity"), noun=Phrase("quantity"))
    unit_price = AmountField(Phrase("Unit price"))
    interval_count = WholeNumberField(TERM_LABELS["interval_count"])
    interval = SelectField(Phrase("Interval"), choices=INTERVAL_LABELS, default="monthly")
    timing = SelectField(TERM_LABELS["timing"], choices=TIMING_LABELS, default=IN_ADVANCE)
    ends_on = DayField(TERM_LABELS["ends_on"])
    description = TextField(Phrase("Description"), max_length=LONGEST_DESCRIPTION)
    anchor_on = DayField(TERM_LABELS["anchor_on"])
    purchase_order = TextField(TERM_LABELS["purchase_order"])

    def terms(self) -> dict[str, Any]:
        """Return the terms under the field names of RecurringChargeSpec.

        Blank fields are None.
        """
        return {
            "service": self.service.data,
            "quantity": self.quantity.data,
            "unit_price": self.unit_price.data,
            "interval": self.interval.data,
            "interval_count": self.interval_count.data,
            "timing": self.timing.data,
            "ends_on": self.ends_on.data,
            "description": self.description.data or None,
            "anchor_on": self.anchor_on.data,
            "purchase_order": self.purchase_order.data,
        }

    def next_periods(self, starts_on: DayField, spec: Callable[[], RecurringChargeSpec]) -> list[Period]:
        """Return the first periods of the entered schedule.

        There are none while it is incomplete or wrong. `starts_on` is the field with the first day, `spec` returns
        the request. When the form is sent to see the periods, only errors of the schedule are shown.
        """
        fields = (starts_on, self.interval_count, self.interval, self.timing, self.ends_on, self.anchor_on)
        if (_wants_preview() and [field.name for field in fields if not field.validate(self)]) or self.errors:
            return []
        if starts_on.data is None:
            return []
        with errors_on(self, {"from": "from_"}):
            return list(islice(spec().schedule().periods(), PERIODS_SHOWN))
        return []


class NewForm(TermsForm):
    """The customer, currency, first day and terms of a new recurring charge."""

    customer = CustomerField()
    currency = SelectField(Phrase("Currency"), default="")
    starts_on = DayField(TERM_LABELS["starts_on"], blank_message=Phrase("Enter the first day, such as 2026-12-01."))


class ChangeForm(TermsForm):
    """The changed terms and the first day on which they apply."""

    from_ = DayField(
        Phrase("From"), blank_message=Phrase("Enter the first day of the change, such as 2026-12-01."), name="from"
    )
    reason = TextField(Phrase("Reason"), max_length=MAX_REASON_LENGTH)


class ReasonForm(Form):
    """The reason for pausing or resuming."""

    reason = TextField(Phrase("Reason"), max_length=MAX_REASON_LENGTH)


class EndForm(ReasonForm):
    """The last day, and the reason."""

    ends_on = DayField(TERM_LABELS["ends_on"], blank_message=Phrase("Enter the last day, such as 2026-11-30."))


def read_filters() -> queries.RecurringFilter:
    """Return the list filter in the URL."""
    return queries.RecurringFilter(
        today(),
        customer=text_param("customer"),
        service=text_param("service"),
        status=choice_param("status", queries.STATES),
        currency=currency_param(),
    )


def filter_chips(filters: queries.RecurringFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter."""
    return build_chips(
        ("customer", Phrase("Customer"), filters.customer),
        ("service", Phrase("Service"), filters.service),
        ("status", Phrase("Status"), status_label(filters.status)),
        ("currency", Phrase("Currency"), filters.currency),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the recurring charges that match the filters, newest first."""
    session, unknown, page = db.session(), None, None
    filters = read_filters()
    try:
        filters = resolve_customer(filters)
        page = load_table(queries.recurring_charges(session, filters), RECURRING_CHARGES)
    except NotFound as error:
        unknown = error.message
    return render_template(
        "recurring_charges/list.html",
        filters=filters,
        chips=filter_chips(filters),
        export_url=export_url("exports.recurring_files"),
        clear_url=unfiltered_url(),
        unknown=unknown,
        page=page,
        services=[(service.code, service.code) for service in services.service_choices(session)],
        currencies=[(code, code) for code in customers.account_currencies(session)],
        may_write=has_permission(WRITE),
        **template_helpers(page.rows if page else ()),
    )


def how_often(row: Any) -> str:
    """Return how often a recurring charge is posted: `Every 2 months, in arrears`."""
    interval = INTERVAL_PERIODS[row.interval](row.interval_count)
    return Phrase("{interval}, in arrears", interval=interval) if row.timing == IN_ARREARS else interval


def template_helpers(rows: Iterable[Any]) -> dict[str, Any]:
    """Return what templates need to describe these recurring charges."""
    return {
        "how_often": how_often,
        "schedule_of": queries.schedule_of,
        "upcoming": partial(queries.upcoming_charges, prices=queries.list_prices(db.session(), rows)),
        "today": today(),
    }


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one recurring charge: its terms, the next charges, and the posted ones."""
    row = queries.recurring_charge(db.session(), id)
    return render_template(
        "recurring_charges/show.html",
        row=row,
        due=len(queries.schedule_of(row).due(today())),
        page=load_page(queries.posted_charges(id)),
        may_write=has_permission(WRITE),
        **template_helpers([row]),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a recurring charge."""
    catalogue = services.service_choices(db.session())
    form = NewForm(customer=text_param("customer"), starts_on=today())
    form.service.choices = {"": Phrase("Choose a service")} | service_choices(catalogue)
    form.currency.choices = currency_choices_after(Phrase("Customer’s currency"))
    form.expect_currency(form.currency.data or form.customer.currency)
    if not _wants_preview() and form.validate_on_submit():
        with errors_on(form):
            row, is_new = bounded_transaction(operations.create, _spec(form), actor(), now())
            flash(
                Phrase("Recurring charge saved.")
                if is_new
                else Phrase("This recurring charge was already saved. It was not added again."),
                "success",
            )
            return redirect(url_for("recurring_charges.show", id=row.id), 303)
    return render_form(
        "recurring_charges/form.html",
        form,
        periods=form.next_periods(form.starts_on, lambda: _spec(form)),
        today=today(),
    )


def _wants_preview() -> bool:
    """Return whether the form was sent to see the next charges only."""
    return request.form.get("then") == "preview"


def _spec(form: NewForm) -> RecurringChargeSpec:
    return RecurringChargeSpec(
        **form.terms(),
        customer=form.customer.data,
        currency=form.currency.data or None,
        starts_on=form.starts_on.data,
        id=form.id.data,
    )


@pages.route("/<uuid:id>/change", methods=["GET", "POST"])
def change(id: UUID) -> ResponseReturnValue:
    """End a recurring charge and let another follow from a day on.

    A period that is cut is split by days.
    """
    session = db.session()
    row, catalogue = queries.recurring_charge(session, id), services.service_choices(session)
    form = _change_form(row, catalogue)
    if not _wants_preview() and form.validate_on_submit():
        with errors_on(form, {"from": "from_"}):
            successor, is_new = bounded_transaction(
                operations.change, id, form.from_.data, _changes(form), form.id.data, form.reason.data, actor(), now()
            )
            flash(
                Phrase("Recurring charge changed.") if is_new else Phrase("This recurring charge was already changed."),
                "success",
            )
            return redirect(url_for("recurring_charges.show", id=successor.id), 303)
    return render_form(
        "recurring_charges/change.html",
        form,
        row=queries.recurring_charge(db.session(), id),
        periods=form.next_periods(
            form.from_,
            lambda: operations.successor_spec(db.session(), row, form.from_.data, _changes(form), None),
        ),
        today=today(),
    )


def _change_form(row: Any, catalogue: Sequence[Any]) -> ChangeForm:
    names = ("quantity", "unit_price", "interval", "interval_count", "timing", "ends_on", "anchor_on", "purchase_order")
    stored = {name: getattr(row, name) for name in names}
    description = "" if row.description == row.service_name else row.description
    form = ChangeForm(service=row.service_code, description=description, **stored)
    form.expect_currency(row.currency)
    form.unit_price.digits = MINOR_DIGITS[row.currency]
    form.service.choices = {row.service_code: row.service_code} | service_choices(catalogue)
    return form


def _changes(form: ChangeForm) -> dict[str, Any]:
    """Return the new terms; a blank quantity, count or anchor is left out."""
    return {
        name: value
        for name, value in form.terms().items()
        if value is not None or name not in {"quantity", "interval_count", "anchor_on"}
    }


# action → (operation, form, message)
ACTIONS: Final[Mapping[str, tuple[Any, type[ReasonForm], str]]] = {
    "pause": (
        operations.pause,
        ReasonForm,
        Phrase("Recurring charge paused. Periods that begin from today on are not posted."),
    ),
    "resume": (
        operations.resume,
        ReasonForm,
        Phrase("Recurring charge resumed. Periods that began during the pause are skipped."),
    ),
    "end": (operations.end, EndForm, Phrase("Last day saved.")),
}


@pages.route("/<uuid:id>/<any(pause, resume, end):action>", methods=["GET", "POST"])
def change_status(id: UUID, action: str) -> ResponseReturnValue:
    """Pause, resume or end a recurring charge, with a reason."""
    operation, form_class, message = ACTIONS[action]
    row = queries.recurring_charge(db.session(), id)
    form = form_class(data={"ends_on": row.ends_on or _last_day(row)})
    if form.validate_on_submit():
        days = [form["ends_on"].data] if action == "end" else []
        with errors_on(form):
            bounded_transaction(_apply, operation, id, days, form.reason.data)
            flash(message, "success")
            return redirect(url_for("recurring_charges.show", id=id), 303)
    return render_form(
        "recurring_charges/change_status.html",
        form,
        row=queries.recurring_charge(db.session(), id),
        action=action,
        **template_helpers([row]),
    )


def _apply(session: Session, operation: Any, id: UUID, days: Sequence[date], reason: str) -> None:
    operation(session, id, *days, reason, actor(), now())


def _last_day(row: Any) -> date:
    """Return the day before the next charge, so that no period is split.

    Without a next one, today or the first day.
    """
    next_charges = queries.upcoming_charges(row, 1, prices={})
    return (
        next_charges[0].period_from - DAY
        if next_charges and next_charges[0].period_from > row.starts_on
        else max(today(), row.starts_on)
    )


@pages.post("/<uuid:id>/post")
def post_now(id: UUID) -> ResponseReturnValue:
    """Post the charges that are due, before the daily job does."""
    row = queries.recurring_charge(db.session(), id)
    form = ReasonForm()
    with errors_on(form):
        posted = bounded_transaction(post_due_charges, [row.id], today(), actor(), now())
        flash(
            plural("{count} charge posted.", "{count} charges posted.", posted)
            if posted
            else Phrase("No charges were due."),
            "success" if posted else "info",
        )
        return redirect(url_for("recurring_charges.show", id=id), 303)
    return render_form("recurring_charges/change_status.html", form, row=row, action="post", **template_helpers([row]))

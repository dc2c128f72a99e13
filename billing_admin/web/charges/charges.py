"""Charges: list, details, add, hold, release and cancel."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session
from billing_admin.domain.charges import MAX_DESCRIPTION_LENGTH, ChargeSpec
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.formatting import format_day, format_typed, format_whole
from billing_admin.domain.selections import MAX_SELECTED
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase, join
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import Service
from billing_admin.models.charge import CHARGE_STATUSES
from billing_admin.operations.charges import charges as operations, posting
from billing_admin.queries.charges import charges as queries, unbilled
from billing_admin.queries.charges.recurring_charges import existing_charge_ids, recurring_charge_of
from billing_admin.queries.master_data import customers, services
from billing_admin.queries.master_data.customers import has_customers
from billing_admin.web.charges.selected import CHARGE_ACTS, start_act, too_many_to_select
from billing_admin.web.frame.currencies import currency_choices_after
from billing_admin.web.frame.customer_field import CustomerField, known_currencies, resolve_customer
from billing_admin.web.frame.field_labels import field_label
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    ExactField,
    Form,
    NewIdField,
    TextField,
    errors_on,
    render_form,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import status_label
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    currency_param,
    day_param,
    day_range_params,
    export_url,
    filtered_url,
    flag_param,
    has_permission,
    id_param,
    selected_ids,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import CHARGES, charge_totals
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import Total, load_table

WRITE = "charges:write"
FIELD_NAMES = {"incurred_on": "day", "period_of_days": "period_to"}  # field of ChargeSpec → field of the form

pages = page_blueprint("charges", __name__, "/charges", write=WRITE)


class ChargeForm(Form):
    """A new charge; without a unit price or amount, the service's list price applies."""

    id = NewIdField()
    customer = CustomerField()
    service = SelectField(Phrase("Service"), default="")
    quantity = ExactField(Phrase("Quantity"), noun=Phrase("quantity"))
    unit_price = AmountField(Phrase("Unit price"))
    tax_included = BooleanField(Phrase("This price includes tax"))
    day = DayField(Phrase("Day"), blank_message=Phrase("Enter the day of the charge, such as 2026-11-22."))
    description = TextField(Phrase("Description"), max_length=MAX_DESCRIPTION_LENGTH)
    amount = AmountField(Phrase("Amount"))
    currency = SelectField(Phrase("Currency"), default="")
    period_from = DayField(Phrase("First day of the period"))
    period_to = DayField(Phrase("Last day of the period"))
    purchase_order = TextField(Phrase("Purchase order number"))


class ReasonForm(Form):
    """The reason for holding, releasing or cancelling a charge."""

    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is shown in the history."),
        max_length=MAX_REASON_LENGTH,
    )


def read_filters() -> queries.ChargeFilter:
    """Return the filters in the URL."""
    first, last = day_range_params("from", "to")
    return queries.ChargeFilter(
        customer=text_param("customer"),
        service=text_param("service"),
        status=choice_param("status", CHARGE_STATUSES),
        currency=currency_param(),
        from_=first,
        to=last,
        invoice=text_param("invoice"),
        likely_duplicates=flag_param("likely_duplicates") or None,
        selection=id_param("selection"),
    )


def filter_chips(filters: queries.ChargeFilter) -> list[Any]:
    """Return the active filters as chips."""
    return build_chips(
        ("customer", Phrase("Customer"), filters.customer),
        ("service", Phrase("Service"), filters.service),
        ("status", Phrase("Status"), status_label(filters.status)),
        ("currency", Phrase("Currency"), filters.currency),
        ("from", Phrase("From day"), format_day(filters.from_) if filters.from_ else ""),
        ("to", Phrase("To day"), format_day(filters.to) if filters.to else ""),
        ("invoice", Phrase("Invoice"), filters.invoice),
        ("likely_duplicates", Phrase("Only"), Phrase("likely duplicates") if filters.likely_duplicates else ""),
        ("selection", Phrase("Only"), Phrase("selected charges") if filters.selection else ""),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the charges that match the filters, newest first."""
    session, filters = db.session(), read_filters()
    unknown, page, large = None, None, False
    sums: Sequence[queries.ChargeSum] = ()
    try:
        filters = resolve_customer(filters)
        large, sums = _load_sums(filters)
        page = load_table(queries.charges(session, filters), CHARGES, is_short=_is_short(large, sums))
    except NotFound as error:
        unknown = error.message
    return render_template(
        "charges/list.html",
        filters=filters,
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown=unknown,
        page=page,
        totals=_totals(large, sums),
        currencies=[(code, code) for code in customers.account_currencies(session)],
        services=[(service.code, service.code) for service in services.service_choices(session)],
        export_url=export_url("exports.charge_files"),
        may_write=has_permission(WRITE),
        may_bill=has_permission("billing:write"),
        count=0 if large else sum(row.charges for row in sums),
        select_sums=[(row.currency, row.amount) for row in sums],
        act_urls={act: filtered_url("charges.select", act=act) for act in CHARGE_ACTS},
        too_many=too_many_to_select() if large or sum(row.charges for row in sums) > MAX_SELECTED else None,
    )


@pages.post("/select/<any(hold, release, cancel, bill, export):act>")
def select(act: str) -> ResponseReturnValue:
    """Continue with an act on the selected charges of the list."""
    filters = resolve_customer(read_filters())
    return start_act(act, lambda session: _selected_charge_ids(session, filters), filtered_url("charges.index"))


def _selected_charge_ids(session: Session, filters: queries.ChargeFilter) -> Collection[UUID]:
    """Return the ticked charges, or all that match the filter."""
    if request.form.get("all") == "1":
        return queries.charge_ids(session, filters, MAX_SELECTED + 1)
    return existing_charge_ids(session, selected_ids())


def _is_short(is_large: bool, sums: Sequence[queries.ChargeSum]) -> bool:
    return not is_large and sum(charge_sum.charges for charge_sum in sums) <= queries.LARGE_RESULT


def _totals(is_large: bool, sums: Sequence[queries.ChargeSum]) -> list[Total]:
    if is_large:
        return [
            Total(
                Phrase(
                    "More than {large_result} charges. Add filters to see the exact sum.",
                    large_result=format_whole(queries.LARGE_RESULT),
                ),
                {},
            )
        ]
    return charge_totals(sums)


def _load_sums(filters: queries.ChargeFilter) -> tuple[bool, Sequence[queries.ChargeSum]]:
    """Return whether there are too many charges to add up, and the sums per currency.

    The accounts hold the totals of all pending and all held charges: these are never added up.
    """
    session = db.session()
    if filters.status in {"pending", "held"} and filters == replace(
        queries.ChargeFilter(), status=filters.status, currency=filters.currency
    ):
        totals = unbilled.unbilled_totals(session, unbilled.UnbilledFilter(currency=filters.currency))
        account_sums = (_account_sum(total, filters.status) for total in totals)
        return False, [account_sum for account_sum in account_sums if account_sum.charges]
    if queries.is_large(session, filters, queries.LARGE_RESULT):
        return True, []
    return False, queries.charge_sums(session, filters)


def _account_sum(total: unbilled.UnbilledTotal, status: str) -> queries.ChargeSum:
    if status == "held":
        return queries.ChargeSum(total.currency, total.held_charges, total.held_amount)
    return queries.ChargeSum(total.currency, total.pending_charges, total.pending_amount)


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one charge."""
    session = db.session()
    return render_template(
        "charges/show.html",
        charge=queries.charge(session, id),
        poster=recurring_charge_of(session, id),
        void=queries.void_invoices(session, id),
        today=today(),
        may_write=has_permission(WRITE),
        may_bill=has_permission("billing:write"),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a charge; another one of the same customer and day may follow."""
    session = db.session()
    catalogue = services.service_choices(session)
    form = _form(catalogue)
    if form.validate_on_submit():
        with errors_on(form, FIELD_NAMES):
            return _redirect_after_saving(form, _post(form))
    last_id = id_param("last")
    return render_form(
        "charges/form.html",
        form,
        prices=list_prices(catalogue),
        currencies=known_currencies(form.customer),
        has_customers=has_customers(session),
        last=queries.charge(session, last_id) if last_id and request.method == "GET" else None,
    )


def _form(catalogue: Sequence[Any]) -> ChargeForm:
    form = ChargeForm(customer=text_param("customer"), service=text_param("service"), day=day_param("day") or today())
    form.service.choices = {"": Phrase("No service: enter a description")} | service_choices(catalogue)
    form.currency.choices = currency_choices_after(Phrase("Customer’s currency"))
    form.expect_currency(form.currency.data or form.customer.currency)
    return form


def service_choices(catalogue: Sequence[Any]) -> dict[str, str]:
    """Return the options of a service field: label by code."""
    return {
        service.code: service.code if service.name == service.code else f"{service.name} ({service.code})"
        for service in catalogue
    }


def list_prices(catalogue: Sequence[Any]) -> dict[str, Any]:
    """Return the list prices of services by code, for the script of a form.

    A service has its unit, and for each currency the list prices with their first days, and whether they include tax.
    The day of a charge decides which of them applies.
    """
    return {service.code: {"unit": service.unit, "prices": _prices_by_currency(service)} for service in catalogue}


def _prices_by_currency(service: Service) -> dict[str, list[tuple[str, str | None, bool]]]:
    prices = defaultdict(list)
    for price in service.prices:  # by first day
        unit_price = None if price.unit_price is None else format_typed(price.unit_price)
        prices[price.currency].append((price.valid_from.isoformat(), unit_price, price.includes_tax))
    return prices


def _post(form: ChargeForm) -> posting.PostingResult:
    try:
        return bounded_transaction(partial(posting.post, may_wait=True), [_spec(form)], actor(), now())
    except Conflict as error:
        if error.code != "id_conflict":
            raise
        form.id.data = uuid4()
        raise Conflict("saved_before", already_saved_message(error.problems[0].differs)) from error


def already_saved_message(differs: Sequence[str], *, is_row: bool = False) -> str:
    """Return the message for an entry whose id belongs to a saved charge.

    The saved charge has other values, and the form or row has a new id now.
    """
    fields = join(", ", [field_label(field).lower() for field in differs])
    if is_row:
        return Phrase(
            "This row was already saved with a different {fields}. Send it again to add a second charge.", fields=fields
        )
    return Phrase(
        "This form was already saved with a different {fields}. Send it again to add a second charge.", fields=fields
    )


def _spec(form: ChargeForm) -> ChargeSpec:
    return ChargeSpec(
        customer=form.customer.data,
        service=form.service.data or None,
        description=form.description.data or None,
        quantity=form.quantity.data,
        unit_price=form.unit_price.data,
        amount=form.amount.data,
        tax_included=_tax_included(form),
        currency=form.currency.data or None,
        incurred_on=form.day.data,
        period_from=form.period_from.data,
        period_to=form.period_to.data,
        purchase_order=form.purchase_order.data or None,
        id=form.id.data,
    )


def _tax_included(form: ChargeForm) -> bool | None:
    """Return whether an entered price includes tax.

    The result is None for a list price, which defines this itself.
    """
    has_price = form.unit_price.data is not None or form.amount.data is not None
    return form.tax_included.data if has_price else None


def _redirect_after_saving(form: ChargeForm, posted: posting.PostingResult) -> ResponseReturnValue:
    id = posted.ids[0]
    flash(
        Phrase("Charge saved.") if posted.created else Phrase("This charge was already saved. It was not added again."),
        "success",
    )
    if request.form.get("then") == "another":
        prefilled = {"customer": form.customer.data, "day": form.day.data.isoformat(), "last": id}
        return redirect(url_for("charges.new", **prefilled), 303)
    return redirect(url_for("charges.show", id=id), 303)


# action → (operation, message)
ACTIONS: Final[Mapping[str, tuple[Any, str]]] = {
    "hold": (operations.hold, Phrase("Charge held. It will not be billed until it is released.")),
    "release": (operations.release, Phrase("Charge released. It is pending again.")),
    "cancel": (operations.cancel, Phrase("Charge cancelled.")),
}


@pages.route("/<uuid:id>/<any(hold, release, cancel):action>", methods=["GET", "POST"])
def change_status(id: UUID, action: str) -> ResponseReturnValue:
    """Hold, release or cancel one charge, with a reason."""
    operation, message = ACTIONS[action]
    form = ReasonForm()
    if form.validate_on_submit():
        with errors_on(form):
            changed = bounded_transaction(operation, [id], form.reason.data, actor(), now())
            flash(
                message if changed else Phrase("Nothing changed. The charge already has this status."),
                "success" if changed else "info",
            )
            return redirect(url_for("charges.show", id=id), 303)
    return render_form(
        "charges/change_status.html",
        form,
        charge=queries.charge(db.session(), id),
        action=action,
        allowed=operations.ALLOWED_STATUSES[action],
    )

"""Charges: the list, one charge, adding one, and holding, releasing or cancelling it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField

from billing_admin.db.engine import db
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import MINOR_DIGITS, plain_decimal
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models.charge import CHARGE_STATUSES
from billing_admin.operations.charges import charges as operations, posting
from billing_admin.queries.charges import charges as queries, unbilled
from billing_admin.queries.charges.recurring_charges import recurring_charge_of
from billing_admin.queries.master_data import customers, services
from billing_admin.web.frame.customer_field import CustomerField, customer_options
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
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    day_param,
    filtered_url,
    has_permission,
    id_param,
    load_page,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "charges:write"
NAMES = {"incurred_on": "day"}

pages = page_blueprint("charges", __name__, "/charges", write=WRITE)


class ChargeForm(Form):
    """Six fields and, on demand, three more. Without a price the service's list price counts."""

    id = NewIdField()
    customer = CustomerField()
    service = SelectField("Service", default="")
    quantity = ExactField("Quantity", noun="quantity")
    unit_price = AmountField("Unit price")
    tax_included = BooleanField("This price includes tax")
    day = DayField("Day", blank_message="Enter the day of the charge, such as 2026-11-22.")
    description = TextField("Description", max_length=1000)
    amount = AmountField("Plain amount")
    currency = SelectField("Currency", default="")


class MoveForm(Form):
    """Why a charge is held, released or cancelled."""

    reason = TextField("Reason", blank_message="Say why, for whoever looks at it later.", max_length=500)


def read_filters() -> queries.ChargeFilter:
    """The filter that the URL states."""
    return queries.ChargeFilter(
        customer=text_param("customer"),
        service=text_param("service"),
        status=choice_param("status", CHARGE_STATUSES),
        currency=choice_param("currency", MINOR_DIGITS),
        from_=day_param("from"),
        to=day_param("to"),
        invoice=text_param("invoice"),
        likely_duplicates=True if text_param("likely_duplicates") == "1" else None,
    )


def resolve_customer(filters: queries.ChargeFilter) -> queries.ChargeFilter:
    """The same with the customer's own reference, also where a part of the name was typed. Raises NotFound."""
    if not filters.customer:
        return filters
    return replace(filters, customer=customers.customer_by_search(db.session(), filters.customer).reference)


def filter_chips(filters: queries.ChargeFilter) -> list[Any]:
    """The filter in words."""
    return build_chips(
        ("customer", "Customer", filters.customer),
        ("service", "Service", filters.service),
        ("status", "Status", filters.status.capitalize()),
        ("currency", "Currency", filters.currency),
        ("from", "From", format_day(filters.from_) if filters.from_ else ""),
        ("to", "To", format_day(filters.to) if filters.to else ""),
        ("invoice", "Invoice", filters.invoice),
        ("likely_duplicates", "Only", "likely duplicates" if filters.likely_duplicates else ""),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """Every charge that the filter lets through, newest first."""
    session, filters = db.session(), read_filters()
    unknown, found, large = None, None, False
    sums: Sequence[queries.ChargeSum] = ()
    try:
        filters = resolve_customer(filters)
        found = load_page(queries.charges(session, filters))
        large, sums = _totals(filters)
    except NotFound as refusal:
        unknown = refusal.message
    return render_template(
        "charges/list.html",
        filters=filters,
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown=unknown,
        page=found,
        large=large,
        sums=sums,
        currencies=[(code, code) for code in customers.account_currencies(session)],
        services=[(service.code, service.code) for service in services.service_choices(session)],
        export_url=filtered_url("exports.charge_files"),
        may_write=has_permission(WRITE),
    )


def _totals(filters: queries.ChargeFilter) -> tuple[bool, Sequence[queries.ChargeSum]]:
    """Whether there are too many to add up, and the sums. All that is unbilled is known from the accounts."""
    session = db.session()
    if filters.status in {"pending", "held"} and filters == replace(
        queries.ChargeFilter(), status=filters.status, currency=filters.currency
    ):
        kept = unbilled.unbilled_totals(session, unbilled.UnbilledFilter(currency=filters.currency))
        return False, [found for found in (_kept(total, filters.status) for total in kept) if found.charges]
    if queries.is_large(session, filters):
        return True, []
    return False, queries.charge_sums(session, filters)


def _kept(total: unbilled.UnbilledTotal, status: str) -> queries.ChargeSum:
    if status == "held":
        return queries.ChargeSum(total.currency, total.held_charges, total.held_amount)
    return queries.ChargeSum(total.currency, total.pending_charges, total.pending_amount)


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """One charge with all its facts."""
    session = db.session()
    return render_template(
        "charges/show.html",
        charge=queries.charge(session, id),
        poster=recurring_charge_of(session, id),
        void=queries.void_invoices(session, id),
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a charge, and perhaps another of the same customer and day."""
    session = db.session()
    catalogue = services.service_choices(session)
    form = _form(catalogue)
    if form.validate_on_submit():
        with errors_on(form, NAMES):
            return _saved(form, _post(form))
    last = id_param("last")
    return render_form(
        "charges/form.html",
        form,
        prices=list_prices(catalogue),
        customers=customer_options(form.customer),
        last=queries.charge(session, last) if last and request.method == "GET" else None,
    )


def _form(catalogue: Sequence[Any]) -> ChargeForm:
    form = ChargeForm(customer=text_param("customer"), service=text_param("service"), day=day_param("day") or today())
    form.service.choices = {"": "None: describe it"} | service_choices(catalogue)
    form.currency.choices = {"": "The customer's own"} | {code: code for code in sorted(MINOR_DIGITS)}
    form.expect_currency(form.currency.data or form.customer.currency)
    return form


def service_choices(catalogue: Sequence[Any]) -> dict[str, str]:
    """Services as a form offers them, by code."""
    return {one.code: one.code if one.name == one.code else f"{one.name} ({one.code})" for one in catalogue}


def list_prices(catalogue: Sequence[Any]) -> dict[str, Any]:
    """What the form's script knows of services, by code: the unit, the list price in each currency, and which include tax."""
    return {
        one.code: {
            "unit": one.unit,
            "prices": {price.currency: plain_decimal(price.unit_price) for price in one.prices},
            "inclusive": [price.currency for price in one.prices if price.includes_tax],
        }
        for one in catalogue
    }


def _post(form: ChargeForm) -> posting.PostingResult:
    try:
        return bounded_transaction(posting.post, [_spec(form)], actor(), now())
    except Conflict as refusal:
        if refusal.code != "id_conflict":
            raise
        form.id.data = uuid4()
        raise Conflict("saved_before", saved_before("form", refusal.problems[0].differs)) from refusal


def saved_before(what: str, differs: Sequence[str]) -> str:
    """That something was sent with an id that stands for another charge already; it has got a new one since."""
    others = ", ".join(word.replace("_", " ") for word in differs)
    return f"This {what} was saved already, with another {others}. Send it again to add a second charge."


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
        id=form.id.data,
    )


def _tax_included(form: ChargeForm) -> bool | None:
    """Said of a price of one's own; a list price knows it itself."""
    own = form.unit_price.data is not None or form.amount.data is not None
    return form.tax_included.data if own else None


def _saved(form: ChargeForm, posted: posting.PostingResult) -> ResponseReturnValue:
    id = posted.ids[0]
    flash("Charge saved." if posted.created else "This charge was saved already. It is stored once.", "success")
    if request.form.get("then") == "another":
        again = {"customer": form.customer.data, "day": form.day.data.isoformat(), "last": id}
        return redirect(url_for("charges.new", **again), 303)
    return redirect(url_for("charges.show", id=id), 303)


# What each move does, and what it means for the charge.
MOVES: Final[Mapping[str, tuple[Any, str]]] = {
    "hold": (operations.hold, "Charge held. It stays off every invoice until it is released."),
    "release": (operations.release, "Charge released. It is pending again."),
    "cancel": (operations.cancel, "Charge cancelled."),
}


@pages.route("/<uuid:id>/<any(hold, release, cancel):move>", methods=["GET", "POST"])
def move(id: UUID, move: str) -> ResponseReturnValue:
    """Hold, release or cancel one charge, with a reason."""
    operation, done = MOVES[move]
    form = MoveForm()
    if form.validate_on_submit():
        with errors_on(form):
            moved = bounded_transaction(operation, [id], form.reason.data, actor(), now())
            flash(
                done if moved else "Nothing to do: the charge was in that state already.",
                "success" if moved else "info",
            )
            return redirect(url_for("charges.show", id=id), 303)
    return render_form("charges/move.html", form, charge=queries.charge(db.session(), id), move=move)

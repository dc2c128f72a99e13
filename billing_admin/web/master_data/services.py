"""Services: the catalogue and one service with its prices over time.

Services are added, edited and archived, and prices are set here.
"""

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import wtforms
from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, FieldList, FormField, SelectField
from wtforms.validators import ValidationError

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_day
from billing_admin.domain.journal import MAX_ACCOUNT_LENGTH
from billing_admin.domain.master_data import SERVICE_RULES, ServiceFields, check_fields
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.prices import PRICES_START, PriceSpec, price_history, prices_on
from billing_admin.domain.translation import Phrase
from billing_admin.domain.units import COMMON_UNITS, DEFAULT_UNIT_CODE, other_unit_code, unit_code_of, unit_label
from billing_admin.models import Service
from billing_admin.operations.master_data import services as operations
from billing_admin.queries.master_data import organisation, services
from billing_admin.queries.master_data.services import ServiceFilter
from billing_admin.web.frame.currencies import currency_choices_after
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    Form,
    NewIdField,
    ReferenceField,
    TextField,
    errors_on,
    render_form,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise, tax_rate as rate_words
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    day_param,
    export_url,
    has_permission,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import SERVICES
from billing_admin.web.frame.signed_in import actor, current_organisation, now, today
from billing_admin.web.frame.tables import load_table

WRITE = "catalogue:write"
ARCHIVED = {"": False, "archived": True, "all": None}
BLANK_ROWS = 3

pages = page_blueprint("services", __name__, "/services", write=WRITE)


class PriceForm(wtforms.Form):
    """One row of the price grid; a blank row is ignored."""

    currency = SelectField(Phrase("Currency"), choices=partial(currency_choices_after, "–"))
    unit_price = AmountField(Phrase("Unit price"))
    includes_tax = BooleanField(Phrase("Includes tax"))

    class Meta(Form.Meta):
        """CSRF is off: the form around it has the token."""

        csrf = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unit_price.flags.optional = False  # a row is optional, not its price
        self.unit_price.digits = MINOR_DIGITS.get(self.currency.data or "", 0)

    @property
    def price(self) -> tuple[str, Decimal] | None:
        """Currency and unit price, or None for a blank row."""
        currency, unit_price = self.currency.data or self.unit_price.currency, self.unit_price.data
        return (currency, unit_price) if currency and unit_price is not None else None

    def validate(self, extra_validators: Any = None) -> bool:
        """Return whether the row is blank or has a currency and a valid price.

        A currency code or sign typed with the price selects that currency.
        """
        typed = self.unit_price.typed
        self.unit_price.currency = self.currency.data or (typed and typed.currency) or ""
        if super().validate(extra_validators):
            self._check_complete()
        return not self.errors

    def _check_complete(self) -> None:
        currency, amount = self.currency, self.unit_price
        if currency.data and amount.data is None:
            amount.errors = [
                Phrase("Enter the unit price in {currency}, or clear the currency.", currency=currency.data)
            ]
        elif amount.typed is not None and not amount.currency:
            currency.errors = [Phrase("Choose the currency of this price.")]
        elif self.price is not None:
            try:
                check_fields(SERVICE_RULES, {"prices": dict([self.price])})
            except Invalid as error:
                amount.errors = [error.message]


class PricesField(FieldList):  # type: ignore[type-arg]  # WTForms generics exist only in its stubs
    """The price grid, with one row for each currency."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type = "FieldList"  # the form macros select fields by type

    def pairs(self) -> list[tuple[str, Decimal]]:
        """Return the prices entered, each with its currency."""
        return [entry.form.price for entry in self if entry.form.price is not None]

    def inclusive(self) -> list[str]:
        """Return the currencies whose price includes tax."""
        rows = (entry.form for entry in self)
        return [row.price[0] for row in rows if row.price is not None and row.includes_tax.data]

    def validate(self, form: Any, extra_validators: Any = ()) -> bool:
        """Return whether all rows are valid and each currency has at most one price."""
        super().validate(form, extra_validators)
        currencies: set[str] = set()
        for entry in self:
            currency = entry.form.price[0] if entry.form.price else None
            if currency in currencies:
                entry.form.currency.errors = [
                    Phrase("There is another price in {currency} above. Remove one of them.", currency=currency)
                ]
            elif currency is not None:
                currencies.add(currency)
        errors = [entry.form.errors for entry in self]
        self.errors = errors if any(errors) else []
        return not self.errors


class PriceKeyForm(Form):
    """The currency and the first day of a price."""

    currency = SelectField(Phrase("Currency"), choices=partial(currency_choices_after, Phrase("Choose a currency")))
    valid_from = DayField(
        Phrase("Valid from"), blank_message=Phrase("Enter the first day of the price, such as 2027-01-01.")
    )


class SetPriceForm(PriceKeyForm, EditForm):
    """A price and its first day."""

    unit_price = AmountField(Phrase("Unit price"), blank_message=Phrase("Enter the price of one unit, such as 2.50."))
    includes_tax = BooleanField(Phrase("Includes tax"))

    def validate_currency(self, field: SelectField) -> None:
        """Raise ValidationError if no currency is chosen."""
        if not field.data:
            raise ValidationError(Phrase("Choose the currency of the price."))

    def spec(self) -> PriceSpec:
        """Return the price entered."""
        return PriceSpec(self.currency.data, self.unit_price.data, self.valid_from.data, self.includes_tax.data)


class UnitCodeField(TextField):
    """A unit code, or the name of a common unit instead of its code."""

    def parse(self, typed: str) -> str:
        """Return the code in upper case; the operation looks it up."""
        text = super().parse(typed)
        return unit_code_of(text) or text.upper()


class ServiceForm(Form):
    """Service details; only the code is required, and the name defaults to it."""

    code = ReferenceField(Phrase("Code"), blank_message=Phrase("Enter a code, such as GenericCompute."))
    name = TextField(Phrase("Name"))
    unit = TextField(Phrase("Unit"))
    unit_code = UnitCodeField(Phrase("Unit code"), render_kw={"list": "unit-codes", "autocomplete": "off"})
    tax_rate = SelectField(Phrase("Tax rate"))
    line_per_charge = BooleanField(Phrase("Show each charge on its own invoice line"))
    revenue_account = TextField(Phrase("Revenue account"), max_length=MAX_ACCOUNT_LENGTH)
    prices = PricesField(FormField(PriceForm), Phrase("Prices"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rates = organisation.tax_rates(db.session())
        self.tax_rate.choices = {rate.code: rate_words(rate, today()) for rate in rates}
        if not self.is_submitted():
            for _ in range(BLANK_ROWS):
                self.prices.append_entry()

    def fields(self) -> ServiceFields:
        """Return the values entered."""
        return {
            "code": self.code.data,
            "name": self.name.data or self.code.data,
            "unit": self.unit.data,
            "unit_code": self.unit_code.data,
            "tax_rate": self.tax_rate.data,
            "line_per_charge": self.line_per_charge.data,
            "revenue_account": self.revenue_account.data,
            "prices": dict(self.prices.pairs()),
            "prices_include_tax": self.prices.inclusive(),
        }


class NewPriceForm(PriceForm):
    """One row of the price grid of a new service.

    The first row begins with the base currency.
    """

    def _check_complete(self) -> None:
        is_untouched = self.unit_price.data is None and self.currency.data == current_organisation().base_currency
        if not is_untouched:
            super()._check_complete()


class NewServiceForm(ServiceForm):
    """Details of a new service; `id` prevents a second service on a double click."""

    prices = PricesField(FormField(NewPriceForm), Phrase("Prices"))
    id = NewIdField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_submitted():
            self.prices[0].form.currency.data = current_organisation().base_currency


class EditServiceForm(ServiceForm, EditForm):
    """Details of an existing service."""


def read_filters() -> ServiceFilter:
    """Return the list filter in the URL."""
    return ServiceFilter(text_param("q"), ARCHIVED[choice_param("show", ARCHIVED)])


def filter_chips(filters: ServiceFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter, except the default.

    The default selects objects in use.
    """
    show = {False: "", True: Phrase("Archived"), None: Phrase("All")}[filters.archived]
    return build_chips(("q", Phrase("Search"), filters.q), ("show", Phrase("Show"), show))


@pages.get("")
def index() -> ResponseReturnValue:
    """List the services by code."""
    session, filters = db.session(), read_filters()
    page = load_table(services.services_by_code(filters), SERVICES)
    return render_template(
        "services/list.html",
        page=page,
        uses=services.count_charges_by_service(session, [service.id for service in page.rows]),
        prices={service.id: prices_on(today(), service.prices) for service in page.rows},
        summary=pluralise(services.count_services(session, filters), "service"),
        filters=filters,
        chips=filter_chips(filters),
        show=choice_param("show", ARCHIVED),
        clear_url=unfiltered_url(),
        export_url=export_url("exports.service_files"),
        may_write=has_permission(WRITE),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one service with its prices over time."""
    service, uses = _load_service(id), services.count_charges_by_service(db.session(), [id])[id]
    other_unit = other_unit_code(service.unit, service.unit_code)
    return render_template(
        "services/show.html",
        service=service,
        prices=price_history(today(), service.prices),
        price_start=PRICES_START,
        uses=uses,
        unit_label=unit_label(service.unit_code or DEFAULT_UNIT_CODE),
        other_unit=other_unit and unit_label(other_unit),
        may_write=has_permission(WRITE),
        may_charge=has_permission("charges:write"),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a service."""
    form = NewServiceForm(tax_rate=organisation.organisation(db.session()).default_tax_rate.code)
    if form.validate_on_submit():
        with errors_on(form):
            service, _ = transaction(operations.create, form.fields(), form.id.data, actor(), now())
            flash(Phrase("{service_code} was added.", service_code=service.code), "success")
            return redirect(url_for("services.show", id=service.id), 303)
    return render_form("services/form.html", form, service=None, uses=0, units=COMMON_UNITS)


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Edit a service; new prices apply to charges from today on."""
    form = EditServiceForm(data=_stored_values(id))
    if form.validate_on_submit():
        with errors_on(form):
            code = save(form, lambda: _stored_form(id), operations.update, id, form.fields()).code
            flash(Phrase("{code} was saved. New prices apply to charges from today on.", code=code), "success")
            return redirect(url_for("services.show", id=id), 303)
    uses = services.count_charges_by_service(db.session(), [id])[id]
    return render_form("services/form.html", form, service=_load_service(id), uses=uses, units=COMMON_UNITS)


def _stored_form(id: UUID) -> EditServiceForm:
    return EditServiceForm(formdata=None, data=_stored_values(id))


def _stored_values(id: UUID) -> dict[str, Any]:
    service = _load_service(id)
    prices = [
        {"currency": price.currency, "unit_price": price.unit_price, "includes_tax": price.includes_tax}
        for price in prices_on(today(), service.prices).values()
    ]
    values = {
        name: getattr(service, name)
        for name in ("code", "name", "unit", "unit_code", "line_per_charge", "revenue_account", "version")
    }
    return values | {"tax_rate": service.tax_rate.code, "prices": prices}


@pages.route("/<uuid:id>/prices/new", methods=["GET", "POST"])
def set_price(id: UUID) -> ResponseReturnValue:
    """Set a price from a day on."""
    service = _load_service(id)
    currency = choice_param("currency", MINOR_DIGITS) or next(
        (price.currency for price in service.prices), organisation.organisation(db.session()).base_currency
    )
    form = SetPriceForm(data=_stored_price(service, currency, day_param("day") or today()))
    form.expect_currency(form.currency.data or "")
    form.unit_price.digits = MINOR_DIGITS.get(currency, 0)
    if form.validate_on_submit():
        with errors_on(form):
            set_price = partial(operations.set_price, may_wait=True)
            price, _ = save(form, lambda: _stored_price_form(id, form), set_price, id, form.spec())
            flash(
                Phrase(
                    "The price in {currency} from {valid_from} was saved.",
                    currency=price.currency,
                    valid_from=format_day(form.valid_from.data),
                ),
                "success",
            )
            return redirect(url_for("services.show", id=id), 303)
    return render_form("services/price.html", form, service=_load_service(id))


def _stored_price_form(id: UUID, form: SetPriceForm) -> SetPriceForm:
    stored_price = _stored_price(_load_service(id), form.currency.data, form.valid_from.data)
    stored_form = SetPriceForm(formdata=None, data=stored_price)
    stored_form.unit_price.digits = form.unit_price.digits
    return stored_form


def _stored_price(service: Service, currency: str, day: date) -> dict[str, Any]:
    """Return the stored price of a day, as values of the form."""
    price = prices_on(day, service.prices).get(currency)
    terms = {"unit_price": price.unit_price, "includes_tax": price.includes_tax} if price else {}
    return {"currency": currency, "valid_from": day, "version": service.version, **terms}


@pages.route("/<uuid:id>/prices/remove", methods=["GET", "POST"])
def remove_price(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then remove a price that no charge uses."""
    form = PriceKeyForm(currency=choice_param("currency", MINOR_DIGITS), valid_from=day_param("valid_from"))
    if request.method == "GET" and form.currency.data and form.valid_from.data:
        return render_template("services/remove_price.html", form=form, service=_load_service(id))
    if form.validate_on_submit():
        currency, day = form.currency.data, form.valid_from.data
        transaction(partial(operations.remove_price, may_wait=True), id, currency, day, actor(), now())
        flash(
            Phrase("The price in {currency} from {day} was removed.", currency=currency, day=format_day(day)), "success"
        )
    return redirect(url_for("services.show", id=id), 303)


@pages.post("/<uuid:id>/archive")
def archive(id: UUID) -> ResponseReturnValue:
    """Archive a service, so that it takes no new charges."""
    code = _load_service(id).code
    transaction(operations.archive, id, actor(), now())
    flash(Phrase("{code} was archived. You can no longer add charges for it.", code=code), "success")
    return redirect(url_for("services.show", id=id), 303)


@pages.post("/<uuid:id>/restore")
def restore(id: UUID) -> ResponseReturnValue:
    """Restore an archived service."""
    code = _load_service(id).code
    transaction(operations.restore, id, actor(), now())
    flash(Phrase("{code} was restored.", code=code), "success")
    return redirect(url_for("services.show", id=id), 303)


def _load_service(id: UUID) -> Service:
    return services.service(db.session(), str(id))

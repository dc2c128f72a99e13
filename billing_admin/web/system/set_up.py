"""The set-up: six steps from an empty installation to the first charge.

Each step is a short form that leads to the next one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import wtforms
from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, FieldList, FileField, FormField, SelectField
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.bank_accounts import MAX_HOLDER_LENGTH, BankAccountFields
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import (
    TAX_RATE_RULES,
    CustomerFields,
    OrganisationFields,
    ServiceFields,
    check_fields,
)
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.parties import MAX_CITY_LENGTH, MAX_POSTCODE_LENGTH
from billing_admin.domain.readiness import PLACEHOLDER_NAME
from billing_admin.domain.set_up import OPTIONAL_STEPS, SetUpProgress, SetUpStep
from billing_admin.domain.tax import TREATMENTS
from billing_admin.domain.translation import Phrase
from billing_admin.domain.usual_formats import time_zone_choices, usual_formats, usual_time_zones
from billing_admin.domain.usual_tax_rates import UsualRate, rate_name, usual_rates
from billing_admin.formats.code_lists import country_names
from billing_admin.formats.logo import MAX_LOGO_BYTES, check_logo
from billing_admin.http.body_limits import KIB, MIB, BodyLimit, body_limit
from billing_admin.operations.master_data import (
    bank_accounts,
    customers,
    organisation as organisation_operations,
    services,
    set_up as operations,
)
from billing_admin.queries.master_data import organisation as queries
from billing_admin.queries.master_data.setup import setup
from billing_admin.web.access.confirmation import confirmation_page
from billing_admin.web.frame.currencies import currency_choices
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import (
    AmountField,
    ExactField,
    Form,
    NewIdField,
    ReferenceField,
    TextField,
    errors_on,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import tax_rate as rate_words
from billing_admin.web.frame.languages import language_in_use
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, current_organisation, now, today
from billing_admin.web.master_data.bank_accounts import IbanField
from billing_admin.web.master_data.party_fields import country_choices

WRITE = "settings:write"
LOGO_UPLOAD = BodyLimit(MIB, fields=20)
BLANK_RATES = 1

pages = page_blueprint("set_up", __name__, "/set-up", write=WRITE)


@dataclass(frozen=True, slots=True)
class StepText:
    """The texts of the page of a step.

    `list_endpoint` is the page with everything that the step is about.
    """

    label: str
    text: str
    list_endpoint: str


TEXTS: Mapping[SetUpStep, StepText] = {
    SetUpStep.ORGANISATION: StepText(
        Phrase("Your organisation"), Phrase("The name, address and tax numbers on every invoice."), "settings.index"
    ),
    SetUpStep.TAX: StepText(
        Phrase("Tax"), Phrase("The tax rates of your country, and the one for new services."), "settings.index"
    ),
    SetUpStep.BANK_ACCOUNT: StepText(Phrase("Bank account"), Phrase("Where customers pay to."), "bank_accounts.index"),
    SetUpStep.LOOK: StepText(
        Phrase("Logo and formats"), Phrase("Your logo, and how you write numbers and dates."), "settings.index"
    ),
    SetUpStep.SERVICE: StepText(
        Phrase("First service"), Phrase("Something that you charge for, and its price."), "services.index"
    ),
    SetUpStep.CUSTOMER: StepText(
        Phrase("First customer"), Phrase("A person or company that you bill."), "customers.index"
    ),
}
# The imports that replace typing: label and endpoint.
IMPORTS = (
    (Phrase("Services"), "imports.services.new"),
    (Phrase("Customers"), "imports.customers.new"),
    (Phrase("Opening balances"), "imports.opening-balances.new"),
)


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step with its state; `url` is empty without the permission."""

    label: str
    text: str
    url: str
    done: bool


@dataclass(frozen=True, slots=True)
class ShownSetUp:
    """The steps of the set-up, the page to continue with, and the imports."""

    steps: Sequence[ShownStep]
    next_url: str
    imports: Sequence[tuple[str, str]]


def set_up_progress() -> ShownSetUp | None:
    """Return the steps of the set-up for the dashboard; None once all are done."""
    progress = setup(db.session())
    if progress.is_finished:
        return None
    may_write = has_permission(WRITE)
    next_step = progress.next_step()
    return ShownSetUp(
        [
            ShownStep(TEXTS[step].label, TEXTS[step].text, step_url(step) if may_write else "", progress.is_done(step))
            for step in SetUpStep
        ],
        step_url(next_step) if may_write and next_step else "",
        [(label, url_for(endpoint)) for label, endpoint in IMPORTS] if may_write else [],
    )


def step_url(step: SetUpStep) -> str:
    """Return the URL of the page of a step."""
    return url_for(f"set_up.{step}")


class OrganisationStepForm(EditForm):
    """Name, address, tax numbers, currency and time zone of the organisation."""

    legal_name = TextField(Phrase("Legal name"), blank_message=Phrase("Enter the legal name of your organisation."))
    country = SelectField(Phrase("Country"), choices=country_choices)
    street = TextField(Phrase("Street and number"), blank_message=Phrase("Enter the street and number."))
    postcode = TextField(Phrase("Postcode"), max_length=MAX_POSTCODE_LENGTH)
    city = TextField(Phrase("City"), max_length=MAX_CITY_LENGTH, blank_message=Phrase("Enter the city."))
    tax_id = TextField(Phrase("Tax ID"))
    tax_number = TextField(Phrase("Tax number"))
    base_currency = SelectField(Phrase("Currency"), choices=currency_choices)
    time_zone = SelectField(Phrase("Time zone"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        by_country = {"": Phrase("The usual one of the country")} if _is_new() else {}
        self.time_zone.choices = by_country | time_zone_choices(current_organisation().time_zone)
        if queries.currency_is_locked(db.session()):
            del self.base_currency

    def validate_country(self, field: SelectField) -> None:
        """Raise ValidationError if no country is chosen."""
        if not field.data:
            raise wtforms.ValidationError(Phrase("Choose the country of your organisation."))

    def validate_time_zone(self, field: SelectField) -> None:
        """Set the usual time zone of the country.

        Raises ValidationError if none is known.
        """
        if field.data or not self.country.data:
            return
        field.data = usual_time_zones().get(self.country.data, "")
        if not field.data:
            raise wtforms.ValidationError(Phrase("Choose the time zone of your organisation."))

    def fields(self) -> OrganisationFields:
        """Return the values entered."""
        return {name: value for name, value in self.data.items() if name not in {"version", "csrf_token"}}  # type: ignore[return-value]  # the form's fields are named as the organisation's


class RateForm(wtforms.Form):
    """A tax rate; it is added if its box is ticked and it has a percentage."""

    selected = BooleanField(Phrase("Add"), default=True)
    percent = ExactField(Phrase("Percent"), noun=Phrase("percentage"))
    name = TextField(Phrase("Name"))

    class Meta(Form.Meta):
        """CSRF is off: the form around it has the token."""

        csrf = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in (self.percent, self.name):
            field.flags.optional = False  # a row is optional, not its parts

    @property
    def rate(self) -> UsualRate | None:
        """The rate entered, or None for a row that is left out."""
        if not self.selected.data or self.percent.data is None:
            return None
        return UsualRate(self.name.data or rate_name(self.percent.data), self.percent.data)

    def validate(self, extra_validators: Any = None) -> bool:
        """Return whether the row is valid; one that is not selected always is."""
        if not self.selected.data:
            return True
        if super().validate(extra_validators):
            self._check_percent()
        return not self.errors

    def _check_percent(self) -> None:
        if self.percent.data is not None:
            try:
                check_fields(TAX_RATE_RULES, {"percent": self.percent.data})
            except Invalid as error:
                self.percent.errors = [error.message]
        elif self.name.data:
            self.percent.errors = [Phrase("Enter the percentage, such as 19, or clear the box.")]


class RatesField(FieldList):  # type: ignore[type-arg]  # WTForms generics exist only in its stubs
    """The tax rates to add."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type = "FieldList"  # the form macros select fields by type

    def rates(self) -> list[UsualRate]:
        """Return the rates to add."""
        return [entry.form.rate for entry in self if entry.form.rate is not None]

    def validate(self, form: Any, extra_validators: Any = ()) -> bool:
        """Return whether all rows are valid, and at least one is added."""
        super().validate(form, extra_validators)
        errors: list[Any] = [entry.form.errors for entry in self]
        self.errors = errors if any(errors) else []
        if not self.errors and not self.rates():
            self.errors = [Phrase("Add at least one tax rate. If you do not charge tax, skip this step.")]
        return not self.errors


class TaxStepForm(Form):
    """The tax rates to add, the first of which becomes the default."""

    rates = RatesField(FormField(RateForm), Phrase("Tax rates"), max_entries=20)


class BankAccountStepForm(Form):
    """The first bank account; `id` prevents a second account on a double click."""

    holder = TextField(
        Phrase("Account holder"),
        max_length=MAX_HOLDER_LENGTH,
        blank_message=Phrase("Enter the name in which the account is held."),
    )
    currency = SelectField(Phrase("Currency"), choices=currency_choices)
    iban = IbanField(Phrase("IBAN"))
    account_number = TextField(Phrase("Account number"))
    bic = TextField(Phrase("BIC"))
    bank_name = TextField(Phrase("Bank"))
    id = NewIdField()

    def fields(self) -> BankAccountFields:
        """Return the values entered."""
        return {name: value for name, value in self.data.items() if name not in {"id", "csrf_token"}}  # type: ignore[return-value]  # the form's fields are named as the account's


class LookStepForm(EditForm):
    """A logo, and the formats of numbers and days."""

    file = FileField(Phrase("Logo (PNG or SVG file)"))
    number_format = SelectField(
        Phrase("Number format"), choices={sample.value: sample.value for sample in NumberFormat}
    )
    date_order = SelectField(Phrase("Date order"), choices={order.value: order.label for order in DateOrder})

    def fields(self) -> OrganisationFields:
        """Return the formats chosen."""
        return {"number_format": self.number_format.data, "date_order": self.date_order.data}


class ServiceStepForm(Form):
    """The first service, with its price in the base currency."""

    code = ReferenceField(Phrase("Code"), blank_message=Phrase("Enter a code, such as CONSULTING."))
    name = TextField(Phrase("Name"), blank_message=Phrase("Enter the name that invoices show, such as Consulting."))
    unit = TextField(Phrase("Unit"))
    unit_price = AmountField(Phrase("Unit price"), blank_message=Phrase("Enter the price of one unit, such as 95.00."))
    tax_rate = SelectField(Phrase("Tax rate"))
    id = NewIdField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tax_rate.choices = {rate.code: rate_words(rate, today()) for rate in queries.tax_rates(db.session())}
        self.unit_price.digits = MINOR_DIGITS[current_organisation().base_currency]

    def fields(self) -> ServiceFields:
        """Return the values entered."""
        return {
            "code": self.code.data,
            "name": self.name.data,
            "unit": self.unit.data,
            "tax_rate": self.tax_rate.data,
            "prices": {current_organisation().base_currency: self.unit_price.data},
        }


class CustomerStepForm(Form):
    """The first customer; the reference is the next free one."""

    name = TextField(Phrase("Name"), blank_message=Phrase("Enter the customer's name."))
    email = TextField(Phrase("E-mail address"), widget=EmailInput())
    street = TextField(Phrase("Street and number"))
    postcode = TextField(Phrase("Postcode"), max_length=MAX_POSTCODE_LENGTH)
    city = TextField(Phrase("City"), max_length=MAX_CITY_LENGTH)
    country = SelectField(Phrase("Country"), choices=country_choices, default="")
    currency = SelectField(Phrase("Currency"), choices=currency_choices)
    tax_treatment = SelectField(Phrase("Tax treatment"), choices=TREATMENTS, default="standard")
    tax_id = TextField(Phrase("Tax ID"))
    id = NewIdField()

    def fields(self) -> CustomerFields:
        """Return the values entered."""
        return {name: value for name, value in self.data.items() if name not in {"id", "csrf_token"}}  # type: ignore[return-value]  # the form's fields are named as the customer's


@pages.route("/organisation", methods=["GET", "POST"])
def organisation() -> ResponseReturnValue:
    """Enter the organisation."""
    is_new = _is_new()
    form = OrganisationStepForm(data=_stored_organisation() | ({"time_zone": ""} if is_new else {}))
    if form.validate_on_submit():
        with errors_on(form):
            save(form, _stored_organisation_form, organisation_operations.update, form.fields())
            return _continue(SetUpStep.ORGANISATION)
    return _show(SetUpStep.ORGANISATION, form, is_new=is_new)


def _is_new() -> bool:
    """Return whether the organisation was never saved."""
    return queries.organisation(db.session()).version == 1


def _stored_organisation_form() -> OrganisationStepForm:
    return OrganisationStepForm(formdata=None, data=_stored_organisation())


def _stored_organisation() -> dict[str, Any]:
    settings = queries.organisation(db.session())
    values = {name: getattr(settings, name) for name in (*organisation_operations.FIELDS, "version")}
    return values | ({"legal_name": ""} if settings.legal_name == PLACEHOLDER_NAME else {})


@pages.route("/tax", methods=["GET", "POST"])
def tax() -> ResponseReturnValue:
    """Choose the tax rates of the country."""
    country = queries.organisation(db.session()).country
    rates = usual_rates(country)
    form = TaxStepForm(rates=[{"percent": rate.percent, "name": rate.name} for rate in rates] + [{}] * BLANK_RATES)
    if _is_skipped(SetUpStep.TAX):
        return _continue(SetUpStep.TAX)
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.add_tax_rates, form.rates.rates(), actor(), now())
            return _continue(SetUpStep.TAX)
    return _show(SetUpStep.TAX, form, country=country_names(language_in_use()).get(country, "") if rates else "")


@pages.route("/bank-account", methods=["GET", "POST"])
def bank_account() -> ResponseReturnValue:
    """Add the first bank account."""
    settings = queries.organisation(db.session())
    form = BankAccountStepForm(currency=settings.base_currency, holder=settings.legal_name[:MAX_HOLDER_LENGTH])
    if _is_skipped(SetUpStep.BANK_ACCOUNT):
        return _continue(SetUpStep.BANK_ACCOUNT)
    if form.validate_on_submit():
        if (page := confirmation_page()) is not None:
            return page
        with errors_on(form):
            transaction(bank_accounts.create, form.fields(), form.id.data, True, actor(), now())
            return _continue(SetUpStep.BANK_ACCOUNT)
    return _show(SetUpStep.BANK_ACCOUNT, form)


def _refuse_large_logo() -> str:
    """Return the page of the step for a file that is too large to be read."""
    form = _stored_look_form()
    form.file.errors = [Phrase("Use a file of at most {max_logo_bytes} KB.", max_logo_bytes=MAX_LOGO_BYTES // KIB)]
    return _page(SetUpStep.LOOK, form)


@pages.route("/look", methods=["GET", "POST"])
@body_limit(LOGO_UPLOAD, _refuse_large_logo)
def look() -> ResponseReturnValue:
    """Upload a logo, and choose the formats of numbers and days."""
    form = LookStepForm(data=_proposed_look())
    if _is_skipped(SetUpStep.LOOK):
        return _continue(SetUpStep.LOOK)
    if form.validate_on_submit():
        with errors_on(form):
            upload = request.files.get("file")
            logo = check_logo(upload.stream.read()) if upload and upload.filename else None
            save(form, _stored_look_form, operations.save_look, form.fields(), logo)
            return _continue(SetUpStep.LOOK)
    return _show(SetUpStep.LOOK, form)


def _proposed_look() -> dict[str, Any]:
    """Return the stored formats; until somebody saved them, those of the country."""
    stored = _stored_organisation()
    usual = usual_formats(stored["country"])
    is_untouched = (stored["number_format"], stored["date_order"]) == (NumberFormat.COMMA_POINT, DateOrder.YEAR_FIRST)
    if usual is None or not is_untouched or setup(db.session()).is_done(SetUpStep.LOOK):
        return stored
    return stored | {"number_format": usual.number_format.value, "date_order": usual.date_order.value}


def _stored_look_form() -> LookStepForm:
    return LookStepForm(formdata=None, data=_stored_organisation())


@pages.route("/service", methods=["GET", "POST"])
def service() -> ResponseReturnValue:
    """Add the first service."""
    form = ServiceStepForm(tax_rate=queries.organisation(db.session()).default_tax_rate.code)
    form.expect_currency(current_organisation().base_currency)
    if form.validate_on_submit():
        with errors_on(form, {"prices": "unit_price"}):
            transaction(services.create, form.fields(), form.id.data, actor(), now())
            return _continue(SetUpStep.SERVICE)
    return _show(SetUpStep.SERVICE, form)


@pages.route("/customer", methods=["GET", "POST"])
def customer() -> ResponseReturnValue:
    """Add the first customer, and go on with the first charge."""
    settings = queries.organisation(db.session())
    form = CustomerStepForm(currency=settings.base_currency, country=settings.country)
    if form.validate_on_submit():
        with errors_on(form):
            added, _ = transaction(customers.create, form.fields(), form.id.data, actor(), now())
            return _continue(SetUpStep.CUSTOMER, added.reference)
    return _show(SetUpStep.CUSTOMER, form)


def _is_skipped(step: SetUpStep) -> bool:
    """Close a step if the button to skip it was pressed.

    Returns whether it was.
    """
    if request.method != "POST" or "skip" not in request.form:
        return False
    transaction(operations.close_step, step, actor(), now())
    return True


def _continue(step: SetUpStep, reference: str | None = None) -> ResponseReturnValue:
    """Redirect to the next step, or after the last one to the first charge."""
    next_step = setup(db.session()).next_step(step)
    if next_step:
        return redirect(step_url(next_step), 303)
    flash(Phrase("The set-up is complete. Add the first charge, then bill it."), "success")
    return redirect(url_for("charges.new", customer=reference), 303)


def _show(step: SetUpStep, form: Form, **context: Any) -> ResponseReturnValue:
    return _page(step, form, **context), 422 if form.errors else 200


def _page(step: SetUpStep, form: Form, **context: Any) -> str:
    progress = setup(db.session())
    next_step = progress.next_step(step)
    return render_template(
        "set_up/step.html",
        form=form,
        step=step,
        label=TEXTS[step].label,
        text=TEXTS[step].text,
        labels=[TEXTS[each].label for each in SetUpStep],
        done=[progress.is_done(each) for each in SetUpStep],
        number=list(SetUpStep).index(step) + 1,
        is_optional=step in OPTIONAL_STEPS,
        has_data=not form.errors and _has_data(progress, step),
        list_url=url_for(TEXTS[step].list_endpoint),
        next_url=step_url(next_step) if next_step else url_for("charges.new"),
        base_currency=current_organisation().base_currency,
        max_kilobytes=MAX_LOGO_BYTES // KIB,
        time_zones=usual_time_zones(),
        **context,
    )


def _has_data(progress: SetUpProgress, step: SetUpStep) -> bool:
    """Return whether the form of the step would add a second object."""
    return step in progress.completed and step not in {SetUpStep.ORGANISATION, SetUpStep.LOOK}

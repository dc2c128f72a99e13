"""Settings: the organisation's details and the list of tax rates."""

from typing import Any
from zoneinfo import available_timezones

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.days import DateOrder
from billing_admin.domain.master_data import MAX_ADDRESS_LENGTH, OrganisationFields
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.tax import percent_on
from billing_admin.models import Organisation
from billing_admin.operations.master_data import organisation as operations
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.master_data import organisation as queries
from billing_admin.web.frame.editing import CURRENCIES, VersionField, find_conflicts
from billing_admin.web.frame.forms import Form, MultilineField, TextField, WholeNumberField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import tax_rate as rate_words
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, current_organisation, now, today
from billing_admin.web.master_data.tax_rates import CATEGORIES, VatexField, vatex_suggestions

WRITE = "settings:write"

pages = page_blueprint("settings", __name__, "/settings", write=WRITE)


class OrganisationForm(Form):
    """Details of the organisation and its defaults for documents and charges."""

    legal_name = TextField("Legal name", blank_message="Enter the legal name of your organisation.")
    address = MultilineField("Address", max_length=MAX_ADDRESS_LENGTH, render_kw={"rows": 4})
    tax_id = TextField("Tax ID")
    email = TextField("E-mail address", widget=EmailInput())
    invoice_footer = MultilineField("Invoice footer", max_length=MAX_ADDRESS_LENGTH)
    time_zone = SelectField("Time zone")
    base_currency = SelectField("Base currency", choices=CURRENCIES)
    payment_terms_days = WholeNumberField(
        "Payment terms", blank_message="Enter the days that customers have to pay, such as 30."
    )
    invoice_format = TextField("Invoice number format", blank_message="Enter a format, such as INV-{year}-{number:5}.")
    credit_note_format = TextField(
        "Credit note number format", blank_message="Enter a format, such as CN-{year}-{number:5}."
    )
    default_tax_rate = SelectField("Default tax rate")
    exempt_note = TextField("For exempt customers", blank_message="Enter the reason to print on invoices.")
    exempt_vatex = VatexField("VATEX code for exempt customers")
    reverse_charge_note = TextField("For reverse charge", blank_message="Enter the reason to print on invoices.")
    export_note = TextField("For exports", blank_message="Enter the reason to print on invoices.")
    number_format = SelectField("Number format", choices={sample.value: sample.value for sample in NumberFormat})
    date_order = SelectField("Date order", choices={order.value: order.label for order in DateOrder})
    hold_likely_duplicates = BooleanField("Hold likely duplicates for review")
    version = VersionField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rates = queries.tax_rates(db.session())
        self.default_tax_rate.choices = {rate.code: rate_words(rate, today()) for rate in rates}
        self.time_zone.choices = {zone: zone.replace("_", " ") for zone in sorted(available_timezones())}

    def fields(self, currency_locked: bool) -> OrganisationFields:
        """Return the values entered, without the base currency if it is locked."""
        fields: OrganisationFields = {
            name: value for name, value in self.data.items() if name not in {"version", "csrf_token"}
        }  # type: ignore[assignment]  # the form's fields are named as the organisation's
        if currency_locked:
            fields.pop("base_currency")
        return fields


@pages.get("")
def index() -> ResponseReturnValue:
    """Show the settings and the tax rates."""
    session = db.session()
    rates = queries.tax_rates(session)
    return render_template(
        "settings/show.html",
        settings=queries.organisation(session),
        date_order=current_organisation().date_order.label,
        rates=rates,
        categories=CATEGORIES,
        percents={rate.id: percent_on(today(), rate.percent, rate.changes) for rate in rates},
        **_next_numbers(),
        may_write=has_permission(WRITE),
    )


@pages.route("/organisation", methods=["GET", "POST"])
def edit() -> ResponseReturnValue:
    """Edit the organisation; issued documents do not change."""
    session, conflicts = db.session(), []
    locked = queries.currency_is_locked(session)
    form = OrganisationForm(data=_stored_values(queries.organisation(session)))
    if locked:
        form.base_currency.data = queries.organisation(session).base_currency
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.update, form.fields(locked), form.version.data, actor(), now())
            flash("The settings were saved. They apply to future invoices.", "success")
            return redirect(url_for("settings.index"), 303)
        stored = queries.organisation(session)
        conflicts = find_conflicts(form, OrganisationForm(formdata=None, data=_stored_values(stored)), stored.version)
    return render_form(
        "settings/form.html",
        form,
        locked=locked,
        conflicts=conflicts,
        vatex=vatex_suggestions(),
        **_next_numbers(),
    )


def _next_numbers() -> dict[str, str]:
    session, day = db.session(), today()
    return {
        "next_number": next_number(session, day),
        "next_credit_note": next_number(session, day, "credit_note"),
    }


def _stored_values(organisation: Organisation) -> dict[str, Any]:
    return {name: getattr(organisation, name) for name in (*operations.FIELDS, "version")} | {
        "default_tax_rate": organisation.default_tax_rate.code
    }

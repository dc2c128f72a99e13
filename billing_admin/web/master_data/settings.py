"""Settings: the organisation, and a list of the tax rates."""

from typing import Any
from zoneinfo import available_timezones

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField
from wtforms.widgets import EmailInput

from billing_admin.db.transactions import db, transaction
from billing_admin.domain.master_data import OrganisationFields
from billing_admin.domain.tax import percent_on
from billing_admin.models import Organisation
from billing_admin.operations.master_data import organisation as operations
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.master_data import organisation as queries
from billing_admin.web.frame.editing import CURRENCIES, VersionField, differences
from billing_admin.web.frame.forms import Form, LinesField, TextField, WholeField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.labels import tax_rate as rate_words
from billing_admin.web.frame.list_params import may
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.master_data.tax_rates import CATEGORIES

WRITE = "settings:write"
LONGEST_ADDRESS = 500

pages = subject("settings", __name__, "/settings", write=WRITE)


class OrganisationForm(Form):
    """Who bills, and on what terms."""

    legal_name = TextField("Legal name", needed="Enter the name of your company.")
    address = LinesField("Address", longest=LONGEST_ADDRESS, render_kw={"rows": 4})
    tax_id = TextField("Tax ID")
    email = TextField("E-mail address", widget=EmailInput())
    invoice_footer = LinesField("Footer of invoices", longest=LONGEST_ADDRESS)
    time_zone = SelectField("Time zone")
    base_currency = SelectField("Base currency", choices=CURRENCIES)
    payment_terms_days = WholeField("Days to pay", needed="Enter the days that customers have to pay, such as 30.")
    invoice_format = TextField("Numbers of invoices", needed="Enter a format, such as INV-{year}-{number:5}.")
    credit_note_format = TextField("Numbers of credit notes", needed="Enter a format, such as CN-{year}-{number:5}.")
    default_tax_rate = SelectField("Usual tax rate")
    exempt_note = TextField("For customers who are exempt", needed="Enter the reason that is printed.")
    reverse_charge_note = TextField("For reverse charge", needed="Enter the reason that is printed.")
    export_note = TextField("For exports", needed="Enter the reason that is printed.")
    hold_likely_duplicates = BooleanField("Hold likely duplicates until somebody decides")
    version = VersionField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rates = queries.tax_rates(db.session())
        self.default_tax_rate.choices = {rate.code: rate_words(rate, today()) for rate in rates}
        self.time_zone.choices = {zone: zone.replace("_", " ") for zone in sorted(available_timezones())}

    def fields(self, currency_locked: bool) -> OrganisationFields:
        """What was entered. A locked currency is not asked for."""
        given: OrganisationFields = {
            name: value for name, value in self.data.items() if name not in {"version", "csrf_token"}
        }  # type: ignore[assignment]  # the form's fields are named as the organisation's
        if currency_locked:
            given.pop("base_currency")
        return given


@pages.get("")
def index() -> ResponseReturnValue:
    """The settings as they are."""
    session = db.session()
    rates = queries.tax_rates(session)
    return render_template(
        "settings/show.html",
        house=queries.organisation(session),
        rates=rates,
        categories=CATEGORIES,
        percents={rate.id: percent_on(today(), rate.percent, rate.changes) for rate in rates},
        **_coming(),
        may_write=may(WRITE),
    )


@pages.route("/organisation", methods=["GET", "POST"])
def edit() -> ResponseReturnValue:
    """Change the organisation; what is issued keeps what it says."""
    session, meanwhile = db.session(), []
    locked = queries.currency_is_locked(session)
    form = OrganisationForm(data=_stored(queries.organisation(session)))
    if locked:
        form.base_currency.data = queries.organisation(session).base_currency
    if form.validate_on_submit():
        with refusals_on(form):
            transaction(operations.update, form.fields(locked), form.version.data, actor(), now())
            flash("The settings were saved. They apply to future invoices.", "success")
            return redirect(url_for("settings.index"), 303)
        house = queries.organisation(session)
        meanwhile = differences(form, OrganisationForm(formdata=None, data=_stored(house)), house.version)
    return form_page("settings/form.html", form, locked=locked, meanwhile=meanwhile, **_coming())


def _coming() -> dict[str, str]:
    session, day = db.session(), today()
    return {
        "next_number": next_number(session, day),
        "next_credit_note": next_number(session, day, "credit_note"),
    }


def _stored(house: Organisation) -> dict[str, Any]:
    return {name: getattr(house, name) for name in (*operations.FIELDS, "version")} | {
        "default_tax_rate": house.default_tax_rate.code
    }

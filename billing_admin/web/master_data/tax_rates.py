"""Tax rates: one rate with its percentages over time, adding, rewording, and changing the percentage from a day on."""

from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from billing_admin.db.transactions import db, transaction
from billing_admin.domain.master_data import TAX_CATEGORIES, TaxRateFields
from billing_admin.domain.tax import USUAL_NOTES, percent_on
from billing_admin.models import TaxRate
from billing_admin.operations.master_data import tax_rates as operations
from billing_admin.queries.master_data import organisation as queries
from billing_admin.web.frame.editing import VersionField, differences
from billing_admin.web.frame.forms import CodeField, DayField, ExactField, Form, TextField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.list_params import may
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import day as written_day

WRITE = "settings:write"
CATEGORIES = {code: f"{words} ({code})" for code, words in TAX_CATEGORIES.items()}

pages = subject("tax_rates", __name__, "/settings/tax-rates", write=WRITE)


class TaxRateForm(Form):
    """A new rate. Its code and category stay as they are: scripts and invoices know it by them."""

    code = CodeField("Code", needed="Enter a code, such as vat-19.")
    name = TextField("Name", needed="Enter a name, such as VAT 19%.")
    category = SelectField("Category", choices=CATEGORIES)
    percent = ExactField("Percent", needed="Enter the percentage, such as 19.", noun="percentage")
    note = TextField("Reason for no tax")

    def fields(self) -> TaxRateFields:
        """What was entered."""
        return {
            "code": self.code.data,
            "name": self.name.data,
            "category": self.category.data,
            "percent": self.percent.data,
            "note": self.note.data,
        }


class EditTaxRateForm(Form):
    """How a rate is called, and what is printed for it."""

    name = TextField("Name", needed="Enter a name, such as VAT 19%.")
    note = TextField("Reason for no tax")
    version = VersionField()


class ValidFromForm(Form):
    """The day from which a percentage holds."""

    valid_from = DayField("From", needed="Enter the first day of the new percentage, such as 2027-01-01.")


class ChangePercentForm(ValidFromForm):
    """Another percentage from a day on."""

    percent = ExactField("Percent", needed="Enter the percentage, such as 19.", noun="percentage")
    version = VersionField()


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """One rate: what it is called, and its percentages over time."""
    rate = _rate(id)
    return render_template(
        "tax_rates/show.html",
        rate=rate,
        percent=percent_on(today(), rate.percent, rate.changes),
        categories=CATEGORIES,
        today=today(),
        may_write=may(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a tax rate."""
    form = TaxRateForm()
    if form.validate_on_submit():
        with refusals_on(form):
            rate = transaction(operations.create, form.fields(), actor(), now())
            flash(f"The tax rate {rate.name} was added.", "success")
            return redirect(url_for("settings.index"), 303)
    return form_page("tax_rates/new.html", form, usual_notes=USUAL_NOTES)


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Reword a rate; what is issued keeps its words."""
    rate, meanwhile = _rate(id), []
    form = EditTaxRateForm(obj=rate)
    if form.validate_on_submit():
        with refusals_on(form):
            transaction(operations.update, id, form.name.data, form.note.data, form.version.data, actor(), now())
            flash(f"{form.name.data} was saved. It counts for future documents.", "success")
            return redirect(url_for("tax_rates.show", id=id), 303)
        rate = _rate(id)
        meanwhile = differences(form, EditTaxRateForm(formdata=None, obj=rate), rate.version)
    return form_page("tax_rates/edit.html", form, rate=rate, meanwhile=meanwhile, untaxed=rate.category in USUAL_NOTES)


@pages.route("/<uuid:id>/change", methods=["GET", "POST"])
def change(id: UUID) -> ResponseReturnValue:
    """Set another percentage from a day on."""
    rate, meanwhile = _rate(id), []
    name, form = rate.name, ChangePercentForm(version=rate.version)
    if form.validate_on_submit():
        asked = (form.valid_from.data, form.percent.data)
        with refusals_on(form):
            transaction(operations.change_percent, id, *asked, form.version.data, actor(), now())
            flash(f"{name} changes on {written_day(asked[0])}. What is issued stays as it is.", "success")
            return redirect(url_for("tax_rates.show", id=id), 303)
        rate = _rate(id)
        meanwhile = differences(form, ChangePercentForm(formdata=None, data=_saved(rate, asked[0])), rate.version)
    return form_page("tax_rates/change.html", form, rate=rate, meanwhile=meanwhile)


def _saved(rate: TaxRate, day: date) -> dict[str, Any]:
    """What is stored of the day that a change is asked for."""
    return {"valid_from": day, "percent": percent_on(day, rate.percent, rate.changes), "version": rate.version}


@pages.post("/<uuid:id>/take-back")
def cancel_change(id: UUID) -> ResponseReturnValue:
    """Take back a change that is still to come."""
    rate, form = _rate(id), ValidFromForm()
    if form.validate_on_submit():
        name = rate.name
        transaction(operations.remove_change, id, form.valid_from.data, actor(), now())
        flash(f"{name} does not change on {written_day(form.valid_from.data)}.", "success")
    return redirect(url_for("tax_rates.show", id=id), 303)


def _rate(id: UUID) -> TaxRate:
    return queries.tax_rate(db.session(), id)

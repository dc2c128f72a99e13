"""Tax rates: one rate with its percentages over time, and its changes.

A rate can be added and edited, and its percentage changed.
"""

from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.formatting import format_day
from billing_admin.domain.master_data import TAX_CATEGORIES, TaxRateChanges, TaxRateFields
from billing_admin.domain.tax import DEFAULT_TAX_NOTES, percent_on
from billing_admin.domain.translation import Phrase
from billing_admin.domain.vatex import EXEMPT, VATEX_BY_CATEGORY, exempt_codes, vatex_label
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.models import TaxRate
from billing_admin.operations.master_data import tax_rates as operations
from billing_admin.queries.master_data import organisation as queries
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import DayField, ExactField, Form, ReferenceField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, now, today

WRITE = "settings:write"
CATEGORIES = {code: Phrase("{words} ({code})", words=words, code=code) for code, words in TAX_CATEGORIES.items()}

pages = page_blueprint("tax_rates", __name__, "/settings/tax-rates", write=WRITE)


class VatexField(TextField):
    """A VATEX code, with suggestions for exempt rates; see `vatex_suggestions`."""

    def __init__(self, label: str = Phrase("VATEX code"), **kwargs: Any) -> None:
        super().__init__(label, render_kw={"list": "vatex-codes", "autocomplete": "off"}, **kwargs)

    def parse(self, typed: str) -> str:
        """Return the code in upper case; the operation looks it up."""
        return super().parse(typed).upper()


def vatex_suggestions() -> list[tuple[str, str]]:
    """Return the codes that an exempt rate may have, with their meanings."""
    return [(code, vatex_label(code)) for code in exempt_codes(codes(CodeList.VATEX))]


class TaxRateForm(Form):
    """A new tax rate.

    Its code and category cannot be changed: scripts and invoices refer to them.
    """

    code = ReferenceField(Phrase("Code"), blank_message=Phrase("Enter a code, such as vat-19."))
    name = TextField(Phrase("Name"), blank_message=Phrase("Enter a name, such as VAT 19%."))
    category = SelectField(Phrase("Category"), choices=CATEGORIES)
    percent = ExactField(
        Phrase("Percent"), blank_message=Phrase("Enter the percentage, such as 19."), noun=Phrase("percentage")
    )
    note = TextField(Phrase("Reason for no tax"))
    vatex = VatexField()

    def fields(self) -> TaxRateFields:
        """Return the values entered."""
        return {
            "code": self.code.data,
            "name": self.name.data,
            "category": self.category.data,
            "percent": self.percent.data,
            "note": self.note.data,
            "vatex": self.vatex.data,
        }


class EditTaxRateForm(EditForm):
    """Name of a tax rate, and the reason when it charges no tax, with its code."""

    name = TextField(Phrase("Name"), blank_message=Phrase("Enter a name, such as VAT 19%."))
    note = TextField(Phrase("Reason for no tax"))
    vatex = VatexField()


class ValidFromForm(Form):
    """The first day of a percentage."""

    valid_from = DayField(
        Phrase("From"), blank_message=Phrase("Enter the first day of the new percentage, such as 2027-01-01.")
    )


class ChangePercentForm(ValidFromForm, EditForm):
    """A new percentage and its first day."""

    percent = ExactField(
        Phrase("Percent"), blank_message=Phrase("Enter the percentage, such as 19."), noun=Phrase("percentage")
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one tax rate with its percentages over time."""
    rate = _load_rate(id)
    return render_template(
        "tax_rates/show.html",
        rate=rate,
        percent=percent_on(today(), rate.percent, rate.changes),
        categories=CATEGORIES,
        vatex_label=vatex_label(rate.vatex),
        not_for_e_invoices=rate.category == "O" and bool(queries.organisation(db.session()).tax_id),
        today=today(),
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a tax rate."""
    form = TaxRateForm()
    if form.validate_on_submit():
        with errors_on(form):
            rate = transaction(operations.create, form.fields(), actor(), now())
            flash(Phrase("The tax rate {rate_name} was added.", rate_name=rate.name), "success")
            return redirect(url_for("settings.index"), 303)
    return render_form("tax_rates/new.html", form, usual_notes=DEFAULT_TAX_NOTES, vatex=vatex_suggestions())


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Edit the name and reason of a tax rate; issued documents do not change."""
    form = EditTaxRateForm(obj=_load_rate(id))
    if form.validate_on_submit():
        with errors_on(form):
            changes: TaxRateChanges = {"name": form.name.data, "note": form.note.data, "vatex": form.vatex.data}
            save(form, lambda: EditTaxRateForm(formdata=None, obj=_load_rate(id)), operations.update, id, changes)
            flash(Phrase("{name} was saved. The change applies to future documents.", name=form.name.data), "success")
            return redirect(url_for("tax_rates.show", id=id), 303)
    rate = _load_rate(id)
    return render_form(
        "tax_rates/edit.html",
        form,
        rate=rate,
        untaxed=rate.category in DEFAULT_TAX_NOTES,
        own_vatex=VATEX_BY_CATEGORY.get(rate.category),
        vatex=vatex_suggestions() if rate.category == EXEMPT else [],
    )


@pages.route("/<uuid:id>/change", methods=["GET", "POST"])
def change(id: UUID) -> ResponseReturnValue:
    """Set a new percentage from a day on."""
    rate = _load_rate(id)
    name, form = rate.name, ChangePercentForm(version=rate.version)
    if form.validate_on_submit():
        day, percent = form.valid_from.data, form.percent.data
        with errors_on(form):
            save(form, lambda: _stored_percent_form(id, day), operations.change_percent, id, day, percent)
            flash(
                Phrase("{name} changes on {day}. Issued documents do not change.", name=name, day=format_day(day)),
                "success",
            )
            return redirect(url_for("tax_rates.show", id=id), 303)
    return render_form("tax_rates/change.html", form, rate=_load_rate(id))


def _stored_percent_form(id: UUID, day: date) -> ChangePercentForm:
    """Return the form with the stored percentage of a day."""
    rate = _load_rate(id)
    percent = percent_on(day, rate.percent, rate.changes)
    return ChangePercentForm(formdata=None, valid_from=day, percent=percent, version=rate.version)


@pages.post("/<uuid:id>/take-back")
def cancel_change(id: UUID) -> ResponseReturnValue:
    """Cancel a future change of the percentage."""
    rate, form = _load_rate(id), ValidFromForm()
    if form.validate_on_submit():
        name = rate.name
        transaction(operations.remove_change, id, form.valid_from.data, actor(), now())
        flash(
            Phrase(
                "The change of {name} on {valid_from} was cancelled.",
                name=name,
                valid_from=format_day(form.valid_from.data),
            ),
            "success",
        )
    return redirect(url_for("tax_rates.show", id=id), 303)


def _load_rate(id: UUID) -> TaxRate:
    return queries.tax_rate(db.session(), id)

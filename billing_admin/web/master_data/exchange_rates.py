"""Exchange rates: the list, from which rates are added, imported and removed."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField
from wtforms import SelectField, ValidationError

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Invalid
from billing_admin.domain.exchange_rates import MAX_SOURCE_LENGTH, RateSpec
from billing_admin.domain.formatting import format_day
from billing_admin.domain.translation import Phrase, plural
from billing_admin.formats.exchange_rates import read_rates
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.operations.master_data import exchange_rates as operations
from billing_admin.queries.master_data import exchange_rates as queries, organisation
from billing_admin.queries.master_data.exchange_rates import RateFilter
from billing_admin.web.frame.currencies import currency_codes
from billing_admin.web.frame.forms import DayField, ExactField, Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.list_params import (
    build_chips,
    currency_param,
    day_param,
    day_range_params,
    export_url,
    has_permission,
    unfiltered_url,
)
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.system_lists import EXCHANGE_RATES
from billing_admin.web.frame.tables import load_table

WRITE = "settings:write"
RATES_FILE = BodyLimit(8 * MIB, fields=20)

pages = page_blueprint("exchange_rates", __name__, "/settings/exchange-rates", write=WRITE)


class RateKeyForm(Form):
    """The currency and the day of a rate."""

    currency = SelectField(Phrase("Currency"))
    day = DayField(Phrase("Day"), blank_message=Phrase("Enter the day of the rate, such as 2026-11-28."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        base_currency = organisation.organisation(db.session()).base_currency
        self.currency.choices = {"": Phrase("Choose a currency")} | {
            code: code for code in currency_codes() if code != base_currency
        }

    def validate_currency(self, field: SelectField) -> None:
        """Raise ValidationError if no currency is chosen."""
        if not field.data:
            raise ValidationError(Phrase("Choose the currency of the rate."))


class RateForm(RateKeyForm):
    """A rate, and who published it."""

    rate = ExactField(Phrase("Rate"), blank_message=Phrase("Enter the rate, such as 1.0832."), noun=Phrase("rate"))
    source = TextField(Phrase("Source"), max_length=MAX_SOURCE_LENGTH)

    def spec(self) -> RateSpec:
        """Return the rate entered.

        Raises:
            Invalid: A value is out of range.
        """
        return RateSpec(self.currency.data, self.day.data, self.rate.data, self.source.data)


class RatesFileForm(Form):
    """A file of rates."""

    file = FileField(Phrase("CSV file"))

    def validate_file(self, field: FileField) -> None:
        """Raise ValidationError if no file was chosen."""
        if not field.data or not field.data.filename:
            raise ValidationError(Phrase("Choose the file to import."))


def read_filters() -> RateFilter:
    """Return the list filter in the URL."""
    first, last = day_range_params("from", "to")
    return RateFilter(currency_param(), first, last)


def filter_chips(filters: RateFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter."""
    return build_chips(
        ("currency", Phrase("Currency"), filters.currency),
        ("from", Phrase("From day"), format_day(filters.from_) if filters.from_ else ""),
        ("to", Phrase("To day"), format_day(filters.to) if filters.to else ""),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the rates, latest first."""
    session, filters = db.session(), read_filters()
    base_currency = _base_currency()
    return render_template(
        "exchange_rates/list.html",
        base_currency=base_currency,
        page=load_table(
            queries.latest_first(filters, base_currency),
            EXCHANGE_RATES if has_permission(WRITE) else EXCHANGE_RATES.without("actions"),
        ),
        summary=pluralise(queries.count_exchange_rates(session, filters, base_currency), "rate"),
        currencies=[(code, code) for code in queries.rate_currencies(session, base_currency)],
        filters=filters,
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        export_url=export_url("exports.exchange_rate_files"),
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a rate; it replaces one of the same day."""
    form = RateForm(day=today())
    if form.validate_on_submit():
        with errors_on(form):
            rate, _ = transaction(operations.set_rate, form.spec(), actor(), now())
            flash(
                Phrase("The rate of {currency} on {day} was saved.", currency=rate.currency, day=format_day(rate.day)),
                "success",
            )
            _warn_of_future_days([rate.day])
            return redirect(url_for("exchange_rates.index"), 303)
    return render_form("exchange_rates/form.html", form, base_currency=_base_currency())


@pages.route("/import", methods=["GET", "POST"])
@body_limit(RATES_FILE)
def import_file() -> ResponseReturnValue:
    """Import a file of rates, all or none."""
    form = RatesFileForm()
    if form.validate_on_submit():
        try:
            rates = read_rates(form.file.data.stream, _base_currency())
            outcome = transaction(operations.set_rates, rates, actor(), now())
        except Invalid as error:
            form.file.errors = [problem.message for problem in error.problems]
            if len(error.problems) > 1:
                form.file.errors.append(Phrase("No rate was stored."))
        else:
            flash(
                plural(
                    "{count} rate added, {rates} changed, {rates2} already stored.",
                    "{count} rates added, {rates} changed, {rates2} already stored.",
                    outcome.added,
                    rates=pluralise(outcome.changed, "rate"),
                    rates2=pluralise(outcome.unchanged, "rate"),
                ),
                "success",
            )
            _warn_of_future_days([rate.day for rate in rates])
            return redirect(url_for("exchange_rates.index"), 303)
    return render_form("exchange_rates/import.html", form, base_currency=_base_currency())


@pages.route("/remove", methods=["GET", "POST"])
def remove() -> ResponseReturnValue:
    """Ask for confirmation, then remove a rate; issued documents keep it."""
    form = RateKeyForm(currency=currency_param(), day=day_param("day"))
    if request.method == "GET" and form.currency.data and form.day.data:
        return render_template("exchange_rates/remove.html", form=form, base_currency=_base_currency())
    if form.validate_on_submit():
        currency, day = form.currency.data, form.day.data
        transaction(operations.remove_rate, currency, day, actor(), now())
        flash(
            Phrase(
                "The rate of {currency} on {day} was removed. Issued documents keep it.",
                currency=currency,
                day=format_day(day),
            ),
            "success",
        )
    return redirect(url_for("exchange_rates.index"), 303)


def _warn_of_future_days(days: Sequence[date]) -> None:
    count = sum(day > today() for day in days)
    if count:
        flash(
            plural(
                "{count} rate is for a day after today, {today}. Documents use earlier rates until then. If "
                "the day is a typing mistake, remove the rate.",
                "{count} rates are for a day after today, {today}. Documents use earlier rates until then. If "
                "the day is a typing mistake, remove the rate.",
                count,
                today=format_day(today()),
            ),
            "warning",
        )


def _base_currency() -> str:
    return organisation.organisation(db.session()).base_currency

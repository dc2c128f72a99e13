"""Opening balances: control totals, list, and the form that records one."""

from functools import partial
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField, SelectField

from billing_admin.db.engine import db
from billing_admin.domain.opening_balances import MAX_NUMBER_LENGTH, OpeningSpec, signed
from billing_admin.domain.translation import Phrase
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.invoices import opening_balances as operations
from billing_admin.queries.opening_totals import opening_totals, sum_by_currency
from billing_admin.queries.payments import opening_balances as queries
from billing_admin.web.frame.currencies import currency_choices_after
from billing_admin.web.frame.customer_field import CustomerField
from billing_admin.web.frame.forms import AmountField, DayField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.lists import OPENING_BALANCES
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import load_table

WRITE = "billing:write"
TYPES = {
    "invoice": Phrase("Invoice — The customer owes the amount."),
    "credit": Phrase("Credit — You owe the customer the amount."),
}

pages = page_blueprint("opening_balances", __name__, "/opening-balances", write=WRITE)


class OpeningForm(Form):
    """An open invoice or a credit of an earlier system.

    `id` prevents a second one on a double click.
    """

    id = NewIdField()
    customer = CustomerField()
    type = RadioField(Phrase("Type"), choices=TYPES, default="invoice")
    number = TextField(
        Phrase("Number"), blank_message=Phrase("Enter the number of the earlier system."), max_length=MAX_NUMBER_LENGTH
    )
    original_date = DayField(
        Phrase("Date"), blank_message=Phrase("Enter the date of the document, such as 2026-10-31.")
    )
    due_date = DayField(Phrase("Due"))
    open_amount = AmountField(Phrase("Open amount"), blank_message=Phrase("Enter the amount that is still open."))
    currency = SelectField(
        Phrase("Currency"), choices=partial(currency_choices_after, Phrase("Customer’s currency")), default=""
    )
    opened_on = DayField(
        Phrase("Cut-over day"), blank_message=Phrase("Enter the day on which this application takes over the books.")
    )
    original_total = AmountField(Phrase("Original total"))
    original_tax = AmountField(Phrase("Original tax"))
    purchase_order = TextField(Phrase("Purchase order number"))

    def spec(self) -> OpeningSpec:
        """Return the values entered."""
        is_credit = self.type.data == "credit"
        return OpeningSpec(
            customer=self.customer.data,
            number=self.number.data,
            original_date=self.original_date.data,
            due_date=self.due_date.data,
            open_amount=signed(self.open_amount.data, is_credit),
            currency=self.currency.data or None,
            opened_on=self.opened_on.data,
            original_total=self.original_total.data and signed(self.original_total.data, is_credit),
            original_tax=self.original_tax.data and signed(self.original_tax.data, is_credit),
            purchase_order=self.purchase_order.data or None,
            id=self.id.data,
        )


@pages.get("")
def index() -> ResponseReturnValue:
    """Show the control totals per customer, and the opening balances."""
    totals = opening_totals(db.session())
    return render_template(
        "opening_balances/index.html",
        totals=totals,
        sums=sum_by_currency(totals),
        page=load_table(queries.opening_rows(), OPENING_BALANCES),
        cut_over_day=queries.cut_over_day(db.session()),
        today=today(),
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Record an opening balance."""
    form = OpeningForm(opened_on=queries.cut_over_day(db.session()))
    form.expect_currency(form.currency.data or form.customer.currency)
    if form.validate_on_submit():
        with errors_on(form):
            recorded = bounded_transaction(operations.record, form.spec(), actor(), now())
            flash(
                Phrase("{number} was recorded.", number=form.number.data)
                if recorded.created
                else Phrase("This was recorded before."),
                "success",
            )
            return redirect(_url(recorded.id, recorded.is_credit), 303)
    return render_form("opening_balances/form.html", form)


def _url(id: UUID, is_credit: bool) -> str:
    return url_for("payments.show" if is_credit else "invoices.show", id=id)

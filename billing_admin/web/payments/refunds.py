"""Refunds: the list and one refund.

Refunds are recorded and reversed here.
"""

from typing import Any
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from billing_admin.db.engine import db
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.money import Money
from billing_admin.domain.payments import METHODS
from billing_admin.domain.refunds import RefundSpec
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import Customer
from billing_admin.operations.payments import refunds as operations
from billing_admin.queries.master_data import customers
from billing_admin.queries.payments import refunds as queries
from billing_admin.queries.payments.payments import PaymentFilter, payments
from billing_admin.web.frame.customer_field import find_customer, match_customer
from billing_admin.web.frame.forms import AmountField, DayField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import currency_param, export_url, has_permission, text_param, unfiltered_url
from billing_admin.web.frame.lists import REFUNDS, refund_totals
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import load_table
from billing_admin.web.payments.money_lists import money_chips, read_money_filters, status_tabs
from billing_admin.web.payments.payments import WRITE, choose_customer

MAX_PAYMENTS = 20  # shown on the form

pages = page_blueprint("refunds", __name__, "/refunds", write=WRITE)


def read_filters() -> queries.RefundFilter:
    """Return the list filter in the URL."""
    return read_money_filters(queries.RefundFilter, queries.STATES, METHODS)


def filter_chips(filters: queries.RefundFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter, except status."""
    return money_chips(filters, METHODS)


@pages.get("")
def index() -> ResponseReturnValue:
    """List the refunds that match the filter, newest first, with their sums."""
    session, (filters, unknown_customer) = db.session(), match_customer(read_filters())
    return render_template(
        "refunds/list.html",
        filters=filters,
        tabs=[] if unknown_customer else status_tabs(queries.count_by_state(session, filters), filters.status),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None if unknown_customer else load_table(queries.refunds(session, filters), REFUNDS),
        totals=[] if unknown_customer else refund_totals(queries.refund_sums(session, filters)),
        methods=METHODS,
        currencies=[(code, code) for code in customers.account_currencies(session)],
        export_url=export_url("exports.refund_files"),
        may_write=has_permission(WRITE),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one refund with the payments that it pays back."""
    session = db.session()
    return render_template(
        "refunds/show.html",
        refund=queries.refund(session, id),
        parts=queries.parts_of_refunds(session, [id])[id],
        may_write=has_permission(WRITE),
    )


class RefundForm(Form):
    """A refund paid to a customer."""

    id = NewIdField()
    amount = AmountField(Phrase("Amount to refund"), blank_message=Phrase("Enter the amount, such as 250."))
    paid_on = DayField(Phrase("Paid on"), blank_message=Phrase("Enter the day it was paid, such as 2026-11-22."))
    method = SelectField(Phrase("Method"), choices=dict(METHODS), default="bank_transfer")
    reference = TextField(Phrase("Reference"))


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Choose a customer, then record a refund of their credit."""
    typed = text_param("customer")
    title, hint = Phrase("Record refund"), Phrase("Choose the customer whose credit was paid back.")
    if not typed:
        return choose_customer(title, hint)
    try:
        customer = find_customer(typed)
    except Invalid as error:
        return choose_customer(title, hint, typed, error.message)
    session, currency = db.session(), currency_param() or customer.currency
    credit = queries.credit_of(session, customer.id, currency)
    form = RefundForm(amount=Money(credit, currency).decimal if credit else None, paid_on=today())
    form.expect_currency(currency)
    if form.validate_on_submit():
        with errors_on(form):
            return _record(form, customer, currency)
    unallocated = PaymentFilter(customer=str(customer.id), currency=currency, status="unallocated")
    return render_form(
        "refunds/form.html",
        form,
        customer=customer,
        currency=currency,
        credit=credit,
        payments=session.execute(payments(session, unallocated).limit(MAX_PAYMENTS)).all(),
        other_currencies=_other_currencies(customer, currency),
    )


def _other_currencies(customer: Customer, currency: str) -> list[tuple[str, int]]:
    """Return the other currencies in which a customer has credit, with the credit."""
    session = db.session()
    credits = (
        (code, queries.credit_of(session, customer.id, code))
        for code in customers.account_currencies(session)
        if code != currency
    )
    return [(code, credit) for code, credit in credits if credit]


def _record(form: Form, customer: Customer, currency: str) -> ResponseReturnValue:
    spec = RefundSpec(
        customer=str(customer.id),
        amount=form.amount.data,
        method=form.method.data,
        currency=currency,
        paid_on=form.paid_on.data,
        reference=form.reference.data,
        id=form.id.data,
    )
    try:
        recorded = bounded_transaction(operations.record, spec, actor(), now())
    except Conflict as error:
        if error.code == "id_conflict":
            form.id.data = uuid4()
            raise Conflict(
                "recorded_before",
                Phrase("This form was already recorded with other values. To record a second refund, send it again."),
            ) from error
        raise
    flash(
        Phrase("Refund recorded.") if recorded.created else Phrase("This refund was already recorded. It counts once."),
        "success",
    )
    return redirect(url_for("refunds.show", id=recorded.id), 303)


class ReverseRefundForm(Form):
    """Date and reason of a reversal."""

    reversed_on = DayField(
        Phrase("Reversed on"), blank_message=Phrase("Enter the date of the reversal, such as 2026-11-22.")
    )
    reason = TextField(
        Phrase("Reason"), blank_message=Phrase("Enter a reason for the reversal."), max_length=MAX_REASON_LENGTH
    )


@pages.route("/<uuid:id>/reverse", methods=["GET", "POST"])
def reverse(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, date and reason, then reverse the refund."""
    form = ReverseRefundForm(reversed_on=today())
    if form.validate_on_submit():
        with errors_on(form):
            reversed_now = bounded_transaction(
                operations.reverse, id, form.reason.data, form.reversed_on.data, actor(), now()
            )
            message = Phrase("Refund reversed.") if reversed_now else Phrase("This refund was already reversed.")
            flash(message, "success" if reversed_now else "info")
            return redirect(url_for("refunds.show", id=id), 303)
    return render_form("refunds/reverse.html", form, refund=queries.refund(db.session(), id))

"""Payments: the list, one payment, recording and allocating it, withdrawing, reversing; writing a remainder off."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.transactions import db, transaction
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.payments import PaymentSpec
from billing_admin.operations.payments import payments as operations
from billing_admin.queries.invoices import invoices
from billing_admin.queries.master_data import customers
from billing_admin.queries.payments import payments as queries
from billing_admin.web.frame.forms import AmountField, DayField, Form, KeyField, TextField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.labels import PAYMENT_METHODS
from billing_admin.web.frame.list_params import address, bare, chips, given, given_choice, given_day, here, may, rows
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.template_filters import day as written_day, money
from billing_admin.web.payments.allocation_forms import (
    AllocateForm,
    PaymentAccount,
    PaymentForm,
    add_allocation_fields,
    allocation_specs,
    check_remainder,
    compute_split,
    entered_allocations,
    fill_allocations,
    initial_values,
    load_account,
    move_errors_to_invoices,
    suggest_allocations,
)

WRITE = "payments:write"
TABS = ("", *queries.STATES)

pages = subject("payments", __name__, "/payments", write=WRITE)


# --- the list and one payment -----------------------------------------------------------------------------------------


def read_filters() -> queries.PaymentFilter:
    """The filter that the URL states."""
    return queries.PaymentFilter(
        q=given("q"),
        customer=given("customer"),
        currency=given_choice("currency", MINOR_DIGITS),
        status=given_choice("status", queries.STATES),
        method=given_choice("method", PAYMENT_METHODS),
        from_=given_day("from"),
        to=given_day("to"),
        reference=given("reference"),
    )


def resolve_customer(filters: queries.PaymentFilter) -> queries.PaymentFilter:
    """The same with the customer's own reference, also where a part of the name was typed. Raises NotFound."""
    if not filters.customer:
        return filters
    return replace(filters, customer=customers.likely(db.session(), filters.customer).reference)


def filter_chips(filters: queries.PaymentFilter) -> list[Any]:
    """The filter in words; the status has its tabs."""
    return chips(
        ("q", "Search", filters.q),
        ("customer", "Customer", filters.customer),
        ("currency", "Currency", filters.currency),
        ("method", "Method", PAYMENT_METHODS.get(filters.method, "")),
        ("from", "Received from", written_day(filters.from_) if filters.from_ else ""),
        ("to", "Received to", written_day(filters.to) if filters.to else ""),
        ("reference", "Reference", filters.reference),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """The payments that the filter lets through, the last recorded first, with the filter's sums."""
    session, filters, unknown = db.session(), read_filters(), None
    try:
        filters = resolve_customer(filters)
    except NotFound as refusal:
        unknown = refusal.message
    tabs = [
        {"label": one.capitalize() or "All", "url": here(status=one), "active": one == filters.status} for one in TABS
    ]
    return render_template(
        "payments/list.html",
        filters=filters,
        tabs=tabs,
        chips=filter_chips(filters),
        clear_url=bare(),
        unknown=unknown,
        page=None if unknown else rows(queries.payments(session, filters)),
        sums=[] if unknown else queries.sums(session, filters),
        methods=PAYMENT_METHODS,
        currencies=[(code, code) for code in customers.currencies(session)],
        export_url=address("exports.payment_files"),
        may_write=may(WRITE),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """One payment, and what became of it."""
    session = db.session()
    return render_template(
        "payments/show.html",
        payment=queries.payment(session, id),
        allocations=queries.allocations(session, [id])[id],
        duplicates=queries.same_reference(session, [id])[id],
        may_write=may(WRITE),
    )


# --- recording and allocating -----------------------------------------------------------------------------------------


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Choose a customer; then record what came in, and which invoices it pays."""
    session = db.session()
    try:
        customer = customers.customer(session, given("customer"))
    except NotFound:
        return _choose()
    account = load_account(customer, given_choice("currency", MINOR_DIGITS) or customer.currency)
    form = add_allocation_fields(PaymentForm, account, initial_values(account))
    suggested, duplicates = False, []
    if form.validate_on_submit():
        suggested = suggest_allocations(form, account)
        if not suggested and check_remainder(form, account):
            duplicates = _duplicates(form, customer.id)
            if not duplicates:
                with refusals_on(form):
                    return _recorded(form, account)
    told = {"account": account, "suggested": suggested, "duplicates": duplicates, "split": compute_split(form, account)}
    return form_page("payments/form.html", form, **told)


def _duplicates(form: Form, customer_id: UUID) -> list[UUID]:
    """Other payments with this reference, unless they were told before; the form then asks whether it is meant."""
    if form.anyway.data:
        return []
    found = queries.with_reference(db.session(), customer_id, form.reference.data, form.id.data)
    if found:
        form.anyway.errors = ["A payment with this reference is recorded already. Tick this if it is another one."]
    return found


def _choose() -> ResponseReturnValue:
    people = customers.choices(db.session())
    options = [(reference, f"{name} ({reference})") for reference, name, _ in people]
    return render_template("payments/choose.html", customers=options, currencies=sorted(MINOR_DIGITS))


def _recorded(form: Form, account: PaymentAccount) -> ResponseReturnValue:
    parts = entered_allocations(form, account)
    spec = PaymentSpec(
        customer=str(account.customer.id),
        amount=form.amount.data,
        method=form.method.data,
        allocate=allocation_specs(parts),
        currency=account.currency,
        received_on=form.received_on.data,
        reference=form.reference.data,
        id=form.id.data,
    )
    try:
        recorded = transaction(operations.record, spec, actor(), now())
    except (Conflict, Invalid) as refusal:
        if refusal.code == "id_conflict":
            form.id.data = uuid4()
            said = "This form was recorded already, with other values. Send it again to record a second payment."
            raise Conflict("recorded_before", said) from refusal
        raise move_errors_to_invoices(refusal, parts) from refusal
    flash(
        "Payment recorded." if recorded.created else "This payment was recorded already. It is stored once.", "success"
    )
    return redirect(url_for("payments.show", id=recorded.id), 303)


@pages.route("/<uuid:id>/allocate", methods=["GET", "POST"])
def allocate(id: UUID) -> ResponseReturnValue:
    """Allocate what is left of a payment: the oldest first is suggested."""
    payment = queries.payment(db.session(), id)
    account = load_account(customers.customer(db.session(), str(payment.customer_id)), payment.currency)
    form = add_allocation_fields(AllocateForm, account, {"left": payment.left})
    if request.method == "GET":
        fill_allocations(form, account, payment.left)
    if form.validate_on_submit():
        with refusals_on(form):
            return _allocated(form, account, id)
    return form_page("payments/allocate.html", form, payment=payment, account=account)


def _allocated(form: Form, account: PaymentAccount, id: UUID) -> ResponseReturnValue:
    parts = entered_allocations(form, account)
    if not parts:
        raise Invalid("nothing_entered", "Enter an amount for at least one invoice.")
    try:
        minor = transaction(operations.allocate, id, allocation_specs(parts), actor(), now(), form.left.data)
    except (Conflict, Invalid) as refusal:
        raise move_errors_to_invoices(refusal, parts) from refusal
    flash(f"{money(minor, account.currency)} allocated.", "success")
    return redirect(url_for("payments.show", id=id), 303)


# --- taking back ------------------------------------------------------------------------------------------------------


@pages.post("/<uuid:id>/allocations/<uuid:allocation_id>/withdraw")
def withdraw(id: UUID, allocation_id: UUID) -> ResponseReturnValue:
    """Take an allocation back; it can be made again."""
    done = transaction(operations.withdraw_allocation, id, allocation_id, "", actor(), now())
    said = "Allocation withdrawn. Its money is unallocated." if done else "This allocation is withdrawn already."
    flash(said, "success" if done else "info")
    return redirect(url_for("payments.show", id=id), 303)


class ReverseForm(Form):
    """A reversed payment does not come back."""

    reversed_on = DayField("Reversed on", needed="Enter the day, such as 2026-11-22.")
    reason = TextField("Reason", needed="Say why, for whoever looks at it later.", longest=operations.MAX_REASON_LENGTH)


@pages.route("/<uuid:id>/reverse", methods=["GET", "POST"])
def reverse(id: UUID) -> ResponseReturnValue:
    """Say what reversing means; once that is confirmed, do it."""
    form = ReverseForm(reversed_on=today())
    if form.validate_on_submit():
        with refusals_on(form):
            done = transaction(operations.reverse, id, form.reason.data, form.reversed_on.data, actor(), now())
            said = "Payment reversed." if done else "Nothing to do: the payment was reversed already."
            flash(said, "success" if done else "info")
            return redirect(url_for("payments.show", id=id), 303)
    session = db.session()
    standing = [one for one in queries.allocations(session, [id])[id] if one.withdrawn_on is None]
    return form_page("payments/reverse.html", form, payment=queries.payment(session, id), standing=standing)


class WriteOffForm(Form):
    """The amount is typed, so that nobody gives up more than they have seen."""

    id = KeyField()
    amount = AmountField("Amount to write off", needed="Enter what is open, as it stands above.")
    reason = TextField("Reason", needed="Say why, for whoever looks at it later.", longest=operations.MAX_REASON_LENGTH)


@pages.route("/write-off/<uuid:invoice_id>", methods=["GET", "POST"])
def write_off(invoice_id: UUID) -> ResponseReturnValue:
    """Say what writing off means; once the amount is typed, do it."""
    form, invoice = WriteOffForm(), invoices.invoice(db.session(), str(invoice_id))
    owed, number, currency = balance(invoice), invoice.number, invoice.currency
    form.expect_currency(currency)
    if form.validate_on_submit():
        with refusals_on(form):
            what = (invoice_id, form.amount.data, form.reason.data, form.id.data)
            transaction(operations.write_off, *what, actor(), now())
            flash(
                f"{money(owed, currency)} of {number} were written off." if owed else "This is written off.", "success"
            )
            return redirect(url_for("invoices.show", id=invoice_id), 303)
    invoice = invoices.invoice(db.session(), str(invoice_id))
    return form_page("payments/write_off.html", form, invoice=invoice, owed=balance(invoice))

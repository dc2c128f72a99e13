"""Payments: the list and one payment.

Payments are recorded, allocated, withdrawn, reversed and written off here.
"""

from typing import Any
from uuid import UUID, uuid4

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField

from billing_admin.db.engine import db
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.formatting import format_exact, format_money
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import Money
from billing_admin.domain.payments import PaymentSpec
from billing_admin.domain.text import MAX_REASON_LENGTH, file_stem
from billing_admin.domain.translation import Phrase
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import Download, send_recorded
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.invoices import letters
from billing_admin.operations.payments import payments as operations
from billing_admin.queries.invoices import invoices
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.customers import has_customers
from billing_admin.queries.payments import payments as queries
from billing_admin.queries.payments.refunds import refunds_of_payments
from billing_admin.web.frame.currencies import currency_codes
from billing_admin.web.frame.customer_field import find_customer, match_customer
from billing_admin.web.frame.forms import AmountField, DayField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import needs, page_blueprint
from billing_admin.web.frame.labels import PAYMENT_METHODS
from billing_admin.web.frame.list_params import (
    currency_param,
    export_url,
    filtered_url,
    has_permission,
    id_param,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import PAYMENTS, payment_totals
from billing_admin.web.frame.selections import continue_with_selection
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.tables import load_table
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
    fill_ticked,
    initial_payment_values,
    load_account,
    move_errors_to_invoices,
    suggest_allocations,
    totals_data,
)
from billing_admin.web.payments.money_lists import money_chips, read_money_filters, status_tabs

WRITE = "payments:write"
METHOD_LABELS = {queries.RECEIVED: Phrase("All but write-offs"), **PAYMENT_METHODS}

pages = page_blueprint("payments", __name__, "/payments", write=WRITE)


# --- the list and one payment -----------------------------------------------------------------------------------------


def read_filters() -> queries.PaymentFilter:
    """Return the list filter in the URL."""
    selection = id_param("selection")
    return read_money_filters(queries.PaymentFilter, queries.STATES, METHOD_LABELS, selection=selection)


def filter_chips(filters: queries.PaymentFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter, except status."""
    selection = Phrase("selected payments") if filters.selection else ""
    return money_chips(filters, METHOD_LABELS, ("selection", Phrase("Only"), selection))


@pages.get("")
def index() -> ResponseReturnValue:
    """List the payments that match the filter, newest first, with their sums."""
    session, (filters, unknown_customer) = db.session(), match_customer(read_filters())
    sums = [] if unknown_customer else queries.payment_sums(session, filters)
    return render_template(
        "payments/list.html",
        filters=filters,
        tabs=[] if unknown_customer else status_tabs(queries.count_by_state(session, filters), filters.status),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None if unknown_customer else load_table(queries.payments(session, filters), PAYMENTS),
        totals=[] if unknown_customer else payment_totals(sums),
        count=sum(row.payments for row in sums),
        select_sums=[(row.currency, Money(row.amount, row.currency).decimal) for row in sums],
        select_url=filtered_url("payments.select"),
        methods=METHOD_LABELS,
        currencies=[(code, code) for code in customers.account_currencies(session)],
        export_url=export_url("exports.payment_files"),
        may_write=has_permission(WRITE),
    )


@pages.post("/select/export")
def select() -> ResponseReturnValue:
    """Export the selected payments."""
    return continue_with_selection("payments", "exports.payment_files", "payments.index")


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one payment with its allocations."""
    session = db.session()
    return render_template(
        "payments/show.html",
        payment=queries.payment(session, id),
        allocations=queries.allocations(session, [id])[id],
        refunds=refunds_of_payments(session, [id])[id],
        duplicates=queries.payments_with_same_reference(session, [id])[id],
        may_write=has_permission(WRITE),
    )


@pages.get("/<uuid:id>/receipt.pdf")
def receipt(id: UUID) -> ResponseReturnValue:
    """Send the receipt of a payment as PDF, in the customer's language."""
    session, glyphs = db.session(), load_glyphs(current_app.extensions["billing_settings"].fonts)
    content = letters.print_receipt(session, id, glyphs, now())
    customer = queries.payment(session, id).customer_reference
    name = f"receipt-{file_stem(customer)}-{str(id)[:8]}.pdf"
    details = {"kind": "receipt", "customer": customer, "format": "pdf"}
    return send_recorded(Download(name, "application/pdf", details, object_id=id), content)


# --- recording and allocating -----------------------------------------------------------------------------------------


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Choose a customer, then record a payment with its allocations."""
    typed = text_param("customer")
    title, hint = (
        Phrase("Record payment"),
        Phrase("Choose the customer who paid. The next page shows their open invoices."),
    )
    if not typed:
        return choose_customer(title, hint)
    try:
        customer = find_customer(typed)
    except Invalid as error:
        return choose_customer(title, hint, typed, error.message)
    account = load_account(customer, currency_param() or customer.currency)
    form = add_allocation_fields(PaymentForm, account, initial_payment_values(account))
    suggested, duplicates = False, []
    is_valid = form.validate_on_submit()
    if is_valid and request.form.get("then") == "totals":
        fill_ticked(form, account, form.amount.data)
    elif is_valid:
        suggested = suggest_allocations(form, account)
        if not suggested and check_remainder(form, account):
            duplicates = _check_duplicates(form, customer.id)
            if not duplicates:
                with errors_on(form):
                    return _record(form, account)
    return render_form(
        "payments/form.html",
        form,
        account=account,
        suggested=suggested,
        duplicates=duplicates,
        split=compute_split(form, account),
        totals_data=totals_data(account.currency),
    )


def _check_duplicates(form: Form, customer_id: UUID) -> list[UUID]:
    """Return the customer's other payments with this reference.

    The form asks for confirmation if there are some. The list is empty if the person has confirmed that
    the payment is not a duplicate.
    """
    if form.anyway.data:
        return []
    duplicates = queries.payment_ids_with_reference(db.session(), customer_id, form.reference.data, form.id.data)
    if duplicates:
        form.anyway.errors = [
            Phrase(
                "A payment with this reference is already recorded. If this is a different payment, choose to "
                "record it anyway."
            )
        ]
    return duplicates


def choose_customer(title: str, hint: str, typed: str = "", problem: str = "") -> ResponseReturnValue:
    """Ask for the customer of a payment or a refund, and for its currency."""
    page = render_template(
        "payments/choose.html",
        title=title,
        hint=hint,
        has_customers=has_customers(db.session()),
        typed=typed,
        problem=problem,
        currencies=currency_codes(),
    )
    return page, 422 if problem else 200


def _record(form: Form, account: PaymentAccount) -> ResponseReturnValue:
    amounts = entered_allocations(form, account)
    spec = PaymentSpec(
        customer=str(account.customer.id),
        amount=form.amount.data,
        method=form.method.data,
        allocate=allocation_specs(amounts),
        currency=account.currency,
        received_on=form.received_on.data,
        reference=form.reference.data,
        id=form.id.data,
    )
    try:
        recorded = bounded_transaction(operations.record, spec, actor(), now())
    except (Conflict, Invalid) as error:
        if error.code == "id_conflict":
            form.id.data = uuid4()
            raise Conflict(
                "recorded_before",
                Phrase("This form was already recorded with other values. To record a second payment, send it again."),
            ) from error
        raise move_errors_to_invoices(error, amounts) from error
    flash(
        Phrase("Payment recorded.")
        if recorded.created
        else Phrase("This payment was already recorded. It counts once."),
        "success",
    )
    return redirect(url_for("payments.show", id=recorded.id), 303)


@pages.route("/<uuid:id>/allocate", methods=["GET", "POST"])
def allocate(id: UUID) -> ResponseReturnValue:
    """Allocate the remainder of a payment; suggest the oldest invoices first."""
    payment = queries.payment(db.session(), id)
    account = load_account(customers.customer(db.session(), str(payment.customer_id)), payment.currency)
    form = add_allocation_fields(AllocateForm, account, {"remainder": payment.left})
    if request.method == "GET":
        fill_allocations(form, account, payment.left)
    is_valid, remainder = form.validate_on_submit(), account.major(payment.left)
    if is_valid and not fill_ticked(form, account, remainder) and request.form.get("then") != "totals":
        with errors_on(form):
            return _allocate(form, account, id)
    return render_form(
        "payments/allocate.html",
        form,
        payment=payment,
        account=account,
        split=compute_split(form, account, remainder),
        totals_data=totals_data(account.currency, payment.left),
    )


def _allocate(form: Form, account: PaymentAccount, id: UUID) -> ResponseReturnValue:
    amounts = entered_allocations(form, account)
    if not amounts:
        raise Invalid("nothing_entered", Phrase("Enter an amount for at least one invoice."))
    try:
        minor = bounded_transaction(
            operations.allocate, id, allocation_specs(amounts), actor(), now(), form.remainder.data
        )
    except (Conflict, Invalid) as error:
        raise move_errors_to_invoices(error, amounts) from error
    flash(Phrase("{minor} allocated.", minor=format_money(minor, account.currency)), "success")
    return redirect(url_for("payments.show", id=id), 303)


# --- withdrawing, reversing, writing off ------------------------------------------------------------------------------


@pages.post("/<uuid:id>/allocations/<uuid:allocation_id>/withdraw")
def withdraw(id: UUID, allocation_id: UUID) -> ResponseReturnValue:
    """Withdraw an allocation; its money can be allocated again."""
    withdrawn = bounded_transaction(operations.withdraw_allocation, id, allocation_id, "", actor(), now())
    message = (
        Phrase("Allocation withdrawn. The money is unallocated.")
        if withdrawn
        else Phrase("This allocation was already withdrawn.")
    )
    flash(message, "success" if withdrawn else "info")
    return redirect(url_for("payments.show", id=id), 303)


class ReverseForm(Form):
    """Date and reason of a reversal."""

    reversed_on = DayField(
        Phrase("Reversed on"), blank_message=Phrase("Enter the date of the reversal, such as 2026-11-22.")
    )
    reason = TextField(
        Phrase("Reason"), blank_message=Phrase("Enter a reason for the reversal."), max_length=MAX_REASON_LENGTH
    )


@pages.route("/<uuid:id>/reverse", methods=["GET", "POST"])
def reverse(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, date and reason, then reverse the payment."""
    form = ReverseForm(reversed_on=today())
    if form.validate_on_submit():
        with errors_on(form):
            reversed_now = bounded_transaction(
                operations.reverse, id, form.reason.data, form.reversed_on.data, actor(), now()
            )
            message = Phrase("Payment reversed.") if reversed_now else Phrase("This payment was already reversed.")
            flash(message, "success" if reversed_now else "info")
            return redirect(url_for("payments.show", id=id), 303)
    session = db.session()
    allocations = [
        allocation for allocation in queries.allocations(session, [id])[id] if allocation.withdrawn_on is None
    ]
    return render_form("payments/reverse.html", form, payment=queries.payment(session, id), allocations=allocations)


class WriteOffForm(Form):
    """A form to write off an amount.

    The person types the amount, so that they cannot write off more than they have seen.
    """

    id = NewIdField()
    amount = AmountField(Phrase("Amount to write off"), blank_message=Phrase("Enter the balance shown above."))
    part = BooleanField(Phrase("Write off only a part"))
    reason = TextField(
        Phrase("Reason"), blank_message=Phrase("Enter a reason for the write-off."), max_length=MAX_REASON_LENGTH
    )


@pages.route("/write-off/<uuid:invoice_id>", methods=["GET", "POST"])
@needs("write-offs:write")
def write_off(invoice_id: UUID) -> ResponseReturnValue:
    """Ask for the amount and a reason, then write off the balance of an invoice."""
    form, invoice = WriteOffForm(), invoices.invoice(db.session(), str(invoice_id))
    open_amount, number, currency = balance(invoice), invoice.number, invoice.currency
    form.expect_currency(currency)
    if form.validate_on_submit():
        with errors_on(form):
            bounded_transaction(
                operations.write_off,
                invoice_id,
                form.amount.data,
                form.reason.data,
                form.id.data,
                actor(),
                now(),
                part=form.part.data,
            )
            # A repeated request finds no balance: the first one wrote it off.
            message = (
                Phrase(
                    "{amount} of {number} was written off.",
                    amount=format_exact(form.amount.data, currency),
                    number=number,
                )
                if open_amount
                else Phrase("This balance was already written off.")
            )
            flash(message, "success")
            return redirect(url_for("invoices.show", id=invoice_id), 303)
    invoice = invoices.invoice(db.session(), str(invoice_id))
    return render_form("payments/write_off.html", form, invoice=invoice, balance=balance(invoice))

"""Forms that allocate money to open invoices.

They have one amount per invoice, suggested oldest first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import request
from wtforms import BooleanField, SelectField
from wtforms.widgets import HiddenInput

from billing_admin.db.engine import db
from billing_admin.domain.currency_signs import SIGNS
from billing_admin.domain.errors import DomainError
from billing_admin.domain.formatting import format_exact
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import MINOR_DIGITS, ZERO, Money, exact_sum
from billing_admin.domain.payments import METHODS, AllocationSpec, PaymentSplit, allocate_oldest_first
from billing_admin.domain.translation import Phrase
from billing_admin.queries.payments import payments as queries
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    Form,
    NewIdField,
    TextField,
    WholeNumberField,
    errors_on,
)
from billing_admin.web.frame.list_params import text_param
from billing_admin.web.frame.signed_in import today

MAX_INVOICES = 100
_FIELD_PREFIX, _TICK_PREFIX, _HEX_ID = "part_", "pay_", re.compile("[0-9a-f]{32}")


class PaymentForm(Form):
    """A payment received.

    `add_allocation_fields` adds one amount per open invoice.
    """

    id = NewIdField()
    amount = AmountField(Phrase("Amount received"), blank_message=Phrase("Enter the amount, such as 250."))
    received_on = DayField(
        Phrase("Received on"), blank_message=Phrase("Enter the day it was received, such as 2026-11-22.")
    )
    method = SelectField(Phrase("Method"), choices=dict(METHODS), default="bank_transfer")
    reference = TextField(Phrase("Reference"))
    keep = BooleanField(Phrase("Keep the remainder as the customer's credit"))
    anyway = BooleanField(Phrase("Record the payment anyway"))


class RemainderField(WholeNumberField):
    """Unallocated minor units of the payment when the form was shown."""

    widget = HiddenInput()
    max_digits = 19

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            Phrase("Remainder"),
            blank_message=Phrase("The form is incomplete. Reload the page and try again."),
            **kwargs,
        )
        self.type = "HiddenField"  # the form macros select fields by type


class AllocateForm(Form):
    """The remainder of a payment, to allocate to open invoices."""

    remainder = RemainderField()


@dataclass(frozen=True, slots=True)
class PaymentAccount:
    """A customer, a currency, and their open invoices, oldest first.

    There are at most `MAX_INVOICES` of them.
    """

    customer: Any
    currency: str
    invoices: Sequence[Any]
    hidden_invoices: int  # how many more are open

    def major(self, minor: int) -> Decimal:
        """Convert minor units to the currency's major unit, which forms use."""
        return Money(minor, self.currency).decimal

    def suggest(self, invoices: Sequence[Any], amount: int) -> dict[str, Decimal]:
        """Divide minor units over invoices, oldest first; return major units by field."""
        return {_field_name(id): self.major(part) for id, part in allocate_oldest_first(invoices, amount)}


def load_account(customer: Any, currency: str) -> PaymentAccount:
    """Return the open invoices, and those that the form has amounts for.

    An invoice with an amount may have been paid since the form was shown, even by this form.
    """
    linked_id = text_param("invoice")
    open_invoices = queries.open_invoices(db.session(), customer.id, currency, _entered_invoice_ids())
    # The invoice that the link names comes first, so that it is always on the page.
    invoices = sorted(open_invoices, key=lambda invoice: str(invoice.id) != linked_id)
    return PaymentAccount(customer, currency, invoices[:MAX_INVOICES], len(invoices[MAX_INVOICES:]))


def _entered_invoice_ids() -> list[UUID]:
    amounts = (
        (name.removeprefix(_FIELD_PREFIX), value)
        for name, value in request.form.items()
        if name.startswith(_FIELD_PREFIX)
    )
    return [UUID(id) for id, value in amounts if value.strip() and _HEX_ID.fullmatch(id)]


def _field_name(invoice_id: UUID) -> str:
    return f"{_FIELD_PREFIX}{invoice_id.hex}"


def add_allocation_fields(form_class: type[Form], account: PaymentAccount, data: Mapping[str, Any]) -> Any:
    """Return the form with one amount per open invoice, and a tick that fills it in.

    All amounts are in the currency of the account.
    """
    extended_class = type(form_class.__name__, (form_class,), {})
    for invoice in account.invoices:
        setattr(
            extended_class,
            _field_name(invoice.id),
            AmountField(Phrase("Amount for {invoice_number}", invoice_number=invoice.number)),
        )
        label = Phrase("Pay {invoice_number}", invoice_number=invoice.number)
        setattr(extended_class, f"{_TICK_PREFIX}{invoice.id.hex}", BooleanField(label))
    form = extended_class(data=data)
    form.expect_currency(account.currency)
    return form


def initial_payment_values(account: PaymentAccount) -> dict[str, Any]:
    """Return today's date and, if the URL names an invoice, its whole balance."""
    values: dict[str, Any] = {"received_on": today()}
    linked_invoice = next((invoice for invoice in account.invoices if str(invoice.id) == text_param("invoice")), None)
    if linked_invoice is not None:
        amount = account.major(balance(linked_invoice))
        values |= {"amount": amount, _field_name(linked_invoice.id): amount}
    return values


def entered_allocations(form: Form, account: PaymentAccount) -> dict[UUID, Decimal]:
    """Return the amounts entered, by invoice."""
    amounts = ((invoice.id, form[_field_name(invoice.id)].data) for invoice in account.invoices)
    return {id: amount for id, amount in amounts if amount}


def suggest_allocations(form: Form, account: PaymentAccount) -> bool:
    """Fill in amounts, oldest invoice first; return whether they were filled in.

    This happens on request, and when neither an amount nor credit was chosen. The amounts of
    ticked invoices are filled in first.
    """
    requested = request.form.get("then") == "suggest"
    if not requested:
        if fill_ticked(form, account, form.amount.data):
            return True
        if form.keep.data or entered_allocations(form, account) or not account.invoices:
            return False
    with errors_on(form):
        fill_allocations(form, account, Money.exactly(form.amount.data, account.currency, "amount").minor)
    return True


def fill_allocations(form: Form, account: PaymentAccount, amount: int) -> None:
    """Divide an amount in minor units over the fields of the invoices, oldest first."""
    values = account.suggest(account.invoices, amount)
    for invoice in account.invoices:
        _set_amount(form, account, invoice, values.get(_field_name(invoice.id)))


def fill_ticked(form: Form, account: PaymentAccount, received: Decimal | None) -> bool:
    """Fill in the missing amounts of ticked invoices.

    They share what the entered amounts leave, oldest first. Returns whether there were some.
    """
    ticked = [
        invoice for invoice in account.invoices if _tick(form, invoice).data and not form[_field_name(invoice.id)].data
    ]
    split = compute_split(form, account, received)
    if not ticked or split is None:
        return False
    with errors_on(form):
        remainder = Money.exactly(max(split.left, ZERO), account.currency, "amount").minor
        values = account.suggest(ticked, remainder)
        for invoice in ticked:
            _set_amount(form, account, invoice, values.get(_field_name(invoice.id)))
    return True


def _tick(form: Form, invoice: Any) -> Any:
    return form[f"{_TICK_PREFIX}{invoice.id.hex}"]


def _set_amount(form: Form, account: PaymentAccount, invoice: Any, amount: Decimal | None) -> None:
    """Set the amount of an invoice, and untick it: from here on the amount counts."""
    field, tick = form[_field_name(invoice.id)], _tick(form, invoice)
    field.raw_data, field.data, field.digits = None, amount, MINOR_DIGITS[account.currency]
    tick.raw_data, tick.data = None, False


def compute_split(form: Form, account: PaymentAccount, received: Decimal | None = None) -> PaymentSplit | None:
    """Return the amounts received, allocated and left, for the foot of the table.

    Without `received`, the form has it. Returns None if an amount of the form could not be read.
    """
    if any(form[_field_name(invoice.id)].errors for invoice in account.invoices):
        return None
    if received is None:
        if form.amount.errors:
            return None
        received = form.amount.data or ZERO
    return PaymentSplit(received, exact_sum(entered_allocations(form, account).values()))


def totals_data(currency: str, received: int | None = None) -> dict[str, Any]:
    """Return the data with which the script computes the foot of the table.

    `received` are the minor units to allocate if the form has no amount. The script gets them with 12 decimal places.
    """
    digits = MINOR_DIGITS[currency]
    signs = sorted(sign for sign, currencies in SIGNS.items() if currency in currencies)
    data = {"totals": currency, "digits": str(digits), "signs": {sign: [currency] for sign in signs}}
    return data if received is None else {**data, "received": str(received * 10 ** (12 - digits))}


def check_remainder(form: Form, account: PaymentAccount) -> bool:
    """Return whether the whole amount is allocated or kept as credit.

    Otherwise set field errors.
    """
    split = compute_split(form, account)
    if split is None:
        return False
    remainder = split.left
    if remainder > 0 and not form.keep.data:
        amount = format_exact(remainder, account.currency)
        form.keep.errors = [
            Phrase(
                "{amount} is not allocated. Allocate it, or choose to keep it as the customer's credit.", amount=amount
            )
        ]
    if remainder < 0:
        excess = format_exact(-remainder, account.currency)
        form.amount.errors = [
            Phrase("You allocated {excess} more than you received. Correct one of the amounts.", excess=excess)
        ]
    return not form.errors


def allocation_specs(amounts: Mapping[UUID, Decimal]) -> tuple[AllocationSpec, ...]:
    """Return the allocations for the operations, in major units."""
    return tuple(AllocationSpec(str(id), amount) for id, amount in amounts.items())


def move_errors_to_invoices(error: DomainError, amounts: Mapping[UUID, Decimal]) -> DomainError:
    """Return the error with each problem at the form field of its invoice.

    The problems are those of an allocation.
    """
    field_names = [_field_name(id) for id in amounts]
    error.problems = tuple(
        replace(problem, field=(field_names[problem.field[1]],))
        if len(problem.field) > 1 and isinstance(problem.field[1], int)
        else problem
        for problem in error.problems
    )
    return error

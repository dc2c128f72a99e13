"""The forms that divide money over open invoices: one amount per invoice, the oldest first suggested, and what is left said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import request
from wtforms import BooleanField, SelectField
from wtforms.widgets import HiddenInput

from billing_admin.db.transactions import db
from billing_admin.domain.errors import DomainError
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import MINOR_DIGITS, ZERO, Money, exact_sum
from billing_admin.domain.payments import METHODS, AllocationSpec, Split, oldest_first
from billing_admin.queries.payments import payments as queries
from billing_admin.web.frame.forms import AmountField, DayField, Form, KeyField, TextField, WholeField, refusals_on
from billing_admin.web.frame.list_params import given
from billing_admin.web.frame.signed_in import today
from billing_admin.web.frame.template_filters import exact

MAX_INVOICES = 100
_PART, _HEX = "part_", re.compile("[0-9a-f]{32}")


class PaymentForm(Form):
    """What came in. One amount per open invoice is added to it (`add_allocation_fields`)."""

    id = KeyField()
    amount = AmountField("Amount received", needed="Enter the amount, such as 1,234.50.")
    received_on = DayField("Received on", needed="Enter the day it was received, such as 2026-11-22.")
    method = SelectField("Method", choices=dict(METHODS), default="bank_transfer")
    reference = TextField("Reference")
    keep = BooleanField("Keep what is left as the customer's credit")
    anyway = BooleanField("Record it anyway")


class RemainderField(WholeField):
    """How many minor units were left when the form was filled."""

    widget = HiddenInput()
    most_digits = 19

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("Left", needed="The form's amounts were lost. Open the page again.", **kwargs)
        self.type = "HiddenField"  # as the macros know it


class AllocateForm(Form):
    """What is left of a payment, for the open invoices."""

    left = RemainderField()


@dataclass(frozen=True, slots=True)
class PaymentAccount:
    """Whose money it is, in which currency, and what is open: the oldest invoices first, at most so many as a page can hold."""

    customer: Any
    currency: str
    invoices: Sequence[Any]
    more: int

    def major(self, minor: int) -> Decimal:
        """In the currency's own unit, as forms hold it."""
        return Money(minor, self.currency).decimal

    def suggested(self, amount: int) -> dict[str, Decimal]:
        """The amounts of the oldest invoices first, by field."""
        return {_name(id): self.major(part) for id, part in oldest_first(self.invoices, amount)}


def load_account(customer: Any, currency: str) -> PaymentAccount:
    """What is open, and what the form has amounts for: an invoice may have been paid meanwhile, perhaps by this very form."""
    named = given("invoice")
    found = queries.open_invoices(db.session(), customer.id, currency, _entered())
    found = sorted(
        found, key=lambda one: str(one.id) != named
    )  # the one that the link names is on the page in any case
    return PaymentAccount(customer, currency, found[:MAX_INVOICES], len(found[MAX_INVOICES:]))


def _entered() -> list[UUID]:
    given = ((name.removeprefix(_PART), value) for name, value in request.form.items() if name.startswith(_PART))
    return [UUID(id) for id, value in given if value.strip() and _HEX.fullmatch(id)]


def _name(invoice_id: UUID) -> str:
    return f"{_PART}{invoice_id.hex}"


def add_allocation_fields(kind: type[Form], account: PaymentAccount, data: Mapping[str, Any]) -> Any:
    """Return the form with one amount per open invoice, all in the currency of the account."""
    made = type(kind.__name__, (kind,), {})
    for invoice in account.invoices:
        setattr(made, _name(invoice.id), AmountField(f"Amount for {invoice.number}"))
    form = made(data=data)
    form.expect_currency(account.currency)
    return form


def initial_values(account: PaymentAccount) -> dict[str, Any]:
    """From an invoice's page: its whole balance."""
    values: dict[str, Any] = {"received_on": today()}
    named = next((one for one in account.invoices if str(one.id) == given("invoice")), None)
    if named is not None:
        owed = account.major(balance(named))
        values |= {"amount": owed, _name(named.id): owed}
    return values


def entered_allocations(form: Form, account: PaymentAccount) -> dict[UUID, Decimal]:
    """The amounts that were entered, by invoice."""
    fields = ((one.id, form[_name(one.id)].data) for one in account.invoices)
    return {id: amount for id, amount in fields if amount}


def suggest_allocations(form: Form, account: PaymentAccount) -> bool:
    """Fill in the oldest first, when that is asked for, or nothing was entered and no credit is meant."""
    wanted = request.form.get("then") == "suggest"
    if not wanted and (form.keep.data or entered_allocations(form, account) or not account.invoices):
        return False
    with refusals_on(form):
        fill_allocations(form, account, Money.exactly(form.amount.data, account.currency, "amount").minor)
    return True


def fill_allocations(form: Form, account: PaymentAccount, amount: int) -> None:
    values = account.suggested(amount)
    for invoice in account.invoices:
        field = form[_name(invoice.id)]
        field.raw_data, field.data, field.digits = None, values.get(field.name), MINOR_DIGITS[account.currency]


def compute_split(form: Form, account: PaymentAccount) -> Split:
    """What the foot of the table says."""
    return Split(form.amount.data or ZERO, exact_sum(entered_allocations(form, account).values()))


def check_remainder(form: Form, account: PaymentAccount) -> bool:
    """Received = allocated + unapplied; that something is left must be said."""
    left = compute_split(form, account).left
    if left > 0 and not form.keep.data:
        form.keep.errors = [f"{exact(left, account.currency)} are left. Tick this to keep them, or allocate them."]
    if left < 0:
        more = exact(-left, account.currency)
        form.amount.errors = [f"{more} more are allocated than received. Change one of them."]
    return not form.errors


def allocation_specs(parts: Mapping[UUID, Decimal]) -> tuple[AllocationSpec, ...]:
    return tuple(AllocationSpec(str(id), amount) for id, amount in parts.items())


def move_errors_to_invoices(refusal: DomainError, parts: Mapping[UUID, Decimal]) -> DomainError:
    """A problem with the n-th part, put at the field of its invoice."""
    names = [_name(id) for id in parts]
    refusal.problems = tuple(
        replace(one, field=(names[one.field[1]],)) if len(one.field) > 1 and isinstance(one.field[1], int) else one
        for one in refusal.problems
    )
    return refusal

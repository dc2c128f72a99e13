"""Choosing a customer among thousands: a text field, with some of them to pick from, that takes a reference or words."""

from dataclasses import dataclass
from typing import Any

from flask import g

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.models import Customer
from billing_admin.queries.master_data import customers
from billing_admin.web.frame.forms import TextField

MAX_OPTIONS = 200
MAX_NAMED = 5
DATALIST_ID = "customers"
BLANK_MESSAGE = "Enter a customer: the reference, or a part of the name."


class CustomerField(TextField):
    """Whom it is for, found by reference or words of the name: `data` is the reference, `currency` what they are billed in."""

    currency = ""

    def __init__(self, label: str = "Customer", blank_message: str | None = BLANK_MESSAGE, **kwargs: Any) -> None:
        super().__init__(label, blank_message, render_kw={"list": DATALIST_ID, "autocomplete": "off"}, **kwargs)

    def process_formdata(self, valuelist: Any) -> None:
        """What was found is shown by its reference from here on."""
        super().process_formdata(valuelist)
        if self.currency:
            self.raw_data = [self.data]

    def parse(self, typed: str) -> str:
        """Refuse what no customer is called, and what several are."""
        words = super().parse(typed)
        read = g.setdefault("customers_read", {})  # a grid names the same one again and again
        if words not in read:
            read[words] = _found(words)
        found = read[words]
        if isinstance(found, Invalid):
            raise found
        self.currency = found.currency
        return str(found.reference)


def _found(words: str) -> Customer | Invalid:
    try:
        return customers.customer(db.session(), words)
    except NotFound:
        try:
            return _only(words)
        except Invalid as refusal:
            return refusal


def _only(words: str) -> Customer:
    found = customers.matching_customers(db.session(), words, MAX_NAMED + 1)
    if not found:
        raise Invalid(
            "unknown_customer", f"No customer is called “{words[:80]}”. Enter a reference, or a part of the name."
        )
    if found[1:]:
        named = ", ".join(f"{one.name} ({one.reference})" for one in found[:MAX_NAMED])
        more = " and others" if len(found) > MAX_NAMED else ""
        raise Invalid("several_customers", f"Several are called so: {named}{more}. Enter the reference of one.")
    return found[0]


@dataclass(frozen=True, slots=True)
class CustomerOptions:
    """Some customers to pick from: reference and name; and in which currency each is billed."""

    options: list[tuple[str, str]]
    currencies: dict[str, str]


def customer_options(chosen: CustomerField) -> CustomerOptions:
    """The first customers by name, and the one that is chosen already."""
    some = customers.customer_choices(db.session(), MAX_OPTIONS)
    billed_in = {reference: currency for reference, _, currency in some}
    if chosen.currency:
        billed_in[chosen.data] = chosen.currency
    return CustomerOptions([(reference, name) for reference, name, _ in some], billed_in)

"""A field that finds a customer by reference or by a part of the name.

It offers some customers to choose from.
"""

from dataclasses import dataclass
from typing import Any

from flask import g

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.models import Customer
from billing_admin.queries.master_data import customers
from billing_admin.web.frame.forms import TextField

MAX_OPTIONS = 200
MAX_NAMED = 5  # in an error about several matches
DATALIST_ID = "customers"
BLANK_MESSAGE = "Enter a customer reference, or part of the name."


class CustomerField(TextField):
    """A field for a customer.

    `data` is the reference; `currency` is the currency in which the customer is billed.
    """

    currency = ""

    def __init__(self, label: str = "Customer", blank_message: str | None = BLANK_MESSAGE, **kwargs: Any) -> None:
        super().__init__(label, blank_message, render_kw={"list": DATALIST_ID, "autocomplete": "off"}, **kwargs)

    def process_formdata(self, valuelist: Any) -> None:
        """Parse the text; a customer that was found is shown by reference from then on."""
        super().process_formdata(valuelist)
        if self.currency:
            self.raw_data = [self.data]

    def parse(self, typed: str) -> str:
        """Return the reference of the only customer that matches.

        Raises:
            Invalid: no customer matches, or several do.
        """
        text = super().parse(typed)
        results = g.setdefault("customers_by_text", {})  # the rows of a grid often name the same customer
        if text not in results:
            results[text] = _find_customer(text)
        customer = results[text]
        if isinstance(customer, Invalid):
            raise customer
        self.currency = customer.currency
        return str(customer.reference)


def _find_customer(text: str) -> Customer | Invalid:
    try:
        return customers.customer(db.session(), text)
    except NotFound:
        try:
            return _only_match(text)
        except Invalid as error:
            return error


def _only_match(text: str) -> Customer:
    matches = customers.matching_customers(db.session(), text, MAX_NAMED + 1)
    if not matches:
        raise Invalid("unknown_customer", f"No customer matches “{text[:80]}”. Enter a reference, or part of the name.")
    if len(matches) > 1:
        names = ", ".join(f"{customer.name} ({customer.reference})" for customer in matches[:MAX_NAMED])
        suffix = " and others" if len(matches) > MAX_NAMED else ""
        raise Invalid("several_customers", f"Several customers match: {names}{suffix}. Enter one of the references.")
    return matches[0]


@dataclass(frozen=True, slots=True)
class CustomerOptions:
    """Customers to choose from as (reference, name), and their billing currencies.

    The currencies are keyed by reference.
    """

    options: list[tuple[str, str]]
    currencies: dict[str, str]


def customer_options(field: CustomerField) -> CustomerOptions:
    """Return the first customers by name.

    The currencies include that of the customer already chosen.
    """
    rows = customers.customer_choices(db.session(), MAX_OPTIONS)  # (reference, name, currency)
    currencies = {reference: currency for reference, _, currency in rows}
    if field.currency:
        currencies[field.data] = field.currency
    return CustomerOptions([(reference, name) for reference, name, _ in rows], currencies)

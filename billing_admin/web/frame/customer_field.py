"""A field that finds a customer by reference or by a part of the name.

With JavaScript it searches while the person types (`customers.options`); without it is a plain text field.
"""

from dataclasses import replace
from typing import Any, TypeVar

from flask import g

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.charges.recurring_charges import RecurringFilter
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data import customers
from billing_admin.queries.messages.messages import MessageFilter
from billing_admin.queries.payments.open_items import OpenItemFilter
from billing_admin.queries.payments.payments import PaymentFilter
from billing_admin.queries.payments.refunds import RefundFilter
from billing_admin.queries.payments.unallocated import UnallocatedFilter
from billing_admin.web.frame.forms import MultilineField, TextField

MAX_CUSTOMERS_LENGTH = 10_000  # characters
MAX_NAMED = 5  # in an error about several matches
BLANK_MESSAGE = Phrase("Enter a customer reference, or part of the name.")

ListFilter = TypeVar(
    "ListFilter",
    ChargeFilter,
    InvoiceFilter,
    MessageFilter,
    OpenItemFilter,
    PaymentFilter,
    RecurringFilter,
    RefundFilter,
    UnallocatedFilter,
)


class CustomerField(TextField):
    """A field for a customer.

    `data` is the reference; `currency` is the currency in which the customer is billed.
    """

    currency = ""

    def __init__(
        self, label: str = Phrase("Customer"), blank_message: str | None = BLANK_MESSAGE, **kwargs: Any
    ) -> None:
        super().__init__(label, blank_message, render_kw={"data-customer-search": "", "autocomplete": "off"}, **kwargs)

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


class CustomersField(MultilineField):
    """A field for any number of customers, one on each line.

    A reference may contain commas, but no line break.
    """

    def __init__(self, label: str = Phrase("Customers"), **kwargs: Any) -> None:
        super().__init__(label, max_length=MAX_CUSTOMERS_LENGTH, render_kw={"data-customer-search": ""}, **kwargs)

    def references(self) -> tuple[str, ...]:
        """Return the references of the customers, each once.

        Raises:
            Invalid: no customer matches a line, or several do.
        """
        names = [name.strip() for name in self.data.split("\n") if name.strip()]
        known = {customer.reference for customer in customers.customers_of_references(db.session(), names)}
        return tuple(dict.fromkeys(name if name in known else find_customer(name).reference for name in names))


def _find_customer(text: str) -> Customer | Invalid:
    try:
        return customers.customer(db.session(), text)
    except NotFound:
        try:
            return _only_match(text)
        except Invalid as error:
            return error


def find_customer(text: str) -> Customer:
    """Return the customer with this reference, or the only one that matches.

    Raises:
        Invalid: no customer matches, or several do.
    """
    customer = _find_customer(text)
    if isinstance(customer, Invalid):
        raise customer
    return customer


def _only_match(text: str) -> Customer:
    matches = customers.matching_customers(db.session(), text, MAX_NAMED + 1)
    if not matches:
        raise Invalid(
            "unknown_customer",
            Phrase("No customer matches “{text}”. Enter a reference, or part of the name.", text=text[:80]),
        )
    if len(matches) > 1:
        names = ", ".join(f"{customer.name} ({customer.reference})" for customer in matches[:MAX_NAMED])
        raise Invalid(
            "several_customers",
            Phrase("Several customers match: {names} and others. Enter one of the references.", names=names)
            if len(matches) > MAX_NAMED
            else Phrase("Several customers match: {names}. Enter one of the references.", names=names),
        )
    return matches[0]


def match_customer(filters: ListFilter) -> tuple[ListFilter, str | None]:
    """Return the resolved filter, or the same filter and why no customer matches."""
    try:
        return resolve_customer(filters), None
    except NotFound as error:
        return filters, error.message


def resolve_customer(filters: ListFilter) -> ListFilter:
    """Return a filter with the customer's reference in place of the text typed.

    Raises:
        NotFound: no single customer matches the text.
    """
    if not filters.customer:
        return filters
    return replace(filters, customer=customers.customer_by_search(db.session(), filters.customer).reference)


def known_currencies(field: CustomerField) -> dict[str, str]:
    """Return the currency of the customer already chosen, by reference.

    It is a customer in the address or in the form. Pages find the currencies of others by their search.
    """
    if field.currency or not field.data:
        return {field.data: field.currency} if field.data else {}
    return {row.reference: row.currency for row in customers.customers_of_references(db.session(), [field.data])}

"""Customers, with their balances, statements and current invoices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import (
    Balances,
    Contact,
    Customer,
    CustomerField,
    Document,
    Download,
    FileTotals,
    Message,
    Statements,
)
from billing_client.asking import (
    ContactChanges,
    CustomerChanges,
    CustomerFieldChanges,
    CustomerFilter,
    Day,
    Key,
    NewContact,
    NewCustomer,
    NewCustomerField,
    NewStatement,
)
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Customers(Resource):
    """The calls of `client.customers`.

    Name a customer by its reference or id.
    """

    def create(self, **customer: Unpack[NewCustomer]) -> Customer:
        """Add a customer."""
        return self.ask(Customer, calls.CUSTOMER_CREATE, body=customer)

    def list(self, **filters: Unpack[CustomerFilter]) -> Iterator[Customer]:
        """Yield all customers, newest first."""
        return self.each(Customer, calls.CUSTOMER_LIST, filters)

    def get(self, customer: str) -> Customer:
        """Return one customer."""
        return self.ask(Customer, calls.CUSTOMER_GET, customer)

    def update(self, read: Customer, **changes: Unpack[CustomerChanges]) -> Customer:
        """Change a customer that was read with `get`.

        Raises Stale if it has changed since.
        """
        return self.ask(Customer, calls.CUSTOMER_UPDATE, read.id, body=changes, etag=read.etag)

    def contacts(self, customer: str) -> Iterator[Contact]:
        """Yield the contacts of a customer, in the order in which they were added."""
        return self.each(Contact, calls.CONTACT_LIST, {}, customer, in_pages=False)

    def contact(self, customer: str, id: Key) -> Contact:
        """Return one contact of a customer."""
        return self.ask(Contact, calls.CONTACT_GET, customer, id)

    def add_contact(self, customer: str, **contact: Unpack[NewContact]) -> Contact:
        """Add a contact to a customer."""
        return self.ask(Contact, calls.CONTACT_CREATE, customer, body=contact)

    def update_contact(self, customer: str, read: Contact, **changes: Unpack[ContactChanges]) -> Contact:
        """Change a contact that was read with `contact`.

        Raises Stale if it has changed since.
        """
        return self.ask(Contact, calls.CONTACT_UPDATE, customer, read.id, body=changes, etag=read.etag)

    def remove_contact(self, customer: str, id: Key) -> Contact:
        """Remove a contact of a customer, and return it."""
        return self.ask(Contact, calls.CONTACT_REMOVE, customer, id)

    def download_contacts(self, path: str | Path, **filters: Unpack[CustomerFilter]) -> Download:
        """Write the contacts of all matching customers to a CSV file."""
        return self.file(calls.CONTACT_FILE, path=path, query=filters)

    def balance(self, customer: str, as_of: Day | None = None) -> Balances:
        """Return the balance and ageing of a customer by currency, now or on a past day."""
        return self.ask(Balances, calls.CUSTOMER_BALANCE, customer, query={"as_of": as_of})

    def statement(
        self, customer: str, from_: Day | None = None, to: Day | None = None, currency: str | None = None
    ) -> Statements:
        """Return the statements of a customer for a period, both days included."""
        query = {"from_": from_, "to": to, "currency": currency}
        return self.ask(Statements, calls.CUSTOMER_STATEMENT, customer, query=query)

    def download_statement(
        self,
        customer: str,
        path: str | Path,
        from_: Day | None = None,
        to: Day | None = None,
        currency: str | None = None,
    ) -> Download:
        """Write the statement of a customer in one currency to a PDF file.

        `currency` is needed if the customer has entries in several.
        """
        query = {"from_": from_, "to": to, "currency": currency}
        return self.file(calls.CUSTOMER_STATEMENT_PDF, customer, path=path, query=query)

    def send_statement(self, customer: str, **statement: Unpack[NewStatement]) -> Message:
        """Send the statement of a customer in one currency, and return the message."""
        return self.ask(Message, calls.CUSTOMER_STATEMENT_SEND, customer, body=statement)

    def current_invoice(self, customer: str, through: Day | None = None, currency: str | None = None) -> Document:
        """Return the invoice that a customer's pending charges would make today."""
        query = {"through": through, "currency": currency}
        return self.ask(Document, calls.CUSTOMER_CURRENT, customer, query=query)

    def download(self, path: str | Path, **filters: Unpack[CustomerFilter]) -> Download:
        """Write all matching customers to a CSV file; `totals` returns its control totals."""
        return self.file(calls.CUSTOMER_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[CustomerFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.CUSTOMER_FILE, query={**filters, "totals": 1})


class CustomerFields(Resource):
    """The calls of `client.customer_fields`."""

    def create(self, **field: Unpack[NewCustomerField]) -> CustomerField:
        """Add a customer field."""
        return self.ask(CustomerField, calls.CUSTOMER_FIELD_CREATE, body=field)

    def list(self) -> Iterator[CustomerField]:
        """Yield all customer fields by creation, archived ones last."""
        return self.each(CustomerField, calls.CUSTOMER_FIELD_LIST, in_pages=False)

    def get(self, id: Key) -> CustomerField:
        """Return one customer field."""
        return self.ask(CustomerField, calls.CUSTOMER_FIELD_GET, id)

    def update(self, read: CustomerField, **changes: Unpack[CustomerFieldChanges]) -> CustomerField:
        """Change a customer field that was read with `get`.

        Raises Stale if it has changed since.
        """
        return self.ask(CustomerField, calls.CUSTOMER_FIELD_UPDATE, read.id, body=changes, etag=read.etag)

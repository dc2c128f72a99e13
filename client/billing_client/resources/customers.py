"""Customers, and what they owe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Balances, Customer, Document, Download, FileTotals, Statements
from billing_client.asking import CustomerChanges, CustomerFilter, Day, NewCustomer
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Customers(Resource):
    """`client.customers`; a customer is named by its reference or its id."""

    def create(self, **customer: Unpack[NewCustomer]) -> Customer:
        """Add a customer."""
        return self.ask(Customer, calls.CUSTOMER_CREATE, body=customer)

    def list(self, **filters: Unpack[CustomerFilter]) -> Iterator[Customer]:
        """Customers, newest first, all of them."""
        return self.each(Customer, calls.CUSTOMER_LIST, filters)

    def get(self, customer: str) -> Customer:
        """One customer."""
        return self.ask(Customer, calls.CUSTOMER_GET, customer)

    def update(self, read: Customer, **changes: Unpack[CustomerChanges]) -> Customer:
        """Change what was read with `get`. Raises Stale when somebody else changed it since."""
        return self.ask(Customer, calls.CUSTOMER_UPDATE, read.id, body=changes, etag=read.etag)

    def balance(self, customer: str, as_of: Day | None = None) -> Balances:
        """What a customer owes, per currency, and for how long; now or on a past day."""
        return self.ask(Balances, calls.CUSTOMER_BALANCE, customer, query={"as_of": as_of})

    def statement(
        self, customer: str, from_: Day | None = None, to: Day | None = None, currency: str | None = None
    ) -> Statements:
        """Opening balance, each document with the running balance, and closing balance; both days are included."""
        query = {"from_": from_, "to": to, "currency": currency}
        return self.ask(Statements, calls.CUSTOMER_STATEMENT, customer, query=query)

    def current_invoice(self, customer: str, through: Day | None = None, currency: str | None = None) -> Document:
        """What a customer's pending charges would make if billed now."""
        query = {"through": through, "currency": currency}
        return self.ask(Document, calls.CUSTOMER_CURRENT, customer, query=query)

    def download(self, path: str | Path, **filters: Unpack[CustomerFilter]) -> Download:
        """Write customers to a CSV file, all of them; `totals` says what it must add up to."""
        return self.file(calls.CUSTOMER_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[CustomerFilter]) -> FileTotals:
        """What the file that `download` would write must add up to."""
        return self.ask(FileTotals, calls.CUSTOMER_FILE, query={**filters, "totals": 1})

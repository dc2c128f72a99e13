"""Payments: recorded, allocated, withdrawn, reversed, exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Download, FileTotals, Payment
from billing_client.asking import Allocate, Day, Key, NewPayment, PaymentFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Payments(Resource):
    """`client.payments`."""

    def create(self, **payment: Unpack[NewPayment]) -> Payment:
        """Record a payment and allocate it."""
        return self.ask(Payment, calls.PAYMENT_CREATE, body=payment)

    def list(self, **filters: Unpack[PaymentFilter]) -> Iterator[Payment]:
        """Payments, the last recorded first, all of them."""
        return self.each(Payment, calls.PAYMENT_LIST, filters)

    def get(self, id: Key) -> Payment:
        """One payment."""
        return self.ask(Payment, calls.PAYMENT_GET, id)

    def allocate(self, id: Key, allocate: Allocate) -> Payment:
        """Allocate what is left of a payment, or parts of it. Done twice it would allocate more: it is not repeated."""
        return self.ask(Payment, calls.PAYMENT_ALLOCATE, id, body={"allocate": allocate})

    def withdraw(self, id: Key, allocation: Key, reason: str = "") -> Payment:
        """Take an allocation back as of today."""
        return self.ask(Payment, calls.PAYMENT_WITHDRAW, id, allocation, body={"reason": reason})

    def reverse(self, id: Key, reason: str, reversed_on: Day | None = None) -> Payment:
        """Take a payment back, with all its allocations; today if no day is given."""
        day = {"reversed_on": reversed_on} if reversed_on else {}
        return self.ask(Payment, calls.PAYMENT_REVERSE, id, body={"reason": reason, **day})

    def download(self, path: str | Path, **filters: Unpack[PaymentFilter]) -> Download:
        """Write payments to a CSV file, all of them; `totals` says what it must add up to."""
        return self.file(calls.PAYMENT_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[PaymentFilter]) -> FileTotals:
        """What the file that `download` would write must add up to."""
        return self.ask(FileTotals, calls.PAYMENT_FILE, query={**filters, "totals": 1})

    def download_allocations(self, path: str | Path, **filters: Unpack[PaymentFilter]) -> Download:
        """Write allocations to a CSV file, all of them; `allocation_totals` says what it must add up to."""
        return self.file(calls.ALLOCATION_FILE, path=path, query=filters)

    def allocation_totals(self, **filters: Unpack[PaymentFilter]) -> FileTotals:
        """What the file that `download_allocations` would write must add up to."""
        return self.ask(FileTotals, calls.ALLOCATION_FILE, query={**filters, "totals": 1})

"""Payments: recorded, listed, allocated, reversed and exported."""

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
    """The calls of `client.payments`."""

    def create(self, **payment: Unpack[NewPayment]) -> Payment:
        """Record a payment and allocate it."""
        return self.ask(Payment, calls.PAYMENT_CREATE, body=payment)

    def list(self, **filters: Unpack[PaymentFilter]) -> Iterator[Payment]:
        """Yield all payments, newest first."""
        return self.each(Payment, calls.PAYMENT_LIST, filters)

    def get(self, id: Key) -> Payment:
        """Return one payment."""
        return self.ask(Payment, calls.PAYMENT_GET, id)

    def allocate(self, id: Key, allocate: Allocate) -> Payment:
        """Allocate all or part of a payment's unallocated amount.

        The call is not repeated: it would allocate more.
        """
        return self.ask(Payment, calls.PAYMENT_ALLOCATE, id, body={"allocate": allocate})

    def withdraw(self, id: Key, allocation: Key, reason: str = "") -> Payment:
        """Withdraw an allocation as of today."""
        return self.ask(Payment, calls.PAYMENT_WITHDRAW, id, allocation, body={"reason": reason})

    def reverse(self, id: Key, reason: str, reversed_on: Day | None = None) -> Payment:
        """Reverse a payment and withdraw all its allocations, by default as of today."""
        day = {"reversed_on": reversed_on} if reversed_on else {}
        return self.ask(Payment, calls.PAYMENT_REVERSE, id, body={"reason": reason, **day})

    def download(self, path: str | Path, **filters: Unpack[PaymentFilter]) -> Download:
        """Write all matching payments to a CSV file; `totals` returns its control totals."""
        return self.file(calls.PAYMENT_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[PaymentFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.PAYMENT_FILE, query={**filters, "totals": 1})

    def download_allocations(self, path: str | Path, **filters: Unpack[PaymentFilter]) -> Download:
        """Write all matching allocations to a CSV file.

        `allocation_totals` returns its control totals.
        """
        return self.file(calls.ALLOCATION_FILE, path=path, query=filters)

    def allocation_totals(self, **filters: Unpack[PaymentFilter]) -> FileTotals:
        """Return the control totals of the file that `download_allocations` writes."""
        return self.ask(FileTotals, calls.ALLOCATION_FILE, query={**filters, "totals": 1})

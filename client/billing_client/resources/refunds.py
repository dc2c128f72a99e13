"""Refunds: recorded, listed, reversed and exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Download, FileTotals, Refund
from billing_client.asking import Day, Key, NewRefund, RefundFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Refunds(Resource):
    """The calls of `client.refunds`."""

    def create(self, **refund: Unpack[NewRefund]) -> Refund:
        """Record a refund of a customer's credit, the oldest credit first."""
        return self.ask(Refund, calls.REFUND_CREATE, body=refund)

    def list(self, **filters: Unpack[RefundFilter]) -> Iterator[Refund]:
        """Yield all refunds, newest first."""
        return self.each(Refund, calls.REFUND_LIST, filters)

    def get(self, id: Key) -> Refund:
        """Return one refund."""
        return self.ask(Refund, calls.REFUND_GET, id)

    def reverse(self, id: Key, reason: str, reversed_on: Day | None = None) -> Refund:
        """Reverse a refund, by default as of today: its amount is credit again."""
        day = {"reversed_on": reversed_on} if reversed_on else {}
        return self.ask(Refund, calls.REFUND_REVERSE, id, body={"reason": reason, **day})

    def download(self, path: str | Path, **filters: Unpack[RefundFilter]) -> Download:
        """Write all matching refunds to a CSV file; `totals` returns its control totals."""
        return self.file(calls.REFUND_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[RefundFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.REFUND_FILE, query={**filters, "totals": 1})

"""Opening balances: recorded and listed, with their control totals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import OpeningBalance, OpeningTotal
from billing_client.asking import NewOpeningBalance
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class OpeningBalances(Resource):
    """The calls of `client.opening_balances`."""

    def create(self, **opening_balance: Unpack[NewOpeningBalance]) -> OpeningBalance:
        """Record an open invoice or a credit of an earlier system."""
        return self.ask(OpeningBalance, calls.OPENING_CREATE, body=opening_balance)

    def list(self) -> Iterator[OpeningBalance]:
        """Yield all opening balances, newest first."""
        return self.each(OpeningBalance, calls.OPENING_LIST)

    def totals(self) -> Iterator[OpeningTotal]:
        """Yield the control totals per customer and currency."""
        return self.each(OpeningTotal, calls.OPENING_TOTALS)

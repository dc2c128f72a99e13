"""Recurring charges: what a customer owes every month, quarter or year."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import RecurringCharge
from billing_client.asking import Day, Key, NewRecurringCharge, RecurringChanges, RecurringFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RecurringCharges(Resource):
    """`client.recurring_charges`."""

    def create(self, **recurring: Unpack[NewRecurringCharge]) -> RecurringCharge:
        """Add a recurring charge; its charges are posted by the server as they fall due."""
        return self.ask(RecurringCharge, calls.RECURRING_CREATE, body=recurring)

    def list(self, **filters: Unpack[RecurringFilter]) -> Iterator[RecurringCharge]:
        """Recurring charges, newest first, all of them."""
        return self.each(RecurringCharge, calls.RECURRING_LIST, filters)

    def get(self, id: Key) -> RecurringCharge:
        """One recurring charge."""
        return self.ask(RecurringCharge, calls.RECURRING_GET, id)

    def pause(self, id: Key, reason: str = "") -> RecurringCharge:
        """Post nothing that begins from today on, until it is resumed."""
        return self.ask(RecurringCharge, calls.RECURRING_PAUSE, id, body={"reason": reason})

    def resume(self, id: Key, reason: str = "") -> RecurringCharge:
        """Go on with the first period that begins today or later."""
        return self.ask(RecurringCharge, calls.RECURRING_RESUME, id, body={"reason": reason})

    def end(self, id: Key, ends_on: Day, reason: str = "") -> RecurringCharge:
        """Let it end with a day, included."""
        return self.ask(RecurringCharge, calls.RECURRING_END, id, body={"ends_on": ends_on, "reason": reason})

    def change(self, recurring: Key, from_: Day, **changes: Unpack[RecurringChanges]) -> RecurringCharge:
        """End it the day before, and let another follow that is otherwise; returns the one that follows."""
        return self.ask(RecurringCharge, calls.RECURRING_CHANGE, recurring, body={"from": from_, **changes})

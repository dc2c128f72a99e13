"""Recurring charges: add, list, pause, resume, end, and change them from a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Download, FileTotals, RecurringCharge
from billing_client.asking import Day, Key, NewRecurringCharge, RecurringChanges, RecurringFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RecurringCharges(Resource):
    """The calls of `client.recurring_charges`."""

    def create(self, **recurring: Unpack[NewRecurringCharge]) -> RecurringCharge:
        """Add a recurring charge.

        The server posts its charges when they are due.
        """
        return self.ask(RecurringCharge, calls.RECURRING_CREATE, body=recurring)

    def list(self, **filters: Unpack[RecurringFilter]) -> Iterator[RecurringCharge]:
        """Yield all recurring charges, newest first."""
        return self.each(RecurringCharge, calls.RECURRING_LIST, filters)

    def get(self, id: Key) -> RecurringCharge:
        """Return one recurring charge."""
        return self.ask(RecurringCharge, calls.RECURRING_GET, id)

    def pause(self, id: Key, reason: str = "") -> RecurringCharge:
        """Pause it: no period that begins from today on is posted until you resume it."""
        return self.ask(RecurringCharge, calls.RECURRING_PAUSE, id, body={"reason": reason})

    def resume(self, id: Key, reason: str = "") -> RecurringCharge:
        """Resume with the first period that begins today or later."""
        return self.ask(RecurringCharge, calls.RECURRING_RESUME, id, body={"reason": reason})

    def end(self, id: Key, ends_on: Day, reason: str = "") -> RecurringCharge:
        """End it on a day, included."""
        return self.ask(RecurringCharge, calls.RECURRING_END, id, body={"ends_on": ends_on, "reason": reason})

    def change(self, recurring: Key, from_: Day, **changes: Unpack[RecurringChanges]) -> RecurringCharge:
        """End it on the day before the change, and return its replacement."""
        return self.ask(RecurringCharge, calls.RECURRING_CHANGE, recurring, body={"from": from_, **changes})

    def download(self, path: str | Path, **filters: Unpack[RecurringFilter]) -> Download:
        """Write all matching recurring charges to a CSV file.

        `totals` returns its control totals.
        """
        return self.file(calls.RECURRING_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[RecurringFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.RECURRING_FILE, query={**filters, "totals": 1})

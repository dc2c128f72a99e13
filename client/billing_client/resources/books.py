"""Audit events, the number register, the period lock and the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from billing_client import calls
from billing_client.answers import AuditEvent, Download, FileTotals, PeriodLock, Register
from billing_client.asking import AuditFilter, Day
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AuditEvents(Resource):
    """The calls of `client.audit_events`."""

    def list(self, **filters: Unpack[AuditFilter]) -> Iterator[AuditEvent]:
        """Yield all audit events, newest first."""
        return self.each(AuditEvent, calls.AUDIT_LIST, filters)

    def download(self, path: str | Path, **filters: Unpack[AuditFilter]) -> Download:
        """Write all matching audit events to a CSV file.

        `totals` returns its control totals.
        """
        return self.file(calls.AUDIT_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[AuditFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.AUDIT_FILE, query={**filters, "totals": 1})


class Books(Resource):
    """The calls of `client.books`."""

    def number_series(self) -> Register:
        """Return all number series with their gaps."""
        return self.ask(Register, calls.SERIES_LIST)

    def period_lock(self) -> PeriodLock:
        """Return the day through which the books are locked."""
        return self.ask(PeriodLock, calls.PERIOD_LOCK)

    def journal(
        self,
        path: str | Path,
        from_: Day | None = None,
        to: Day | None = None,
        *,
        format: Literal["csv", "hledger"] = "hledger",
        opening: bool = False,
    ) -> Download:
        """Write the double-entry journal of a period to a file.

        With `opening`, it begins with the opening balances.
        """
        call = calls.JOURNAL_CSV if format == "csv" else calls.JOURNAL_HLEDGER
        return self.file(call, path=path, query={"from_": from_, "to": to, "opening": 1 if opening else None})

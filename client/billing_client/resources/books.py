"""What the books say of themselves: the audit log, the number series, the period lock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import AuditEvent, PeriodLock, Register
from billing_client.asking import AuditFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AuditEvents(Resource):
    """`client.audit_events`."""

    def list(self, **filters: Unpack[AuditFilter]) -> Iterator[AuditEvent]:
        """What happened, newest first, all of it."""
        return self.each(AuditEvent, calls.AUDIT_LIST, filters)


class Books(Resource):
    """`client.books`."""

    def number_series(self) -> Register:
        """Every number series, and what is missing in them."""
        return self.ask(Register, calls.SERIES_LIST)

    def period_lock(self) -> PeriodLock:
        """How far the books are locked."""
        return self.ask(PeriodLock, calls.PERIOD_LOCK)

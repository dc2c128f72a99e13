"""Seal audit events after responses.

This happens every few seconds, so that no writer waits for the chain.
"""

import time

from flask import Flask, Response, request

from billing_admin import clock
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.operations.audit import SEAL_BATCH, seal_events

PAUSE, SHORT_PAUSE = 10.0, 1.0  # seconds between two seals; the short one after a full batch
WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class AuditSealing:
    """Seals audit events after responses to writes.

    Threads may do so at the same time: the chain has a lock.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.due = 0.0
        app.extensions["billing_sealing"] = self
        app.after_request(self.after)

    def after(self, response: Response) -> Response:
        """Seal after this response has been sent, if a seal is due."""
        # A downloaded file leaves an event, too.
        writes = request.method in WRITING_METHODS or "Content-Disposition" in response.headers
        if writes and time.monotonic() >= self.due:
            self.due = time.monotonic() + PAUSE
            response.call_on_close(self.seal)
        return response

    def seal(self) -> None:
        """Seal a batch in a transaction of its own.

        After an error, the events are sealed later.
        """
        with self.app.app_context(), LogIfUnavailable("audit_log_not_sealed"):
            sealed = transaction(seal_events, clock.now())
            self.due = time.monotonic() + (SHORT_PAUSE if sealed == SEAL_BATCH else PAUSE)

"""Now and then, once a write is answered, what happened is sealed into the audit log's chain: no writer waits for it."""

import time

from flask import Flask, Response, request

from billing_admin import clock
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.operations.audit import SEAL_BATCH, seal_events

PAUSE, SHORT_PAUSE = 10.0, 1.0  # seconds; the short one after as much was sealed as is sealed at once
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class AuditSealing:
    """When this process seals next. Two threads that find it due at once do no harm: the chain has a lock."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.due = 0.0
        app.extensions["billing_sealing"] = self
        app.after_request(self.after)

    def after(self, response: Response) -> Response:
        """Seal after this answer is sent, if it is due."""
        if request.method in WRITING and time.monotonic() >= self.due:
            self.due = time.monotonic() + PAUSE
            response.call_on_close(self.seal)
        return response

    def seal(self) -> None:
        """Seal in a transaction of its own. What could not be sealed now is sealed later."""
        with self.app.app_context(), LogIfUnavailable("audit_log_not_sealed"):
            sealed = transaction(seal_events, clock.now())
            self.due = time.monotonic() + (SHORT_PAUSE if sealed == SEAL_BATCH else PAUSE)

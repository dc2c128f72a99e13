"""Send the reminders that are due each day, if the organisation wants it."""

from threading import Thread

import structlog
from flask import Flask

from billing_admin import clock
from billing_admin.background.runner import WORKER, shutting_down
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.operations.audit import seal_events
from billing_admin.operations.messages.reminder_runs import send_daily_reminders
from billing_admin.queries.messages.outbox import can_send

CHECK_SECONDS = 600.0  # between two checks; a day has one run, whose id derives from the day
_log = structlog.get_logger(__name__)


class ReminderSender(Thread):
    """Sends daily reminders, at the start and every ten minutes if any are due.

    Any number of workers may do so: the id of a run derives from its day.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__(name="reminders", daemon=True)
        self._app = app

    def run(self) -> None:
        """Send due reminders until the process shuts down."""
        while not shutting_down.is_set():
            send_due(self._app)
            shutting_down.wait(CHECK_SECONDS)


def send_due(app: Flask) -> None:
    """Send the daily reminders that are due.

    Errors are logged, not raised.
    """
    with app.app_context():
        try:
            with LogIfUnavailable("reminders_not_sent"):
                settings: Settings = app.extensions["billing_settings"]
                now = clock.now()
                sent = send_daily_reminders(transaction, db.session(), can_send(db.session(), settings), WORKER, now)
                if sent:
                    _log.info("reminders_sent", reminders=sent)
                    transaction(seal_events, now)
        except Exception:  # noqa: BLE001 - the thread goes on, and the next check tries again
            _log.exception("reminders_not_sent")

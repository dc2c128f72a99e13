"""Send the statements of the month before to the customers that want them."""

from datetime import date
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
from billing_admin.operations.messages.statements import send_all_monthly_statements
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.messages.outbox import can_send

CHECK_SECONDS = 600.0  # between two checks for a new day
_log = structlog.get_logger(__name__)


class StatementSender(Thread):
    """Sends monthly statements, once on each day.

    Any number of workers may do so: a customer gets one statement in a currency and month.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__(name="statements", daemon=True)
        self._app = app
        self._day: date | None = None

    def run(self) -> None:
        """Look for a new day until the process shuts down."""
        while not shutting_down.is_set():
            self._day = send_due(self._app, self._day)
            shutting_down.wait(CHECK_SECONDS)


def send_due(app: Flask, done: date | None = None) -> date | None:
    """Send the monthly statements that are due, unless `done` is today.

    Returns the day for which nothing is left to do. Errors are logged, not raised.
    """
    with app.app_context():
        try:
            with LogIfUnavailable("monthly_statements_not_sent"):
                now = clock.now()
                day = today(db.session(), now)
                if day == done:
                    return done
                settings: Settings = app.extensions["billing_settings"]
                outcome = send_all_monthly_statements(
                    transaction, db.session(), can_send(db.session(), settings), WORKER, now
                )
                for customer, reason in outcome.refused:
                    _log.warning("monthly_statement_refused", customer=customer, reason=reason)
                if outcome.sent:
                    _log.info("monthly_statements_sent", statements=outcome.sent)
                    transaction(seal_events, now)
                return day
        except Exception:  # noqa: BLE001 - the thread goes on, and the next check tries again
            _log.exception("monthly_statements_not_sent")
    return done

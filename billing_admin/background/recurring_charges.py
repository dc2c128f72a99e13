"""Post due recurring charges, and record what is unbilled each day."""

from threading import Thread

import structlog
from flask import Flask

from billing_admin import clock
from billing_admin.background.runner import WORKER, shutting_down
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.operations.audit import seal_events
from billing_admin.operations.charges.recurring_posting import post_all_due_charges
from billing_admin.operations.charges.unbilled_days import record_unbilled_day
from billing_admin.queries.master_data.organisation import today

POSTING_SECONDS = 600.0  # seconds between two searches for due charges
_log = structlog.get_logger(__name__)


class RecurringPoster(Thread):
    """Posts the recurring charges that are due, at the start and every ten minutes.

    Before that, it records the unbilled charges of the day, once a day.

    Any number of workers may do so: the id of a charge derives from its period, so it is posted once.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__(name="recurring-charges", daemon=True)
        self._app = app

    def run(self) -> None:
        """Post due charges until the process shuts down."""
        while not shutting_down.is_set():
            record_unbilled(self._app)
            post_due(self._app)
            shutting_down.wait(POSTING_SECONDS)


def record_unbilled(app: Flask) -> None:
    """Record the unbilled charges of today, unless they are recorded.

    Errors are logged, not raised.
    """
    with app.app_context():
        try:
            with LogIfUnavailable("unbilled_day_not_recorded"):
                transaction(record_unbilled_day, clock.now())
        except Exception:  # noqa: BLE001 - the thread goes on, and the next search tries again
            _log.exception("unbilled_day_not_recorded")


def post_due(app: Flask) -> None:
    """Post all charges that are due today.

    Errors are logged, not raised. Recurring charges that cannot be posted are named in the log; the dashboard says that
    posting is behind.
    """
    with app.app_context():
        try:
            with LogIfUnavailable("recurring_charges_not_posted"):
                now = clock.now()
                outcome = post_all_due_charges(transaction, db.session(), today(db.session(), now), WORKER, now)
                for id, reason in outcome.refused:
                    _log.warning("recurring_charge_refused", recurring_charge=str(id), reason=reason)
                if outcome.charges:
                    _log.info("recurring_charges_posted", charges=outcome.charges)
                    transaction(seal_events, now)
        except Exception:  # noqa: BLE001 - the thread goes on, and the next search tries again
            _log.exception("recurring_charges_not_posted")

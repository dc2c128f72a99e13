"""Webhooks are sent beside the jobs, by threads of their own: no receiver holds up a job, and no job a delivery.

The sender looks each second for what is due, with one question that reads a small index. It is not rung for: whatever writes to
the outbox, be it a page, the API, a job or the command line, is found without having to remember it.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from uuid import UUID, uuid4

import structlog
from flask import Flask

from billing_admin import clock
from billing_admin.background.runner import shutting_down
from billing_admin.background.sending import address_rules, attempt_delivery
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.operations.webhooks import deliveries
from billing_admin.queries.webhooks.endpoints import endpoint_ids_due

POLL_SECONDS = 1.0  # seconds
MAX_PARALLEL = 8  # receivers that are sent to at once
_log = structlog.get_logger(__name__)


class WebhookSender(Thread):
    """Serves each receiver for which something is due, several at once, so that a slow one holds up no other."""

    def __init__(self, app: Flask) -> None:
        super().__init__(name="webhooks", daemon=True)
        self._app = app
        self._serving: dict[UUID, Future[None]] = {}

    def run(self) -> None:
        """Go on until the process is told to end; what is being sent then is noted before."""
        with ThreadPoolExecutor(MAX_PARALLEL, "webhook") as pool:
            while not shutting_down.wait(POLL_SECONDS):
                self._serving = {id: at for id, at in self._serving.items() if not at.done()}
                for id in due_endpoints(self._app):
                    if id not in self._serving:
                        self._serving[id] = pool.submit(send_due, self._app, id)


def due_endpoints(app: Flask) -> list[UUID]:
    """The endpoints for which something is due; none while the database is away."""
    with app.app_context(), LogIfUnavailable("webhooks_not_looked_for"):
        return endpoint_ids_due(db.session(), clock.now())
    return []


def send_due(app: Flask, endpoint_id: UUID) -> None:
    """Send one endpoint what is due, one after the other, until nothing is, or it does not answer. It raises nothing."""
    worker = uuid4().hex
    with app.app_context():
        try:
            with LogIfUnavailable("webhook_interrupted", webhook=str(endpoint_id)):
                _serve(app.extensions["billing_settings"], endpoint_id, worker)
        except deliveries.LeaseLost:
            _log.warning("webhook_lost", webhook=str(endpoint_id))
        except Exception:  # noqa: BLE001 - the hold runs out, and another look begins again
            _log.exception("webhook_failed", webhook=str(endpoint_id))


def _serve(settings: Settings, endpoint_id: UUID, worker: str) -> None:
    key = settings.secret_key
    one = transaction(deliveries.claim_next, endpoint_id, worker, key, clock.now())
    while one is not None and not shutting_down.is_set():
        outcome = attempt_delivery(one, address_rules(settings))
        one = transaction(deliveries.record_attempt, one, outcome, worker, key, clock.now())
    if one is not None:
        transaction(deliveries.release_endpoint, endpoint_id, worker)

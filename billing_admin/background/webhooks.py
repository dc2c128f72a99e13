"""Send webhooks in threads of their own.

Receivers and jobs do not delay each other. The sender searches for due deliveries each second, with one query on a
small index. It does not depend on the queue, so code that inserts deliveries need not wake it.
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

POLL_SECONDS = 1.0
MAX_PARALLEL = 8  # endpoints
_log = structlog.get_logger(__name__)


class WebhookSender(Thread):
    """The thread that sends webhooks, to several endpoints at the same time.

    A slow receiver does not delay the others.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__(name="webhooks", daemon=True)
        self._app = app
        self._serving: dict[UUID, Future[None]] = {}

    def run(self) -> None:
        """Send until the process shuts down.

        Attempts in progress are recorded before it ends.
        """
        with ThreadPoolExecutor(MAX_PARALLEL, "webhook") as pool:
            while not shutting_down.wait(POLL_SECONDS):
                self._serving = {id: future for id, future in self._serving.items() if not future.done()}
                for id in due_endpoints(self._app):
                    if id not in self._serving:
                        self._serving[id] = pool.submit(send_due, self._app, id)


def due_endpoints(app: Flask) -> list[UUID]:
    """Return the endpoints with due deliveries.

    Returns none while the database is unavailable.
    """
    with app.app_context(), LogIfUnavailable("webhooks_not_searched"):
        return endpoint_ids_due(db.session(), clock.now())
    return []


def send_due(app: Flask, endpoint_id: UUID) -> None:
    """Send the due deliveries of an endpoint in order.

    Ends when none is due or the receiver is unavailable. Logs errors.
    """
    worker = uuid4().hex
    with app.app_context():
        try:
            with LogIfUnavailable("webhook_interrupted", webhook=str(endpoint_id)):
                _send_all_due(app.extensions["billing_settings"], endpoint_id, worker)
        except deliveries.LeaseLost:
            _log.warning("webhook_lost", webhook=str(endpoint_id))
        except Exception:  # noqa: BLE001 - the lease expires, and a later search claims the endpoint again
            _log.exception("webhook_failed", webhook=str(endpoint_id))


def _send_all_due(settings: Settings, endpoint_id: UUID, worker: str) -> None:
    key = settings.secret_key
    due = transaction(deliveries.claim_next, endpoint_id, worker, key, clock.now())
    while due is not None and not shutting_down.is_set():
        outcome = attempt_delivery(due, address_rules(settings))
        due = transaction(deliveries.record_attempt, due, outcome, worker, key, clock.now())
    if due is not None:
        transaction(deliveries.release_endpoint, endpoint_id, worker)

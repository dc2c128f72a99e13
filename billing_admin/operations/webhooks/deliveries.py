"""Claim deliveries for one sender at a time, and record each attempt.

A sender holds the lease of an endpoint, not of a delivery, so that the deliveries of an endpoint are sent in order
and never at the same time. A sender that does not renew the lease for `LEASE` loses it. Deliveries of a killed sender
are sent again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Update, delete, func, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.domain.translation import phrase_data
from billing_admin.domain.webhooks import (
    DELIVERY_RETENTION,
    JITTER_PERCENT,
    endpoint_secret,
    pause_after_failures,
    retry_delay,
    secret_fingerprint,
)
from billing_admin.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing_admin.queries.webhooks.endpoints import is_due, is_free

LEASE = timedelta(seconds=60)  # longer than resolving a host name and one attempt take together
DELETE_BATCH = 1000
# Answers about the receiver as a whole, not about the delivery: the endpoint is paused for a while.
OVERLOADED = frozenset({429, 502, 503, 504})


class LeaseLost(Exception):
    """Another sender has claimed the endpoint, or it does not exist."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery to be attempted.

    `secrets` is empty when BILLING_SECRET_KEY was changed: then it cannot be signed.
    """

    id: UUID
    endpoint_id: UUID
    url: str
    event: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """The outcome of an attempt: status or error, and the beginning of the response."""

    at: datetime
    milliseconds: int
    status: int | None
    error: str | None = None
    answer: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the receiver accepted the delivery."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def receiver_unavailable(self) -> bool:
        """Whether the receiver did not answer or is overloaded."""
        return self.status is None or self.status in OVERLOADED


def claim_next(session: Session, endpoint_id: UUID, worker: str, key: str, now: datetime) -> DueDelivery | None:
    """Claim an endpoint and return its first due delivery.

    Returns None when none is due or another sender has claimed it.
    """
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, is_free(now))
    query = query.with_for_update(skip_locked=True, key_share=True).execution_options(populate_existing=True)
    endpoint = session.scalar(query)
    return None if endpoint is None else _renew_or_release(session, endpoint, worker, key, now)


def record_attempt(
    session: Session, due: DueDelivery, outcome: AttemptOutcome, worker: str, key: str, now: datetime
) -> DueDelivery | None:
    """Record the outcome of an attempt, and return the next due delivery.

    Without one, the endpoint is released. Raises LeaseLost.
    """
    endpoint = _lock_leased(session, due.endpoint_id, worker)
    delivery = session.get_one(WebhookDelivery, due.id, populate_existing=True, with_for_update=True)
    _insert_attempt(session, due.id, outcome)
    if delivery.state == "waiting":
        _apply_outcome(session, endpoint, delivery, outcome, now)
    session.flush()
    return _renew_or_release(session, endpoint, worker, key, now)


def release_endpoint(session: Session, endpoint_id: UUID, worker: str) -> None:
    """Release an endpoint.

    Does nothing when another sender has claimed it.
    """
    leased = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.worker == worker)
    session.execute(leased.values(worker=None, held_until=None).execution_options(synchronize_session=False))


def _lock_leased(session: Session, endpoint_id: UUID, worker: str) -> WebhookEndpoint:
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.worker == worker)
    endpoint = session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if endpoint is None:
        raise LeaseLost
    return endpoint


def _renew_or_release(
    session: Session, endpoint: WebhookEndpoint, worker: str, key: str, now: datetime
) -> DueDelivery | None:
    """Renew the lease and return the first due delivery.

    Without one, release the endpoint and return None.
    """
    paused = endpoint.rest_until is not None and endpoint.rest_until > now
    query = select(WebhookDelivery).where(is_due(endpoint.id, now))
    query = query.order_by(WebhookDelivery.created_at, WebhookDelivery.id).limit(1)
    due = None if paused or endpoint.state != "active" else session.scalar(query)
    endpoint.worker, endpoint.held_until = (None, None) if due is None else (worker, now + LEASE)
    session.flush()
    if due is None:
        return None
    return DueDelivery(due.id, endpoint.id, endpoint.url, due.event, due.body, _current_secrets(endpoint, key, now))


def _current_secrets(endpoint: WebhookEndpoint, key: str, now: datetime) -> tuple[str, ...]:
    """Return the current secrets, the newest first.

    There are none if the installation's key has changed.
    """
    current = endpoint_secret(key, endpoint.salt)
    if secret_fingerprint(current) != endpoint.secret_hash:
        return ()
    if endpoint.previous_salt is None or endpoint.previous_until is None or endpoint.previous_until <= now:
        return (current,)
    return current, endpoint_secret(key, endpoint.previous_salt)


def _insert_attempt(session: Session, delivery_id: UUID, outcome: AttemptOutcome) -> None:
    last = select(func.max(WebhookAttempt.number)).where(WebhookAttempt.delivery_id == delivery_id)
    attempt = {
        "delivery_id": delivery_id,
        "number": (session.scalar(last) or 0) + 1,
        "at": outcome.at,
        "milliseconds": outcome.milliseconds,
        "status": outcome.status,
        "error": outcome.error,
        "error_phrase": phrase_data(outcome.error),
        "answer": outcome.answer,
    }
    insert_many(session, WebhookAttempt, [attempt])


def _apply_outcome(
    session: Session, endpoint: WebhookEndpoint, delivery: WebhookDelivery, outcome: AttemptOutcome, now: datetime
) -> None:
    """Set the state of the delivery (delivered, waiting, given up) and its endpoint."""
    if outcome.succeeded:
        _finish(delivery, "delivered", now)
        endpoint.given_up_in_a_row = 0
        if endpoint.silent:
            _end_pause(session, endpoint, now)
        return
    delivery.tries += 1
    delay = retry_delay(delivery.tries, _jitter())
    if delay is None:
        _finish(delivery, "given_up", now)
        endpoint.given_up_in_a_row += 1
    else:
        delivery.next_attempt_at = now + delay
    if outcome.receiver_unavailable:
        endpoint.silent += 1
        endpoint.rest_until = now + pause_after_failures(endpoint.silent, _jitter())
        if delay is None:
            _give_up_older(session, endpoint, delivery, now)


def _finish(delivery: WebhookDelivery, state: str, now: datetime) -> None:
    delivery.state, delivery.next_attempt_at, delivery.finished_at = state, None, now


def _end_pause(session: Session, endpoint: WebhookEndpoint, now: datetime) -> None:
    """End the pause of an endpoint that answers again, and make its deliveries due."""
    endpoint.silent, endpoint.rest_until = 0, None
    session.execute(_update_waiting(endpoint).values(next_attempt_at=now).execution_options(synchronize_session=False))


def _give_up_older(session: Session, endpoint: WebhookEndpoint, delivery: WebhookDelivery, now: datetime) -> None:
    """Give up all deliveries that have waited as long as this one.

    Each would otherwise be retried for days.
    """
    as_old = _update_waiting(endpoint).where(WebhookDelivery.asked_at <= delivery.asked_at)
    values = {"state": "given_up", "next_attempt_at": None, "finished_at": now}
    session.flush()
    result = session.connection().execute(as_old.values(values))
    endpoint.given_up_in_a_row += result.rowcount


def _update_waiting(endpoint: WebhookEndpoint) -> Update:
    return update(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "waiting")


def delete_all_expired(transact: Callable[..., int], now: datetime) -> int:
    """Delete all expired deliveries, a batch a transaction, and return their number.

    A delivery expires 30 days after it was delivered.
    """
    deleted = batch = transact(delete_expired, now)
    while batch == DELETE_BATCH:
        batch = transact(delete_expired, now)
        deleted += batch
    return deleted


def delete_expired(session: Session, now: datetime) -> int:
    """Delete a batch of expired deliveries, and return their number.

    A delivery expires 30 days after it was delivered. Its attempts are deleted with it.
    """
    expired = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.state == "delivered", WebhookDelivery.finished_at < now - DELIVERY_RETENTION)
        .limit(DELETE_BATCH)
    )
    return session.connection().execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(expired))).rowcount


def _jitter() -> int:
    return random.randint(-JITTER_PERCENT, JITTER_PERCENT)  # noqa: S311 - no secret

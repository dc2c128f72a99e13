"""Deliveries are taken by one sender at a time, and what became of each attempt is noted. Sending itself happens in between.

A sender holds an endpoint, not a delivery: what waits for one receiver therefore goes out in its order, one after the other, and
never twice at once. One that is silent for `LEASE` has lost it. What a killed sender was at is sent again: at least once.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Update, delete, func, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
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

LEASE = timedelta(seconds=60)  # longer than looking a name up and an attempt take together
DELETE_BATCH = 1000
# Answers that speak of the receiver as a whole, not of what was sent: it is left alone for a while.
OVERLOADED = frozenset({429, 502, 503, 504})


class LeaseLost(Exception):
    """Another sender has the endpoint by now, or it is gone."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """One attempt that is to be made. Without `secrets` there is none to sign with: the installation's key has changed."""

    id: UUID
    endpoint_id: UUID
    url: str
    event: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """What came of an attempt: a status code, or why there was none; the beginning of the answer."""

    at: datetime
    milliseconds: int
    status: int | None
    error: str | None = None
    answer: str = ""

    @property
    def arrived(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def silent(self) -> bool:
        """Whether the receiver as a whole is not there, or not able to."""
        return self.status is None or self.status in OVERLOADED


def claim_next(session: Session, endpoint_id: UUID, worker: str, key: str, now: datetime) -> DueDelivery | None:
    """Hold an endpoint and take what is to be sent to it first; None when there is nothing, or somebody else holds it."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, is_free(now))
    locked = query.with_for_update(skip_locked=True, key_share=True).execution_options(populate_existing=True)
    found = session.scalar(locked)
    return None if found is None else _next(session, found, worker, key, now)


def record_attempt(
    session: Session, due: DueDelivery, outcome: AttemptOutcome, worker: str, key: str, now: datetime
) -> DueDelivery | None:
    """Note what became of an attempt, and take what comes next; None gives the endpoint back. Raises Lost."""
    found = _held(session, due.endpoint_id, worker)
    sent = session.get_one(WebhookDelivery, due.id, populate_existing=True, with_for_update=True)
    _log(session, due.id, outcome)
    if sent.state == "waiting":
        _settle(session, found, sent, outcome, now)
    session.flush()
    return _next(session, found, worker, key, now)


def release_endpoint(session: Session, endpoint_id: UUID, worker: str) -> None:
    """Give an endpoint back with what is left to send. Nothing to do when somebody else has it."""
    mine = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.worker == worker)
    session.execute(mine.values(worker=None, held_until=None).execution_options(synchronize_session=False))


def _held(session: Session, endpoint_id: UUID, worker: str) -> WebhookEndpoint:
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.worker == worker)
    found = session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if found is None:
        raise LeaseLost
    return found


def _next(session: Session, found: WebhookEndpoint, worker: str, key: str, now: datetime) -> DueDelivery | None:
    """Hold the endpoint for what is due first, or give it back."""
    resting = found.rest_until is not None and found.rest_until > now
    query = select(WebhookDelivery).where(is_due(found.id, now))
    query = query.order_by(WebhookDelivery.created_at, WebhookDelivery.id).limit(1)
    due = None if resting or found.state != "active" else session.scalar(query)
    found.worker, found.held_until = (None, None) if due is None else (worker, now + LEASE)
    session.flush()
    if due is None:
        return None
    return DueDelivery(due.id, found.id, found.url, due.event, due.body, _secrets(found, key, now))


def _secrets(found: WebhookEndpoint, key: str, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now, the newest first; none if the installation's key is another one by now."""
    current = endpoint_secret(key, found.salt)
    if secret_fingerprint(current) != found.secret_hash:
        return ()
    if found.previous_salt is None or found.previous_until is None or found.previous_until <= now:
        return (current,)
    return current, endpoint_secret(key, found.previous_salt)


def _log(session: Session, delivery_id: UUID, outcome: AttemptOutcome) -> None:
    last = select(func.max(WebhookAttempt.number)).where(WebhookAttempt.delivery_id == delivery_id)
    attempt = {
        "delivery_id": delivery_id,
        "number": (session.scalar(last) or 0) + 1,
        "at": outcome.at,
        "milliseconds": outcome.milliseconds,
        "status": outcome.status,
        "error": outcome.error,
        "answer": outcome.answer,
    }
    insert_many(session, WebhookAttempt, [attempt])


def _settle(
    session: Session, found: WebhookEndpoint, sent: WebhookDelivery, outcome: AttemptOutcome, now: datetime
) -> None:
    """Delivered; or to be tried again after a while; or given up. The receiver's own state follows."""
    if outcome.arrived:
        _finish(sent, "delivered", now)
        found.given_up_in_a_row = 0
        if found.silent:
            _hurry(session, found, now)
        return
    sent.tries += 1
    pause = retry_delay(sent.tries, _jitter())
    if pause is None:
        _finish(sent, "given_up", now)
        found.given_up_in_a_row += 1
    else:
        sent.next_attempt_at = now + pause
    if outcome.silent:
        found.silent += 1
        found.rest_until = now + pause_after_failures(found.silent, _jitter())
        if pause is None:
            _give_up_as_old(session, found, sent, now)


def _finish(sent: WebhookDelivery, state: str, now: datetime) -> None:
    sent.state, sent.next_attempt_at, sent.finished_at = state, None, now


def _hurry(session: Session, found: WebhookEndpoint, now: datetime) -> None:
    """The receiver is back: what waited because of it need wait no longer, and goes out in its order."""
    found.silent, found.rest_until = 0, None
    session.execute(_waiting(found).values(next_attempt_at=now).execution_options(synchronize_session=False))


def _give_up_as_old(session: Session, found: WebhookEndpoint, sent: WebhookDelivery, now: datetime) -> None:
    """A receiver that was away until this one was given up has missed what waited as long: else each would take its days."""
    as_old = _waiting(found).where(WebhookDelivery.asked_at <= sent.asked_at)
    values = {"state": "given_up", "next_attempt_at": None, "finished_at": now}
    session.flush()
    gone = session.connection().execute(as_old.values(values))
    found.given_up_in_a_row += gone.rowcount


def _waiting(found: WebhookEndpoint) -> Update:
    return update(WebhookDelivery).where(WebhookDelivery.endpoint_id == found.id, WebhookDelivery.state == "waiting")


def delete_all_expired(transact: Callable[..., int], now: datetime) -> int:
    """Delete what was delivered more than 30 days ago, with its attempts. `transact` is `database.transaction`, handed in."""
    gone = latest = transact(delete_expired, now)
    while latest == DELETE_BATCH:
        latest = transact(delete_expired, now)
        gone += latest
    return gone


def delete_expired(session: Session, now: datetime) -> int:
    """Delete a part of it. Returns how many."""
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.state == "delivered", WebhookDelivery.finished_at < now - DELIVERY_RETENTION)
        .limit(DELETE_BATCH)
    )
    return session.connection().execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old))).rowcount


def _jitter() -> int:
    return random.randint(-JITTER_PERCENT, JITTER_PERCENT)  # noqa: S311 - no secret

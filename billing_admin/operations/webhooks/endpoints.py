"""Add, change, pause and archive webhook endpoints, and rotate their secrets.

Secrets are derived from the installation's key (`key`). They are never stored or logged.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import check_new_texts, check_version
from billing_admin.domain.text import check_text
from billing_admin.domain.translation import Phrase
from billing_admin.domain.webhook_addresses import AddressRules, parse_target
from billing_admin.domain.webhooks import EVENTS, OLD_SECRET_VALIDITY, PING, endpoint_secret, secret_fingerprint
from billing_admin.models import WebhookDelivery, WebhookEndpoint
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.webhooks.outbox import delivery_rows
from billing_admin.queries.webhooks.endpoints import delivery, endpoint

MAX_DESCRIPTION_LENGTH = 200
FIELDS = ("url", "description", "events")


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """The address, description and events of an endpoint, as requested."""

    url: str
    description: str
    events: Sequence[str]

    def checked_values(self, rules: AddressRules) -> dict[str, Any]:
        """Return the values to store.

        Raises Invalid.
        """
        parse_target(self.url, rules)
        check_text(self.description, "description", longest=MAX_DESCRIPTION_LENGTH, stored=True)
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown or not self.events:
            raise Invalid("no_event", Phrase("Choose at least one of {events}.", events=", ".join(EVENTS)), "events")
        return {
            "url": self.url,
            "description": self.description,
            "events": [event for event in EVENTS if event in self.events],
        }


def add(
    session: Session, spec: EndpointSpec, rules: AddressRules, key: str, id: UUID, actor: Actor, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint, and return it and its secret.

    The secret cannot be shown again. Raises Invalid, and Conflict when the id exists.
    """
    if session.get(WebhookEndpoint, id) is not None:
        raise Conflict(
            "webhook_exists", Phrase("This webhook has already been added. Its secret is shown only once."), "id"
        )
    salt = secrets.token_hex(16)
    new_secret = endpoint_secret(key, salt)
    values = spec.checked_values(rules)
    check_new_texts(values)
    stored = WebhookEndpoint(
        id=id,
        **values,
        state="active",
        salt=salt,
        secret_hash=secret_fingerprint(new_secret),
        given_up_in_a_row=0,
        silent=0,
        version=1,
        created_at=now,
        created_by=actor.name,
    )
    session.add(stored)
    session.flush()
    record(session, actor, now, "webhook.added", "webhook", id, _stored_fields(stored))
    return stored, new_secret


def change(
    session: Session,
    id: UUID,
    spec: EndpointSpec,
    rules: AddressRules,
    version: int | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Change the address, description and events of an endpoint.

    Raises Stale when it has changed since `version`.
    """
    stored = endpoint(session, id, lock=True)
    check_version(version, stored.version, Phrase("This webhook"))
    before, values = _stored_fields(stored), spec.checked_values(rules)
    check_new_texts(values, before)
    for name, value in values.items():
        setattr(stored, name, value)
    changed = changed_fields(before, _stored_fields(stored))
    if changed:
        stored.version += 1
        _end_failure_pause(stored)
        session.flush()
        record(session, actor, now, "webhook.changed", "webhook", id, changed)


def _stored_fields(stored: WebhookEndpoint) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in FIELDS}


def _end_failure_pause(stored: WebhookEndpoint) -> None:
    """End the pause after failures.

    A person who changes an endpoint expects the next attempt at once.
    """
    stored.silent, stored.rest_until = 0, None


def pause(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Pause an endpoint: its deliveries wait.

    Does nothing when it is paused.
    """
    _set_state(session, id, "paused", actor, now)


def resume(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Resume an endpoint, and send the waiting deliveries first.

    Does nothing when it is active.
    """
    _set_state(session, id, "active", actor, now)


def _set_state(session: Session, id: UUID, state: str, actor: Actor, now: datetime) -> None:
    stored = endpoint(session, id, lock=True)
    if stored.state != state:
        stored.state = state
        _end_failure_pause(stored)
        session.flush()
        record(session, actor, now, "webhook.paused" if state == "paused" else "webhook.resumed", "webhook", id)


def archive(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Archive an endpoint and give up its waiting deliveries.

    Raises NotFound for an unknown or archived endpoint.
    """
    stored = endpoint(session, id, lock=True)
    stored.state = "archived"
    session.flush()
    given_up = session.connection().execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == id, WebhookDelivery.state == "waiting")
        .values(state="given_up", next_attempt_at=None, finished_at=now)
    )
    details = {"url": stored.url, "given_up": given_up.rowcount}
    record(session, actor, now, "webhook.archived", "webhook", id, details)


def rotate_secret(session: Session, id: UUID, key: str, version: int | None, actor: Actor, now: datetime) -> str:
    """Replace the secret of an endpoint and return the new one.

    The old secret signs as well for a day. Raises Stale when the endpoint has changed since `version`, so that a form
    sent twice rotates once.
    """
    stored = endpoint(session, id, lock=True)
    if version is not None and version != stored.version:
        raise Stale(
            "stale",
            Phrase("This webhook has been changed. If you did not save its new secret, rotate the secret again."),
        )
    stored.previous_salt, stored.previous_until = stored.salt, now + OLD_SECRET_VALIDITY
    stored.salt = secrets.token_hex(16)
    new_secret = endpoint_secret(key, stored.salt)
    stored.secret_hash = secret_fingerprint(new_secret)
    stored.version += 1
    _end_failure_pause(stored)
    session.flush()
    record(session, actor, now, "webhook.secret_rotated", "webhook", id)
    return new_secret


def ping(session: Session, id: UUID, actor: Actor, now: datetime) -> UUID:
    """Enqueue a test delivery and return its id.

    Raises Conflict for a paused endpoint.
    """
    stored = endpoint(session, id, lock=True)
    if stored.state != "active":
        raise Conflict("webhook_paused", Phrase("This webhook is paused: resume it first."))
    _end_failure_pause(stored)
    session.flush()
    (row,) = delivery_rows([id], PING, [("", {"webhook": str(id), "events": stored.events})], now)
    insert_many(session, WebhookDelivery, [row])
    record(session, actor, now, "webhook.pinged", "webhook", id, {"delivery": str(row["id"])})
    return UUID(str(row["id"]))


def resend_delivery(session: Session, delivery_id: UUID, actor: Actor, now: datetime) -> None:
    """Make a delivery due now, with the same body, in any state.

    Raises NotFound.
    """
    stored = endpoint(session, delivery(session, delivery_id).endpoint_id, lock=True)
    resent = delivery(session, delivery_id, lock=True)
    resent.state, resent.tries, resent.finished_at = "waiting", 0, None
    resent.next_attempt_at = resent.asked_at = now
    _end_failure_pause(stored)
    session.flush()
    record(session, actor, now, "webhook.sent_again", "webhook", stored.id, {"delivery": str(delivery_id)})

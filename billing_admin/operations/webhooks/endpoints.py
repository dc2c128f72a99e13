"""Endpoints of webhooks: added, changed, paused, archived; their secrets made and rotated; deliveries sent again.

Secrets follow from the installation's key, which is handed in; they reach neither a table, nor the audit log, nor a log.
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
from billing_admin.domain.master_data import check_new_texts
from billing_admin.domain.text import check_text
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
    """What is asked of an endpoint: where, what for, and which events."""

    url: str
    description: str
    events: Sequence[str]

    def checked(self, rules: AddressRules) -> dict[str, Any]:
        """The values to store, or raise Invalid."""
        parse_target(self.url, rules)
        check_text(self.description, "description", longest=MAX_DESCRIPTION_LENGTH, stored=True)
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown or not self.events:
            raise Invalid("no_event", f"Choose at least one of {', '.join(EVENTS)}.", "events")
        return {
            "url": self.url,
            "description": self.description,
            "events": [event for event in EVENTS if event in self.events],
        }


def add(
    session: Session, spec: EndpointSpec, rules: AddressRules, key: str, id: UUID, actor: Actor, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint. Returns it and its secret, which is shown this once; `key` is the installation's.

    Raises Invalid, and Conflict when it was added before.
    """
    if session.get(WebhookEndpoint, id) is not None:
        raise Conflict("webhook_exists", "This webhook has already been added. Its secret is shown only once.", "id")
    salt = secrets.token_hex(16)
    shown = endpoint_secret(key, salt)
    values = spec.checked(rules)
    check_new_texts(values)
    made = WebhookEndpoint(
        id=id,
        **values,
        state="active",
        salt=salt,
        secret_hash=secret_fingerprint(shown),
        given_up_in_a_row=0,
        silent=0,
        version=1,
        created_at=now,
        created_by=actor.name,
    )
    session.add(made)
    session.flush()
    record(session, actor, now, "webhook.added", "webhook", id, _facts(made))
    return made, shown


def change(
    session: Session,
    id: UUID,
    spec: EndpointSpec,
    rules: AddressRules,
    version: int | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Change where it is, what it is for, which events. Raises Stale when somebody changed it since `version` was read."""
    found = endpoint(session, id, lock=True)
    if version is not None and version != found.version:
        raise Stale("stale", "This webhook has been changed by someone else. Review the change, then try again.")
    before, values = _facts(found), spec.checked(rules)
    check_new_texts(values, before)
    for name, value in values.items():
        setattr(found, name, value)
    changed = changed_fields(before, _facts(found))
    if changed:
        found.version += 1
        _wake(found)
        session.flush()
        record(session, actor, now, "webhook.changed", "webhook", id, changed)


def _facts(found: WebhookEndpoint) -> dict[str, Any]:
    return {name: getattr(found, name) for name in FIELDS}


def _wake(found: WebhookEndpoint) -> None:
    """Whoever acts on it expects it to be tried at once."""
    found.silent, found.rest_until = 0, None


def pause(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Send nothing for the time being; what happens meanwhile waits. One that is paused is left as it is."""
    _to(session, id, "paused", actor, now)


def resume(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Send again, and first what has waited. One that is active is left as it is."""
    _to(session, id, "active", actor, now)


def _to(session: Session, id: UUID, state: str, actor: Actor, now: datetime) -> None:
    found = endpoint(session, id, lock=True)
    if found.state != state:
        found.state = state
        _wake(found)
        session.flush()
        record(session, actor, now, "webhook.paused" if state == "paused" else "webhook.resumed", "webhook", id)


def archive(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Tell it nothing more: what waits is given up, what was told stays in the audit log. Raises NotFound when it is gone."""
    found = endpoint(session, id, lock=True)
    found.state = "archived"
    session.flush()
    given_up = session.connection().execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == id, WebhookDelivery.state == "waiting")
        .values(state="given_up", next_attempt_at=None, finished_at=now)
    )
    told = {"url": found.url, "given_up": given_up.rowcount}
    record(session, actor, now, "webhook.archived", "webhook", id, told)


def rotate_secret(session: Session, id: UUID, key: str, version: int | None, actor: Actor, now: datetime) -> str:
    """Give it another secret and return it, to be shown once. For a day the one before signs as well.

    Raises Stale when it was changed or rotated since `version` was read, so that a form sent twice rotates once.
    """
    found = endpoint(session, id, lock=True)
    if version is not None and version != found.version:
        raise Stale(
            "stale",
            "This webhook has been changed. If you did not save its new secret, rotate the secret again.",
        )
    found.previous_salt, found.previous_until = found.salt, now + OLD_SECRET_VALIDITY
    found.salt = secrets.token_hex(16)
    shown = endpoint_secret(key, found.salt)
    found.secret_hash = secret_fingerprint(shown)
    found.version += 1
    _wake(found)
    session.flush()
    record(session, actor, now, "webhook.secret_rotated", "webhook", id)
    return shown


def ping(session: Session, id: UUID, actor: Actor, now: datetime) -> UUID:
    """Have something sent that means nothing. Returns the delivery's id; raises Conflict for an endpoint that is paused."""
    found = endpoint(session, id, lock=True)
    if found.state != "active":
        raise Conflict("webhook_paused", "This webhook is paused: resume it first.")
    _wake(found)
    session.flush()
    (made,) = delivery_rows([id], PING, [("", {"webhook": str(id), "events": found.events})], now)
    insert_many(session, WebhookDelivery, [made])
    record(session, actor, now, "webhook.pinged", "webhook", id, {"delivery": str(made["id"])})
    return UUID(str(made["id"]))


def resend_delivery(session: Session, delivery_id: UUID, actor: Actor, now: datetime) -> None:
    """Send a delivery once more, the same bytes, whatever became of it; one that waits is sent now. Raises NotFound."""
    found = endpoint(session, delivery(session, delivery_id).endpoint_id, lock=True)
    again = delivery(session, delivery_id, lock=True)
    again.state, again.tries, again.finished_at = "waiting", 0, None
    again.next_attempt_at = again.asked_at = now
    _wake(found)
    session.flush()
    record(session, actor, now, "webhook.sent_again", "webhook", found.id, {"delivery": str(delivery_id)})

"""The outbox: insert webhook deliveries in the transaction of their act.

An act that is rolled back sends nothing, a committed one is never lost, and no receiver can make an act fail. Without
a listening endpoint, an act costs one query.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_ids
from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.webhooks import event_body
from billing_admin.models import Message, WebhookDelivery
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.webhooks.endpoints import listening_endpoint_ids
from billing_admin.queries.webhooks.payloads import (
    charge_payloads,
    invoice_payloads,
    load_document,
    load_message_payload,
    load_refund_payload,
    paid_documents,
)

# The subject of an event as people name it, such as a document number, and its API representation.
EventData = tuple[str, dict[str, Any]]


def enqueue_event(session: Session, event: str, load: Callable[[], Iterable[EventData]], now: datetime) -> None:
    """Insert the deliveries of an event for every listening endpoint.

    `load` is called only if there is one.
    """
    endpoints = listening_endpoint_ids(session, event)
    if endpoints:
        insert_many(session, WebhookDelivery, delivery_rows(endpoints, event, load(), now))


def delivery_rows(
    endpoints: Sequence[UUID], event: str, events: Iterable[EventData], now: datetime
) -> list[dict[str, Any]]:
    """Return the rows of deliveries.

    All deliveries of an event have the same event id.
    """
    keys = new_ids(now)
    waiting = {"state": "waiting", "tries": 0, "finished_at": None}
    waiting |= dict.fromkeys(("next_attempt_at", "created_at", "asked_at"), now)
    deliveries: list[dict[str, Any]] = []
    for about, data in events:
        event_id = next(keys)
        row = {"event_id": event_id, "event": event, "about": about, "body": event_body(event_id, event, now, data)}
        deliveries.extend({"id": next(keys), "endpoint_id": endpoint_id, **row, **waiting} for endpoint_id in endpoints)
    return deliveries


def enqueue_invoices_issued(session: Session, documents: Sequence[DocumentRows], now: datetime) -> None:
    """Enqueue `invoice.issued` for documents that have just been numbered."""
    enqueue_event(session, "invoice.issued", lambda: _invoice_data(session, documents, now), now)


def enqueue_invoices_paid(session: Session, invoice_ids: Sequence[UUID], now: datetime) -> None:
    """Enqueue `invoice.paid` for those invoices that are now paid in full.

    Each had an open balance before the act.
    """
    enqueue_event(
        session, "invoice.paid", lambda: _invoice_data(session, paid_documents(session, invoice_ids), now), now
    )


def enqueue_invoice_voided(session: Session, invoice_id: UUID, replaced_by: UUID | None, now: datetime) -> None:
    """Enqueue `invoice.voided`."""
    enqueue_event(
        session,
        "invoice.voided",
        lambda: _invoice_data(session, [load_document(session, invoice_id)], now, replaced_by),
        now,
    )


def enqueue_charges_held(session: Session, charge_ids: Sequence[UUID], now: datetime) -> None:
    """Enqueue `charge.held` for newly held charges."""
    if charge_ids:
        enqueue_event(session, "charge.held", lambda: _charge_data(session, charge_ids), now)


def enqueue_refund(session: Session, event: str, refund_id: UUID, now: datetime) -> None:
    """Enqueue `refund.recorded` or `refund.reversed`."""

    def load() -> Iterable[EventData]:
        payload = load_refund_payload(session, refund_id)
        return [(f"{payload['customer']}: {payload['amount']} {payload['currency']}", payload)]

    enqueue_event(session, event, load, now)


def enqueue_message_finished(session: Session, message_id: UUID, now: datetime) -> None:
    """Enqueue `message.sent` or `message.failed` for a finished message.

    An uncertain message counts as failed: somebody has to look at it.
    """
    state = session.scalar(select(Message.state).where(Message.id == message_id))
    event = "message.sent" if state == "sent" else "message.failed"

    def load() -> Iterable[EventData]:
        payload = load_message_payload(session, message_id)
        return [(payload["subject"], payload)]

    enqueue_event(session, event, load, now)


def _invoice_data(
    session: Session, documents: Sequence[DocumentRows], now: datetime, replaced_by: UUID | None = None
) -> list[EventData]:
    return [
        (payload["number"], payload)
        for payload in invoice_payloads(session, documents, today(session, now), replaced_by)
    ]


def _charge_data(session: Session, ids: Sequence[UUID]) -> list[EventData]:
    return [(f"{payload['customer']}: {payload['description']}", payload) for payload in charge_payloads(session, ids)]

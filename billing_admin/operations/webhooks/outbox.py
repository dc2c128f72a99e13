"""The outbox: what webhooks are to tell, written in the very transaction that makes it true. Sending comes later.

Rolled back is never told, committed is never lost, and no receiver can make an act fail. When nobody listens, an act costs one
look at the endpoints.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_ids
from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.webhooks import event_body
from billing_admin.models import WebhookDelivery
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.webhooks.endpoints import listening_endpoint_ids
from billing_admin.queries.webhooks.payloads import charge_payloads, document_rows, invoice_payloads, paid_documents

# What happened to one thing: what it is called, and how the API shows it.
EventData = tuple[str, dict[str, Any]]


def enqueue_event(session: Session, event: str, happened: Callable[[], Iterable[EventData]], now: datetime) -> None:
    """Write down for every endpoint that listens what happened. `happened` is asked only if there is one."""
    endpoints = listening_endpoint_ids(session, event)
    if endpoints:
        insert_many(session, WebhookDelivery, delivery_rows(endpoints, event, happened(), now))


def delivery_rows(
    endpoints: Sequence[UUID], event: str, happened: Iterable[EventData], now: datetime
) -> list[dict[str, Any]]:
    """The deliveries: each event has one id, whoever is told."""
    keys = new_ids(now)
    waiting = {"state": "waiting", "tries": 0, "finished_at": None}
    waiting |= dict.fromkeys(("next_attempt_at", "created_at", "asked_at"), now)
    made: list[dict[str, Any]] = []
    for about, data in happened:
        event_id = next(keys)
        row = {"event_id": event_id, "event": event, "about": about, "body": event_body(event_id, event, now, data)}
        made.extend({"id": next(keys), "endpoint_id": endpoint_id, **row, **waiting} for endpoint_id in endpoints)
    return made


def enqueue_invoices_issued(session: Session, documents: Sequence[DocumentRows], now: datetime) -> None:
    """Tell of invoices that just got their numbers."""
    enqueue_event(session, "invoice.issued", lambda: _invoices(session, documents, now), now)


def enqueue_invoices_paid(session: Session, invoice_ids: Sequence[UUID], now: datetime) -> None:
    """Tell of those invoices on which nothing is left to pay; each had something left before."""
    enqueue_event(session, "invoice.paid", lambda: _invoices(session, paid_documents(session, invoice_ids), now), now)


def enqueue_invoice_voided(session: Session, invoice_id: UUID, replaced_by: UUID | None, now: datetime) -> None:
    """Tell of an invoice that just became void."""
    enqueue_event(
        session,
        "invoice.voided",
        lambda: _invoices(session, [document_rows(session, invoice_id)], now, replaced_by),
        now,
    )


def enqueue_charges_held(session: Session, charge_ids: Sequence[UUID], now: datetime) -> None:
    """Tell of charges that are held from now on."""
    if charge_ids:
        enqueue_event(session, "charge.held", lambda: _charges(session, charge_ids), now)


def _invoices(
    session: Session, documents: Sequence[DocumentRows], now: datetime, replaced_by: UUID | None = None
) -> list[EventData]:
    return [(told["number"], told) for told in invoice_payloads(session, documents, today(session, now), replaced_by)]


def _charges(session: Session, ids: Sequence[UUID]) -> list[EventData]:
    return [(f"{told['customer']}: {told['description']}", told) for told in charge_payloads(session, ids)]

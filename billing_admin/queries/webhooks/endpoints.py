"""Webhook endpoints and deliveries, for pages, senders and the outbox."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select
from sqlalchemy.orm import Session, aliased, defer, selectinload

from billing_admin.db.paging import Record
from billing_admin.db.prepared import PreparedQuery
from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.domain.webhooks import FAILURES_BEFORE_WARNING
from billing_admin.models import WebhookDelivery, WebhookEndpoint
from billing_admin.models.webhook import DELIVERY_STATES

_ENDPOINT = WebhookEndpoint.__table__.c
_LISTENING = PreparedQuery(select(_ENDPOINT.id, _ENDPOINT.events).where(_ENDPOINT.state != literal("archived")))


def listening_endpoint_ids(session: Session, event: str) -> list[UUID]:
    """Return the ids of endpoints that receive an event, paused ones included."""
    return [id for id, events in _LISTENING(session, {}) if event in events]


def endpoints(session: Session) -> list[WebhookEndpoint]:
    """Return the endpoints that are not archived, oldest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.state != "archived")
    return list(session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)))


def endpoint(session: Session, id: UUID, lock: bool = False) -> WebhookEndpoint:
    """Return one endpoint as it is now, and lock its row if `lock`.

    Raises NotFound, also if it is archived.
    """
    lock_mode: Any = {"key_share": True} if lock else None  # lets other transactions add deliveries
    endpoint = session.get(WebhookEndpoint, id, populate_existing=True, with_for_update=lock_mode)
    if endpoint is None or endpoint.state == "archived":
        raise NotFound("unknown_webhook", Phrase("There is no webhook {id}.", id=id), "id")
    return endpoint


def latest_deliveries(session: Session) -> dict[UUID, Record]:
    """Return id, state and time of the newest delivery of each endpoint, by endpoint."""
    delivery = aliased(WebhookDelivery)
    newest = (
        select(delivery.id)
        .where(delivery.endpoint_id == WebhookEndpoint.id)
        .order_by(delivery.created_at.desc(), delivery.id.desc())
        .limit(1)
        .correlate(WebhookEndpoint)
        .scalar_subquery()
    )
    columns = (WebhookDelivery.id, WebhookDelivery.endpoint_id, WebhookDelivery.state, WebhookDelivery.created_at)
    query = select(*columns).join(WebhookEndpoint, WebhookDelivery.id == newest)
    return {row.endpoint_id: row for row in session.execute(query)}


def deliveries(endpoint_id: UUID, state: str = "", event: str = "") -> Select[WebhookDelivery]:
    """Select the deliveries of an endpoint with their attempts, newest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    query = query.where(WebhookDelivery.state == state) if state else query
    query = query.where(WebhookDelivery.event == event) if event else query
    query = query.options(defer(WebhookDelivery.body), selectinload(WebhookDelivery.attempts))
    return query.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())


def count_deliveries_by_state(session: Session, endpoint_id: UUID) -> dict[str, int]:
    """Count the deliveries of an endpoint by state; the empty state counts all."""
    query = select(WebhookDelivery.state, func.count()).where(WebhookDelivery.endpoint_id == endpoint_id)
    counts = {row[0]: row[1] for row in session.execute(query.group_by(WebhookDelivery.state))}
    return {"": sum(counts.values())} | {state: counts.get(state, 0) for state in DELIVERY_STATES}


def delivery(session: Session, id: UUID, lock: bool = False) -> WebhookDelivery:
    """Return one delivery as it is now, and lock its row if `lock`.

    Raises:
        NotFound: No delivery has this id.
    """
    delivery = session.get(WebhookDelivery, id, populate_existing=True, with_for_update=lock or None)
    if delivery is None:
        raise NotFound("unknown_delivery", Phrase("There is no delivery {id}.", id=id), "id")
    return delivery


def failing_endpoints(session: Session) -> Sequence[WebhookEndpoint]:
    """Return the endpoints whose last deliveries in a row were given up."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.state != "archived", WebhookEndpoint.given_up_in_a_row >= FAILURES_BEFORE_WARNING
    )
    return session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)).all()


def is_free(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an endpoint is active and no worker has claimed it."""
    return and_(
        WebhookEndpoint.state == "active",
        or_(WebhookEndpoint.held_until.is_(None), WebhookEndpoint.held_until < now),
        or_(WebhookEndpoint.rest_until.is_(None), WebhookEndpoint.rest_until <= now),
    )


def is_due(endpoint_id: Any, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a delivery to an endpoint is due."""
    return and_(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.state == literal("waiting"),
        WebhookDelivery.next_attempt_at <= now,
    )


def endpoint_ids_due(session: Session, now: datetime) -> list[UUID]:
    """Return the ids of unclaimed endpoints with deliveries that are due."""
    waiting = exists().where(is_due(WebhookEndpoint.id, now))
    return list(session.scalars(select(WebhookEndpoint.id).where(is_free(now), waiting)))

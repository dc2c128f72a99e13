"""Webhooks as pages, senders and the outbox find them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select
from sqlalchemy.orm import Session, aliased, defer, selectinload

from billing_admin.db.paging import Record
from billing_admin.db.prepared import PreparedQuery
from billing_admin.domain.errors import NotFound
from billing_admin.domain.webhooks import FAILURES_BEFORE_WARNING
from billing_admin.models import WebhookDelivery, WebhookEndpoint
from billing_admin.models.webhook import DELIVERY_STATES

_ENDPOINT = WebhookEndpoint.__table__.c
_LISTENING = PreparedQuery(select(_ENDPOINT.id, _ENDPOINT.events).where(_ENDPOINT.state != literal("archived")))


def listening_endpoint_ids(session: Session, event: str) -> list[UUID]:
    """The endpoints that are to be told of an event, now or when they are resumed. Asked by each transaction that has one."""
    return [id for id, events in _LISTENING(session, {}) if event in events]


def endpoints(session: Session) -> list[WebhookEndpoint]:
    """Every endpoint that is not archived, the first made first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.state != "archived")
    return list(session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)))


def endpoint(session: Session, id: UUID, lock: bool = False) -> WebhookEndpoint:
    """One endpoint, as it is now. Raises NotFound for one that does not exist, or is archived."""
    how: Any = {"key_share": True} if lock else None  # what tells it something goes on meanwhile
    found = session.get(WebhookEndpoint, id, populate_existing=True, with_for_update=how)
    if found is None or found.state == "archived":
        raise NotFound("unknown_webhook", f"There is no webhook {id}.", "id")
    return found


def latest_deliveries(session: Session) -> dict[UUID, Record]:
    """By endpoint, state and moment of the delivery that was made last."""
    one = aliased(WebhookDelivery)
    newest = (
        select(one.id)
        .where(one.endpoint_id == WebhookEndpoint.id)
        .order_by(one.created_at.desc(), one.id.desc())
        .limit(1)
        .correlate(WebhookEndpoint)
        .scalar_subquery()
    )
    columns = (WebhookDelivery.id, WebhookDelivery.endpoint_id, WebhookDelivery.state, WebhookDelivery.created_at)
    query = select(*columns).join(WebhookEndpoint, WebhookDelivery.id == newest)
    return {row.endpoint_id: row for row in session.execute(query)}


def deliveries(endpoint_id: UUID, state: str = "", event: str = "") -> Select[WebhookDelivery]:
    """What an endpoint was told, or is to be told, newest first, with the attempts; for `paging.page`."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    query = query.where(WebhookDelivery.state == state) if state else query
    query = query.where(WebhookDelivery.event == event) if event else query
    query = query.options(defer(WebhookDelivery.body), selectinload(WebhookDelivery.attempts))
    return query.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())


def count_deliveries_by_state(session: Session, endpoint_id: UUID) -> dict[str, int]:
    """How many deliveries of an endpoint are in each state; the empty state is all of them."""
    query = select(WebhookDelivery.state, func.count()).where(WebhookDelivery.endpoint_id == endpoint_id)
    found = {row[0]: row[1] for row in session.execute(query.group_by(WebhookDelivery.state))}
    return {"": sum(found.values())} | {state: found.get(state, 0) for state in DELIVERY_STATES}


def delivery(session: Session, id: UUID, lock: bool = False) -> WebhookDelivery:
    """One delivery, as it is now. Raises NotFound."""
    found = session.get(WebhookDelivery, id, populate_existing=True, with_for_update=lock or None)
    if found is None:
        raise NotFound("unknown_delivery", f"There is no delivery {id}.", "id")
    return found


def failing_endpoints(session: Session) -> Sequence[WebhookEndpoint]:
    """Endpoints for which several deliveries in a row were given up."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.state != "archived", WebhookEndpoint.given_up_in_a_row >= FAILURES_BEFORE_WARNING
    )
    return session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)).all()


def is_free(now: datetime) -> ColumnElement[bool]:
    """Of an endpoint: it may be sent to, and no sender holds it."""
    return and_(
        WebhookEndpoint.state == "active",
        or_(WebhookEndpoint.held_until.is_(None), WebhookEndpoint.held_until < now),
        or_(WebhookEndpoint.rest_until.is_(None), WebhookEndpoint.rest_until <= now),
    )


def is_due(endpoint_id: Any, now: datetime) -> ColumnElement[bool]:
    """Of a delivery to an endpoint: it is time to send it."""
    return and_(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.state == literal("waiting"),
        WebhookDelivery.next_attempt_at <= now,
    )


def endpoint_ids_due(session: Session, now: datetime) -> list[UUID]:
    """The endpoints for which there is something to send, and nobody at it."""
    waiting = exists().where(is_due(WebhookEndpoint.id, now))
    return list(session.scalars(select(WebhookEndpoint.id).where(is_free(now), waiting)))

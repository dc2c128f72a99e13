"""What tests of webhooks need: an endpoint on a receiver, and sending what is due."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.background.webhooks import due_endpoints, send_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.webhook_addresses import AddressRules
from billing_admin.domain.webhooks import EVENTS
from billing_admin.models import WebhookDelivery, WebhookEndpoint
from billing_admin.operations.webhooks import endpoints
from billing_admin.operations.webhooks.endpoints import EndpointSpec
from tests.making import NOW

LOOPBACK = ip_network("127.0.0.0/8")
RULES = AddressRules([LOOPBACK], http=True)


def allow_loopback(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let webhooks go to this machine, without TLS."""
    stored = app.extensions["billing_settings"]
    changed = stored.model_copy(update={"webhook_allowed_networks": (LOOPBACK,), "webhook_allow_http": True})
    monkeypatch.setitem(app.extensions, "billing_settings", changed)


def key_of(app: Flask) -> str:
    return str(app.extensions["billing_settings"].secret_key)


def make_endpoint(
    app: Flask, url: str = "https://example.com/hook", events: Sequence[str] = tuple(EVENTS), now: datetime = NOW
) -> tuple[UUID, str]:
    """An endpoint's id, and its secret."""
    spec = EndpointSpec(url, "", events)
    made, secret = transaction(endpoints.add, spec, RULES, key_of(app), uuid4(), SYSTEM, now)
    return made.id, secret


def deliver(app: Flask) -> None:
    """Send what is due, as the worker does."""
    for id in due_endpoints(app):
        send_due(app, id)


def told(session: Session) -> list[WebhookDelivery]:
    """Every delivery, in the order it was made."""
    session.rollback()
    query = select(WebhookDelivery).order_by(WebhookDelivery.created_at, WebhookDelivery.id)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def stored(session: Session, id: UUID) -> WebhookEndpoint:
    session.rollback()
    return session.get_one(WebhookEndpoint, id, populate_existing=True)


def summary(session: Session) -> list[tuple[Any, ...]]:
    """Event, what it is about, and what became of it."""
    return [(one.event, one.about, one.state) for one in told(session)]

"""The audit log as a file."""

from typing import Any

from sqlalchemy import ColumnElement, null, select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.models.base import json_text
from billing_admin.queries import audit
from billing_admin.queries.audit import AuditFilter
from billing_admin.queries.exports.columns import Export, Kind, column

_NO_CURRENCY: ColumnElement[Any] = null()
_SEAL = select(AuditSeal.sequence).where(AuditSeal.event_id == AuditEvent.id).correlate(AuditEvent).scalar_subquery()
EVENTS = (
    column("id", Kind.WORD, AuditEvent.id),
    column("at", Kind.MOMENT, AuditEvent.at),
    column("actor_kind", Kind.WORD, AuditEvent.actor_kind),
    column("actor_id", Kind.WORD, AuditEvent.actor_id),
    column("actor", Kind.TEXT, AuditEvent.actor_name),
    column("request_id", Kind.TEXT, AuditEvent.request_id),
    column("action", Kind.WORD, AuditEvent.action),
    column("object_type", Kind.WORD, AuditEvent.object_type),
    column("object_id", Kind.WORD, AuditEvent.object_id),
    column("details", Kind.TEXT, json_text(AuditEvent.details)),
    column("seal", Kind.WHOLE, _SEAL),
)


def events(session: Session, filters: AuditFilter) -> Export:
    """The events that a filter lets through, newest first; `seal` is an event's place in the chain."""
    rows = audit.events(session, filters).with_only_columns(maintain_column_froms=True)
    return Export(EVENTS, rows, _NO_CURRENCY)

"""The audit log as a file: its columns in their fixed order, its rows by the filter of the page."""

from typing import Any

from sqlalchemy import ColumnElement, Text, cast, null, select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.queries.audit import AuditFilter, events
from billing_admin.queries.exports import Column, Export, Kind

_NO_CURRENCY: ColumnElement[Any] = null()
_COLUMNS = (
    Column("id", Kind.WORD, AuditEvent.id.expression),
    Column("at", Kind.MOMENT, AuditEvent.at.expression),
    Column("actor_kind", Kind.WORD, AuditEvent.actor_kind.expression),
    Column("actor_id", Kind.WORD, AuditEvent.actor_id.expression),
    Column("actor", Kind.TEXT, AuditEvent.actor_name.expression),
    Column("request_id", Kind.TEXT, AuditEvent.request_id.expression),
    Column("action", Kind.WORD, AuditEvent.action.expression),
    Column("object_type", Kind.WORD, AuditEvent.object_type.expression),
    Column("object_id", Kind.WORD, AuditEvent.object_id.expression),
    Column("details", Kind.TEXT, cast(AuditEvent.details, Text)),
    Column(
        "seal",
        Kind.WHOLE,
        select(AuditSeal.sequence).where(AuditSeal.event_id == AuditEvent.id).correlate(AuditEvent).scalar_subquery(),
    ),
)


def export(session: Session, filters: AuditFilter) -> Export:
    """The events that a filter lets through, newest first; `seal` is an event's place in the chain."""
    rows = events(session, filters).with_only_columns(maintain_column_froms=True)
    return Export(_COLUMNS, rows, _NO_CURRENCY)

"""The export of audit events."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.models.base import json_text
from billing_admin.queries import audit
from billing_admin.queries.audit import AuditFilter
from billing_admin.queries.exports.columns import Export, Kind, column

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
    column("currency", Kind.WORD, audit.AMOUNT_CURRENCY),
    column("total_before", Kind.MONEY, audit.minor_units_column("total", 0)),
    column("total", Kind.MONEY, func.coalesce(audit.minor_units_column("total"), audit.minor_units_column("total", 1))),
    column("became_credit", Kind.MONEY, audit.minor_units_column("became_credit")),
)


def events(session: Session, filters: AuditFilter) -> Export:
    """Return the export of events that match a filter, newest first.

    `seal` is an event's place in the chain. `details` is the sealed text, with document amounts in minor
    units; the columns after `seal` contain them as money.
    """
    rows = audit.events(session, filters).with_only_columns(maintain_column_froms=True)
    return Export(EVENTS, rows, audit.AMOUNT_CURRENCY)

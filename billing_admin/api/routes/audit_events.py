"""The audit log: who did what to what, and when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import Day, Key, Listing, Paging, Parameters, ResponseModel
from billing_admin.api.frame.routing import Reply, list_reply, route
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.queries.audit import AuditFilter, events


class ActorOut(ResponseModel):
    """Who acted: a person, a token, or the command line, by the name they had then."""

    kind: str
    name: str


class ObjectOut(ResponseModel):
    """What was acted on; a batch of charges has no id of its own."""

    type: str
    id: UUID | None


class AuditEventOut(ResponseModel):
    """One write. `details` holds before and after of what changed, or the facts of what was made."""

    id: UUID
    at: datetime
    actor: ActorOut
    action: str
    object: ObjectOut
    request_id: str | None
    details: dict[str, Any]


class AuditFilters(Parameters):
    """Which events: `actor` is a name or an id, `from` and `to` are days where the organisation is, both included."""

    object: Key | None = None
    actor: str = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None


class AuditQuery(AuditFilters, Paging):
    """A page of events."""


def _event_out(row: Any) -> AuditEventOut:
    return AuditEventOut(
        id=row.id,
        at=row.at,
        actor=ActorOut(kind=row.actor_kind, name=row.actor_name),
        action=row.action,
        object=ObjectOut(type=row.object_type, id=row.object_id),
        request_id=row.request_id,
        details=row.details,
    )


@route("GET", "/audit-events", scope="read", query=AuditQuery, response=Listing[AuditEventOut])
def list_audit_events(query: AuditQuery) -> Reply:
    """List what happened, newest first."""
    session = db.session()
    found = events(session, AuditFilter(**query.filters()))
    return list_reply(page(session, found, query.limit, query.after), _event_out)

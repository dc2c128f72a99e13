"""The list of audit events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import Day, Listing, Paging, Parameters, ResponseModel
from billing_admin.api.frame.routing import Reply, list_reply, route
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.queries.audit import AuditFilter, events, find_object


class ActorOut(ResponseModel):
    """The actor: a person, a token or the command line, with its name at that time."""

    kind: str
    name: str


class ObjectOut(ResponseModel):
    """The object of the act.

    `id` is null for a batch of charges.
    """

    type: str
    id: UUID | None


class AuditEventOut(ResponseModel):
    """A record of one act.

    `details` holds the values before and after a change, or the values of a new object.
    """

    id: UUID
    at: datetime
    actor: ActorOut
    action: str
    object: ObjectOut
    request_id: str | None
    details: dict[str, Any]


class AuditFilters(Parameters):
    """Filters of audit events.

    `object` is an id, or the number, reference, code or name of one object; `actor` is a name or id.
    `from` and `to` are days of the organisation, both included.
    """

    object: str = ""
    actor: str = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None

    def to_filter(self) -> AuditFilter:
        """Return the filter for the queries, with the id of the object."""
        return AuditFilter(
            **self.filters() | {"object": find_object(db.session(), self.object) if self.object else None}
        )


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
    """List audit events, newest first."""
    session = db.session()
    rows = events(session, query.to_filter())
    return list_reply(page(session, rows, query.limit, query.after), _event_out)

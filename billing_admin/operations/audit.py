"""The audit event that stands beside every write."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.models import AuditEvent
from billing_admin.operations.bulk import insert_many
from billing_admin.operations.keys import new_id


def record(
    session: Session,
    actor: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> UUID:
    """Write one event, `action` being `object.verb`; it is committed, or not, with the change that it tells of."""
    event_id = new_id(now)
    insert_many(
        session,
        AuditEvent,
        [
            {
                "id": event_id,
                "at": now,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "actor_name": actor.name,
                "request_id": actor.request_id,
                "action": action,
                "object_type": object_type,
                "object_id": object_id,
                "details": dict(details or {}),
            }
        ],
    )
    return event_id


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Name the fields that changed, each with its value before and after."""
    return {field: [before.get(field), value] for field, value in after.items() if before.get(field) != value}

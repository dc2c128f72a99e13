"""The audit event that stands beside every write, and its seal, which comes moments later."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.audit import canonical_content, chained_hash
from billing_admin.models import AuditEvent, AuditSeal
from billing_admin.queries.audit import chain_head, seal_search_start, unsealed_events

SEAL_BATCH = 2000
SEAL_LOCK = 7_245_002


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
    written = event_row(actor, now, action, object_type, object_id, details)
    insert_many(session, AuditEvent, [written])
    event_id: UUID = written["id"]
    return event_id


def event_row(
    actor: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The row of one event, for whoever writes it together with what it tells of."""
    return {
        "id": new_id(now),
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


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Name the fields that changed, each with its value before and after."""
    return {field: [before.get(field), value] for field, value in after.items() if before.get(field) != value}


def seal_events(session: Session, now: datetime, limit: int = SEAL_BATCH, whole: bool = False) -> int:
    """Put committed events that have no seal yet into the chain, in the order (at, id). Returns how many.

    Only sealing waits for its lock, no writer does. An event whose transaction ended late is sealed behind younger ones. Those
    a little older than the last sealed are looked for; `whole` looks through the whole log.
    """
    _lock_chain(session)
    last = chain_head(session)
    sequence, hash, seals = last.sequence, last.hash, []
    for event in unsealed_events(session, None if whole else seal_search_start(session, now), limit):
        sequence, hash = sequence + 1, chained_hash(hash, canonical_content(event))
        seals.append({"sequence": sequence, "event_id": UUID(event["id"]), "hash": hash})
    insert_many(session, AuditSeal, seals)
    return len(seals)


def seal_all_events(transact: Callable[..., int], now: datetime, whole: bool = False) -> int:
    """Seal until nothing is left, each time in a transaction of its own. `transact` is `database.transaction`, handed in."""
    sealed = latest = transact(seal_events, now, SEAL_BATCH, whole)
    while latest == SEAL_BATCH:
        latest = transact(seal_events, now)
        sealed += latest
    return sealed


def _lock_chain(session: Session) -> None:
    """One at a time lengthens the chain. On SQLite whoever writes is alone anyhow."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(SEAL_LOCK)))

"""Record audit events with every write, and seal them into the hash chain."""

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
SEAL_LOCK = 7_245_002  # the key of PostgreSQL's advisory lock


def record(
    session: Session,
    actor: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> UUID:
    """Insert one event in the transaction of its change, and return its id.

    Its action is `object.verb`.
    """
    row = event_row(actor, now, action, object_type, object_id, details)
    insert_many(session, AuditEvent, [row])
    event_id: UUID = row["id"]
    return event_id


def event_row(
    actor: Actor,
    now: datetime,
    action: str,
    object_type: str,
    object_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the row of one event.

    It is for callers that insert it together with other rows.
    """
    if actor.approval is not None:
        approved = {"approval": str(actor.approval.id), "approved_by": actor.approval.approver}
        details = {**approved, **(details or {})}
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
    """Return the fields that changed, each with its value before and after."""
    return {field: [before.get(field), value] for field, value in after.items() if before.get(field) != value}


def seal_events(session: Session, now: datetime, limit: int = SEAL_BATCH, whole: bool = False) -> int:
    """Seal up to `limit` committed events, in the order (at, id).

    Returns their number. Writers never wait for the lock of the chain. An event whose transaction committed late is
    sealed after younger events: the search begins a little before the last sealed event, or with the first of all
    events if `whole` is true.
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
    """Seal all events, a batch in each transaction.

    Returns their number. `transact` runs work in a transaction.
    """
    sealed = batch = transact(seal_events, now, SEAL_BATCH, whole)
    while batch == SEAL_BATCH:
        batch = transact(seal_events, now)
        sealed += batch
    return sealed


def _lock_chain(session: Session) -> None:
    # SQLite has one writer at a time: there the transaction is the lock.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(SEAL_LOCK)))

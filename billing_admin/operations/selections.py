"""Keep the rows that a person selected, so that acts change exactly these."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.selections import BILLING_RUN, KEPT_FOR, check_selected
from billing_admin.models import SelectedRow, Selection


def store_selection(session: Session, kind: str, ids: Iterable[UUID], actor: Actor, now: datetime) -> UUID:
    """Store the selected rows of a list, and return the id of the selection.

    Selections that nobody needs any more are deleted.

    Raises:
        Invalid: No row is selected, or too many are.
    """
    row_ids = set(ids)
    check_selected(len(row_ids), kind)
    session.execute(delete(Selection).where(Selection.created_at < now - KEPT_FOR, Selection.kind != BILLING_RUN))
    selection_id = new_id(now)
    _store(session, selection_id, kind, row_ids, actor, now)
    return selection_id


def store_charges_of_run(session: Session, run_id: UUID, ids: Iterable[UUID], actor: Actor, now: datetime) -> None:
    """Store the charges to which a billing run is limited."""
    _store(session, run_id, BILLING_RUN, set(ids), actor, now)


def _store(session: Session, id: UUID, kind: str, row_ids: set[UUID], actor: Actor, now: datetime) -> None:
    insert_many(session, Selection, [{"id": id, "kind": kind, "created_at": now, "created_by": actor.name}])
    insert_many(session, SelectedRow, [{"selection_id": id, "object_id": row_id} for row_id in sorted(row_ids)])

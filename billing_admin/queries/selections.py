"""Selections: whether a row is in one, and which rows are."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from billing_admin.models import SelectedRow, Selection


def is_selected(id_column: Any, selection_id: UUID | None) -> ColumnElement[bool]:
    """Return the condition that a row is in a selection."""
    condition: ColumnElement[bool] = id_column.in_(
        select(SelectedRow.object_id).where(SelectedRow.selection_id == selection_id)
    )
    return condition


def count_selected(session: Session, selection_id: UUID, kind: str) -> int:
    """Return the number of rows in a selection; 0 if there is no such selection."""
    query = (
        select(func.count())
        .select_from(SelectedRow)
        .join(Selection, Selection.id == SelectedRow.selection_id)
        .where(Selection.id == selection_id, Selection.kind == kind)
    )
    return session.scalar(query) or 0


def selected_row_ids(session: Session, selection_id: UUID) -> list[UUID]:
    """Return the ids of the rows in a selection."""
    query = select(SelectedRow.object_id).where(SelectedRow.selection_id == selection_id)
    return list(session.scalars(query.order_by(SelectedRow.object_id)))

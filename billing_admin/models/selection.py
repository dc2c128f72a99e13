"""Selections: rows that a person chose in a list."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.selections import SELECTION_KINDS
from billing_admin.models.base import Base, value_check


class Selection(Base):
    """The rows of a list on which a person, or a billing run, acts.

    Its rows never change: those that were shown are those that change. `kind` is the list. The selection of a billing run
    has the id of the run and is kept; any other is deleted after some days.
    """

    __tablename__ = "selections"
    __table_args__ = (value_check("kind", *SELECTION_KINDS), Index(None, "created_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class SelectedRow(Base):
    """A row of a selection, by the id of the charge, invoice or payment."""

    __tablename__ = "selected_rows"
    __table_args__ = ({"sqlite_with_rowid": False},)

    selection_id: Mapped[UUID] = mapped_column(ForeignKey(Selection.id, ondelete="CASCADE"), primary_key=True)
    object_id: Mapped[UUID] = mapped_column(primary_key=True)

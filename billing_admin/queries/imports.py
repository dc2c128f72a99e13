"""Imports of files, for pages and workers."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import NotFound
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.translation import Phrase
from billing_admin.models import Import
from billing_admin.queries.master_data.organisation import organisation


def imports(kind: str = "") -> Select[Import]:
    """Select all imports, or those of one kind, newest first."""
    query = select(Import).order_by(Import.created_at.desc(), Import.id.desc())
    return query.where(Import.kind == kind) if kind else query


def count_by_kind(session: Session) -> dict[str, int]:
    """Return the numbers of imports by kind."""
    return dict(session.execute(select(Import.kind, func.count()).group_by(Import.kind)).all())


def import_by_id(session: Session, id: UUID, lock: bool = False) -> Import:
    """Return one import as it is now, and lock its row if `lock`.

    Raises:
        NotFound: No import has this id.
    """
    row = session.get(Import, id, populate_existing=True, with_for_update=lock or None)
    if row is None:
        raise NotFound("unknown_import", Phrase("There is no import {id}.", id=id), "id")
    return row


def earlier_import(session: Session, row: Import) -> Import | None:
    """Return the last other import of the same file that stored rows, or None.

    The same file has the same bytes and kind.
    """
    same_file = (Import.sha256 == row.sha256, Import.kind == row.kind, Import.id != row.id)
    has_stored_rows = Import.state.in_(("importing", "done"))
    newest_first = (Import.created_at.desc(), Import.id.desc())
    return session.scalar(select(Import).where(*same_file, has_stored_rows).order_by(*newest_first).limit(1))


def last_plan(session: Session, header_key: str) -> Mapping[str, Any] | None:
    """Return how the last file with this header row was read, or None."""
    query = select(Import.plan).where(Import.header_key == header_key)
    return session.scalar(query.order_by(Import.created_at.desc(), Import.id.desc()).limit(1))


def known_header_keys(session: Session, keys: Collection[str]) -> set[str]:
    """Return those of some header keys for which a plan is stored."""
    return {key for key in session.scalars(select(Import.header_key).where(Import.header_key.in_(keys))) if key}


def organisation_cell_format(session: Session) -> CellFormat:
    """Return the organisation's format of numbers and days."""
    settings = organisation(session)
    return CellFormat(NumberFormat(settings.number_format), DateOrder(settings.date_order))

"""Imports, as pages and workers find them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.models import Import


def imports(kind: str = "") -> Select[Import]:
    """All imports, or those of one kind, newest first."""
    query = select(Import).order_by(Import.created_at.desc(), Import.id.desc())
    return query.where(Import.kind == kind) if kind else query


def import_by_id(session: Session, id: UUID, lock: bool = False) -> Import:
    """One import, as it is now. Raises NotFound."""
    found = session.get(Import, id, populate_existing=True, with_for_update=lock or None)
    if found is None:
        raise NotFound("unknown_import", f"There is no import {id}.", "id")
    return found


def earlier_import(session: Session, one: Import) -> Import | None:
    """The last import of the same bytes as the same kind that came in, in whole or in part."""
    same = (Import.sha256 == one.sha256, Import.kind == one.kind, Import.id != one.id)
    begun = Import.state.in_(("importing", "done"))
    return session.scalar(
        select(Import).where(*same, begun).order_by(Import.created_at.desc(), Import.id.desc()).limit(1)
    )


def last_plan(session: Session, header_key: str) -> Mapping[str, Any] | None:
    """How the last file with this header row was read."""
    query = select(Import.plan).where(Import.header_key == header_key)
    return session.scalar(query.order_by(Import.created_at.desc(), Import.id.desc()).limit(1))

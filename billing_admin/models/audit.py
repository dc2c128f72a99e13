"""Audit events, and the chain of seals that reveals later changes to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, ColumnElement, ForeignKey, Index, event, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base

# Events about several charges whose status changed at once; `details` lists the ids of the charges.
IS_BULK_CHANGE = text("object_type = 'charge' AND object_id IS NULL AND action <> 'charge.posted'")

# Events about files that leave the product, which are few.
IS_EXPORT = text("action = 'export.downloaded'")
# Backups, of which the newest is a figure of the metrics.
IS_BACKUP = text("action = 'backup.created'")
IS_DISCARD = text("action = 'invoice.discarded'")


class AuditEvent(Base):
    """The record of one act, committed with it.

    `details` holds before and after, or counts of a batch.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "object_id"),
        Index("ix_audit_events_bulk", "at", "id", postgresql_where=IS_BULK_CHANGE, sqlite_where=IS_BULK_CHANGE),
        Index("ix_audit_events_exports", "at", "id", postgresql_where=IS_EXPORT, sqlite_where=IS_EXPORT),
        Index("ix_audit_events_backups", "at", "id", postgresql_where=IS_BACKUP, sqlite_where=IS_BACKUP),
        Index("ix_audit_events_discarded", "object_id", postgresql_where=IS_DISCARD, sqlite_where=IS_DISCARD),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    request_id: Mapped[str | None]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]


def is_export() -> ColumnElement[bool]:
    """Return the condition of the index of exports, in its words."""
    return AuditEvent.action == literal_column("'export.downloaded'")


def is_backup() -> ColumnElement[bool]:
    """Return the condition of the index of backups, in its words."""
    return AuditEvent.action == literal_column("'backup.created'")


class AuditSeal(Base):
    """The place of an event in the chain: a hash of the previous hash and the event.

    The hash is SHA-256 (`domain.audit`).
    """

    __tablename__ = "audit_seals"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(ForeignKey(AuditEvent.id), unique=True)
    hash: Mapped[str]


# The database refuses changes and deletions in these tables; migration 0002 creates the same triggers.
REFUSAL = "The audit log is never changed."
_FUNCTION = f"""CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$"""


def _refusing_triggers(table: str) -> dict[str, list[str]]:
    on_sqlite = [
        f"CREATE TRIGGER {table}_refuse_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for verb in ("update", "delete")
    ]
    on_postgresql = [
        f"CREATE TRIGGER {table}_refuse_{name} BEFORE {verbs} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION refuse_audit_change()"
        for name, verbs, each in (("change", "UPDATE OR DELETE", "ROW"), ("truncate", "TRUNCATE", "STATEMENT"))
    ]
    return {"sqlite": on_sqlite, "postgresql": [_FUNCTION, *on_postgresql]}


for _table in (AuditEvent.__table__, AuditSeal.__table__):
    for _dialect, _statements in _refusing_triggers(_table.description).items():
        for _statement in _statements:
            ddl = DDL(_statement)  # type: ignore[no-untyped-call]
            event.listen(_table, "after_create", ddl.execute_if(dialect=_dialect))

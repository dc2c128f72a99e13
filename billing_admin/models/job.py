"""Work that no request waits for, and the files that it reads and makes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, JsonData, value_check

JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
_ALIVE = text("state IN ('queued', 'running')")


class Job(Base):
    """One piece of work: this row is the truth about it, whatever a queue says.

    `subject_id` is what it works on, `asked` its arguments, `permission` what one needs to ask for it. A running job has a
    `worker`, which says with each `beat_at` that it lives; one that is silent for too long loses the job to another.
    `attempts` counts how often it was begun since it last got further.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        value_check("state", *JOB_STATES),
        CheckConstraint("(state = 'running') = (worker IS NOT NULL)", name="running_has_worker"),
        CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failed_has_failure"),
        Index(None, "created_at", "id"),
        Index("ix_jobs_alive", "created_at", "id", postgresql_where=_ALIVE, sqlite_where=_ALIVE),
        Index("uq_jobs_alive_subject", "kind", "subject_id", unique=True, postgresql_where=_ALIVE, sqlite_where=_ALIVE),
        Index(None, "subject_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    asked: Mapped[dict[str, Any]] = mapped_column(JsonData)
    permission: Mapped[str]
    state: Mapped[str]
    done: Mapped[int]
    of: Mapped[int | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonData)
    failure: Mapped[str | None]
    attempts: Mapped[int]
    worker: Mapped[str | None]
    beat_at: Mapped[datetime | None]
    cancel_asked: Mapped[bool]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class StoredFile(Base):
    """A file that came in or was made: in the database, so that every machine has it. When it is whole, it has size and hash."""

    __tablename__ = "files"
    __table_args__ = (Index(None, "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int | None]
    sha256: Mapped[str | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class FilePart(Base):
    """The bytes of a file, in parts counted from 0."""

    __tablename__ = "file_parts"

    file_id: Mapped[UUID] = mapped_column(ForeignKey(StoredFile.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes]

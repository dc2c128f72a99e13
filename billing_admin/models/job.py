"""Jobs, which run outside of requests, and stored files."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, JsonData, StoredPhrase, value_check

JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
_ALIVE = text("state IN ('queued', 'running')")


class Job(Base):
    """A job.

    This row holds its state; a queue only wakes workers. `subject_id` is the object that it works on, `asked` its
    arguments, `permission` the permission needed to start it. While a job runs, its `worker` updates `beat_at`; after
    too long without an update another worker takes the job over. `attempts` is the number of starts since its last
    progress.
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
    failure: Mapped[str | None]
    failure_phrase: Mapped[dict[str, Any] | None]
    failure_text = StoredPhrase("failure")


class StoredFile(Base):
    """A file in the database, where each host can read it.

    Once it is complete, it has a size and a hash.
    """

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
    """The bytes of a file, in parts numbered from 0."""

    __tablename__ = "file_parts"

    file_id: Mapped[UUID] = mapped_column(ForeignKey(StoredFile.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes]

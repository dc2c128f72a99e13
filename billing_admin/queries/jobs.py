"""Jobs, for pages and workers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Job


def jobs(state: str = "", created_since: datetime | ColumnElement[datetime] | None = None) -> Select[Job]:
    """Select all jobs, or those in one state, newest first.

    `created_since` is the first moment at which they were created.
    """
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc())
    if created_since is not None:
        query = query.where(Job.created_at >= created_since)
    return query.where(Job.state == state) if state else query


def count_jobs_by_state(session: Session, created_since: datetime | None = None) -> dict[str, int]:
    """Return the numbers of jobs by state; `created_since` as in `jobs`."""
    query = jobs("", created_since).order_by(None).with_only_columns(Job.state, func.count()).group_by(Job.state)
    return dict(session.execute(query).all())


def is_claimable(expired_before: datetime) -> ColumnElement[bool]:
    """Return the condition that a worker may claim a job.

    It is queued, or its lease was last renewed before a moment.
    """
    return or_(Job.state == "queued", and_(Job.state == "running", Job.beat_at < expired_before))


def has_claimable_job(session: Session, expired_before: datetime) -> bool:
    """Return whether a worker can claim a job; `expired_before` as in `is_claimable`."""
    return session.scalar(select(Job.id).where(is_claimable(expired_before)).limit(1)) is not None


def job(session: Session, id: UUID, lock: bool = False) -> Job:
    """Return one job as it is now, and lock its row if `lock`.

    Raises:
        NotFound: No job has this id.
    """
    job = session.get(Job, id, populate_existing=True, with_for_update=lock or None)
    if job is None:
        raise NotFound("unknown_job", Phrase("There is no job {id}.", id=id), "id")
    return job


def unfinished_job(session: Session, kind: str, subject_id: UUID) -> Job | None:
    """Return the queued or running job of this kind for a subject, or None."""
    return session.scalar(
        select(Job).where(Job.kind == kind, Job.subject_id == subject_id, Job.state.in_(("queued", "running")))
    )


def latest_job(session: Session, subject_id: UUID) -> Job | None:
    """Return the newest job for a subject, or None."""
    query = select(Job).where(Job.subject_id == subject_id).order_by(Job.created_at.desc(), Job.id.desc()).limit(1)
    return session.scalar(query.execution_options(populate_existing=True))

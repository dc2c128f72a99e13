"""Jobs, as pages and workers find them."""

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.models import Job


def jobs(state: str = "") -> Select[Job]:
    """All jobs, or those of one state, newest first."""
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc())
    return query.where(Job.state == state) if state else query


def job(session: Session, id: UUID, lock: bool = False) -> Job:
    """One job, as it is now. Raises NotFound."""
    found = session.get(Job, id, populate_existing=True, with_for_update=lock or None)
    if found is None:
        raise NotFound("unknown_job", f"There is no job {id}.", "id")
    return found


def unfinished_job(session: Session, kind: str, subject_id: UUID) -> Job | None:
    """The job of this kind that waits or runs for the subject."""
    return session.scalar(
        select(Job).where(Job.kind == kind, Job.subject_id == subject_id, Job.state.in_(("queued", "running")))
    )


def latest_job(session: Session, subject_id: UUID) -> Job | None:
    """The last job that was asked for the subject."""
    query = select(Job).where(Job.subject_id == subject_id).order_by(Job.created_at.desc(), Job.id.desc()).limit(1)
    return session.scalar(query.execution_options(populate_existing=True))

"""Enqueue, claim, renew and close jobs.

A job is enqueued in the transaction that stores its subject, claimed by one worker at a time, and closed by it. A
worker holds the lease of a job and renews it every few seconds. When it has not done so for `LEASE`, another worker
claims the job, and calls of the first worker raise `LeaseLost`. Every job can therefore be started again: it
continues where it stopped.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.translation import Phrase
from billing_admin.models import Job
from billing_admin.operations.audit import record
from billing_admin.queries.access.permissions import has_lost_permission
from billing_admin.queries.jobs import is_claimable, job, unfinished_job

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
NOT_CANCELLABLE = frozenset({"billing_run"})  # a run that stops half-way leaves customers without invoices
UNAUTHORISED = Phrase(
    "The person or token that started this job no longer has permission for it. Check the job, then "
    "try it again. It will run in your name."
)
ATTEMPTS_EXHAUSTED = Phrase(
    "The job was started {max_attempts} times without progress: its worker died, or the database was"
    " unavailable. Look for the cause in the log, then try again.",
    max_attempts=MAX_ATTEMPTS,
)


class LeaseLost(Exception):
    """Another worker has claimed the job."""


def enqueue(
    session: Session,
    kind: str,
    subject_id: UUID,
    permission: str,
    actor: Actor,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
) -> UUID:
    """Enqueue a job and return its id.

    A queued or running job of the same kind and subject is returned instead.
    """
    existing = unfinished_job(session, kind, subject_id)
    if existing is not None:
        return existing.id
    new_job = Job(
        id=new_id(now),
        kind=kind,
        subject_id=subject_id,
        asked=dict(parameters or {}),
        permission=permission,
        state="queued",
        done=0,
        attempts=0,
        cancel_asked=False,
        created_at=now,
        created_by=actor.name,
        actor_kind=actor.kind,
        actor_id=actor.id,
    )
    session.add(new_job)
    session.flush()
    record(session, actor, now, "job.queued", "job", new_job.id, {"kind": kind, "subject": str(subject_id)})
    return new_job.id


def actor_of(job: Job) -> Actor:
    """Return the actor who enqueued the job.

    The actor has only the permission that the job needs.
    """
    return Actor(job.actor_kind, job.actor_id, job.created_by, frozenset({job.permission}))


def claim_next(session: Session, worker: str, actor: Actor, now: datetime) -> Job | None:
    """Claim the oldest job that is queued or whose lease has expired.

    Returns None when there is none.
    """
    query = select(Job).where(is_claimable(now - LEASE)).order_by(Job.created_at, Job.id).limit(1)
    claimed = session.scalar(query.with_for_update(skip_locked=True))
    if claimed is None:
        return None
    if claimed.cancel_asked:
        _close(session, claimed, "cancelled", actor, now)
        return claim_next(session, worker, actor, now)
    if _is_unauthorised(session, claimed):
        claimed.failure = UNAUTHORISED
        _close(session, claimed, "failed", actor, now)
        return claim_next(session, worker, actor, now)
    if claimed.attempts >= MAX_ATTEMPTS:
        claimed.failure = ATTEMPTS_EXHAUSTED
        _close(session, claimed, "failed", actor, now)
        return claim_next(session, worker, actor, now)
    claimed.state, claimed.worker, claimed.beat_at = "running", worker, now
    claimed.attempts += 1
    claimed.started_at = claimed.started_at or now
    session.flush()
    session.expunge(claimed)  # a later rollback would expire its attributes
    return claimed


def renew_lease(session: Session, id: UUID, worker: str, done: int, of: int | None, now: datetime) -> bool:
    """Renew the lease and store the progress.

    Returns whether the job was asked to stop. Raises LeaseLost.
    """
    leased = update(Job).where(Job.id == id, Job.state == "running", Job.worker == worker)
    attempts = {"attempts": case((Job.done < done, 1), else_=Job.attempts)}
    row = session.execute(leased.values(done=done, of=of, beat_at=now, **attempts).returning(Job.cancel_asked)).first()
    if row is None:
        raise LeaseLost
    cancel_asked: bool = row[0]
    return cancel_asked


def finish(
    session: Session, id: UUID, worker: str, result: Mapping[str, Any] | None, actor: Actor, now: datetime
) -> None:
    """Close a job as done.

    Raises LeaseLost.
    """
    leased = _lock_leased(session, id, worker)
    leased.result = dict(result) if result is not None else None
    leased.done = leased.of if leased.of is not None else leased.done
    _close(session, leased, "done", actor, now)


def fail(session: Session, id: UUID, worker: str, failure: str, actor: Actor, now: datetime) -> None:
    """Close a job as failed.

    `failure` says why and how to fix it. Raises LeaseLost.
    """
    leased = _lock_leased(session, id, worker)
    leased.failure = failure
    _close(session, leased, "failed", actor, now)


def mark_cancelled(session: Session, id: UUID, worker: str, actor: Actor, now: datetime) -> None:
    """Close a job as cancelled.

    A person asked for that. Raises LeaseLost.
    """
    _close(session, _lock_leased(session, id, worker), "cancelled", actor, now)


def release(session: Session, id: UUID, worker: str) -> None:
    """Put a job back into the queue because its worker shuts down.

    Raises LeaseLost.
    """
    leased = _lock_leased(session, id, worker)
    leased.state, leased.worker = "queued", None
    leased.attempts -= 1  # an attempt counts only if the worker died
    session.flush()


def cancel(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Cancel a job.

    A queued job is cancelled at once, a running one when its worker next renews the lease. Does nothing for a job
    that has ended. Raises Conflict for a kind that cannot be cancelled.
    """
    stored = job(session, id, lock=True)
    actor.require(stored.permission)
    if stored.kind in NOT_CANCELLABLE:
        raise Conflict(
            "never_stopped",
            Phrase("A billing run cannot be cancelled. You can void or credit its invoices, or discard its drafts."),
        )
    if stored.state == "queued":
        _close(session, stored, "cancelled", actor, now)
    elif stored.state == "running" and not stored.cancel_asked:
        stored.cancel_asked = True
        session.flush()
        record(session, actor, now, "job.cancel_asked", "job", id)


def stop_unauthorised(session: Session, actor: Actor, now: datetime) -> None:
    """Stop the jobs whose actor has lost the permission that they need.

    Call it after an act that takes permissions away. A queued job fails at once, a running one is cancelled when its worker
    next renews the lease. Billing runs that have begun go on.
    """
    unfinished = select(Job).where(Job.state.in_(("queued", "running"))).order_by(Job.id).with_for_update()
    for stored in session.scalars(unfinished.execution_options(populate_existing=True)).all():
        if not _is_unauthorised(session, stored):
            continue
        if stored.state == "queued":
            stored.failure = UNAUTHORISED
            _close(session, stored, "failed", actor, now)
        elif not stored.cancel_asked:
            stored.cancel_asked = True
            session.flush()
            record(session, actor, now, "job.cancel_asked", "job", stored.id)


def _is_unauthorised(session: Session, stored: Job) -> bool:
    """Return whether a job must stop because its actor has lost the permission.

    A billing run that has begun must not stop half-way.
    """
    if stored.kind in NOT_CANCELLABLE and stored.started_at is not None:
        return False
    return has_lost_permission(session, stored.actor_kind, stored.actor_id, stored.permission)


def retry(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Enqueue a failed or cancelled job again, in the name of the actor.

    Does nothing for a queued or running job. Raises Conflict for a job that is done or that another job repeats.
    """
    stored = job(session, id, lock=True)
    actor.require(stored.permission)
    if stored.state in {"queued", "running"}:
        return
    if stored.state == "done":
        raise Conflict("job_done", Phrase("This job is already done."))
    if unfinished_job(session, stored.kind, stored.subject_id) is not None:
        raise Conflict("job_alive", Phrase("Another job is already doing the same work."))
    stored.state, stored.failure, stored.finished_at = "queued", None, None
    stored.cancel_asked, stored.attempts = False, 0
    stored.created_by, stored.actor_kind, stored.actor_id = actor.name, actor.kind, actor.id
    session.flush()
    record(session, actor, now, "job.queued", "job", id, {"kind": stored.kind, "subject": str(stored.subject_id)})


def _lock_leased(session: Session, id: UUID, worker: str) -> Job:
    leased = job(session, id, lock=True)
    if leased.state != "running" or leased.worker != worker:
        raise LeaseLost
    return leased


def _close(session: Session, stored: Job, state: str, actor: Actor, now: datetime) -> None:
    stored.state, stored.worker, stored.finished_at = state, None, now
    session.flush()
    details = {"failure": stored.failure} if stored.failure else None
    record(session, actor, now, f"job.{state}", "job", stored.id, details)

"""Jobs: asked for within the transaction that makes their subject, taken by one worker at a time, and closed by it.

A worker holds a job by its own name, and says every few seconds that it lives. One that is silent for `LEASE` has lost it: the
next that looks takes the job over, and whatever the first still says is refused with `LeaseLost`. Jobs are therefore such that to
begin again is to go on.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, or_, select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.models import Job
from billing_admin.operations.audit import record
from billing_admin.queries.jobs import job, unfinished_job

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
NOT_CANCELLABLE = frozenset({"billing_run"})  # half a run is no state that anyone could want
ATTEMPTS_EXHAUSTED = (
    f"The job was started {MAX_ATTEMPTS} times without progress: its worker died, or the database was unavailable."
    " Look for the cause in the log, then try again."
)


class LeaseLost(Exception):
    """Another worker has the job by now."""


def enqueue(
    session: Session,
    kind: str,
    subject_id: UUID,
    permission: str,
    actor: Actor,
    now: datetime,
    asked: Mapping[str, Any] | None = None,
) -> UUID:
    """Ask for a job; one that is waiting or running for the same subject is the one that was asked for."""
    existing = unfinished_job(session, kind, subject_id)
    if existing is not None:
        return existing.id
    made = Job(
        id=new_id(now),
        kind=kind,
        subject_id=subject_id,
        asked=dict(asked or {}),
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
    session.add(made)
    session.flush()
    record(session, actor, now, "job.queued", "job", made.id, {"kind": kind, "subject": str(subject_id)})
    return made.id


def actor_of(asked: Job) -> Actor:
    """Who asked for it, and still acts by it, with the permission that it needs and no other."""
    return Actor(asked.actor_kind, asked.actor_id, asked.created_by, frozenset({asked.permission}))


def claim_next(session: Session, worker: str, actor: Actor, now: datetime) -> Job | None:
    """The next job that waits, or whose worker is silent; None when there is none."""
    silent = and_(Job.state == "running", Job.beat_at < now - LEASE)
    waiting = select(Job).where(or_(Job.state == "queued", silent)).order_by(Job.created_at, Job.id).limit(1)
    found = session.scalar(waiting.with_for_update(skip_locked=True))
    if found is None:
        return None
    if found.cancel_asked:
        _close(session, found, "cancelled", actor, now)
        return claim_next(session, worker, actor, now)
    if found.attempts >= MAX_ATTEMPTS:
        found.failure = ATTEMPTS_EXHAUSTED
        _close(session, found, "failed", actor, now)
        return claim_next(session, worker, actor, now)
    found.state, found.worker, found.beat_at = "running", worker, now
    found.attempts += 1
    found.started_at = found.started_at or now
    session.flush()
    session.expunge(found)  # a later rollback would empty it
    return found


def renew_lease(session: Session, id: UUID, worker: str, done: int, of: int | None, now: datetime) -> bool:
    """Say that it goes on, and how far it is. Returns whether it should stop, because someone asked. Raises Lost."""
    mine = update(Job).where(Job.id == id, Job.state == "running", Job.worker == worker)
    further = {"attempts": case((Job.done < done, 1), else_=Job.attempts)}
    told = session.execute(mine.values(done=done, of=of, beat_at=now, **further).returning(Job.cancel_asked)).first()
    if told is None:
        raise LeaseLost
    stop: bool = told[0]
    return stop


def finish(
    session: Session, id: UUID, worker: str, result: Mapping[str, Any] | None, actor: Actor, now: datetime
) -> None:
    """It is done. Raises Lost."""
    held = _held(session, id, worker)
    held.result = dict(result) if result is not None else None
    held.done = held.of if held.of is not None else held.done
    _close(session, held, "done", actor, now)


def fail(session: Session, id: UUID, worker: str, failure: str, actor: Actor, now: datetime) -> None:
    """It cannot go on; `failure` says why, and how to mend it. Raises Lost."""
    held = _held(session, id, worker)
    held.failure = failure
    _close(session, held, "failed", actor, now)


def mark_cancelled(session: Session, id: UUID, worker: str, actor: Actor, now: datetime) -> None:
    """It stopped because someone asked. Raises Lost."""
    _close(session, _held(session, id, worker), "cancelled", actor, now)


def release(session: Session, id: UUID, worker: str) -> None:
    """The worker ends, the job does not: it waits for the next one. Raises Lost."""
    held = _held(session, id, worker)
    held.state, held.worker = "queued", None
    held.attempts -= 1  # nothing died
    session.flush()


def cancel(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Stop a job: at once while it waits, else at its next beat. One that has ended is left as it is."""
    found = job(session, id, lock=True)
    actor.require(found.permission)
    if found.kind in NOT_CANCELLABLE:
        raise Conflict(
            "never_stopped",
            "A billing run cannot be cancelled. You can void or credit its invoices, or discard its drafts.",
        )
    if found.state == "queued":
        _close(session, found, "cancelled", actor, now)
    elif found.state == "running" and not found.cancel_asked:
        found.cancel_asked = True
        session.flush()
        record(session, actor, now, "job.cancel_asked", "job", id)


def retry(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Try a job that failed or was cancelled again, in one's own name.

    One that waits or runs is left as it is; Conflict for one that is done.
    """
    found = job(session, id, lock=True)
    actor.require(found.permission)
    if found.state in {"queued", "running"}:
        return
    if found.state == "done":
        raise Conflict("job_done", "This job is already done.")
    if unfinished_job(session, found.kind, found.subject_id) is not None:
        raise Conflict("job_alive", "Another job is already doing the same work.")
    found.state, found.failure, found.finished_at = "queued", None, None
    found.cancel_asked, found.attempts = False, 0
    found.created_by, found.actor_kind, found.actor_id = actor.name, actor.kind, actor.id
    session.flush()
    record(session, actor, now, "job.queued", "job", id, {"kind": found.kind, "subject": str(found.subject_id)})


def _held(session: Session, id: UUID, worker: str) -> Job:
    held = job(session, id, lock=True)
    if held.state != "running" or held.worker != worker:
        raise LeaseLost
    return held


def _close(session: Session, ended: Job, state: str, actor: Actor, now: datetime) -> None:
    ended.state, ended.worker, ended.finished_at = state, None, now
    session.flush()
    details = {"failure": ended.failure} if ended.failure else None
    record(session, actor, now, f"job.{state}", "job", ended.id, details)

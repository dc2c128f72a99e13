"""Claim jobs one after the other, call the handler of their kind, and close them."""

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import Flask

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable, explain_unavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import DomainError
from billing_admin.domain.translation import Phrase
from billing_admin.models import Job
from billing_admin.operations import jobs
from billing_admin.operations.audit import seal_events
from billing_admin.queries.jobs import has_claimable_job

HEARTBEAT_SECONDS = 2.0  # the work between two reports must take less than jobs.LEASE
WORKER = Actor("system", None, "worker", frozenset())
_log = structlog.get_logger(__name__)

# Set when this process is told to stop: it puts its jobs back into the queue.
shutting_down = Event()


class Cancelled(Exception):
    """A person has cancelled the job."""


class ShuttingDown(Exception):
    """The worker shuts down."""


class Progress:
    """Reports the progress of a job.

    Handlers must not catch the exceptions that `report` raises.
    """

    def __init__(self, id: UUID, worker: str, done: int, of: int | None) -> None:
        self._id, self._worker = id, worker
        self.done, self.of = done, of
        self._due = time.monotonic() + HEARTBEAT_SECONDS

    def report(self, count: Callable[[], tuple[int, int | None]] | None = None, at_once: bool = False) -> None:
        """Renew the lease and store the progress, if it is time to or `at_once` is true.

        `count` returns the finished and the total number of units, and is called only when they are stored. Raises Cancelled,
        ShuttingDown or jobs.LeaseLost.
        """
        if shutting_down.is_set():
            raise ShuttingDown
        if not at_once and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + HEARTBEAT_SECONDS
        if count is not None:
            self.done, self.of = count()
        if transaction(jobs.renew_lease, self._id, self._worker, self.done, self.of, clock.now()):
            raise Cancelled


# A handler does a job and may return its result. It may be called again for a job that was interrupted.
Handler = Callable[[Job, Progress], Mapping[str, Any] | None]
HANDLERS: dict[str, Handler] = {}


def handler(kind: str) -> Callable[[Handler], Handler]:
    """Return a decorator that registers the handler of a kind of jobs."""

    def register(function: Handler) -> Handler:
        HANDLERS[kind] = function
        return function

    return register


def run_jobs(app: Flask) -> None:
    """Run jobs until none is waiting or the database is unavailable.

    The next call continues.
    """
    with app.app_context(), LogIfUnavailable("jobs_not_searched"):
        worker = uuid4().hex
        while (
            not shutting_down.is_set()
            and (job := transaction(jobs.claim_next, worker, WORKER, clock.now())) is not None
        ):
            _run(job, worker)


def search_jobs(app: Flask) -> None:
    """Run jobs if one is waiting; a search that finds none writes nothing."""
    with app.app_context(), LogIfUnavailable("jobs_not_searched"):
        is_waiting = has_claimable_job(db.session(), clock.now() - jobs.LEASE)
        db.session.remove()
        if is_waiting:
            run_jobs(app)


def _run(job: Job, worker: str) -> None:
    try:
        with LogIfUnavailable("job_interrupted", job=str(job.id)):
            _run_and_close(job, worker)
    except jobs.LeaseLost:
        _log.warning("job_lost", job=str(job.id))


def _run_and_close(job: Job, worker: str) -> None:
    id = job.id
    try:
        result = HANDLERS[job.kind](job, Progress(id, worker, job.done, job.of))
    except DomainError as error:
        transaction(jobs.fail, id, worker, error.message, WORKER, clock.now())
    except Cancelled:
        transaction(jobs.mark_cancelled, id, worker, WORKER, clock.now())
    except ShuttingDown:
        transaction(jobs.release, id, worker)
    except jobs.LeaseLost:
        raise
    except Exception as error:
        if explain_unavailable(error):
            raise  # another worker claims the job when the lease expires
        _log.exception("job_failed", job=str(id))
        transaction(
            jobs.fail,
            id,
            worker,
            Phrase("An internal error occurred. For details, search the log for job {job_id}.", job_id=id),
            WORKER,
            clock.now(),
        )
    else:
        transaction(jobs.finish, id, worker, result, WORKER, clock.now())
    transaction(seal_events, clock.now())

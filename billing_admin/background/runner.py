"""What a worker does: takes one job after the other, has its kind's handler do it, and closes it."""

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import Flask

from billing_admin import clock
from billing_admin.db.errors import LogIfUnavailable, explain_unavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import DomainError
from billing_admin.models import Job
from billing_admin.operations import jobs
from billing_admin.operations.audit import seal_events

HEARTBEAT_SECONDS = 2.0  # seconds; a piece of work between two beats must take less than jobs.LEASE
WORKER = Actor("system", None, "worker", frozenset())
_log = structlog.get_logger(__name__)

# Set when this process is told to end: jobs go back to where another worker finds them.
shutting_down = Event()


class Cancelled(Exception):
    """Someone asked to stop the job."""


class ShuttingDown(Exception):
    """This worker ends."""


class Progress:
    """How a handler says that it goes on. `beat` between two pieces of work may raise: let it pass."""

    def __init__(self, id: UUID, worker: str, done: int, of: int | None) -> None:
        self._id, self._worker = id, worker
        self.done, self.of = done, of
        self._due = time.monotonic() + HEARTBEAT_SECONDS

    def beat(self, count: Callable[[], tuple[int, int | None]] | None = None, at_once: bool = False) -> None:
        """Tell how far it is, if it is time to; `count` is asked only then. Raises Cancelled, Ending or jobs.Lost."""
        if shutting_down.is_set():
            raise ShuttingDown
        if not at_once and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + HEARTBEAT_SECONDS
        if count is not None:
            self.done, self.of = count()
        if transaction(jobs.renew_lease, self._id, self._worker, self.done, self.of, clock.now()):
            raise Cancelled


# A handler does a job and may return what there is to say of it. It may be called again for the same job, after a part was done.
Handler = Callable[[Job, Progress], Mapping[str, Any] | None]
HANDLERS: dict[str, Handler] = {}


def handler(kind: str) -> Callable[[Handler], Handler]:
    """Make a function the handler of a kind of jobs."""

    def noted(function: Handler) -> Handler:
        HANDLERS[kind] = function
        return function

    return noted


def run_jobs(app: Flask) -> None:
    """Do jobs until none waits, or the database is unavailable: the next call goes on."""
    with app.app_context(), LogIfUnavailable("jobs_not_looked_for"):
        worker = uuid4().hex
        while (
            not shutting_down.is_set()
            and (job := transaction(jobs.claim_next, worker, WORKER, clock.now())) is not None
        ):
            _do(job, worker)


def _do(job: Job, worker: str) -> None:
    try:
        with LogIfUnavailable("job_interrupted", job=str(job.id)):
            _close(job, worker)
    except jobs.LeaseLost:
        _log.warning("job_lost", job=str(job.id))


def _close(job: Job, worker: str) -> None:
    id = job.id
    try:
        result = HANDLERS[job.kind](job, Progress(id, worker, job.done, job.of))
    except DomainError as refusal:
        transaction(jobs.fail, id, worker, refusal.message, WORKER, clock.now())
    except Cancelled:
        transaction(jobs.mark_cancelled, id, worker, WORKER, clock.now())
    except ShuttingDown:
        transaction(jobs.release, id, worker)
    except jobs.LeaseLost:
        raise
    except Exception as error:
        if explain_unavailable(error):
            raise  # the job stays for the next worker
        _log.exception("job_failed", job=str(id))
        transaction(
            jobs.fail,
            id,
            worker,
            f"An internal error occurred. For details, search the log for job {id}.",
            WORKER,
            clock.now(),
        )
    else:
        transaction(jobs.finish, id, worker, result, WORKER, clock.now())
    transaction(seal_events, clock.now())

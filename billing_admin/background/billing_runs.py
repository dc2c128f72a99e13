"""Billing runs as jobs.

On PostgreSQL, every worker process joins a large run, on whatever host it is. The worker that has the job works on
the run until it is done. Workers that join hold no lease: they claim chunks by the locks of their transactions, so
the chunk of a worker that dies is simply waiting again.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import structlog
from flask import Flask

from billing_admin import clock
from billing_admin.background.runner import Progress, ShuttingDown, handler, shutting_down
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict
from billing_admin.models import Job
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.jobs import actor_of
from billing_admin.queries.billing.runs import job_to_join, run_progress, run_report

JOIN_POLL_SECONDS = 1.0  # seconds between two searches for a run to join
_log = structlog.get_logger(__name__)


@handler(runs.JOB_KIND)
def run_billing_job(job: Job, progress: Progress) -> None:
    """Bill chunks of the run until none is waiting."""

    def count() -> tuple[int, int]:
        return run_progress(db.session(), job.subject_id)

    def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = transaction(work, *args, **kwargs)
        progress.report(count)
        return result

    progress.report(count, at_once=True)
    transact(runs.resume, job.subject_id, actor_of(job), clock.now())
    runs.bill_chunks(transact, job.subject_id, actor_of(job), clock.now())
    progress.report(count, at_once=True)
    run = run_report(db.session(), job.subject_id).run
    if run.failure_text:
        raise Conflict("run_failed", run.failure_text)


class RunJoiner(Thread):
    """Joins large billing runs of other worker processes.

    It ends at once on SQLite, which has one writer.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__(name="billing-runs", daemon=True)
        self._app = app

    def run(self) -> None:
        """Search for a run to join, each second until the process shuts down."""
        with self._app.app_context():
            is_shared = db.engine.dialect.name == "postgresql"
        while is_shared and not shutting_down.wait(JOIN_POLL_SECONDS):
            join_run(self._app)


def join_run(app: Flask) -> None:
    """Bill chunks of a run whose job another worker has, until none is waiting.

    Errors are logged, not raised.
    """
    with app.app_context():
        try:
            with LogIfUnavailable("billing_run_not_joined"), suppress(ShuttingDown):
                job = job_to_join(db.session(), chunks.CHUNK)
                if job is not None:
                    _join(job)
        except Exception:  # noqa: BLE001 - the chunk is rolled back, and the worker that has the job sees the same error
            _log.exception("billing_run_not_joined")


def _join(job: Job) -> None:
    billed = 0

    def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal billed
        if shutting_down.is_set():
            raise ShuttingDown
        result = transaction(work, *args, **kwargs)
        if work is chunks.bill_chunk:
            billed += result
        return result

    _log.info("billing_run_joined", run=str(job.subject_id))
    try:
        runs.bill_chunks(transact, job.subject_id, actor_of(job), clock.now())
    finally:
        _log.info("billing_run_left", run=str(job.subject_id), accounts=billed)

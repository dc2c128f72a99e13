"""A billing run as a job: chunk after chunk, each a transaction of its own, each charge billed once however often it is begun."""

from collections.abc import Callable
from typing import Any

from billing_admin import clock
from billing_admin.background.working import Progress, handler
from billing_admin.crew import side_by_side
from billing_admin.database import db, transaction
from billing_admin.domain.errors import Conflict
from billing_admin.models import Job
from billing_admin.operations import billing_runs
from billing_admin.operations.jobs import actor_of
from billing_admin.queries.billing_runs import report, settled


@handler(billing_runs.JOB)
def bill(job: Job, progress: Progress) -> None:
    """Work on the run until nothing waits."""

    def count() -> tuple[int, int]:
        return settled(db.session(), job.subject_id)

    def transact(work: Callable[..., Any], *args: Any, **how: Any) -> Any:
        made = transaction(work, *args, **how)
        progress.beat(count)
        return made

    progress.beat(count, at_once=True)
    billing_runs.work(transact, job.subject_id, actor_of(job), clock.now(), side_by_side)
    progress.beat(count, at_once=True)
    run = report(db.session(), job.subject_id).run
    if run.failure:
        raise Conflict("run_failed", run.failure)

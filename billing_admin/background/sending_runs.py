"""Sending runs as jobs."""

from collections.abc import Callable
from typing import Any

from flask import current_app

from billing_admin import clock
from billing_admin.background.runner import Progress, handler
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.models import Job
from billing_admin.operations.jobs import actor_of
from billing_admin.operations.messages import sending_runs
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.messages.sending_runs import sending_progress


@handler(sending_runs.JOB_KIND)
def run_sending_job(job: Job, progress: Progress) -> None:
    """Send the documents of the run, or mark them as sent, until none waits."""

    def count() -> tuple[int, int]:
        numbers = sending_progress(db.session(), job.subject_id)
        return numbers.done, numbers.done + numbers.waiting

    def transact(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = transaction(work, *args, **kwargs)
        progress.report(count)
        return result

    progress.report(count, at_once=True)
    mail_on = can_send(db.session(), current_app.extensions["billing_settings"])
    sending_runs.send_run(transact, job.subject_id, mail_on, actor_of(job), clock.now())
    progress.report(count, at_once=True)

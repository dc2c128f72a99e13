"""Run a worker for background jobs."""

import click
from flask import current_app

from billing_admin.cli.commands import command
from billing_admin.cli.serving import check_at_start
from billing_admin.config import Settings


@command("worker")
@click.option("--threads", type=click.IntRange(1, 32), help="Jobs at the same time. Default: BILLING_JOB_THREADS.")
def worker(threads: int | None) -> None:
    """Run imports, exports, billing runs and webhook deliveries until it is stopped.

    `start` also runs one worker. Start more on any machine that reaches the database and the queue.

    \b
    Example:
      flask --app wsgi worker --threads 4
    """
    from billing_admin.background.worker import run_worker  # noqa: PLC0415 - loads huey, which no other command needs

    check_at_start()
    settings: Settings = current_app.extensions["billing_settings"]
    run_worker(threads or settings.job_threads)

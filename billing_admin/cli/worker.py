"""`worker`: do the jobs that no request waits for."""

import click
from flask import current_app

from billing_admin.cli.commands import command
from billing_admin.cli.serving import check_at_start
from billing_admin.config import Settings


@command("worker")
@click.option("--threads", type=click.IntRange(1, 32), help="How many jobs at once; BILLING_JOB_THREADS if left out.")
def worker(threads: int | None) -> None:
    """Do imports, exports, billing runs and deliveries in the background, until told to stop.

    `start` runs one beside the server. Any number may run, on any machine that reaches the database and the queue.

    \b
    Example:
      flask --app wsgi worker --threads 4
    """
    from billing_admin.background.worker import run_worker  # noqa: PLC0415 - huey, which no other command needs

    check_at_start()
    settings: Settings = current_app.extensions["billing_settings"]
    run_worker(threads or settings.job_threads)

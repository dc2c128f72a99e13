"""The worker process.

It has job threads (huey's consumer), and threads that join billing runs, send webhooks and
messages, and post recurring charges.
"""

import logging
import time
from datetime import datetime

from flask import Flask, current_app
from huey import consumer

from billing_admin.background import runner
from billing_admin.background.billing_runs import RunJoiner
from billing_admin.background.mail import MailSender
from billing_admin.background.queue import Queue
from billing_admin.background.recurring_charges import RecurringPoster
from billing_admin.background.reminders import ReminderSender
from billing_admin.background.statements import StatementSender
from billing_admin.background.webhooks import WebhookSender
from billing_admin.db.errors import LogIfUnavailable

MAX_POLL_SECONDS = 1.0  # between two reads of the queue
QUEUE_RETRY_SECONDS = 2.0  # before a queue that could not be opened is tried again
SEARCH_SECONDS = 5.0  # between two searches for jobs of which the queue did not tell


class JobThread(consumer.Worker):  # type: ignore[misc]
    """Runs jobs, when the queue tells of them and every few seconds.

    Jobs are therefore found whatever becomes of the queue.
    """

    app: Flask
    _search_due = 0.0

    def loop(self, now: datetime | None = None) -> None:
        """Search for jobs if it is time to, then read the queue once."""
        if time.monotonic() >= self._search_due:
            runner.search_jobs(self.app)
            self._search_due = time.monotonic() + SEARCH_SECONDS
        super().loop(now)


class Worker(consumer.Consumer):  # type: ignore[misc]
    """Runs jobs in threads.

    When it is told to stop, each thread puts its job back at its next progress report.
    """

    worker_class = JobThread

    def __init__(self, app: Flask, threads: int) -> None:
        self._app = app
        huey = app.extensions["billing_queue"].huey
        super().__init__(huey, workers=threads, periodic=False, max_delay=MAX_POLL_SECONDS, check_worker_health=True)

    def _create_worker(self) -> JobThread:
        thread: JobThread = super()._create_worker()
        thread.app = self._app
        return thread

    def stop(self, graceful: bool = False) -> None:
        """Stop gracefully in any case.

        Threads finish their jobs or put them back before the process ends.
        """
        del graceful
        runner.shutting_down.set()
        super().stop(graceful=True)


def run_worker(threads: int) -> None:
    """Do the background work until SIGINT or SIGTERM.

    It runs jobs, joins billing runs, sends webhooks, messages, monthly statements and daily reminders, and posts
    recurring charges.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    queue: Queue = app.extensions["billing_queue"]
    logging.getLogger("huey").setLevel(logging.WARNING)  # jobs are recorded in the audit log
    _wait_for_queue(queue)
    helpers = [
        RunJoiner(app),
        WebhookSender(app),
        MailSender(app),
        RecurringPoster(app),
        StatementSender(app),
        ReminderSender(app),
    ]
    for helper in helpers:
        helper.start()
    try:
        Worker(app, threads).run()
    finally:
        runner.shutting_down.set()
        for helper in helpers:
            helper.join()


def _wait_for_queue(queue: Queue) -> None:
    """Open the queue, and return when that has succeeded.

    In PostgreSQL, opening it creates its tables.
    """
    while True:
        with LogIfUnavailable("queue_not_reached"):
            _ = queue.huey
            return
        time.sleep(QUEUE_RETRY_SECONDS)

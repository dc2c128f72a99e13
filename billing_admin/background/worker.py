"""The worker process: job threads (huey's consumer), the thread that joins billing runs, and the webhook sender."""

import logging
import time

from flask import Flask, current_app
from huey.consumer import Consumer

from billing_admin.background import runner
from billing_admin.background.billing_runs import RunJoiner
from billing_admin.background.queue import Queue
from billing_admin.background.webhooks import WebhookSender
from billing_admin.db.errors import LogIfUnavailable

LONGEST_SLEEP = 1.0  # seconds between two looks into the queue
QUEUE_RETRY = 2.0  # seconds until a queue is tried again that could not be opened


class Worker(Consumer):  # type: ignore[misc]
    """Threads that do jobs. Told to stop, each gives its job back at the next beat."""

    def stop(self, graceful: bool = False) -> None:
        """Every stop is graceful: what a thread is at is given back, or done, before the process ends."""
        del graceful
        runner.shutting_down.set()
        super().stop(graceful=True)


def run_worker(threads: int) -> None:
    """Do jobs, join billing runs and send webhooks until told to stop by SIGINT or SIGTERM."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    queue: Queue = app.extensions["billing_queue"]
    logging.getLogger("huey").setLevel(logging.WARNING)  # jobs have their own record
    _wait_for(queue)
    helpers = [RunJoiner(app), WebhookSender(app)]
    for helper in helpers:
        helper.start()
    try:
        Worker(queue.huey, workers=threads, max_delay=LONGEST_SLEEP, check_worker_health=True).run()
    finally:
        runner.shutting_down.set()
        for helper in helpers:
            helper.join()


def _wait_for(queue: Queue) -> None:
    """Return when the queue is open: one in PostgreSQL makes its tables first."""
    while True:
        with LogIfUnavailable("queue_not_reached"):
            _ = queue.huey
            return
        time.sleep(QUEUE_RETRY)

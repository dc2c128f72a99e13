"""The process that does the jobs: huey's consumer, which ends without losing what it is at; and what sends webhooks."""

import logging
import time

from flask import Flask, current_app
from huey.consumer import Consumer

from billing_admin.background import working
from billing_admin.background.queue import Queue
from billing_admin.background.webhooks import Sender
from billing_admin.database_errors import LogIfUnavailable

LONGEST_SLEEP = 1.0  # seconds between two looks into the queue
QUEUE_RETRY = 2.0  # seconds until a queue is tried again that could not be opened


class Worker(Consumer):  # type: ignore[misc]
    """Threads that do jobs. Told to stop, each gives its job back at the next beat."""

    def stop(self, graceful: bool = False) -> None:
        """Every stop is graceful: what a thread is at is given back, or done, before the process ends."""
        del graceful
        working.ending.set()
        super().stop(graceful=True)


def work(threads: int) -> None:
    """Do jobs and send webhooks until told to stop by SIGINT or SIGTERM."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    queue: Queue = app.extensions["billing_queue"]
    logging.getLogger("huey").setLevel(logging.WARNING)  # jobs have their own record
    _wait_for(queue)
    sender = Sender(app)
    sender.start()
    try:
        Worker(queue.huey, workers=threads, max_delay=LONGEST_SLEEP, check_worker_health=True).run()
    finally:
        working.ending.set()
        sender.join()


def _wait_for(queue: Queue) -> None:
    """Return when the queue is open: one in PostgreSQL makes its tables first."""
    while True:
        with LogIfUnavailable("queue_not_reached"):
            _ = queue.huey
            return
        time.sleep(QUEUE_RETRY)

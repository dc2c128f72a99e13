"""The worker process: job threads (huey's consumer), the thread that joins billing runs, and the webhook sender."""

import logging

from flask import Flask, current_app
from huey.consumer import Consumer

from billing_admin.background import working
from billing_admin.background.billing_runs import RunSharer
from billing_admin.background.queue import Queue
from billing_admin.background.webhooks import Sender

LONGEST_SLEEP = 1.0  # seconds between two looks into the queue


class Worker(Consumer):  # type: ignore[misc]
    """Threads that do jobs. Told to stop, each gives its job back at the next beat."""

    def stop(self, graceful: bool = False) -> None:
        """Every stop is graceful: what a thread is at is given back, or done, before the process ends."""
        del graceful
        working.ending.set()
        super().stop(graceful=True)


def work(threads: int) -> None:
    """Do jobs, join billing runs and send webhooks until told to stop by SIGINT or SIGTERM."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    queue: Queue = app.extensions["billing_queue"]
    logging.getLogger("huey").setLevel(logging.WARNING)  # jobs have their own record
    helpers = [RunSharer(app), Sender(app)]
    for helper in helpers:
        helper.start()
    try:
        Worker(queue.huey, workers=threads, max_delay=LONGEST_SLEEP, check_worker_health=True).run()
    finally:
        working.ending.set()
        for helper in helpers:
            helper.join()

"""The queue that wakes workers, and a handler for each kind of job.

A message of the queue (huey) only says that there is work. The work itself is a row of `jobs`, inserted in the
transaction that asks for it. A lost message delays a job by a minute at most, and a repeated message does nothing.
"""

from flask import Flask

from billing_admin.background import billing_runs, documents, exports, imports, sending_runs  # noqa: F401 - registers their handlers
from billing_admin.background.queue import init_queue, wake_worker
from billing_admin.config import Settings

__all__ = ["init_background", "wake_worker"]


def init_background(app: Flask, settings: Settings) -> None:
    """Set up the queue of the application.

    Importing this package has registered the handlers.
    """
    init_queue(app, settings)

"""Work that no request waits for: the queue that tells workers of it, and what each kind of job does.

The queue (huey) only rings: a message says that there is something to do, never what. What is to be done stands in our own
rows, written in the transaction that asks for it; a lost message costs a minute, a doubled one nothing.
"""

from flask import Flask

from billing_admin.background import billing_runs, exports, imports  # noqa: F401 - their handlers
from billing_admin.background.queue import init_queue, wake_worker
from billing_admin.config import Settings

__all__ = ["init_background", "wake_worker"]


def init_background(app: Flask, settings: Settings) -> None:
    """Give the application its queue; the handlers are known by now."""
    init_queue(app, settings)

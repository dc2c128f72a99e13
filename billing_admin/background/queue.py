"""The queue that wakes workers: huey on SQLite, PostgreSQL or Redis.

With `immediate:`, jobs run at once in the process that enqueues them.
"""

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, current_app
from psycopg.errors import DuplicateTable, UniqueViolation
from sqlalchemy import make_url

from billing_admin.background import runner
from billing_admin.config import Settings, create_data_folder

if TYPE_CHECKING:
    from huey import Huey

IMMEDIATE = "immediate:"
QUEUE_NAME = "billing"
QUEUE_FILE = "queue.sqlite3"
SCHEMA_ATTEMPTS = 5
_log = structlog.get_logger(__name__)


class Queue:
    """The queue of an application.

    It is opened with its first use, as most requests do not need it.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._settings = app, settings

    @cached_property
    def huey(self) -> "Huey":
        """The open queue, with its one task."""
        huey = _open_huey(self._settings)
        # Stored messages of earlier releases contain these names.
        self.task = huey.task(name="work_off")(self._run_jobs)
        huey.task(name="look")(self._run_jobs)
        return huey

    def _run_jobs(self) -> None:
        runner.run_jobs(self._app)

    def wake_worker(self) -> None:
        """Wake a worker.

        After an error, a worker finds the job within a few seconds.
        """
        try:
            _ = self.huey
            self.task()
        except Exception as error:  # noqa: BLE001 - the job is stored: an error of the queue must not fail the request
            _log.warning("queue_not_reached", error=repr(error))


def init_queue(app: Flask, settings: Settings) -> None:
    """Store the queue in the extensions of the application."""
    app.extensions["billing_queue"] = Queue(app, settings)


def wake_worker() -> None:
    """Wake a worker.

    Call it after the transaction that enqueued a job.
    """
    queue: Queue = current_app.extensions["billing_queue"]
    queue.wake_worker()


def _open_huey(settings: Settings) -> "Huey":
    # The import takes 0.25 s, which page requests need not wait for.
    from huey import Huey, MemoryHuey, RedisHuey  # noqa: PLC0415
    from huey.serializer import SignedSerializer  # noqa: PLC0415

    url = settings.queue_url
    if not url:
        create_data_folder(settings.data_folder)
        url = f"sqlite:///{settings.data_folder / QUEUE_FILE}"
    options: dict[str, Any] = {"results": False, "serializer": SignedSerializer(secret=settings.secret_key)}
    if url == IMMEDIATE:
        return MemoryHuey(QUEUE_NAME, immediate=True, **options)
    if url.startswith(("redis://", "rediss://")):
        return RedisHuey(QUEUE_NAME, url=url, **options)
    if url.startswith("postgresql://"):
        return _open_postgresql_huey(url, options)
    from billing_admin.background.queue_file import QueueFile  # noqa: PLC0415

    return Huey(QUEUE_NAME, storage_class=QueueFile, filename=make_url(url).database or "", **options)


def _open_postgresql_huey(url: str, options: dict[str, Any]) -> "Huey":
    """Return the queue in PostgreSQL, after creating its tables.

    PostgreSQL refuses `CREATE TABLE IF NOT EXISTS` when another worker creates the same table at the same moment.
    """
    from huey import PostgresHuey  # noqa: PLC0415

    for _ in range(SCHEMA_ATTEMPTS - 1):
        with suppress(DuplicateTable, UniqueViolation):
            return PostgresHuey(QUEUE_NAME, dsn=url, **options)
    return PostgresHuey(QUEUE_NAME, dsn=url, **options)

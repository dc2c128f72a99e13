"""The bell: huey on SQLite, PostgreSQL or Redis, or none at all."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, current_app
from psycopg.errors import DuplicateTable, UniqueViolation
from sqlalchemy import make_url

from billing_admin.background import runner
from billing_admin.config import INSTANCE, Settings

if TYPE_CHECKING:
    from huey import Huey

IMMEDIATE = "immediate:"
NAME = "billing"
FILE = "queue.sqlite3"
SCHEMA_ATTEMPTS = 5
_log = structlog.get_logger(__name__)


class Queue:
    """Made when it is first used: whoever only reads needs no queue."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._settings = app, settings

    @cached_property
    def huey(self) -> "Huey":
        """The queue, with its one task, which also comes by itself each minute."""
        from huey import crontab  # noqa: PLC0415 - a quarter of a second, which who only serves pages need not wait for

        made = _made(self._settings)
        self.task = made.task(name="work_off")(self._work_off)
        made.periodic_task(crontab(), name="look")(self._work_off)
        made.on_startup(name="look_first")(self._work_off)
        return made

    def _work_off(self) -> None:
        runner.run_jobs(self._app)

    def ring(self) -> None:
        """Call a worker. When that fails, it finds the work within a minute."""
        try:
            _ = self.huey
            self.task()
        except Exception as error:  # noqa: BLE001 - no failure of the bell may refuse what stands in our own table
            _log.warning("queue_not_reached", error=repr(error))


def init_queue(app: Flask, settings: Settings) -> None:
    """Keep the application's queue."""
    app.extensions["billing_queue"] = Queue(app, settings)


def wake_worker() -> None:
    """Call a worker, after the transaction that asked for a job."""
    queue: Queue = current_app.extensions["billing_queue"]
    queue.ring()


def _made(settings: Settings) -> "Huey":
    from huey import MemoryHuey, RedisHuey, SqliteHuey  # noqa: PLC0415
    from huey.serializer import SignedSerializer  # noqa: PLC0415

    url = settings.queue_url or f"sqlite:///{_folder(settings) / FILE}"
    how: dict[str, Any] = {"results": False, "serializer": SignedSerializer(secret=settings.secret_key)}
    if url == IMMEDIATE:
        return MemoryHuey(NAME, immediate=True, **how)
    if url.startswith(("redis://", "rediss://")):
        return RedisHuey(NAME, url=url, **how)
    if url.startswith("postgresql://"):
        return _on_postgresql(url, how)
    return SqliteHuey(NAME, filename=make_url(url).database, **how)


def _on_postgresql(url: str, how: dict[str, Any]) -> "Huey":
    """Return the queue in PostgreSQL, after creating its tables.

    PostgreSQL refuses `CREATE TABLE IF NOT EXISTS` when another worker creates the same table at the same moment.
    """
    from huey import PostgresHuey  # noqa: PLC0415

    for _ in range(SCHEMA_ATTEMPTS - 1):
        with suppress(DuplicateTable, UniqueViolation):
            return PostgresHuey(NAME, dsn=url, **how)
    return PostgresHuey(NAME, dsn=url, **how)


def _folder(settings: Settings) -> Path:
    """Beside an SQLite database, else instance/."""
    url = make_url(settings.database_url)
    folder = Path(url.database).parent if url.get_backend_name() == "sqlite" and url.database else INSTANCE
    folder.mkdir(parents=True, exist_ok=True)
    return folder

"""The database engine: how connections open, and how each transaction begins.

Outside of `db.transactions.transaction` a session only reads: PostgreSQL in one READ ONLY snapshot,
SQLite with `query_only` on. A page therefore shows one moment, and a stray write fails at once on
both databases.

Every transaction begins by reading the revision of the schema, in the same round trip, and raises
RevisionMismatch when this program was written for another revision. A process that is still running
when a newer release upgrades the database therefore writes nothing more.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from psycopg.errors import UndefinedTable
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from billing_admin.config import INSTANCE, Settings, create_data_folder
from billing_admin.db.errors import SQLITE_WRITE_BEGIN, LogIfUnavailable, driver_errors, drop_broken_sqlite
from billing_admin.db.schema_revision import STORED_REVISION, check_revision, check_stored_revision
from billing_admin.domain.json_text import canonical_json
from billing_admin.domain.money import EXACT, plain_decimal
from billing_admin.models import Base
from billing_admin.private_files import create_private_database

WRITE = {"billing_write": True}
ANY_REVISION = {"billing_any_revision": True}
# A wait for SQLite's write lock lasts twice this long: first with our own retries, then with SQLite's.
BUSY_SECONDS = 5
# The changes of a large transaction should fit: SQLite writes pages that do not fit before the commit
# and reads them again. A reader needs little: an export reads each page once.
WRITE_CACHE_KIB, READ_CACHE_KIB = 32 * 1024, 2 * 1024
# Checkpoint after 32 MB of the write-ahead log, so that pages that change often are copied once.
CHECKPOINT_PAGES = 8_000
POSTGRESQL_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
POSTGRESQL_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
# Just-in-time compilation takes longer than our queries. PostgreSQL's default random_page_cost is that
# of spinning disks: with it, a lookup of 500 accounts by key reads the whole table.
_POSTGRESQL_OPTIONS = "-c timezone=UTC -c lock_timeout=10s -c jit=off -c random_page_cost=1.1"
# `PreparedQuery` decides which queries are prepared. All others never are, because their plans depend
# on their values. None would turn off `prepare=True` as well.
_NEVER_PREPARE = 2**31

_CONNECT_TO_POSTGRESQL: dict[str, Any] = {
    "isolation_level": "AUTOCOMMIT",  # _begin_postgresql sends BEGIN
    "connect_args": {"connect_timeout": 5, "options": _POSTGRESQL_OPTIONS, "prepare_threshold": _NEVER_PREPARE},
}


class _Session(FlaskSession):
    def close(self) -> None:
        """Close the session.

        Tolerate a broken connection, so that a finished response is still sent.
        """
        with LogIfUnavailable("session_closed_without_database"):
            super().close()


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False, "class_": _Session})


def write_options(_engine: Engine) -> dict[str, Any]:
    """Return the execution options with which a connection may write."""
    return WRITE


def migration_options(engine: Engine) -> dict[str, Any]:
    """Return the options of a connection that may write at any revision of the schema."""
    return write_options(engine) | ANY_REVISION


@contextmanager
def owner_engine(settings: Settings) -> Iterator[Engine]:
    """Yield the engine of the account that owns the tables."""
    if not settings.migration_url:
        yield db.engine
        return
    engine = create_engine(settings.migration_url, poolclass=NullPool, **_CONNECT_TO_POSTGRESQL)
    event.listen(engine, "begin", _begin)
    yield engine


def init_database(app: Flask, settings: Settings) -> None:
    """Bind the database to the app and configure its engine."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    options: dict[str, Any] = {
        "pool_size": settings.pool_size,
        "max_overflow": 0,
        "pool_timeout": settings.pool_timeout,
        "hide_parameters": True,
    }
    if settings.database_url.startswith("postgresql"):
        options |= _CONNECT_TO_POSTGRESQL
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "do_connect", _close_sqlite_to_others)
            event.listen(db.engine, "connect", _open_sqlite)
            event.listen(db.engine, "handle_error", drop_broken_sqlite)
        event.listen(db.engine, "begin", _begin)


@contextmanager
def sqlite_writer_turn() -> Iterator[None]:
    """Queue the threads of this process for SQLite's one write lock.

    They would poll it otherwise.
    """
    is_sqlite = db.engine.dialect.name == "sqlite"
    # After the timeout the thread tries without its turn, and SQLite raises if the lock is still taken.
    acquired = is_sqlite and _SQLITE_WRITER.acquire(timeout=2 * BUSY_SECONDS)
    try:
        yield
    finally:
        if acquired:
            _SQLITE_WRITER.release()


_SQLITE_WRITER = threading.Lock()


def _begin(connection: Connection) -> None:
    """Begin a transaction, and check the revision of the schema in it.

    The options of the connection say whether it may write.
    """
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    begin = _begin_sqlite if connection.dialect.name == "sqlite" else _begin_postgresql
    begin(connection, write=options.get("billing_write", False), checked=not options.get("billing_any_revision", False))


def _begin_postgresql(connection: Connection, *, write: bool, checked: bool) -> None:
    begin = POSTGRESQL_WRITE if write else POSTGRESQL_READ
    with driver_errors(connection) as driver:
        if not checked:
            driver.execute(begin)
            return
        try:
            cursor = driver.execute(f"{begin}; {STORED_REVISION}")  # one round trip
            cursor.nextset()
            rows = cursor.fetchall()
        except UndefinedTable:
            rows = []
        check_revision(rows)


def _close_sqlite_to_others(_dialect: object, _record: object, arguments: list[Any], _options: object) -> None:
    """Close the file of the database to other users before it is opened."""
    name = str(arguments[0])
    if not name.startswith((":", "file:")):
        file = Path(name)
        if file.parent == INSTANCE:
            with suppress(OSError):  # SQLite's own message is clearer
                create_data_folder(INSTANCE)
        create_private_database(file)


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    try:
        _prepare_sqlite(connection)
    except sqlite3.Error:
        connection.close()  # nobody else would; as long as it is open, it shares its view of the file with new ones
        raise


def _prepare_sqlite(connection: sqlite3.Connection) -> None:
    connection.isolation_level = None  # _begin_sqlite sends BEGIN
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
    connection.create_function("exact_add", 2, _exact_add, deterministic=True)
    connection.create_function("json_text", 1, canonical_json, deterministic=True)


def _begin_sqlite(connection: Connection, *, write: bool, checked: bool) -> None:
    """Begin a transaction, and take the write lock at once if it may write.

    A reader that turns into a writer later could only fail.
    """
    with driver_errors(connection) as driver:
        if connection.info.get("write") is not write:
            driver.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
            driver.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB if write else READ_CACHE_KIB}")
            connection.info["write"] = write
        if not write:
            driver.execute("BEGIN")
        elif not _take_sqlite_write_lock(driver):
            connection.exec_driver_sql(SQLITE_WRITE_BEGIN)  # waits for SQLite's own timeout, then raises
        if checked:
            check_stored_revision(driver)


def _take_sqlite_write_lock(driver: sqlite3.Connection) -> bool:
    """Retry the write lock every few tenths of a millisecond.

    Return whether it was acquired.

    SQLite's own wait soon sleeps for 0.1 s at a time, longer than many short transactions take.
    """
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        deadline = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < deadline:
            try:
                driver.execute(SQLITE_WRITE_BEGIN)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    return False
                time.sleep(random.uniform(0.0001, 0.0005))  # noqa: S311 - jitter, not a secret
            else:
                return True
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


class _ExactSum:
    """SQLite's aggregate `exact_sum`.

    Like SUM, it is NULL over no rows.
    """

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total: Decimal | None = None

    # Called for each row: defaults are faster than global names.
    def step(self, value: str | None, add: Any = EXACT.add, decimal: Any = Decimal) -> None:
        """Add one value; ignore NULL."""
        if value is not None:
            total = self.total
            self.total = decimal(value) if total is None else add(total, decimal(value))

    def finalize(self) -> str | None:
        """Return the sum as its plain text."""
        return None if self.total is None else plain_decimal(self.total)


def _exact_add(first: object, second: object) -> str:
    if not (isinstance(first, str) and isinstance(second, str)):
        raise TypeError("an exact decimal is text on SQLite")
    return plain_decimal(EXACT.add(Decimal(first), Decimal(second)))

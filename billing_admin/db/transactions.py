"""The databases: how each is opened, and `transaction`, the only commit of the whole house.

Outside a transaction a session only reads: PostgreSQL in one READ ONLY snapshot, SQLite with `query_only` on. A page therefore
shows one moment, and a stray write fails at once on both databases.

Every transaction begins by reading the revision of the schema, in the same round trip, and is refused when this program was
written for another one: a process that is still running when a newer release upgrades the database writes nothing more.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from psycopg.errors import UndefinedTable
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from billing_admin.config import Settings
from billing_admin.db.errors import SQLITE_WRITE_BEGIN, LogIfUnavailable, driver_errors
from billing_admin.db.prepared import CONNECTION
from billing_admin.db.schema_revision import STORED_REVISION, check_revision, check_stored_revision
from billing_admin.domain.json_text import json_text
from billing_admin.domain.money import EXACT, ZERO, plain
from billing_admin.models import Base

# `Session` is re-exported for the surfaces, which are handed one and must not know SQLAlchemy.
__all__ = [
    "Session",
    "Stream",
    "check_database",
    "db",
    "init_database",
    "migration_options",
    "rehearsal",
    "transaction",
    "write_options",
]


class _Session(FlaskSession):
    def close(self) -> None:
        """Close the session. A connection that broke meanwhile is dropped: an answer that is ready must not fail for it."""
        with LogIfUnavailable("session_closed_without_database"):
            super().close()


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False, "class_": _Session})

WRITE = {"billing_write": True}
ANY_REVISION = {"billing_any_revision": True}
ATTEMPTS = 5
RETRY_LOCK = 7_245_003
BUSY_SECONDS = 5  # twice: asking often, then as SQLite itself waits
# What a large transaction changes should fit: SQLite writes what does not before the commit, and reads it again. A reader needs
# little: a file that is exported goes by once.
WRITE_CACHE_KIB, READ_CACHE_KIB = 32 * 1024, 2 * 1024
CHECKPOINT_PAGES = 8_000  # 32 MB of the log go into the database at once: pages that change often are then written once
POSTGRESQL_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
POSTGRESQL_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
SERIALIZATION_FAILURE, DEADLOCK, UNIQUE_VIOLATION = "40001", "40P01", "23505"

P = ParamSpec("P")
T = TypeVar("T")


def write_options(_engine: Engine) -> dict[str, Any]:
    """Return the execution options under which a connection may write."""
    return WRITE


def migration_options(engine: Engine) -> dict[str, Any]:
    """Return the execution options under which a connection may write whatever the revision of the schema is."""
    return write_options(engine) | ANY_REVISION


def check_database() -> None:
    """Check that the database answers and has this program's revision.

    Raises RevisionMismatch, or an error of the database that `database_errors.unavailable` explains.
    """
    with db.engine.begin():
        pass  # to begin is to check


def transaction(work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work(session, …)` and commit, all or nothing.

    A serialization failure or a deadlock runs it again as a whole, a bounded number of times. So does a unique violation: every
    uniqueness is looked up first, so when the database has to refuse, somebody was faster, and the second look will see them.
    On PostgreSQL a second attempt waits for those of others: a look that waits for a row's lock sees what was there before it
    waited, and of many who are at the same rows each would only be too late again.
    """
    with _turn():
        return _attempts(db.session(), work, *args, **kwargs)


class _Rehearsed(Exception):
    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def rehearsal(work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work(session, …)` as `transaction` does, and take all of it back: what it returns, or raises, is what would be."""

    def rehearsed(session: Session) -> NoReturn:
        result = work(session, *args, **kwargs)
        session.flush()
        raise _Rehearsed(result)

    try:
        transaction(rehearsed)
    except _Rehearsed as done:
        found: T = done.result
        return found


class Stream:
    """Parts of a file, read in a session of its own, which ends with them: that of the request ends with the view.

    The first part is made at once, so that a failure until then is answered as any other. A later one is raised to the server,
    which cuts the connection.
    """

    def __init__(self, parts: Callable[[Session], Iterator[bytes]]) -> None:
        db.session().close()  # gives its connection back, else each request would need two
        self._parts = _read(db.engine, parts)
        self._first: bytes | None = next(self._parts, b"")

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._parts) if first is None else first

    def close(self) -> None:
        """End the session, though not all parts were read."""
        self._parts.close()


def _read(engine: Engine, parts: Callable[[Session], Iterator[bytes]]) -> Generator[bytes, None, None]:
    session = Session(engine)
    try:
        yield from parts(session)
    finally:
        with LogIfUnavailable("stream_closed_without_database"):
            session.close()


def _attempts(session: Session, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    for attempt in range(1, ATTEMPTS + 1):
        session.rollback()  # ends the reading snapshot
        session.info[CONNECTION] = connection = session.connection(execution_options=write_options(db.engine))
        try:
            if attempt > 1 and connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({RETRY_LOCK})")
            result = work(session, *args, **kwargs)
            session.commit()
        except DBAPIError as error:
            session.rollback()
            if attempt == ATTEMPTS or not _worth_another_try(error):
                raise
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter, not a secret
        except BaseException:
            session.rollback()
            raise
        else:
            return result
        finally:
            session.info.pop(CONNECTION)
    raise AssertionError("unreachable")


@contextmanager
def _turn() -> Iterator[None]:
    """SQLite has one writer at a time: a process's threads queue here, instead of asking for its lock again and again."""
    waits = db.engine.dialect.name == "sqlite"
    taken = waits and _TURN.acquire(timeout=2 * BUSY_SECONDS)  # whoever waits longer is told by SQLite
    try:
        yield
    finally:
        if taken:
            _TURN.release()


_TURN = threading.Lock()


def _worth_another_try(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    return code in {SERIALIZATION_FAILURE, DEADLOCK} or (code == UNIQUE_VIOLATION and isinstance(error, IntegrityError))


def init_database(app: Flask, settings: Settings) -> None:
    """Bind the database to the app and set its engine up."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    options: dict[str, Any] = {
        "pool_size": settings.pool_size,
        "max_overflow": 0,
        "pool_timeout": settings.pool_timeout,
        "hide_parameters": True,
    }
    if settings.database_url.startswith("postgresql"):
        options |= {
            "isolation_level": "AUTOCOMMIT",  # we say BEGIN ourselves
            "connect_args": {
                "connect_timeout": 5,
                # To compile a plan takes longer than to run it. A page anywhere costs little more than the next one: with what
                # PostgreSQL takes for granted, of disks that turn, it reads all accounts to find five hundred by their keys.
                "options": "-c timezone=UTC -c lock_timeout=10s -c jit=off -c random_page_cost=1.1",
                # What `statements` wants prepared is; all others never: they differ in what they look for. None would mean both.
                "prepare_threshold": 2**31,
            },
        }
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _open_sqlite)
        event.listen(db.engine, "begin", _begin)


def _begin(connection: Connection) -> None:
    """Begin a transaction that reads, or one that may write, and check the revision of the schema in it."""
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    begin = _begin_sqlite if connection.dialect.name == "sqlite" else _begin_postgresql
    begin(connection, write=options.get("billing_write", False), checked=not options.get("billing_any_revision", False))


def _begin_postgresql(connection: Connection, *, write: bool, checked: bool) -> None:
    statement = POSTGRESQL_WRITE if write else POSTGRESQL_READ
    with driver_errors(connection) as driver:
        if not checked:
            driver.execute(statement)
            return
        try:
            cursor = driver.execute(f"{statement}; {STORED_REVISION}")  # one round trip
            cursor.nextset()
            rows = cursor.fetchall()
        except UndefinedTable:
            rows = []
        check_revision(rows)


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
    connection.create_function("exact_add", 2, _exact_add, deterministic=True)
    connection.create_function("json_text", 1, json_text, deterministic=True)


def _begin_sqlite(connection: Connection, *, write: bool, checked: bool) -> None:
    """Take the write lock at the start: a reader that turns writer half-way could only fail."""
    with driver_errors(connection) as driver:
        if connection.info.get("write") is not write:
            driver.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
            driver.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB if write else READ_CACHE_KIB}")
            connection.info["write"] = write
        if not write:
            driver.execute("BEGIN")
        elif not _write_lock_taken(driver):
            connection.exec_driver_sql(SQLITE_WRITE_BEGIN)  # waits a little more, and says how it went
        if checked:
            check_stored_revision(driver)


def _write_lock_taken(driver: sqlite3.Connection) -> bool:
    """Ask for the write lock again and again, some tenths of a millisecond apart; False when it is not to be had.

    SQLite's own waiting soon pauses for a tenth of a second, in which many short transactions would have had their turn.
    """
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        until = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < until:
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
    """SQLite's aggregate: like SUM, it is NULL over no rows."""

    def __init__(self) -> None:
        self.total: Decimal | None = None

    def step(self, value: str | None) -> None:
        if value is not None:
            self.total = EXACT.add(self.total or ZERO, Decimal(value))

    def finalize(self) -> str | None:
        return None if self.total is None else plain(self.total)


def _exact_add(left: object, right: object) -> str:
    if not (isinstance(left, str) and isinstance(right, str)):
        raise TypeError("an exact decimal is text on SQLite")
    return plain(EXACT.add(Decimal(left), Decimal(right)))

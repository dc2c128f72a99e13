"""The databases: how each is opened, and `transaction`, the only commit of the whole house.

Outside a transaction a session only reads: PostgreSQL in one READ ONLY snapshot, SQLite with `query_only` on. A page therefore
shows one moment, and a stray write fails at once on both databases.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from billing_admin.config import Settings
from billing_admin.domain.jsontext import json_text
from billing_admin.domain.money import EXACT, ZERO, plain
from billing_admin.models import Base
from billing_admin.statements import CONNECTION

# `Session` is re-exported for the surfaces, which are handed one and must not know SQLAlchemy.
__all__ = [
    "DATABASE_AWAY",
    "Session",
    "db",
    "init_database",
    "rehearsal",
    "transaction",
    "write_options",
]

db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

WRITE = {"isolation_level": "READ COMMITTED", "postgresql_readonly": False, "billing_write": True}
SQLITE_WRITE = {"billing_write": True}
ATTEMPTS = 5
RETRY_LOCK = 7_245_003
BUSY_SECONDS = 5  # twice: asking often, then as SQLite itself waits
# What a large transaction changes should fit: SQLite writes what does not before the commit, and reads it again. A reader needs
# little: a file that is exported goes by once.
WRITE_CACHE_KIB, READ_CACHE_KIB = 32 * 1024, 2 * 1024
CHECKPOINT_PAGES = 8_000  # 32 MB of the log go into the database at once: pages that change often are then written once
# What is raised when the database does not answer, or not in time: try again later.
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
SERIALIZATION_FAILURE, DEADLOCK, UNIQUE_VIOLATION = "40001", "40P01", "23505"

P = ParamSpec("P")
T = TypeVar("T")


def write_options(engine: Engine) -> dict[str, Any]:
    """The execution options under which a connection may write."""
    return SQLITE_WRITE if engine.dialect.name == "sqlite" else WRITE


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


def _attempts(session: Session, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    for attempt in range(1, ATTEMPTS + 1):
        session.rollback()  # ends the reading snapshot
        session.info[CONNECTION] = connection = session.connection(execution_options=write_options(db.engine))
        if attempt > 1 and connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({RETRY_LOCK})")
        try:
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
            "isolation_level": "REPEATABLE READ",
            "execution_options": {"postgresql_readonly": True},
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
            event.listen(db.engine, "begin", _begin_sqlite)


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


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start: a reader that turns writer half-way could only fail."""
    write = connection.get_execution_options().get("billing_write", False)
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - this is SQLite's listener
    if connection.info.get("write") is not write:
        driver.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
        driver.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB if write else READ_CACHE_KIB}")
        connection.info["write"] = write
    if not write:
        driver.execute("BEGIN")
    elif not _write_lock_taken(driver):
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # waits a little more, and says how it went


def _write_lock_taken(driver: sqlite3.Connection) -> bool:
    """Ask for the write lock again and again, some tenths of a millisecond apart; False when it is not to be had.

    SQLite's own waiting soon pauses for a tenth of a second, in which many short transactions would have had their turn.
    """
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        until = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < until:
            try:
                driver.execute("BEGIN IMMEDIATE")
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

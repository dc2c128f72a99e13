"""Errors that mean that the database cannot be used at present.

They are recognised whichever library raised them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import structlog
from sqlalchemy import Connection, Dialect, ExceptionContext
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    TimeoutError as PoolTimeout,
)

RETRY_AFTER_SECONDS: Final = 5
SQLITE_WRITE_BEGIN: Final = "BEGIN IMMEDIATE"

# PostgreSQL's error classes of lost connections, sign-in, rolled back transactions, resources, shutdown,
# the server's files and its configuration.
_UNAVAILABLE_CLASSES = frozenset({"08", "28", "40", "53", "57", "58", "F0"})
_DATABASE_MISSING, _LOCK_TIMEOUT, _IDLE_TIMEOUT, _TRANSACTION_TIMEOUT = "3D000", "55P03", "25P03", "25P04"
_UNAVAILABLE_STATES = frozenset({_DATABASE_MISSING, _LOCK_TIMEOUT, _IDLE_TIMEOUT, _TRANSACTION_TIMEOUT})
_UNAVAILABLE_SQLITE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
# After these the connection fails again and again, as it holds a part of a file that was replaced or is damaged.
_BROKEN_SQLITE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOST_IN_TRANSACTION = "8s2b"  # SQLAlchemy's code for queries after the one that lost the connection
_log = structlog.get_logger(__name__)


class RevisionMismatch(Exception):
    """The database's schema is not at the revision that this program was written for.

    `is_newer` is true if a later release upgraded the database.
    """

    def __init__(self, message: str, *, is_newer: bool) -> None:
        super().__init__(message)
        self.is_newer = is_newer


class AccountsLocked(Exception):
    """The lock of a customer's account is held for longer than we wait.

    Another transaction has it.
    """


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The reason why the database is unavailable: a code, a title and a sentence.

    The code is stable, and the title is that of a page.
    """

    code: str
    title: str
    detail: str


DATABASE_UNAVAILABLE: Final = Unavailable(
    "database_away", "The database is unavailable", "The database is not responding."
)
LOCKED: Final = Unavailable(
    "database_away",
    "The customer’s account is in use",
    "Another process, such as a billing run, is using the customer’s account.",
)


def explain_unavailable(error: BaseException | None) -> Unavailable | None:
    """Return why the database is unavailable, or None for any other error.

    Looks at the error and at its causes. A lock timeout, and a transaction that was rolled back in
    favour of others after all retries, count as unavailable: the same request may succeed later.
    """
    while error is not None:
        if isinstance(error, AccountsLocked):
            return LOCKED
        if isinstance(error, RevisionMismatch):
            return Unavailable("database_revision", "The program and the database do not match", str(error))
        if _means_unavailable(error):
            return DATABASE_UNAVAILABLE
        error = error.__cause__
    return None


def _means_unavailable(error: BaseException) -> bool:
    match error:
        case DBAPIError():
            return _sqlalchemy_means_unavailable(error)
        case sqlite3.Error():
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNAVAILABLE_SQLITE
        case psycopg.Error(sqlstate=str(state)):
            return state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_STATES
        case PendingRollbackError():
            return error.code == _LOST_IN_TRANSACTION
        case _:
            return isinstance(error, PoolTimeout | psycopg.OperationalError | psycopg.InterfaceError)


def _sqlalchemy_means_unavailable(error: DBAPIError) -> bool:
    if error.connection_invalidated or error.statement == SQLITE_WRITE_BEGIN:
        return True
    if isinstance(error.orig, psycopg.Error | sqlite3.Error):
        return _means_unavailable(error.orig)
    return isinstance(error, OperationalError | InterfaceError)


class LogIfUnavailable:
    """A `with` block that logs `event` and ends if the database is unavailable.

    Other errors pass through.
    """

    def __init__(self, event: str, **fields: object) -> None:
        self._event, self._fields = event, fields

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if error is None or explain_unavailable(error) is None:
            return False
        _log.warning(self._event, **self._fields, error=driver_message(error))
        return True


def is_lock_timeout(error: DBAPIError) -> bool:
    """Return whether a lock was not free in time; PostgreSQL only."""
    return getattr(error.orig, "sqlstate", None) == _LOCK_TIMEOUT


def driver_message(error: BaseException) -> str:
    """Return the first line of the driver's message, without SQL."""
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    return str(driver_error).strip().partition("\n")[0] or type(driver_error).__name__


def drop_broken_sqlite(context: ExceptionContext) -> None:
    """Drop the pooled connections after an error that a new one may not have."""
    if _is_broken_sqlite(context.original_exception):
        context.is_disconnect = True


def _is_broken_sqlite(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN_SQLITE


@contextmanager
def driver_errors(connection: Connection) -> Iterator[Any]:
    """Yield the driver's connection.

    Raise its errors as SQLAlchemy's and drop a broken connection.
    """
    dialect, pooled = connection.dialect, connection.connection
    try:
        yield pooled.driver_connection
    except dialect.loaded_dbapi.Error as error:
        broken = dialect.is_disconnect(error, pooled.dbapi_connection, None) or _is_broken_sqlite(error)
        if broken:
            connection.invalidate(error)
            connection.engine.dispose()
        raise as_sqlalchemy_error(dialect, error, broken) from error


def as_sqlalchemy_error(dialect: Dialect, error: Any, broken: bool = False) -> BaseException:
    """Return the error that SQLAlchemy would raise for a driver's error."""
    wrapped: BaseException = DBAPIError.instance(
        None,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=broken,
        dialect=dialect,
    )
    return wrapped

"""Which errors mean that the database is unavailable, whoever raised them, and which are bugs."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import text, update
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
    TimeoutError as PoolTimeout,
)
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from billing_admin.db.errors import (
    DATABASE_UNAVAILABLE,
    SQLITE_WRITE_BEGIN,
    LogIfUnavailable,
    RevisionMismatch,
    driver_message,
    explain_unavailable,
)
from billing_admin.models import Organisation


def wrapped(error: Exception) -> DBAPIError:
    """The error as SQLAlchemy raises it."""
    wrapper = DBAPIError.instance("SELECT 1", {}, error, Exception, dialect=None)
    assert isinstance(wrapper, DBAPIError)
    return wrapper


def raised_from(error: BaseException) -> RuntimeError:
    outer = RuntimeError("while a page was rendered")
    outer.__cause__ = error
    return outer


AWAY_ERRORS = [
    psycopg.OperationalError("connection refused"),
    psycopg.OperationalError("the connection is closed"),
    psycopg.InterfaceError("the cursor is closed"),
    errors.ConnectionTimeout("timeout"),
    errors.AdminShutdown("terminating connection due to administrator command"),
    errors.CannotConnectNow("the database system is starting up"),
    errors.TooManyConnections("sorry, too many clients already"),
    errors.DiskFull("no space left on device"),
    errors.LockNotAvailable("canceling statement due to lock timeout"),
    errors.QueryCanceled("canceling statement due to statement timeout"),
    errors.SerializationFailure("could not serialize access"),
    errors.DeadlockDetected("deadlock detected"),
    errors.IoError("could not read block"),
    errors.IdleInTransactionSessionTimeout("idle"),
    PoolTimeout("QueuePool limit"),
    OperationalError("SELECT 1", {}, Exception("gone")),
    InterfaceError("SELECT 1", {}, Exception("gone")),
    DBAPIError("SELECT 1", {}, Exception("gone"), connection_invalidated=True),
    OperationalError(SQLITE_WRITE_BEGIN, {}, sqlite3.OperationalError("attempt to write a readonly database")),
    PendingRollbackError("Can't reconnect until invalid transaction is rolled back.", code="8s2b"),
]
BUGS = [
    RuntimeError("bug"),
    ZeroDivisionError(),
    errors.UndefinedTable("no such relation"),
    errors.UndefinedColumn("no such column"),
    errors.SyntaxError("syntax error"),
    errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction"),
    errors.UniqueViolation("duplicate key"),
    errors.NumericValueOutOfRange("out of range"),
    errors.StatementTooComplex("stack depth limit exceeded"),
    errors.ObjectNotInPrerequisiteState("not in a prerequisite state"),
    psycopg.ProgrammingError("the last operation didn't produce a result"),
    sqlite3.ProgrammingError("Cannot operate on a closed database."),
    PendingRollbackError("This Session's transaction has been rolled back due to a previous exception.", code="7s2a"),
    ProgrammingError("SELECT 1", {}, Exception("syntax")),
    IntegrityError("SELECT 1", {}, Exception("unique")),
]


@pytest.mark.parametrize("error", AWAY_ERRORS, ids=repr)
def test_an_error_of_a_database_that_is_away(error: Exception) -> None:
    assert explain_unavailable(error) == DATABASE_UNAVAILABLE
    assert explain_unavailable(raised_from(error)) == DATABASE_UNAVAILABLE
    if isinstance(error, psycopg.Error):
        assert explain_unavailable(wrapped(error)) == DATABASE_UNAVAILABLE


@pytest.mark.parametrize("error", BUGS, ids=repr)
def test_a_bug_is_not_taken_for_a_database_that_is_away(error: Exception) -> None:
    assert explain_unavailable(error) is None
    assert explain_unavailable(raised_from(error)) is None
    if isinstance(error, psycopg.Error | sqlite3.Error):
        assert explain_unavailable(wrapped(error)) is None


def test_another_revision_is_named() -> None:
    reason = explain_unavailable(raised_from(RevisionMismatch("The database is at revision 7.", is_newer=True)))
    assert reason is not None
    assert (reason.code, reason.detail) == ("database_revision", "The database is at revision 7.")


def _statement(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, timeout=0)
    try:
        connection.execute(statement)
    finally:
        connection.close()


def _missing_folder(path: Path) -> None:
    _statement(path / "nowhere" / "a.sqlite3", "SELECT 1")


def _no_database(path: Path) -> None:
    file = path / "text"
    file.write_text("not a database at all" * 100)
    _statement(file, "SELECT * FROM sqlite_master")


def _locked(path: Path) -> None:
    holder = sqlite3.connect(path / "a.sqlite3", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        _statement(path / "a.sqlite3", "CREATE TABLE a (b)")
    finally:
        holder.close()


def _full(path: Path) -> None:
    connection = sqlite3.connect(path / "a.sqlite3")
    try:
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE a (b)")
        connection.execute("INSERT INTO a VALUES (zeroblob(100000))")
    finally:
        connection.close()


@pytest.mark.parametrize("fail", [_missing_folder, _no_database, _locked, _full])
def test_sqlite_says_that_its_file_cannot_be_used(tmp_path: Path, fail: Callable[[Path], None]) -> None:
    with pytest.raises(sqlite3.Error) as raised:
        fail(tmp_path)
    assert explain_unavailable(raised.value) == DATABASE_UNAVAILABLE
    assert explain_unavailable(wrapped(raised.value)) == DATABASE_UNAVAILABLE


@pytest.mark.parametrize("statement", ["SELECT * FROM nothing", "SELECT nothing FROM customers", "SELEKT 1"])
def test_a_statement_that_is_wrong_is_a_bug(session: Session, statement: str) -> None:
    with pytest.raises(DBAPIError) as raised:
        session.execute(text(statement))
    assert explain_unavailable(raised.value) is None


def test_a_stray_write_is_a_bug(session: Session) -> None:
    with pytest.raises(DBAPIError) as raised:
        session.execute(update(Organisation).values(legal_name="Mine"))
    assert explain_unavailable(raised.value) is None


def test_only_an_unavailable_database_is_passed_over() -> None:
    with capture_logs() as logged, LogIfUnavailable("not_sealed", job="7"):
        raise psycopg.OperationalError("gone\nmore")
    assert logged == [{"event": "not_sealed", "job": "7", "error": "gone", "log_level": "warning"}]
    with pytest.raises(ZeroDivisionError), LogIfUnavailable("not_sealed"):
        _: Any = 1 / 0


def test_the_cause_is_one_line_without_sql() -> None:
    error = OperationalError("SELECT secret", {}, Exception("connection refused\nIs the server running?"))
    assert driver_message(error) == "connection refused"
    assert driver_message(RuntimeError()) == "RuntimeError"

"""`transaction`, the only commit of the whole program, and sessions that read."""

import random
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeAlias, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from billing_admin.db.engine import db, sqlite_writer_turn, write_options
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.prepared import CONNECTION_KEY

# `Session` is re-exported for pages and API, which receive one and may not import SQLAlchemy.
__all__ = [
    "Session",
    "Stream",
    "Transact",
    "check_database",
    "dry_run",
    "limit_lock_waits",
    "open_snapshot",
    "transaction",
]

MAX_ATTEMPTS = 5
RETRY_LOCK = 7_245_003
SERIALIZATION_FAILURE, DEADLOCK, UNIQUE_VIOLATION = "40001", "40P01", "23505"

P = ParamSpec("P")
T = TypeVar("T")
# Runs a function in a transaction: `transaction`, `dry_run`, or a function that calls one of them.
Transact: TypeAlias = Callable[..., Any]


def check_database() -> None:
    """Check that the database answers and is at this program's revision.

    Raises RevisionMismatch, or a database error that `db.errors.explain_unavailable` explains.
    """
    with db.engine.begin():
        pass  # the check is part of BEGIN


def transaction(work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work(session, …)` and commit, all or nothing.

    A serialization failure or a deadlock runs the work again as a whole, a bounded number of times.
    So does a unique violation: operations look up each unique key before they insert, so a violation
    means that another transaction inserted it first, and the next attempt will see its row.

    On PostgreSQL retries run one at a time. A query that waits for a row lock still reads the rows as
    they were before the wait, so simultaneous retries over the same rows would all fail again.
    """
    with sqlite_writer_turn():
        return _run_attempts(db.session(), work, *args, **kwargs)


def limit_lock_waits(session: Session, seconds: float) -> None:
    """Limit how long later queries of the transaction wait for a lock.

    They fail after `seconds`. SQLite has no row locks, so this changes nothing there.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")


class _DryRunResult(Exception):
    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def dry_run(work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work(session, …)`, roll it back, and return or raise its outcome.

    Otherwise this is like `transaction`.
    """

    def run_and_roll_back(session: Session) -> NoReturn:
        result = work(session, *args, **kwargs)
        session.flush()
        raise _DryRunResult(result)

    try:
        transaction(run_and_roll_back)
    except _DryRunResult as outcome:
        result: T = outcome.result
        return result


class Stream:
    """The chunks of a file, read in a session of their own.

    The request's session ends with the view.

    The first chunk is read at once, so that an error until then becomes an error response. A later
    error is raised to the server, which closes the connection.
    """

    def __init__(self, parts: Callable[[Session], Iterator[bytes]]) -> None:
        self._chunks = _read_chunks(parts)
        self._first: bytes | None = next(self._chunks, b"")

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._chunks) if first is None else first

    def close(self) -> None:
        """End the session, even if chunks remain."""
        self._chunks.close()


@contextmanager
def open_snapshot() -> Iterator[Session]:
    """Yield a session that reads one snapshot, whatever is written meanwhile.

    It takes the place of the request's session, whose connection goes back to the pool.
    """
    db.session().close()
    engine = db.engine
    pool, session = engine.pool, Session(engine)
    try:
        session.connection()  # the snapshot begins here
        yield session
    finally:
        with LogIfUnavailable("snapshot_closed_without_database"):
            # After a lost connection the pool is replaced; nobody would close a connection of the old one.
            session.close() if engine.pool is pool else session.invalidate()


def _read_chunks(parts: Callable[[Session], Iterator[bytes]]) -> Generator[bytes, None, None]:
    with open_snapshot() as session:
        yield from parts(session)


def _run_attempts(session: Session, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        session.rollback()  # ends the read snapshot
        session.info[CONNECTION_KEY] = connection = session.connection(execution_options=write_options(db.engine))
        try:
            if attempt > 1 and connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({RETRY_LOCK})")
            result = work(session, *args, **kwargs)
            session.commit()
        except DBAPIError as error:
            session.rollback()
            if attempt == MAX_ATTEMPTS or not _may_succeed_on_retry(error):
                raise
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter, not a secret
        except BaseException:
            session.rollback()
            raise
        else:
            return result
        finally:
            session.info.pop(CONNECTION_KEY)
    raise AssertionError("unreachable")


def _may_succeed_on_retry(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    return code in {SERIALIZATION_FAILURE, DEADLOCK} or (code == UNIQUE_VIOLATION and isinstance(error, IntegrityError))

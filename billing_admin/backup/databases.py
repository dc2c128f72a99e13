"""Copy a database in one snapshot while it is in use, and put a copy back.

SQLite is copied by its online backup, PostgreSQL by pg_dump in its custom format.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol
from urllib.parse import quote
from uuid import uuid4

import psycopg
from sqlalchemy import URL, make_url

from billing_admin.config import Settings
from billing_admin.db.schema_revision import STORED_REVISION
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.private_files import create_private_database, create_private_folder

COUNTED: Final = (
    "audit_events",
    "audit_seals",
    "allocations",
    "charges",
    "customers",
    "invoice_lines",
    "invoices",
    "messages",
    "payments",
    "users",
)
STOP_FIRST: Final = "Another program uses this database. Stop the server and the workers first."
_LOCK_SECONDS = 10  # that a restore waits for other connections
_ROLLBACK = "The database was left as it was."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent copy of a database.

    `content` is read once, to its end, before the copy is closed.
    """

    revision: str
    rows: Mapping[str, int]
    content: BinaryIO


class DatabaseCopies(Protocol):
    """Makes copies of a database, and restores them."""

    kind: str
    part: str  # the name of the copy in a backup

    def open_snapshot(self) -> AbstractContextManager[Snapshot]:
        """Return a copy of the database as it is now."""
        ...

    def is_empty(self) -> bool:
        """Return whether the database has no tables, or does not exist."""
        ...

    def count_rows(self) -> Mapping[str, int]:
        """Return the number of rows of the main tables."""
        ...

    def restore(self, copy: Path) -> None:
        """Replace the whole content of the database by a copy, or change nothing.

        Raises:
            Conflict: Another program uses the database, or the copy cannot be read.
        """
        ...

    def scratch(self) -> AbstractContextManager["DatabaseCopies"]:
        """Return an empty database of the same kind, which is deleted at the end."""
        ...

    @property
    def url(self) -> str:
        """The URL of the database, as in BILLING_DATABASE_URL."""
        ...


def database_copies(settings: Settings) -> DatabaseCopies:
    """Return what copies and restores the database of an installation."""
    if settings.database_url.startswith("sqlite"):
        if settings.sqlite_file is None:
            raise Conflict("in_memory", "A database in memory cannot be backed up.")
        return SQLiteCopies(settings.sqlite_file.resolve())
    return PostgreSQLCopies(make_url(settings.owner_url))


def _count_rows(execute: Any) -> tuple[str, dict[str, int]]:
    """Return the revision of a database, and the rows of the main tables."""
    revisions = sorted(row[0] for row in execute(STORED_REVISION).fetchall())
    rows = {table: int(execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in COUNTED}  # noqa: S608 - constants
    return ", ".join(revisions), rows


class SQLiteCopies:
    """Copies of an SQLite file."""

    kind, part = "sqlite", "database.sqlite3"

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"sqlite:///{self.file}"

    @contextmanager
    def open_snapshot(self) -> Iterator[Snapshot]:
        """Yield a copy of the file, which stays in use meanwhile.

        The copy is a file without a name beside the database, so that a killed backup leaves nothing.
        """
        if not self.file.exists():
            raise NotFound("no_database", f"There is no database at {self.file}.")
        descriptor, name = tempfile.mkstemp(dir=self.file.parent, prefix=".backup-")
        with (
            os.fdopen(descriptor, "rb") as content,
            closing(_connect(self.file, "mode=ro")) as source,
            closing(sqlite3.connect(name, isolation_level=None)) as copy,
        ):
            copy.execute("PRAGMA journal_mode = OFF")
            Path(name).unlink()
            source.execute("BEGIN")  # counts and copy see the same moment
            revision, rows = _count_rows(source.execute)
            source.backup(copy)
            source.execute("ROLLBACK")
            copy.close()
            yield Snapshot(revision, rows, content)

    def is_empty(self) -> bool:
        """Return whether the file has no tables, or does not exist."""
        if not self.file.exists() or self.file.stat().st_size == 0:
            return True
        with closing(_connect(self.file, "mode=ro")) as connection:
            return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    def count_rows(self) -> Mapping[str, int]:
        """Return the number of rows of the main tables."""
        with closing(_connect(self.file, "mode=ro")) as connection:
            return _count_rows(connection.execute)[1]

    def restore(self, copy: Path) -> None:
        """Replace the content of the file in one transaction of SQLite."""
        create_private_folder(self.file.parent)
        create_private_database(self.file)
        with closing(_connect(copy, "mode=ro&immutable=1")) as source:
            _check_integrity(source)
            with closing(_connect(self.file, "mode=rw")) as target:
                target.execute("PRAGMA busy_timeout = 0")
                try:
                    # SQLite leaves the write-ahead log only while no other connection is open.
                    target.execute("PRAGMA journal_mode = DELETE")
                    source.backup(target)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                        raise
                    raise Conflict("in_use", f"{STOP_FIRST} {_ROLLBACK}") from None

    @contextmanager
    def scratch(self) -> Iterator["SQLiteCopies"]:
        """Yield an empty database in a temporary folder beside this one."""
        with tempfile.TemporaryDirectory(dir=self.file.parent, prefix=".verify-") as folder:
            yield SQLiteCopies(Path(folder) / "scratch.sqlite3")


def _connect(file: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?{options}", uri=True, isolation_level=None)


def _check_integrity(connection: sqlite3.Connection) -> None:
    try:
        problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        problem = str(error)
    if problem != "ok":
        raise Conflict("damaged", f"The copy of the database is damaged: {problem}. {_ROLLBACK}")


class PostgreSQLCopies:
    """Copies of a PostgreSQL database, by the programs that come with it."""

    kind, part = "postgresql", "database.pgdump"

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql")

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self._url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)

    @contextmanager
    def open_snapshot(self) -> Iterator[Snapshot]:
        """Yield the output of pg_dump; the rows are counted in the same snapshot."""
        with self._connected() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
            revision, rows = _count_rows(connection.execute)
            arguments = ["--format=custom", "--no-owner", "--no-acl", "--schema=public", f"--snapshot={snapshot[0]}"]  # type: ignore[index]
            with self._program("pg_dump", arguments, stdout=subprocess.PIPE) as process:
                assert process.stdout  # noqa: S101 - it is a pipe
                yield Snapshot(revision, rows, process.stdout)  # type: ignore[arg-type]

    def is_empty(self) -> bool:
        """Return whether the schema has no tables."""
        with self._connected() as connection:
            row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
            return row == (0,)

    def count_rows(self) -> Mapping[str, int]:
        """Return the number of rows of the main tables."""
        with self._connected() as connection:
            return _count_rows(connection.execute)[1]

    def restore(self, copy: Path) -> None:
        """Replace the schema in one transaction, or leave it as it was."""
        begin = f"BEGIN; SET lock_timeout = '{_LOCK_SECONDS}s'; DROP SCHEMA IF EXISTS public CASCADE;\n"
        arguments = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        with self._program("psql", arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as psql:
            assert psql.stdin  # noqa: S101 - it is a pipe
            psql.stdin.write(begin.encode())
            psql.stdin.flush()
            script = ["--no-owner", "--no-acl", "--file=-", str(copy)]
            with self._program("pg_restore", script, stdout=psql.stdin, connects=False):
                pass
            psql.stdin.write(b"COMMIT;\n")

    @contextmanager
    def scratch(self) -> Iterator["PostgreSQLCopies"]:
        """Yield a new database on the same server; the account needs the right CREATEDB."""
        name = f"billing_verify_{uuid4().hex[:12]}"
        with self._connected(autocommit=True) as connection:
            try:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
            except psycopg.errors.InsufficientPrivilege:
                raise Conflict(
                    "no_scratch_database",
                    f"The account {self._url.username} may not create a database to restore into. Grant it the right:"
                    f" ALTER ROLE {self._url.username} CREATEDB",
                ) from None
            try:
                yield PostgreSQLCopies(self._url.set(database=name))
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _connected(self, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self._url.render_as_string(hide_password=False), autocommit=autocommit, connect_timeout=5
        )

    @contextmanager
    def _program(
        self, name: str, arguments: Iterable[str], *, connects: bool = True, **streams: IO[bytes] | int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program of PostgreSQL, and wait for its success; end it after an error.

        The password is passed in its environment, where other users cannot read it.
        """
        program = shutil.which(name)
        if program is None:
            raise NotFound(
                "no_program",
                f"{name} was not found. Install the client programs of PostgreSQL, on Debian postgresql-client.",
            )
        target = ["--dbname", self._url.set(password=None).render_as_string()] if connects else []
        environment = os.environ | ({"PGPASSWORD": self._url.password} if self._url.password else {})
        with tempfile.TemporaryFile() as messages:
            process = subprocess.Popen([program, *arguments, *target], stderr=messages, env=environment, **streams)  # type: ignore[call-overload]  # noqa: S603
            try:
                yield process
                if process.stdin:
                    process.stdin.close()
                process.wait()
            except BrokenPipeError:
                process.wait()  # it ended by itself: its message says why
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                for stream in filter(None, (process.stdin, process.stdout)):
                    with suppress(BrokenPipeError):
                        stream.close()
            if process.returncode:
                messages.seek(0)
                raise Conflict("program_failed", _failure(name, messages.read().decode(errors="replace")))


def _failure(program: str, messages: str) -> str:
    if "lock timeout" in messages:
        return f"{STOP_FIRST} {_ROLLBACK}"
    lines = [line.strip() for line in messages.splitlines() if "error" in line.lower()] or messages.splitlines()[-1:]
    return f"{program} failed: {lines[0] if lines else 'it gave no reason'}"

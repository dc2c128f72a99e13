"""What every test may ask for: `app`, `session`, `client`. They run the test twice, on SQLite and on PostgreSQL.

The database is a real one, as it was right after the migrations: a test may commit, use threads, and start processes on
`app.extensions["billing_settings"].database_url`.
"""

import fcntl
import gc
import math
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from contextvars import Context
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import URL, make_url, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.databases import MEMORY, NAME_THE_SELLER, SERVER, plain, postgresql_database, postgresql_server
from tests.levels import FULL, mark_browser_cases, mark_full_cases, mark_levels
from tests.prepared import Preparations, use

ROOT = Path(__file__).resolve().parent.parent
SHARED = "TEST_SHARED_FOLDER"
gc.disable()  # until all tests are collected: what is made meanwhile stays, and looking for garbage takes seconds

# Compiled modules are kept, whatever the environment says: the suite starts the program a hundred times, and compiling
# doubles the start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# "ci" tries the same examples each time; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile(
    "ci", max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--backend sqlite`: tests on SQLite alone, without starting PostgreSQL, for the inner loop."""
    parser.addoption("--backend", choices=["sqlite"], help="run on this database only; PostgreSQL is not started")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort tests into levels, and leave out those that need `FULL=1`, or PostgreSQL with `--backend sqlite`."""
    mark_full_cases(items)
    mark_levels(items, whole_files=not any("::" in argument for argument in config.args))
    mark_browser_cases(items)
    left_out = [
        item
        for item in items
        if (item.get_closest_marker("full") and not FULL) or (config.option.backend and _needs_postgresql(item))
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection: a full one would take a second, in whichever test it falls."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests passed, failed and were skipped, and why; pytest's own closing line follows."""
    stats = terminalreporter.stats
    reasons = Counter(_skip_reason(report) for report in stats.get("skipped", []))
    terminalreporter.section("summary")
    for outcome in ("passed", "failed", "error"):
        terminalreporter.line(f"{outcome}: {len(stats.get(outcome, []))}")
    terminalreporter.line(f"skipped: {reasons.total()}")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"  {count} × {reason}")


def _skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _needs_postgresql(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    asks_for_it = "postgresql" in getattr(item, "fixturenames", ())
    return asks_for_it or "postgresql" in parameters.values() or item.get_closest_marker("postgresql") is not None


def pytest_configure(config: pytest.Config) -> None:
    """Forget this machine's settings, and start the one PostgreSQL of the run before xdist starts its workers."""
    for name in [name for name in os.environ if name.startswith(("BILLING_", "FLASK_"))]:
        del os.environ[name]
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a timeout, too, leaves no server behind
    stack = ExitStack()
    config.add_cleanup(stack.close)
    os.environ[SHARED] = stack.enter_context(tempfile.TemporaryDirectory(prefix="billing-", dir=MEMORY))
    if config.option.backend:
        return
    os.environ[SERVER] = stack.enter_context(postgresql_server()).render_as_string(hide_password=False)
    stack.callback(_drop_template)


def _template() -> str:
    """Return the name of the migrated PostgreSQL database that the workers copy."""
    return f"billing_template_{Path(os.environ[SHARED]).name}"


def _drop_template() -> None:
    with psycopg.connect(plain(make_url(os.environ[SERVER])), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{_template()}"'.encode())


@contextmanager
def shared(name: str) -> Iterator[Path]:
    """Yield the path of a file that the first worker makes for all; the others wait meanwhile."""
    path = Path(os.environ[SHARED]) / name
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


class Client(FlaskClient):
    """A test client whose requests share only cookies and the database, with the test and with each other.

    In the test's own application context Flask would reuse `g` and the session, and with them who is signed in.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **{"buffered": True} | kwargs)


class Database:
    """A migrated database with the application on it, and the way back to how the migrations left it."""

    def __init__(self, url: URL, folder: Path) -> None:
        from billing_admin import create_app, tune_gc  # noqa: PLC0415 - pytest-cov measures what is imported after it starts
        from billing_admin.config import Settings  # noqa: PLC0415
        from billing_admin.db.engine import db  # noqa: PLC0415
        from tests.people import hash_cheaply  # noqa: PLC0415

        hash_cheaply()
        self.db = db
        self.preparations = Preparations()
        self.app = create_app(
            Settings(
                database_url=url.render_as_string(hide_password=False),
                secret_key="only-for-tests" * 4,
                queue_url="immediate:",  # a job is done when it has been asked for; tests of jobs have their own queue
                rate_limit="1000000/minute",  # a test may send thousands of requests
                rate_limit_address="1000000/minute",  # or bad tokens to every route
                rate_limit_storage=str(folder / "limits"),
                mail_url=f"maildir:{folder / 'mailbox'}",
                access_log=False,  # a test of it makes an application of its own
            )
        )
        self.app.testing = True
        # Otherwise the time of day would decide which events a test finds sealed.
        self.app.extensions["billing_sealing"].due = math.inf
        self.app.test_client_class = Client
        self.app.jinja_env.bytecode_cache = FileSystemBytecodeCache(os.environ[SHARED])
        self.migrate()
        tune_gc()

    def migrate(self) -> None:
        """Migrate the empty database, and name the seller."""
        from billing_admin.db.transactions import transaction  # noqa: PLC0415

        with self.app.app_context():
            flask_migrate.upgrade(str(ROOT / "migrations"))
            transaction(lambda session: session.execute(text(NAME_THE_SELLER)))
            self.db.engine.dispose()

    def close(self) -> None:
        """Close the connections that the application keeps."""
        with self.app.app_context():
            self.db.engine.dispose()

    def reset(self) -> None:
        """Go back to the rows of the migrations."""
        raise NotImplementedError

    def save(self) -> Any:
        """Return the rows that are stored now, for `put_back`."""
        raise NotImplementedError

    def put_back(self, rows: Any) -> None:
        """Replace all rows by saved ones."""
        raise NotImplementedError

    def signature(self) -> object:
        """Return a value that differs once something was written; None where it is not known."""
        return None


class SQLite(Database):
    """Goes back by a copy of the migrated file."""

    def __init__(self, folder: Path) -> None:
        self.file, self.migrated, self.copies = folder / "test.sqlite3", folder / "migrated.sqlite3", 0
        super().__init__(URL.create("sqlite", database=str(self.file)), folder)

    def migrate(self) -> None:
        with shared("migrated.sqlite3") as common:
            if not common.exists():
                super().migrate()
                shutil.copyfile(self.file, common)
        shutil.copyfile(common, self.file)
        shutil.copyfile(common, self.migrated)

    def reset(self) -> None:
        self.put_back(self.migrated)

    def save(self) -> Path:
        self.close()  # moves the log into the file
        self.copies += 1
        return Path(shutil.copyfile(self.file, self.file.with_name(f"prepared-{self.copies}.sqlite3")))

    def put_back(self, rows: Path) -> None:
        self.close()  # otherwise the connections would continue on the replaced file
        for suffix in ("-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(rows, self.file)

    def signature(self) -> object:
        log = Path(f"{self.file}-wal")
        size = log.stat().st_size if log.exists() else 0
        return self.file.stat().st_mtime_ns, size and (size, log.stat().st_mtime_ns)


class PostgreSQL(Database):
    """Goes back by deleting all rows and putting back those that the migrations made.

    2 ms for twenty tables, where TRUNCATE takes 50 to 100 and a copy of a template database 25. Triggers and foreign
    keys sleep meanwhile, for which the tests' role must be a superuser.
    """

    def __init__(self, url: URL, folder: Path) -> None:
        super().__init__(url, folder)
        self.connection = psycopg.connect(plain(url), autocommit=True)
        self.tables: list[str] = [
            name
            for (name,) in self.connection.execute(
                "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            )
        ]
        self.connection.execute("CREATE SCHEMA migrated")
        statements = ["SET LOCAL session_replication_role = replica", "SET LOCAL lock_timeout = '5s'"]
        deletes = list(statements)
        for table in self.tables:
            self.connection.execute(f"CREATE TABLE migrated.{table} AS TABLE public.{table}".encode())
            deletes.append(f"DELETE FROM public.{table}")
            statements.append(f"DELETE FROM public.{table}")
            if self.connection.execute(f"SELECT FROM migrated.{table} LIMIT 1".encode()).fetchone() is not None:
                statements.append(f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE TABLE migrated.{table}")
        self.empty, self.back = "; ".join(deletes).encode(), "; ".join(statements).encode()

    def migrate(self) -> None:
        url = self.app.extensions["billing_settings"].database_url
        server, name = make_url(os.environ[SERVER]), make_url(url).database
        with shared("migrated") as mark, psycopg.connect(plain(server), autocommit=True) as connection:
            if mark.exists():
                connection.execute(f'DROP DATABASE "{name}"'.encode())
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{_template()}"'.encode())
            else:
                super().migrate()
                connection.execute(f'CREATE DATABASE "{_template()}" TEMPLATE "{name}"'.encode())
                mark.touch()

    def reset(self) -> None:
        with self.connection.transaction():
            self.connection.execute(self.back)

    def save(self) -> dict[str, bytes]:
        query = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM public.{name})" for name in self.tables)
        rows = {}
        for (table,) in self.connection.execute(query.encode()).fetchall():
            with self.connection.cursor().copy(f"COPY public.{table} TO STDOUT (FORMAT binary)".encode()) as copy:
                rows[table] = b"".join(bytes(part) for part in copy)
        return rows

    def put_back(self, rows: dict[str, bytes]) -> None:
        with self.connection.transaction():
            self.connection.execute(self.empty)
            for table, content in rows.items():
                with self.connection.cursor().copy(f"COPY public.{table} FROM STDIN (FORMAT binary)".encode()) as copy:
                    copy.write(content)

    def close(self) -> None:
        super().close()
        self.connection.close()


@pytest.fixture(scope="session")
def sqlite() -> Iterator[SQLite]:
    """This worker's SQLite database."""
    with (
        tempfile.TemporaryDirectory(prefix="billing-", dir=MEMORY) as folder,
        closing(SQLite(Path(folder))) as database,
    ):
        yield database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """This worker's PostgreSQL database."""
    server, name = make_url(os.environ[SERVER]), f"billing_test_{os.getpid()}"
    with (
        tempfile.TemporaryDirectory(prefix="billing-", dir=MEMORY) as folder,
        postgresql_database(server, name) as url,
        closing(PostgreSQL(url, Path(folder))) as database,
    ):
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database; parametrise `backend` indirectly to have a test on one only."""
    return str(request.param)


@pytest.fixture
def app(backend: str, request: pytest.FixtureRequest) -> Flask:
    """The application on a database as the migrations left it."""
    database: Database = request.getfixturevalue(backend)
    database.reset()
    use(database)
    return database.app


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """The session of an application context around the test; what others commit shows after `session.rollback()`."""
    from billing_admin.db.engine import db  # noqa: PLC0415

    with app.app_context():
        yield db.session()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without cookies yet."""
    return app.test_client()

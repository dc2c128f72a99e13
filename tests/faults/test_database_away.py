"""A database that is stopped, restarted or cut off at any statement: 503 with Retry-After, never 500, and nothing lost."""

import gc
import os
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.background.runner import run_jobs
from billing_admin.background.webhooks import due_endpoints
from billing_admin.db.engine import db
from billing_admin.db.errors import RETRY_AFTER_SECONDS, explain_unavailable
from tests.conftest import Database
from tests.databases import PostgreSQL
from tests.faults.routes import WRITING, Everything
from tests.levels import sample, samples
from tests.people import send, signed_in

pytestmark = pytest.mark.fault

RECOVERY_SECONDS = 10
Place = tuple[PostgreSQL, Everything]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A PostgreSQL that may be stopped, and an application with data on it."""
    server = PostgreSQL(durable=True)
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory(prefix="billing-") as folder:
        database = Database(server.url, Path(folder))
        try:
            yield server, Everything(database.app, monkeypatch)
        finally:
            database.close()
            server.remove()


@pytest.fixture
def running(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same with the server running, and errors answered as in production."""
    server, everything = place
    monkeypatch.setitem(everything.app.config, "PROPAGATE_EXCEPTIONS", False)
    server.start_if_stopped()
    until_it_answers(everything)
    return place


@pytest.fixture
def stopped(place: Place) -> Place:
    """The same with the server stopped; it stays so for the next test that asks for it."""
    server, _ = place
    server.stop(signal.SIGQUIT)
    return place


def until_it_answers(everything: Everything) -> None:
    deadline = monotonic() + RECOVERY_SECONDS
    while {everything.call("GET", url).status_code for url in ("/customers", "/api/v1/customers")} != {200}:
        assert monotonic() < deadline, "the application does not recover"
        sleep(0.05)


def assert_unavailable(response: TestResponse, method: str, url: str) -> None:
    assert response.status_code == 503, (method, url, response.status_code, response.text[:300])
    assert response.headers["Retry-After"] == str(RETRY_AFTER_SECONDS), (method, url)
    assert response.headers["X-Request-Id"] in response.text, (method, url)
    if url.startswith("/api/v1/"):
        assert response.content_type == "application/problem+json", (method, url)
        assert (response.json or {})["code"] == "database_away", (method, url)
    else:
        assert "The database is unavailable" in response.text, (method, url)


@samples(40)
def test_with_postgresql_stopped_every_route_answers_503_again_and_again(running: Place, step: int) -> None:
    server, everything = running
    for method, url in [("GET", "/customers"), ("GET", "/api/v1/customers")] * 4:
        assert everything.call(method, url).status_code == 200
    server.stop(signal.SIGQUIT)
    for _ in range(4):
        assert_unavailable(everything.call("GET", "/customers"), "GET", "/customers")
    addresses = list(everything.addresses("GET", *WRITING))
    assert len(addresses) > 200
    for _ in range(2):
        for method, url in sample(addresses, step):
            assert_unavailable(everything.call(method, url), method, url)
    server.start()
    until_it_answers(everything)


def test_a_page_that_is_not_there_is_still_a_404_without_a_database(stopped: Place) -> None:
    _, everything = stopped
    assert everything.call("GET", "/nowhere").status_code == 404
    assert everything.call("GET", "/static/nothing.css").status_code == 404
    assert everything.call("GET", "/api/v1/nowhere").status_code == 404


class Cut:
    """Cuts the application's connection right before its n-th statement, as a server does that dies."""

    _METHODS: Final = (
        (psycopg.Cursor, "execute"),
        (psycopg.Cursor, "executemany"),
        (psycopg.Cursor, "copy"),
        (psycopg.Connection, "commit"),
        (psycopg.Connection, "rollback"),
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        for owner, name in self._METHODS:
            monkeypatch.setattr(owner, name, self._cutting(getattr(owner, name)))

    def _cutting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(this: Any, *arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                connection = this if isinstance(this, psycopg.Connection) else this.connection
                with socket.socket(fileno=os.dup(connection.fileno())) as its:
                    its.shutdown(socket.SHUT_RDWR)
            return original(this, *arguments, **named)

        return method

    @contextmanager
    def before(self, statement: int) -> Iterator[None]:
        self.left = statement
        try:
            yield
        finally:
            self.happened, self.left = self.left <= 0, -1


def outcome(everything: Everything, method: str, url: str) -> tuple[TestResponse | None, Exception | None]:
    """Call an address; return its answer, or what broke the file that it had begun to send."""
    try:
        return everything.call(method, url), None
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return None, error


def statuses(everything: Everything, cut: Cut, method: str, url: str) -> list[int]:
    """Call an address again and again, cut off at the first statement, at the second, and so on, until there are no more.

    A file that broke after its first bytes is noted as 0: the server would cut its connection.
    """
    codes: list[int] = []
    for statement in range(1, 60):
        with cut.before(statement):
            response, error = outcome(everything, method, url)
        if response is None:
            assert explain_unavailable(error), (method, url, statement)
        elif response.status_code == 503:
            assert_unavailable(response, method, url)
        codes.append(response.status_code if response else 0)
        if not cut.happened:
            return codes[:-1]
    return codes


@samples(40)
def test_a_connection_that_breaks_at_any_statement_of_any_page_is_503(
    running: Place, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    _, everything = running
    cut, partial, wrong = Cut(monkeypatch), set(), []
    for method, url in sample(everything.addresses("GET"), step):
        usual = everything.call(method, url).status_code
        codes = statuses(everything, cut, method, url)
        # An answer that is ready stays, though the connection breaks when it is given back, or while a refusal is laid out.
        if codes[0] != 503 or not set(codes) <= {503, usual, 0}:
            wrong.append((url, usual, codes))
        if 0 in codes:
            partial.add(url)
    assert wrong == []
    assert all("." in url or "/exports/made/" in url for url in partial), partial


WRITES: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("POST", "/api/v1/charges", {"customer": "ACME", "description": "Cut", "amount": "1.25"}),
    ("POST", "/api/v1/charges/batch", {"charges": [{"customer": "ACME", "description": "C", "amount": "1"}] * 20}),
    ("POST", "/api/v1/customers", {"reference": "CUT-{n}", "name": "Cut"}),
    ("POST", "/api/v1/payments", {"customer": "ACME", "amount": "1.00", "currency": "EUR", "method": "cash"}),
    ("POST", "/api/v1/billing-runs", {"through": "2026-11-30", "dry_run": True}),
    ("POST", "/charges/new", {"customer": "ACME", "description": "Cut", "amount": "1", "incurred_on": "2026-11-20"}),
    ("POST", "/customers/new", {"reference": "CUT-PAGE-{n}", "name": "Cut", "currency": "EUR"}),
    ("POST", "/sign-in", {"email": "admin@example.com", "password": "wrong-password-of-mine"}),
]


@pytest.mark.parametrize(("method", "url", "fields"), WRITES, ids=[url for _, url, _ in WRITES])
def test_a_connection_that_breaks_at_any_statement_of_a_write_is_503(
    running: Place, monkeypatch: pytest.MonkeyPatch, method: str, url: str, fields: dict[str, Any]
) -> None:
    _, everything = running
    cut, codes = Cut(monkeypatch), []
    for statement in range(1, 60):
        with cut.before(statement):
            codes.append(_send(everything, url, _filled(fields, statement)).status_code)
        if not cut.happened:
            break
    assert not cut.happened
    assert codes[0] == 503
    assert set(codes) <= {503, 200, 201, 303, 422}, codes
    assert codes.count(503) >= 2, codes


def _filled(fields: dict[str, Any], number: int) -> dict[str, Any]:
    return {name: value.format(n=number) if isinstance(value, str) else value for name, value in fields.items()}


def _send(everything: Everything, url: str, fields: dict[str, Any]) -> TestResponse:
    if url.startswith("/api/"):
        headers = {"Authorization": f"Bearer {everything.token}"}
        return everything.script_client.post(url, json=fields, headers=headers)
    browser = everything.app.test_client() if url == "/sign-in" else everything.browser
    if url == "/sign-in":
        with browser.session_transaction() as fresh, everything.browser.session_transaction() as signed_in:
            fresh["csrf_token"] = signed_in["csrf_token"]
    return browser.post(url, data=fields | {"csrf_token": everything.csrf_token})


def test_a_file_whose_connection_breaks_before_its_first_row_is_503(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, everything = running
    original = psycopg.Cursor.copy

    def cut(cursor: psycopg.Cursor[Any], *arguments: Any, **named: Any) -> Any:
        with socket.socket(fileno=os.dup(cursor.connection.fileno())) as its:
            its.shutdown(socket.SHUT_RDWR)
        return original(cursor, *arguments, **named)

    monkeypatch.setattr(psycopg.Cursor, "copy", cut)
    for url in ("/exports/charges.csv", "/api/v1/charges.csv", "/exports/charges.csv.zip"):
        assert_unavailable(everything.call("GET", url), "GET", url)


def test_a_file_gives_its_connection_back_whether_or_not_it_is_read(running: Place) -> None:
    _, everything = running
    with everything.app.app_context():
        pool: Any = db.engine.pool
        for method in ("GET", "HEAD"):
            for url in (
                "/exports/charges.csv",
                "/exports/charges.xlsx.zip",
                "/api/v1/charges.csv",
                "/journal/file.csv",
            ):
                everything.call(method, url).close()
        unread = everything.browser.get("/exports/charges.csv", buffered=False)
        unread.close()
        assert pool.checkedout() == 0


def test_after_an_answer_a_broken_connection_is_dropped_without_an_error(running: Place) -> None:
    server, everything = running
    with everything.app.app_context():
        db.session.connection()
        server.stop(signal.SIGQUIT)
    with everything.app.app_context():
        assert not db.session.registry.has()


def test_a_worker_looks_for_work_in_vain_and_goes_on(running: Place) -> None:
    server, everything = running
    run_jobs(everything.app)
    server.stop(signal.SIGQUIT)
    for _ in range(3):
        run_jobs(everything.app)
        assert due_endpoints(everything.app) == []
    everything.app.extensions["billing_sealing"].seal()


# --- the command line


COMMANDS: Final = [
    ("audit-head",),
    ("billing-run", "--through", "2026-11-30"),
    ("billing-run", "--through", "2026-11-30", "--dry-run"),
    ("create-token", "meter", "--scope", "read"),
    ("create-user", "ada@example.com", "--role", "viewer", "--password-stdin"),
    ("daily",),
    ("demo",),
    ("doctor",),
    ("doctor", "--json"),
    ("export", "charges", "{folder}/charges.csv"),
    ("export", "journal", "{folder}/all.journal"),
    ("export", "invoices", "-"),
    ("import", "customers", "{folder}/customers.csv"),
    ("import", "customers", "{folder}/customers.csv", "--dry-run"),
    ("post-recurring",),
    ("post-recurring", "--dry-run"),
    ("seal-audit",),
    ("set-password", "ada@example.com", "--password-stdin"),
    ("start", "--port", "1"),
    ("db", "upgrade"),
    ("db", "current"),
    ("db", "check"),
]


def run(app: Flask, *arguments: str) -> Result:
    """Run `flask …`."""
    return app.test_cli_runner().invoke(
        FlaskGroup(create_app=lambda: app), list(arguments), input="kayak sunshade tundra\n"
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_says_in_one_sentence_that_the_database_is_away(
    stopped: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(import_module("billing_admin.cli.start"), "_check_port", lambda *_: None)
    _, everything = stopped
    (tmp_path / "customers.csv").write_text("reference,name,currency\nAWAY,Away Ltd,EUR\n")
    result = run(everything.app, *(argument.format(folder=tmp_path) for argument in arguments))
    assert (result.exit_code, result.stdout) == (6, ""), result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.splitlines()[-1].startswith("The database cannot be used: ")
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]


def test_an_export_that_breaks_in_the_middle_says_so(
    running: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, everything = running
    codes = []
    cut = Cut(monkeypatch)
    for statement in range(1, 60):
        with cut.before(statement):
            result = run(everything.app, "export", "charges", str(tmp_path / "charges.csv"))
        codes.append(result.exit_code)
        assert result.exit_code == 0 or result.stderr.startswith("The database cannot be used: "), result.output
        if not cut.happened:
            break
    assert set(codes) == {0, 6}


# --- SQLite


SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@SQLITE
@samples(40)
def test_an_sqlite_file_that_is_locked_or_damaged_is_503(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr("billing_admin.db.engine.BUSY_SECONDS", 0.1)
    everything = Everything(app, monkeypatch)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    file = Path(str(db.engine.url.database))
    db.session.remove()
    db.engine.dispose()
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        for method, url, fields in WRITES[:2]:
            assert_unavailable(_send(everything, url, _filled(fields, 1)), method, url)
        assert everything.call("GET", "/customers").status_code == 200
    db.engine.dispose()
    content = file.read_bytes()
    file.write_bytes(b"not a database at all" * 1000)
    for method, url in sample(everything.addresses("GET"), step):
        assert_unavailable(everything.call(method, url), method, url)
    db.engine.dispose()
    file.write_bytes(content)
    until_it_answers(everything)


@SQLITE
def test_a_connection_to_a_replaced_sqlite_file_is_not_used_again(app: Flask, session: Session) -> None:
    """As long as another process has the old write-ahead log open, the new file cannot be read; then it can."""
    browser = signed_in(app)
    file = Path(str(db.engine.url.database))
    db.session.remove()
    db.engine.dispose()
    content = file.read_bytes()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("UPDATE organisation SET email = 'old@example.com'")
        for suffix in ("-wal", "-shm"):
            Path(f"{file}{suffix}").unlink()
        file.write_bytes(content)
        assert_unavailable(browser.get("/customers"), "GET", "/customers")
    gc.collect()  # a cursor in the traceback of the error keeps SQLite's part of its connection
    assert browser.get("/customers").status_code == 200
    assert send(browser, "/account/settings", language="en").status_code < 500

"""A database of another revision is refused everywhere with a sentence that names both versions, and nothing is written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.background.runner import run_jobs
from billing_admin.background.webhooks import due_endpoints
from billing_admin.clock import now
from billing_admin.db.engine import db, migration_options, write_options
from billing_admin.db.errors import RevisionMismatch
from billing_admin.db.schema_revision import needed_revision
from billing_admin.db.transactions import check_database, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Base
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from tests.conftest import ROOT, Client
from tests.databases import SERVER, postgresql_database
from tests.faults.routes import WRITING, Everything
from tests.faults.test_database_away import COMMANDS, run
from tests.levels import FULL, sample
from tests.making import MARCH_END, make_customer, make_spec, post

pytestmark = pytest.mark.fault

NEWER, OLDER = "9999", "0005"
SECONDS = 60


def stamp(*revisions: str) -> None:
    """Have the database say that it is at these revisions."""
    db.session.remove()
    with db.engine.connect().execution_options(**migration_options(db.engine)) as connection, connection.begin():
        connection.execute(text("DELETE FROM alembic_version"))
        for revision in revisions:
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def contents() -> dict[str, list[Any]]:
    """Every row of every table, whatever the revision is."""
    with db.engine.connect().execution_options(**migration_options(db.engine)) as connection, connection.begin():
        return {
            table.name: sorted(map(repr, connection.execute(table.select()))) for table in Base.metadata.sorted_tables
        }


def assert_refused(response: TestResponse, place: tuple[str, str], *named: str) -> None:
    assert response.status_code == 503, (place, response.status_code, response.text[:300])
    assert response.headers["Retry-After"], place
    assert "Traceback" not in response.text, place
    for name in named:
        assert name in response.text, (place, name)
    if place[1].startswith("/api/v1/"):
        assert (response.json or {})["code"] == "database_revision", place


@pytest.fixture
def everything(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Everything:
    """The application with data, which has served requests: its connections are open."""
    place = Everything(app, monkeypatch)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    for url in ("/customers", "/api/v1/customers"):
        assert place.call("GET", url).status_code == 200
    return place


@pytest.mark.quick_cases("sqlite-sample")
@pytest.mark.parametrize(
    ("revisions", "step"),
    [
        pytest.param((NEWER,), 8, id="sample"),
        *(
            pytest.param(ids, 1 if FULL else 8, id=str(ids))
            for ids in [(NEWER,), (OLDER,), (), (NEWER, needed_revision())]
        ),
    ],
)
def test_a_running_process_refuses_everything_at_once_and_goes_on_when_it_fits_again(
    everything: Everything, revisions: tuple[str, ...], step: int
) -> None:
    needed = needed_revision()
    stamp(*revisions)
    before = contents()
    for method, url in sample(everything.addresses("GET", *WRITING), step):
        if url == "/api/v1/openapi.json":  # tells of the program, not of the data
            continue
        response = everything.call(method, url)
        if response.status_code == 422 and method in WRITING and url.startswith("/api/v1/"):
            continue  # an empty body is refused before the database is asked
        assert_refused(response, (method, url), *revisions, needed)
    charge = {"id": str(uuid4()), "customer": "ACME", "description": "Late", "amount": "1"}
    headers = {"Authorization": f"Bearer {everything.token}"}
    for url, body in (("/api/v1/charges", charge), ("/api/v1/charges/batch", {"charges": [charge]})):
        assert_refused(everything.script_client.post(url, json=body, headers=headers), ("POST", url), needed)
    assert contents() == before
    stamp(needed)
    assert everything.script_client.post("/api/v1/charges", json=charge, headers=headers).status_code == 201
    assert everything.call("GET", "/customers").status_code == 200


def test_the_sentence_says_what_to_do(session: Session) -> None:
    needed = needed_revision()
    stamp(NEWER)
    with pytest.raises(RevisionMismatch, match=f"revision {NEWER}, which is newer .* up to {needed}. Run the release"):
        check_database()
    stamp(OLDER)
    with pytest.raises(RevisionMismatch, match=f"revision {OLDER}, but .* {needed}. .*flask --app wsgi db upgrade$"):
        check_database()
    stamp()
    with pytest.raises(RevisionMismatch, match=f"no revision yet, but .* {needed}. .*flask --app wsgi db upgrade$"):
        check_database()


@pytest.mark.quick_cases("sqlite-9999-billing-run", "sqlite-9999-export", "postgresql-0005-audit-head")
@pytest.mark.parametrize(
    "arguments", [command for command in COMMANDS if command[0] not in {"db", "start"}], ids=" ".join
)
@pytest.mark.parametrize("revision", [NEWER, OLDER])
def test_a_command_refuses_another_revision(
    app: Flask, session: Session, tmp_path: Path, arguments: tuple[str, ...], revision: str
) -> None:
    (tmp_path / "customers.csv").write_text("reference,name,currency\nLATE,Late Ltd,EUR\n")
    post(make_spec(make_customer(), "5"))
    stamp(revision)
    before = contents()
    result = run(app, *(argument.format(folder=tmp_path) for argument in arguments))
    assert (result.exit_code, result.stdout) == (6, ""), result.output
    (sentence,) = [line for line in result.stderr.splitlines() if not line.startswith(("Billing run ", "Encoding: "))]
    assert revision in sentence
    assert needed_revision() in sentence
    assert ("flask --app wsgi db upgrade" in sentence) is (revision == OLDER)
    assert contents() == before
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]


def test_start_and_worker_refuse_a_newer_revision(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("billing_admin.cli.start"), "_check_port", lambda *_: None)
    stamp(NEWER)
    before = contents()
    for command in ("start", "worker"):
        result = run(app, command)
        assert (result.exit_code, result.stdout) == (6, ""), result.output
        assert NEWER in result.stderr
        assert needed_revision() in result.stderr
    assert contents() == before


def test_what_runs_in_the_background_writes_nothing(app: Flask, session: Session) -> None:
    post(make_spec(make_customer(), "5"))
    spec = RunSpec(MARCH_END, issue=True, issue_date=MARCH_END)
    transaction(runs.start_in_background, spec, SYSTEM, now())
    stamp(NEWER)
    before = contents()
    run_jobs(app)
    assert due_endpoints(app) == []
    app.extensions["billing_sealing"].seal()
    assert contents() == before


def test_a_statement_by_itself_that_does_not_fit_the_schema_names_the_revision(everything: Everything) -> None:
    stamp(NEWER)
    with db.engine.connect().execution_options(**migration_options(db.engine)) as connection, connection.begin():
        connection.execute(text("ALTER TABLE api_tokens RENAME TO api_keys"))
    try:
        response = everything.call("GET", "/api/v1/customers")
        assert_refused(response, ("GET", "/api/v1/customers"), NEWER, needed_revision())
    finally:
        with db.engine.connect().execution_options(**migration_options(db.engine)) as connection, connection.begin():
            connection.execute(text("ALTER TABLE api_keys RENAME TO api_tokens"))


# --- a database that nobody migrated, and real processes


@pytest.fixture
def empty(backend: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    else:
        with postgresql_database(make_url(os.environ[SERVER]), f"billing_empty_{os.getpid()}") as url:
            yield url.render_as_string(hide_password=False)


@pytest.fixture
def unmigrated(empty: str, tmp_path: Path) -> Iterator[Flask]:
    """The application on a database without tables."""
    from billing_admin import create_app  # noqa: PLC0415 - as in tests.conftest
    from billing_admin.config import Settings  # noqa: PLC0415

    app = create_app(
        Settings(
            database_url=empty,
            secret_key="only-for-tests" * 4,
            queue_url="immediate:",
            rate_limit_storage=str(tmp_path / "limits"),
        )
    )
    app.test_client_class = Client
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_an_empty_database_is_refused_until_it_is_migrated(unmigrated: Flask) -> None:
    client = unmigrated.test_client()
    bad_token = {"Authorization": "Bearer bil_0000000000000000000000000000"}
    for url in ("/sign-in", "/api/v1/health"):
        assert_refused(client.get(url, headers=bad_token), ("GET", url), "db upgrade", needed_revision())
    result = run(unmigrated, "doctor")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "run: flask --app wsgi db upgrade" in result.stderr
    for arguments in (("db", "current"), ("db", "history"), ("db", "upgrade"), ("db", "current"), ("db", "check")):
        assert run(unmigrated, *arguments).exit_code == 0, arguments
    assert client.get("/api/v1/health").json == {"status": "ok"}
    assert run(unmigrated, "doctor").exit_code == 0
    assert run(unmigrated, "db", "stamp", OLDER).exit_code == 0
    assert_refused(client.get("/api/v1/health"), ("GET", "/api/v1/health"), OLDER, needed_revision())
    assert run(unmigrated, "db", "stamp", "head").exit_code == 0
    assert client.get("/api/v1/health").status_code == 200


def process(url: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Python's with the application's settings; it must end by itself."""
    environment = os.environ | {
        "BILLING_DATABASE_URL": url,
        "BILLING_SECRET_KEY": "only-for-tests" * 4,
        "BILLING_QUEUE_URL": f"sqlite:///{folder / 'queue.sqlite3'}",
        "BILLING_RATE_LIMIT_STORAGE": str(folder / "limits"),
    }
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.deep
@pytest.mark.parametrize("revision", [NEWER, OLDER])
def test_gunicorn_and_the_worker_do_not_start(app: Flask, session: Session, tmp_path: Path, revision: str) -> None:
    stamp(revision)
    url = app.extensions["billing_settings"].database_url
    bind = f"unix:{tmp_path / 'socket'}"
    for command, codes in (
        (("gunicorn", "--workers", "2", "--no-control-socket", "--bind", bind, "wsgi:app"), {1, 3}),
        (("gunicorn", "--preload", "--no-control-socket", "--bind", bind, "wsgi:app"), {3}),
        (("flask", "--app", "wsgi", "worker"), {6}),
    ):
        ended = process(url, tmp_path, *command)
        assert ended.returncode in codes, (command, ended.stderr)
        assert f"revision {revision}" in ended.stderr
        assert needed_revision() in ended.stderr


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_to_check_the_revision_takes_no_round_trip(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    trips, wait = [], psycopg.Connection.wait

    def counted(this: Any, *arguments: Any, **named: Any) -> Any:
        trips.append(this)
        return wait(this, *arguments, **named)

    def trips_with(options: dict[str, Any]) -> int:
        trips.clear()
        with db.engine.connect().execution_options(**options) as connection, connection.begin():
            connection.execute(text("SELECT 1"))
        return len(trips)

    session.rollback()
    monkeypatch.setattr(psycopg.Connection, "wait", counted)
    # A connection that is new takes more trips, and so does one that a thread has just used for something else.
    checked, unchecked = write_options(db.engine), migration_options(db.engine)
    assert min(trips_with(checked) for _ in range(5)) == min(trips_with(unchecked) for _ in range(5))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_sqlite_is_checked_within_the_transaction(app: Flask, session: Session) -> None:
    """A process that waited for the write lock while another upgraded the database writes nothing."""
    make_customer(reference="ACME")
    file = make_url(app.extensions["billing_settings"].database_url).database
    stamp(NEWER)
    with pytest.raises(RevisionMismatch):
        transaction(lambda _: pytest.fail("the work has begun"))
    assert file is not None
    with closing(db.engine.raw_connection()) as pooled:
        assert pooled.driver_connection is not None
        assert not pooled.driver_connection.in_transaction

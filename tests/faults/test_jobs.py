"""Real worker processes: called at once, killed in the middle, told to end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Self
from uuid import UUID

import huey
import pytest
from flask import Flask
from psycopg.errors import DuplicateTable, UniqueViolation
from sqlalchemy import make_url, select, update
from sqlalchemy.orm import Session

from billing_admin.background.queue import Queue
from billing_admin.clock import now
from billing_admin.config import Settings
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import BillingRun, Invoice, Job
from billing_admin.operations import jobs
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from tests.books import assert_books_balance
from tests.conftest import ROOT
from tests.databases import SERVER, plain, postgresql_database
from tests.faults.test_concurrency import assert_each_charge_is_billed_once, customers_with_charges
from tests.making import MARCH_END

pytestmark = pytest.mark.fault

SECONDS = 120
CUSTOMERS = 300
SHARED = 200  # customers of a run that several workers share


class Place:
    """The test's database with a queue of its own, and the workers that are started on it."""

    def __init__(self, app: Flask, queue: str) -> None:
        stored: Settings = app.extensions["billing_settings"]
        self.environment = os.environ | {
            "BILLING_DATABASE_URL": stored.database_url,
            "BILLING_SECRET_KEY": stored.secret_key,
            "BILLING_QUEUE_URL": queue,
        }
        self.queue = Queue(app, stored.model_copy(update={"queue_url": queue}))

    @contextmanager
    def worker(
        self, flask: str = "flask", log: int | IO[bytes] | None = None, prefix: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process of this module, which ends at the end of the context; its log goes to a file."""
        command = [*prefix, sys.executable, "-m", flask, "--app", "wsgi", "worker"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def place(app: Flask, session: Session, backend: str, tmp_path: Path) -> Iterator[Place]:
    """Where the workers work: the queue is of the database's own kind."""
    if backend == "sqlite":
        yield Place(app, f"sqlite:///{tmp_path / 'queue.sqlite3'}")
    else:
        with postgresql_database(make_url(os.environ[SERVER]), f"billing_queue_{os.getpid()}") as url:
            place = Place(app, plain(url))
            yield place
            place.queue.huey.storage.close()


def until(session: Session, true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    session.rollback()
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
        session.rollback()


def start_run() -> UUID:
    id, _ = transaction(runs.start_in_background, RunSpec(MARCH_END, issue=True, issue_date=MARCH_END), SYSTEM, now())
    return id


def state(session: Session) -> str | None:
    return session.scalar(select(Job.state))


@pytest.mark.quick_cases("sqlite")
def test_a_worker_is_called_at_once_and_ends_when_it_is_told(session: Session, place: Place) -> None:
    customers_with_charges(3, 2)
    with place.worker() as process:
        first = start_run()
        until(session, lambda: state(session) == "done")  # it looks when it starts, though nobody rang
        second = transaction(jobs.enqueue, "billing_run", first, "billing:write", SYSTEM, now())
        place.queue.wake_worker()
        until(session, lambda: session.get_one(Job, second, populate_existing=True).state == "done")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert_each_charge_is_billed_once(session, 3)


@pytest.mark.deep
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_worker_finds_jobs_whatever_becomes_of_its_queue(session: Session, place: Place, tmp_path: Path) -> None:
    customers_with_charges(3, 2)
    files = [tmp_path / f"queue.sqlite3{suffix}" for suffix in ("", "-wal", "-shm")]
    with (tmp_path / "log").open("wb") as log, place.worker(log=log):
        id = start_run()
        until(session, lambda: state(session) == "done")
        for content in (None, b"no database" * 1000, None):  # deleted, damaged, and deleted again
            for file in files:
                file.unlink(missing_ok=True)
            if content:
                files[0].write_bytes(content)
            job_id = transaction(jobs.enqueue, "billing_run", id, "billing:write", SYSTEM, now())
            enqueued_at = time.monotonic()
            place.queue.wake_worker()
            until(session, lambda id=job_id: session.get_one(Job, id, populate_existing=True).state == "done")  # type: ignore[misc]
            assert time.monotonic() - enqueued_at < 20
        until(session, lambda: place.queue.huey.storage.queue_size() == 0)  # the worker reads the same file again
    place.queue.huey.storage.close()
    assert_each_charge_is_billed_once(session, 3)


@pytest.mark.deep
def test_a_run_whose_workers_are_killed_is_finished_by_the_next_one(session: Session, place: Place) -> None:
    customers_with_charges(CUSTOMERS, 3)
    id = start_run()
    for _ in range(3):
        with place.worker() as process:
            made = invoices(session)
            until(session, lambda made=made: invoices(session) > made or state(session) == "done")  # type: ignore[misc]
            process.kill()
        silence(session)
    with place.worker():
        until(session, lambda: state(session) == "done")
    assert session.get_one(BillingRun, id).state == "done"
    assert_each_charge_is_billed_once(session, CUSTOMERS)
    assert_books_balance(session)


class Sharing:
    """Worker processes that bill one account at a time, and what their logs say of the runs that they joined."""

    def __init__(self, place: Place, folder: Path, count: int, prefix: Sequence[str] = ()) -> None:
        self._stack, self._prefix = ExitStack(), prefix
        self._logs = [folder / f"worker-{number}.log" for number in range(count)]
        self.processes = [self._start(place, log) for log in self._logs]

    def _start(self, place: Place, log: Path) -> subprocess.Popen[bytes]:
        file = self._stack.enter_context(log.open("wb"))
        return self._stack.enter_context(place.worker("tests.faults.small_chunks", file, self._prefix))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def events(self, number: int, name: str) -> list[dict[str, Any]]:
        """The log events of one worker that have this name."""
        lines = [line for line in self._logs[number].read_text().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]


OWN_NETWORK = ("unshare", "--net")


def may_unshare() -> bool:
    """Whether this user may start a process in a network namespace of its own."""
    return shutil.which("unshare") is not None and not subprocess.run([*OWN_NETWORK, "true"], check=False).returncode


@pytest.mark.deep
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("prefix", [(), OWN_NETWORK], ids=["one-network", "own-networks"])
def test_worker_processes_share_a_run(session: Session, place: Place, tmp_path: Path, prefix: Sequence[str]) -> None:
    """As on machines of their own, workers in own networks share the database alone: they reach it over its Unix socket."""
    if prefix and not may_unshare():
        pytest.skip("needs root and unshare")
    customers_with_charges(SHARED, 3)
    with Sharing(place, tmp_path, 2, prefix) as workers:
        id = start_run()
        until(session, lambda: state(session) == "done")
        until(session, lambda: all(workers.events(number, "billing_run_left") for number in range(2)))
        shares = [workers.events(number, "billing_run_left")[0]["accounts"] for number in range(2)]
    assert min(shares) > 0
    assert sum(shares) < SHARED, "the worker that has the job bills the rest"
    assert session.get_one(BillingRun, id).state == "done"
    assert_each_charge_is_billed_once(session, SHARED)


@pytest.mark.deep
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_shared_run_is_finished_by_the_worker_that_is_left(session: Session, place: Place, tmp_path: Path) -> None:
    customers_with_charges(SHARED, 3)
    with Sharing(place, tmp_path, 3) as workers:
        id = start_run()
        for number in range(2):
            until(session, lambda number=number: workers.events(number, "billing_run_joined"))  # type: ignore[misc]
            workers.processes[number].kill()
        billed = invoices(session)
        until(session, lambda: session.get_one(BillingRun, id).state == "done")
        silence(session)  # the job may have been of a worker that was killed
        place.queue.wake_worker()
        until(session, lambda: state(session) == "done")
    assert billed < SHARED, "the run was over before the workers were killed"
    assert_each_charge_is_billed_once(session, SHARED)


def invoices(session: Session) -> int:
    session.rollback()
    return len(session.scalars(select(Invoice.id)).all())


def silence(session: Session) -> None:
    """As if the lease had passed."""

    def age(inner: Session) -> None:
        inner.execute(
            update(Job).where(Job.state == "running").values(beat_at=now() - jobs.LEASE - timedelta(seconds=1))
        )

    transaction(age)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_worker_starts_while_another_one_creates_the_tables_of_their_queue(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, refusals = huey.PostgresHuey, [DuplicateTable(), UniqueViolation()]

    def refused_at_first(*args: Any, **how: Any) -> huey.PostgresHuey:
        if refusals:
            raise refusals.pop()
        return original(*args, **how)

    monkeypatch.setattr(huey, "PostgresHuey", refused_at_first)
    place.queue.wake_worker()
    assert place.queue.huey.pending_count() == 1
    assert refusals == []


def test_a_bell_that_cannot_be_reached_refuses_nothing(app: Flask, session: Session) -> None:
    stored: Settings = app.extensions["billing_settings"]
    queue = Queue(app, stored.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"}))
    queue.wake_worker()
    with pytest.raises(ValueError, match="BILLING_QUEUE_URL"):
        Settings(queue_url="amqp://127.0.0.1", secret_key=stored.secret_key)

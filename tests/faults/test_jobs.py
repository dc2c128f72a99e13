"""Real worker processes: called at once, killed in the middle, told to end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import make_url, select, update
from sqlalchemy.orm import Session

from billing_admin.background.queue import Queue
from billing_admin.clock import now
from billing_admin.config import Settings
from billing_admin.database import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import BillingRun, Invoice, Job
from billing_admin.operations import billing_runs, jobs
from billing_admin.operations.billing_runs import RunSpec
from tests.books import assert_books_balance
from tests.conftest import ROOT
from tests.databases import SERVER, plain, postgresql_database
from tests.faults.test_concurrency import assert_each_charge_is_billed_once, customers_with_charges
from tests.making import MARCH_END

pytestmark = pytest.mark.fault

SECONDS = 60
CUSTOMERS = 300


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
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker; at the end it is gone."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
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
    id, _ = transaction(
        billing_runs.start_in_background, RunSpec(MARCH_END, issue=True, issue_date=MARCH_END), SYSTEM, now()
    )
    return id


def state(session: Session) -> str | None:
    return session.scalar(select(Job.state))


def test_a_worker_is_called_at_once_and_ends_when_it_is_told(session: Session, place: Place) -> None:
    customers_with_charges(3, 2)
    with place.worker() as process:
        first = start_run()
        until(session, lambda: state(session) == "done")  # it looks when it starts, though nobody rang
        begun = time.monotonic()
        second = transaction(jobs.enqueue, "billing_run", first, "billing:write", SYSTEM, now())
        place.queue.ring()
        until(session, lambda: session.get_one(Job, second, populate_existing=True).state == "done")
        assert time.monotonic() - begun < 10  # far less than the minute in which it would look by itself
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert_each_charge_is_billed_once(session, 3)


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


def test_a_bell_that_cannot_be_reached_refuses_nothing(app: Flask, session: Session) -> None:
    stored: Settings = app.extensions["billing_settings"]
    queue = Queue(app, stored.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"}))
    queue.ring()
    with pytest.raises(ValueError, match="BILLING_QUEUE_URL"):
        Settings(queue_url="amqp://127.0.0.1", secret_key=stored.secret_key)

"""Billing runs as jobs: workers that join a run, and a failed run's job that is tried again."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.background import billing_runs as background, runner
from billing_admin.background.billing_runs import RunJoiner, join_run
from billing_admin.background.runner import run_jobs
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.domain.errors import Invalid
from billing_admin.models import AuditEvent, BillingRun, BillingRunItem, Job
from billing_admin.operations import jobs
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.billing.runs import RunSpec
from tests.books import assert_books_balance
from tests.making import MARCH_END, NOW, all_invoices, make_customer, make_spec, post

pytestmark = pytest.mark.both_databases
CLERK = Actor("user", UUID(int=7), "clerk@example.com", frozenset({"billing:write"}))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(chunks, "CHUNK", 2)
    yield
    runner.shutting_down.clear()


def start(customers: int) -> UUID:
    """A run in the background over customers of one charge each; no worker has its job yet."""
    post(*(make_spec(make_customer(reference=f"P-{number}"), "10") for number in range(customers)))
    return transaction(runs.start_in_background, RunSpec(MARCH_END, issue=True), CLERK, NOW)[0]


def begin(customers: int) -> UUID:
    """A run whose job another worker has begun, which has not billed anything yet."""
    run_id = start(customers)
    assert transaction(jobs.claim_next, "another", SYSTEM, NOW) is not None
    return run_id


def waiting(session: Session) -> int:
    session.rollback()
    return len(session.scalars(select(BillingRunItem.position).where(BillingRunItem.state == "waiting")).all())


def run_of(session: Session, run_id: UUID) -> BillingRun:
    session.rollback()
    return session.get_one(BillingRun, run_id, populate_existing=True)


def job_of(session: Session) -> Job:
    session.rollback()
    return session.scalars(select(Job).execution_options(populate_existing=True)).one()


def test_a_worker_joins_a_run_and_acts_for_whoever_asked_for_it(app: Flask, session: Session) -> None:
    run_id = begin(7)
    join_run(app)
    assert run_of(session, run_id).state == "done"
    assert [invoice.sequence for invoice in all_invoices()] == list(range(1, 8))
    events = session.execute(select(AuditEvent.action, AuditEvent.actor_id).where(AuditEvent.object_id == run_id)).all()
    assert Counter(event.action for event in events) == {
        "billing_run.started": 1,
        "billing_run.billed": 4,
        "billing_run.finished": 1,
    }
    assert {event.actor_id for event in events} == {CLERK.id}
    assert (job_of(session).state, job_of(session).worker) == ("running", "another")
    assert_books_balance(session)


def test_the_job_of_a_run_that_others_finished_is_done(app: Flask, session: Session) -> None:
    run_id = begin(7)
    join_run(app)
    transaction(jobs.release, job_of(session).id, "another")
    run_jobs(app)
    assert (job_of(session).state, job_of(session).done, job_of(session).of) == ("done", 7, 7)
    finished = select(AuditEvent.id).where(AuditEvent.object_id == run_id, AuditEvent.action == "billing_run.finished")
    assert len(session.scalars(finished).all()) == 1


def test_a_run_of_one_chunk_is_left_to_the_worker_that_has_its_job(app: Flask, session: Session) -> None:
    begin(2)
    join_run(app)
    assert waiting(session) == 2


def test_a_run_that_no_worker_has_begun_is_not_joined(app: Flask, session: Session) -> None:
    start(7)
    join_run(app)
    assert waiting(session) == 7


def test_a_run_without_a_job_is_not_joined(app: Flask, session: Session) -> None:
    """A run of the command line or of an API call: its own process bills it."""
    post(*(make_spec(make_customer(), "10") for _ in range(7)))
    transaction(runs.start, RunSpec(MARCH_END, issue=True), SYSTEM, NOW)
    join_run(app)
    assert waiting(session) == 7


def test_a_run_that_fails_in_one_worker_fails_for_all(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = begin(7)
    original, calls = chunks.bill_chunk, 0

    def second_fails(*args: object, **how: object) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Invalid("tired", "Too tired.")
        return original(*args, **how)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(runs, "bill_chunk", second_fails)
        join_run(app)
    assert (run_of(session, run_id).state, run_of(session, run_id).failure) == ("failed", "Too tired.")
    assert transaction(chunks.bill_chunk, run_id, SYSTEM, NOW) == 0
    assert transaction(chunks.bill_chunk, run_id, SYSTEM, NOW, wait=True) == 0
    join_run(app)
    assert waiting(session) == 5
    assert_books_balance(session)


def test_a_failed_run_goes_on_when_its_job_is_tried_again(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> int:
        raise Invalid("tired", "Too tired.")

    run_id = start(3)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "bill_chunk", fails)
        run_jobs(app)
    assert (job_of(session).state, job_of(session).failure) == ("failed", "Too tired.")
    assert run_of(session, run_id).state == "failed"
    transaction(jobs.retry, job_of(session).id, CLERK, NOW)
    run_jobs(app)
    assert job_of(session).state == "done"
    assert (run_of(session, run_id).state, run_of(session, run_id).failure) == ("done", None)
    assert len(all_invoices()) == 3


def test_an_error_in_a_run_that_was_joined_is_left_to_the_worker_that_has_the_job(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> int:
        raise RuntimeError("struck by lightning")

    run_id = begin(7)
    monkeypatch.setattr(runs, "bill_chunk", breaks)
    join_run(app)
    assert run_of(session, run_id).state == "running"
    assert job_of(session).state == "running"
    assert waiting(session) == 7


def test_a_worker_that_is_told_to_end_leaves_a_run_after_its_chunk(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = chunks.bill_chunk

    def told_to_end(*args: object, **how: object) -> int:
        runner.shutting_down.set()
        return original(*args, **how)  # type: ignore[arg-type]

    run_id = begin(7)
    monkeypatch.setattr(runs, "bill_chunk", told_to_end)
    join_run(app)
    assert waiting(session) == 5
    assert run_of(session, run_id).state == "running"


def test_a_worker_looks_for_runs_to_join_on_postgresql_alone(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr(background, "JOIN_POLL_SECONDS", 0.01)
    run_id = begin(7)
    sharer = RunJoiner(app)
    sharer.start()
    if backend == "postgresql":
        until = time.monotonic() + timedelta(seconds=30).total_seconds()
        while run_of(session, run_id).state != "done" and time.monotonic() < until:
            time.sleep(0.01)
        runner.shutting_down.set()
    sharer.join(30)
    assert not sharer.is_alive()
    assert waiting(session) == (0 if backend == "postgresql" else 7)

"""What a worker makes of a job, whatever its handler does."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from billing_admin.background import runner
from billing_admin.background.runner import HANDLERS, Handler, Progress, run_jobs
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.models import Job
from billing_admin.operations import jobs
from billing_admin.queries.jobs import job
from tests.making import NOW


@pytest.fixture(autouse=True)
def _a_handler_of_ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.0)
    yield
    HANDLERS.pop("trial", None)
    runner.shutting_down.clear()


def ask(handler: Handler, subject: int = 1) -> UUID:
    HANDLERS["trial"] = handler
    return transaction(jobs.enqueue, "trial", UUID(int=subject), "read", SYSTEM, NOW)


def worked(app: Flask, session: Session, handler: Handler) -> Job:
    id = ask(handler)
    run_jobs(app)
    session.rollback()
    return job(session, id)


def test_what_it_returns_is_kept(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> Mapping[str, Any]:
        for done in range(1, 4):
            progress.report(lambda done=done: (done, 3))  # type: ignore[misc]
        return {"rows": 3}

    found = worked(app, session, handler)
    assert (found.state, found.done, found.of, found.result) == ("done", 3, 3, {"rows": 3})


def test_a_refused_job_stores_the_message(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> None:
        raise Invalid("no", "Line 7 has no amount.")

    found = worked(app, session, handler)
    assert (found.state, found.failure) == ("failed", "Line 7 has no amount.")


def test_a_failed_job_stores_no_internal_details(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> None:
        raise KeyError("secret")

    found = worked(app, session, handler)
    assert found.state == "failed"
    assert found.failure == f"An internal error occurred. For details, search the log for job {found.id}."


def test_it_hears_that_it_was_cancelled(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> None:
        transaction(jobs.cancel, found.id, SYSTEM, NOW)
        progress.report()
        raise AssertionError("went on")

    assert worked(app, session, handler).state == "cancelled"


def test_a_worker_that_ends_gives_it_back(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> None:
        runner.shutting_down.set()
        progress.report()
        raise AssertionError("went on")

    found = worked(app, session, handler)
    assert (found.state, found.attempts) == ("queued", 0)


def test_a_worker_that_lost_it_leaves_it_alone(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> None:
        transaction(jobs.claim_next, "another", SYSTEM, NOW.replace(year=NOW.year + 10))
        progress.report()
        raise AssertionError("went on")

    found = worked(app, session, handler)
    assert (found.state, found.worker) == ("running", "another")


def test_when_the_database_goes_away_the_job_stays_for_another_worker(app: Flask, session: Session) -> None:
    def handler(found: Job, progress: Progress) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    assert worked(app, session, handler).state == "running"


def test_one_worker_does_all_that_waits(app: Flask, session: Session) -> None:
    seen = []

    def handler(found: Job, progress: Progress) -> None:
        seen.append(found.subject_id.int)

    for subject in range(1, 6):
        ask(handler, subject)
    run_jobs(app)
    assert seen == [1, 2, 3, 4, 5]

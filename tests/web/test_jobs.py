"""The pages of jobs: a list, and each at its permanent address."""

from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.background.runner import run_jobs
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.translation import Phrase
from billing_admin.operations import jobs
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from tests.making import MARCH_END, NOW, make_customer, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import link, words


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin."""
    return signed_in(app)


@pytest.fixture
@prepared
def run_id(session: Session) -> UUID:
    """A billing run that waits for a worker."""
    post(make_spec(make_customer(reference="ACME"), "5"))
    spec = RunSpec(MARCH_END, issue=True, issue_date=MARCH_END)
    return transaction(runs.start_in_background, spec, SYSTEM, NOW)[0]


def failed(id: UUID) -> None:
    transaction(jobs.claim_next, "a", SYSTEM, NOW)
    transaction(jobs.fail, id, "a", "The disk is full.", SYSTEM, NOW)


def test_before_the_first_one_the_list_says_what_belongs_here(browser: FlaskClient) -> None:
    assert "No jobs yet" in words(browser.get("/jobs"))


def test_a_run_is_watched_from_its_own_page_and_from_the_list(app: Flask, browser: FlaskClient, run_id: UUID) -> None:
    waiting = browser.get(f"/billing-runs/{run_id}")
    assert "The run will start shortly" in words(waiting)
    assert "data-live" in waiting.text
    assert "Continue this run" not in waiting.text
    listed = browser.get("/jobs")
    assert "Billing run command line" in words(listed)
    page = browser.get(link(listed, "2 Apr 2026, 09:30 UTC"))
    assert link(page, "Refresh") == page.request.path
    assert link(page, "Show the billing run") == f"/billing-runs/{run_id}"
    assert "Stop job" not in page.text
    run_jobs(app)
    assert "1 of 1 accounts billed or left out" in words(browser.get(page.request.path))
    done = browser.get(f"/billing-runs/{run_id}")
    assert "data-live" not in done.text
    assert link(done, "Show 1 invoice")


def test_the_list_has_a_tab_for_each_state(browser: FlaskClient, run_id: UUID) -> None:
    assert "All 1 Queued 1 Running 0" in words(browser.get("/jobs?state=queued"))
    assert "No jobs are failed" in words(browser.get("/jobs?state=failed"))
    assert browser.get("/jobs?state=nonsense").status_code == 422


def test_a_billing_run_is_not_stopped(browser: FlaskClient, run_id: UUID) -> None:
    page = browser.get(link(browser.get("/jobs"), "2 Apr 2026, 09:30 UTC"))
    response = send(browser, f"{page.request.path}/cancel")
    assert response.status_code == 409
    assert "cannot be cancelled" in words(response)


def test_a_failed_one_says_why_and_is_tried_again(browser: FlaskClient, run_id: UUID) -> None:
    page = browser.get(link(browser.get("/jobs"), "2 Apr 2026, 09:30 UTC"))
    failed(UUID(page.request.path.rpartition("/")[2]))
    page = browser.get(page.request.path)
    assert "The disk is full." in words(page)
    assert "Try again" in page.text
    assert send(browser, f"{page.request.path}/again").status_code == 303
    assert "Done" in words(browser.get(page.request.path))  # in tests the bell is answered at once


def test_a_failure_is_told_in_the_language_of_the_reader(browser: FlaskClient, run_id: UUID) -> None:
    transaction(jobs.claim_next, "a", SYSTEM, NOW)
    id = UUID(link(browser.get("/jobs"), "2 Apr 2026, 09:30 UTC").rpartition("/")[2])
    transaction(
        jobs.fail, id, "a", Phrase("Line {line}: {message}", line=3, message=Phrase("Enter the rate.")), SYSTEM, NOW
    )
    german = {"Accept-Language": "de"}
    assert "Zeile 3: Geben Sie den Kurs ein." in words(browser.get(f"/jobs/{id}", headers=german))
    assert "Line 3: Enter the rate." in words(browser.get(f"/jobs/{id}"))


def test_who_may_not_bill_sees_and_touches_nothing(app: Flask, run_id: UUID) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get(link(viewer.get("/jobs"), "2 Apr 2026, 09:30 UTC"))
    failed(UUID(page.request.path.rpartition("/")[2]))
    assert "Try again" not in viewer.get(page.request.path).text
    for verb in ("again", "cancel"):
        assert send(viewer, f"{page.request.path}/{verb}").status_code == 403


def test_one_that_does_not_exist(browser: FlaskClient) -> None:
    assert browser.get(f"/jobs/{UUID(int=3)}").status_code == 404

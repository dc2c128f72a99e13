"""The thread of a worker that posts recurring charges."""

import time
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.background import recurring_charges as background, runner
from billing_admin.background.recurring_charges import RecurringPoster, post_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import AuditEvent, Charge
from billing_admin.operations.charges import recurring_charges
from billing_admin.operations.master_data import services
from tests.making import NOW, make_customer, make_service

A = UUID(int=0xA)


@pytest.fixture(autouse=True)
def _running() -> Iterator[None]:
    yield
    runner.shutting_down.clear()


def agree(service: str, id: UUID | None = None) -> None:
    """ACME owes a service each month since March 2026."""
    spec = RecurringChargeSpec("ACME", service, "monthly", date(2026, 3, 1), ends_on=date(2026, 4, 30), id=id)
    transaction(recurring_charges.create, spec, SYSTEM, NOW)


def charges(session: Session) -> int:
    session.rollback()
    return len(session.scalars(select(Charge.id)).all())


def test_a_worker_posts_at_its_start_and_later_what_has_become_due(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "POSTING_SECONDS", 0.01)
    make_customer(reference="ACME")
    make_service(code="Hosting")
    agree("Hosting")
    poster = RecurringPoster(app)
    poster.start()
    for expected in (2, 4):
        until = time.monotonic() + 20
        while charges(session) < expected and time.monotonic() < until:
            time.sleep(0.01)
        assert charges(session) == expected
        if expected == 2:
            agree("Hosting", A)
    runner.shutting_down.set()
    poster.join(20)
    assert not poster.is_alive()


def test_a_worker_records_its_postings_and_logs_those_that_are_refused(
    app: Flask, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    make_customer(reference="ACME")
    make_service(code="Hosting")
    backup = make_service(code="Backup")
    agree("Hosting")
    agree("Backup", A)
    transaction(services.archive, backup.id, SYSTEM, NOW)
    post_due(app)
    assert charges(session) == 2
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "charge.posted"))
    assert (event.actor_name, event.details) == ("worker", {"charges": 2})
    log = capsys.readouterr().err
    assert "recurring_charge_refused" in log
    assert str(A) in log


def test_an_error_while_posting_is_logged_and_the_thread_goes_on(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(background, "post_all_due_charges", fail)
    post_due(app)
    assert "recurring_charges_not_posted" in capsys.readouterr().err

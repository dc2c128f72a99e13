"""The commands that post what comes again: rehearsed, posted, posted again, and refused in part."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import Charge
from billing_admin.operations.charges import recurring_charges
from billing_admin.operations.master_data import services
from billing_admin.queries.audit import count_unsealed
from tests.making import NOW, make_customer, make_service

Flask_ = Callable[..., Result]
TODAY = clock.now().date()


@pytest.fixture
def flask(app: Flask, session: Session) -> Flask_:
    """Run `flask …` as on the command line, with a customer who owes 2.50 USD a month from today on."""

    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(FlaskGroup(create_app=lambda: app), list(arguments))

    make_customer(reference="ACME")
    make_service()
    agree("GenericCompute")
    return run


def agree(service: str) -> None:
    spec = RecurringChargeSpec("ACME", service, "monthly", TODAY)
    transaction(recurring_charges.create, spec, SYSTEM, NOW)


def posted(session: Session) -> list[Charge]:
    session.rollback()
    return list(session.scalars(select(Charge)))


def test_rehearsed_it_stores_nothing(flask: Flask_, session: Session) -> None:
    result = flask("post-recurring", "--dry-run")
    head, row = (line.split("\t") for line in result.stdout.splitlines())
    assert dict(zip(head, row, strict=True)).items() >= {
        "customer": "ACME", "from": TODAY.isoformat(), "quantity": "1", "amount": "2.5", "currency": "USD"
    }.items()  # fmt: skip
    assert "Nothing was stored" in result.stderr
    [charge] = json.loads(flask("post-recurring", "--dry-run", "--json").stdout)["charges"]
    assert charge == dict(zip(head, row, strict=True))
    assert posted(session) == []


def test_posted_twice_it_is_posted_once(flask: Flask_, session: Session) -> None:
    first, second = flask("post-recurring"), flask("post-recurring", "--json")
    assert (first.exit_code, first.stdout) == (0, "")
    assert ": 1 posted." in first.stderr
    assert json.loads(second.stdout) == {"through": TODAY.isoformat(), "charges": 0, "refused": []}
    assert len(posted(session)) == 1
    assert count_unsealed(session) == 0


def test_up_to_another_day(flask: Flask_, session: Session) -> None:
    flask("post-recurring", "--through", (TODAY + timedelta(days=62)).isoformat())
    assert len(posted(session)) == 3
    far = flask("post-recurring", "--through", "2199-01-01")
    assert (far.exit_code, "one year from today" in far.stderr) == (5, True)


def test_what_cannot_be_posted_is_named(flask: Flask_, session: Session) -> None:
    backup = make_service(code="Backup")
    agree("Backup")
    transaction(services.archive, backup.id, SYSTEM, NOW)
    result = flask("post-recurring", "--json")
    assert (result.exit_code, len(posted(session))) == (5, 1)
    assert "“" in json.loads(result.stdout)["refused"][0]["reason"]
    assert "restore it first" in result.stderr


def test_each_day_it_posts_and_seals(flask: Flask_, session: Session) -> None:
    result = flask("daily")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 posted" in result.stderr
    assert "Audit events sealed" in result.stderr
    assert (len(posted(session)), count_unsealed(session)) == (1, 0)
    service = posted(session)[0].service_id
    assert service is not None
    transaction(services.archive, service, SYSTEM, NOW)
    assert flask("daily").exit_code == 0

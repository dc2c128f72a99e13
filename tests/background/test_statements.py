"""The thread of the worker that sends monthly statements."""

from datetime import date
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.background import statements
from billing_admin.background.statements import send_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Message
from billing_admin.operations.master_data import contacts
from tests.making import NOW, make_customer, make_invoice
from tests.web.reading import fresh

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def test_each_day_is_looked_at_once(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = make_customer(reference="ACME", monthly_statements=True)
    make_invoice(acme, "100")
    fields: Any = {"email": "maria@acme.example", "statements": "to"}
    transaction(contacts.create, acme.id, fields, None, SYSTEM, NOW)
    with time_machine.travel("2026-05-03T09:00:00Z", tick=False):
        done = send_due(app)
        assert done == date(2026, 5, 3)
        with monkeypatch.context() as patch:
            patch.setattr(statements, "send_all_monthly_statements", pytest.fail)
            assert send_due(app, done) == done
    (message,) = fresh(session, select(Message))
    assert (message.period_from, message.period_to) == (date(2026, 4, 1), date(2026, 4, 30))


def test_after_an_error_the_day_is_not_done(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(statements, "send_all_monthly_statements", fail)
    assert send_due(app) is None

"""The command `send-statement`, and monthly statements of `daily`."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.master_data import ContactFields
from billing_admin.models import Customer, Message
from billing_admin.operations.master_data import contacts
from tests.making import NOW, make_customer, make_invoice
from tests.web.reading import fresh

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def acme(session: Session) -> Customer:
    acme = make_customer(reference="ACME", monthly_statements=True)
    make_invoice(acme, "100")
    fields: ContactFields = {"email": "maria@acme.example", "statements": "to"}
    transaction(contacts.create, acme.id, fields, None, SYSTEM, NOW)
    return acme


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=arguments)
    return result.exit_code, result.output


def test_a_statement_is_sent_once(app: Flask, session: Session, acme: Customer) -> None:
    code, text = run(app, "send-statement", "ACME", "--from", "2026-04-01", "--to", "2026-04-30")
    (message,) = fresh(session, select(Message))
    assert (code, text.strip()) == (0, f"The statement is in the outbox: message {message.id}.")
    code, text = run(app, "send-statement", "ACME", "--from", "2026-04-01", "--to", "2026-04-30")
    assert code == 5
    assert "already waiting in the outbox" in text
    assert run(app, "send-statement", "NOBODY")[0] == 4


def test_daily_sends_monthly_statements_once(app: Flask, session: Session, acme: Customer) -> None:
    assert "Monthly statements in the outbox: 1." in run(app, "daily")[1]
    assert "Monthly statements in the outbox: 0." in run(app, "daily")[1]
    (message,) = fresh(session, select(Message))
    assert message.purpose == "statement"

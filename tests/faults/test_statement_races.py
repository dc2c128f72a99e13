"""Processes that send one statement at the same moment: the customer gets it once."""

from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import AuditEvent, Message
from billing_admin.operations.master_data import contacts
from tests.faults import worker
from tests.making import NOW, make_customer, make_invoice

pytestmark = pytest.mark.fault


@pytest.fixture
def url(app: Flask, session: Session) -> str:
    """Where the processes find the test's database."""
    return str(app.extensions["billing_settings"].database_url)


@pytest.fixture
def acme(session: Session) -> UUID:
    acme = make_customer(reference="ACME", monthly_statements=True)
    make_invoice(acme, "100")
    fields: Any = {"email": "maria@acme.example", "statements": "to"}
    transaction(contacts.create, acme.id, fields, None, SYSTEM, NOW)
    return acme.id


def count_messages(session: Session) -> tuple[int, int]:
    session.rollback()
    events = select(func.count()).where(AuditEvent.action == "message.enqueued")
    return session.scalar(select(func.count(Message.id))) or 0, session.scalar(events) or 0


def test_requests_with_one_id_make_one_message(session: Session, url: str, acme: UUID) -> None:
    answers = worker.race(url, *[(worker.send_statement, acme, UUID(int=7))] * 4)
    assert Counter(answers) == {"sent": 1, "replayed": 3}
    assert count_messages(session) == (1, 1)


def test_a_period_is_sent_once(session: Session, url: str, acme: UUID) -> None:
    tasks = [(worker.send_statement, acme, UUID(int=number)) for number in range(1, 4)]
    answers = worker.race(url, *tasks, (worker.send_monthly_statements,), (worker.send_monthly_statements,))
    assert Counter(answers[:3])["sent"] + sum(answers[3:]) == 1
    assert set(answers[:3]) <= {"sent", "already_waiting"}
    assert count_messages(session) == (1, 1)
    assert session.scalars(select(Message.period_to)).one() == date(2026, 4, 30)

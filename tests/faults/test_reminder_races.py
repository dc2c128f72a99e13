"""Processes that send reminders at the same moment: each customer gets one."""

from collections import Counter

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Message, MessageDocument, ReminderRun
from billing_admin.operations.master_data import reminder_levels
from tests.faults import worker
from tests.making import NOW, make_customer, make_invoice
from tests.web.reading import fresh

pytestmark = pytest.mark.fault


@pytest.fixture
def url(app: Flask, session: Session) -> str:
    """Two customers have overdue invoices, and reminders are sent every day."""
    for reference in ("ACME", "BETA"):
        customer = make_customer(reference=reference, email=f"pay@{reference.lower()}.example")
        for amount in ("10", "20"):
            make_invoice(customer, amount)
    transaction(reminder_levels.update, None, True, None, SYSTEM, NOW)
    session.rollback()
    return str(app.extensions["billing_settings"].database_url)


def count(session: Session, model: type[object]) -> int:
    return fresh(session, select(func.count()).select_from(model))[0]


def test_daily_reminders_of_several_workers_are_sent_once(session: Session, url: str) -> None:
    answers = worker.race(url, *[(worker.send_daily_reminders,)] * 4)
    assert Counter(answers)[0] <= 3
    assert (count(session, Message), count(session, MessageDocument), count(session, ReminderRun)) == (2, 4, 1)


def test_runs_at_the_same_moment_remind_once(session: Session, url: str) -> None:
    answers = worker.race(url, *[(worker.remind,)] * 4)
    assert sorted(answers) == [0, 0, 0, 2]
    assert (count(session, Message), count(session, MessageDocument)) == (2, 4)

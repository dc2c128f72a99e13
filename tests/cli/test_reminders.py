"""The command `remind`, and the daily reminders of `daily` and the worker."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.background.reminders import send_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Message, ReminderRun
from billing_admin.operations.master_data import reminder_levels
from tests.making import NOW, make_customer, make_invoice
from tests.web.reading import fresh

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _overdue(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    make_invoice(make_customer(reference="ACME", email="pay@acme.example"), "100")
    make_invoice(make_customer(reference="MUTE"), "5")
    values = {"mail_url": "smtp://127.0.0.1:1?tls=off", "mail_from": "Billing <billing@seller.example>"}
    monkeypatch.setitem(
        app.extensions, "billing_settings", app.extensions["billing_settings"].model_copy(update=values)
    )
    with time_machine.travel(NOW + timedelta(33), tick=False):
        yield


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=arguments)
    return result.exit_code, result.output


def count(session: Session) -> int:
    return fresh(session, select(func.count()).select_from(Message))[0]


def test_reminders_are_shown_then_sent_once(app: Flask, session: Session) -> None:
    code, text = run(app, "remind", "--dry-run")
    assert code == 0
    assert "INV-2026-00001" in text
    assert "No contact gets reminders" in text
    assert "Reminders due: 1. Nothing was sent." in text
    assert count(session) == 0
    code, text = run(app, "remind")
    assert (code, count(session)) == (0, 1)
    assert "Reminders in the outbox: 1." in text
    code, text = run(app, "remind", "--json")
    assert (code, count(session)) == (0, 1)
    content = json.loads(text[: text.rindex("}") + 1])
    assert [row["reason"] for row in content["left_out"]] == ["message_waiting", "no_recipient"]
    assert run(app, "remind", "--customer", "NOBODY")[0] == 5


def test_daily_and_the_worker_send_once_a_day(app: Flask, session: Session) -> None:
    code, text = run(app, "daily")
    assert "Reminders in the outbox: 0." in text
    transaction(reminder_levels.update, None, True, None, SYSTEM, NOW)
    for _ in range(2):
        send_due(app)
        code, text = run(app, "daily")
        assert code == 0
    assert count(session) == 1
    [stored] = fresh(session, select(ReminderRun))
    assert (stored.created_by, stored.reminders) == ("worker", 1)

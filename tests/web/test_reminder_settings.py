"""The pages of the levels of reminders, and of pauses."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Organisation, ReminderPause
from tests.making import make_customer, make_invoice
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import action, field, fields, hidden, link, words
from tests.web.reading import fresh

LEVELS = "/settings/reminders"
NUMBERS = {"days_after_due_1": "5", "days_after_due_2": "15", "days_after_due_3": "30"}
NUMBERS |= {f"least_days_{level}": "10" for level in (1, 2, 3)}


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def settings(session: Session) -> Organisation:
    return fresh(session, select(Organisation))[0]


def test_levels_are_changed(admin: FlaskClient, session: Session) -> None:
    page = admin.get(LEVELS).text
    assert (field(page, "days_after_due_1"), field(page, "least_days_3")) == ("3", "7")
    entered: dict[str, Any] = NUMBERS | {"version": hidden(page, "version"), "attaches_statement_2": "y"}
    response = send(admin, LEVELS, daily_reminders="y", **entered)
    assert (response.status_code, response.location) == (303, "/settings#reminders")
    stored = settings(session)
    assert [level["days_after_due"] for level in stored.reminder_levels] == [5, 15, 30]
    assert [level["attaches_statement"] for level in stored.reminder_levels] == [False, True, False]
    assert stored.daily_reminders
    text = words(admin.get("/settings").text)
    assert "Sent Every day Days after the due date 5, 15, 30" in text
    assert send(admin, LEVELS, **entered | {"days_after_due_1": "6"}).status_code == 422


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"days_after_due_2": "5"}, "Use more days than level 1 has, which are 5."),
        ({"least_days_3": "0"}, "Use 1 to 365 days."),
        ({"days_after_due_1": ""}, "Enter a number of days, such as 7."),
    ],
)
def test_wrong_levels_are_shown_at_their_field(admin: FlaskClient, wrong: dict[str, str], sentence: str) -> None:
    version = hidden(admin.get(LEVELS).text, "version")
    response = send(admin, LEVELS, **NUMBERS | wrong | {"version": version})
    assert response.status_code == 422
    [name] = wrong
    assert f'id="{name}-error"' in response.text
    assert sentence in words(response.text)
    assert field(response.text, "days_after_due_3") == "30"


def test_reminders_of_a_customer_are_paused_and_resumed(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", name="ACME Inc.")
    page = f"/customers/{customer.id}"
    url = link(admin.get(page), "Pause reminders")
    id = hidden(admin.get(url).text, "id")
    for _ in range(2):
        assert send(admin, url, id=id, through="2199-01-31", reason="Disputed").location == page
    text = admin.get(page).text
    assert "Paused Through 31 Jan 2199 : Disputed" in words(text)
    assert send(admin, action(text, "/reminder-pause/end")).location == page
    assert "Paused No" in words(admin.get(page).text)
    [pause] = fresh(session, select(ReminderPause))
    assert pause.ended_at is not None
    send(admin, f"{page}/reminder-pause/end")
    assert "Nothing changed." in words(admin.get(page).text)


def test_a_wrong_pause_keeps_what_was_entered(admin: FlaskClient, session: Session) -> None:
    invoice = make_invoice()
    url, id = f"/invoices/{invoice.id}/reminder-pause", str(UUID(int=7))
    response = send(admin, url, id=id, through="2020-01-01", reason="Disputed")
    assert response.status_code == 422
    assert "Use today or a later day." in words(response.text)
    assert fields(response.text, "reason") == ["Disputed"]
    draft = make_invoice(issue=False)
    response = send(admin, f"/invoices/{draft.id}/reminder-pause", id=id, through="2199-01-01", reason="Disputed")
    assert "Only issued invoices have reminders." in words(response.text)

"""The pages of reminders: due, preview, confirmation, result."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Invoice, Message, ReminderRun
from billing_admin.operations.messages.messages import cancel_message
from billing_admin.web.messages import reminders
from tests.making import NOW, make_customer, make_invoice, make_payment_spec, pay
from tests.messages import make_message
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, link, words
from tests.web.reading import fresh

LATER = NOW + timedelta(33)  # three days after the due date
PREVIEW = "/reminders/preview"


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(LATER, tick=False):
        yield


@pytest.fixture(autouse=True)
def _mail_on(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"mail_url": "smtp://127.0.0.1:1?tls=off", "mail_from": "Billing <billing@seller.example>"}
    settings = app.extensions["billing_settings"].model_copy(update=values)
    monkeypatch.setitem(app.extensions, "billing_settings", settings)


@pytest.fixture
@prepared
def admin(app: Flask, session: Session) -> FlaskClient:
    acme = make_customer(reference="ACME", name="ACME Inc.", email="pay@acme.example")
    make_invoice(acme, "100")
    make_invoice(acme, "20")
    make_invoice(make_customer(reference="BETA", name="Beta Ltd", email="pay@beta.example"), "30")
    make_invoice(make_customer(reference="MUTE", name="Mute Corp"), "40")
    return signed_in(app)


def shown(page: str) -> dict[str, Any]:
    return {name: hidden(page, name) for name in ("id", "digest", "shown")}


def messages(session: Session) -> list[Message]:
    return fresh(session, select(Message).order_by(Message.created_at, Message.id))


def test_three_clicks_from_the_overdue_list_to_sent_reminders(admin: FlaskClient, session: Session) -> None:
    url = link(admin.get("/invoices?status=overdue"), "Preview reminders")
    assert link(admin.get("/open-items"), "Preview reminders") == url
    page = admin.get(url).text
    text = words(page)
    assert "ACME Inc." in text
    assert "INV-2026-00001 : payment reminder, 3 days overdue, 100.00 USD" in text
    assert "To: pay@acme.example" in text
    assert "Total in USD 150.00 USD" in text
    assert "Mute Corp INV-2026-00004 Payment reminder No contact gets reminders. Add contact 40.00 USD" in text
    entered = shown(page)
    first = send(admin, PREVIEW, **entered)
    assert send(admin, PREVIEW, **entered).location == first.location
    assert len(messages(session)) == 2
    result = words(admin.get(str(first.location)).text)
    assert "2 reminders of 150.00 USD will be sent." in result
    assert (
        "ACME Inc. INV-2026-00001 : payment reminder, 100.00 USD INV-2026-00002 : payment reminder, 20.00 USD" in result
    )
    assert "Waiting Message to ACME Inc. 120.00 USD" in result
    assert "No contact gets reminders" in result
    assert link(admin.get("/audit"), "Reminders of 5 May 2026") == first.location
    again = words(admin.get("/reminders").text)
    assert "No reminders are due" in again
    assert "A reminder is waiting in the outbox 3" in again


def test_result_counts_what_was_sent_and_says_why_not(admin: FlaskClient, session: Session) -> None:
    run = send(admin, PREVIEW, **shown(admin.get(PREVIEW).text)).location
    (beta,) = [message for message in messages(session) if message.recipients[0].address == "pay@beta.example"]
    transaction(cancel_message, beta.id, "Paid by cheque", SYSTEM, LATER)
    result = words(admin.get(str(run)).text)
    assert "1 reminder, 1 not sent" in result
    assert "Cancelled Message to Beta Ltd Paid by cheque 30.00 USD" in result
    assert "Total in USD 120.00 USD" in result


def test_message_of_a_reminder_is_read_before_it_is_sent(admin: FlaskClient, session: Session) -> None:
    url = link(admin.get(PREVIEW), "Show message to Beta Ltd")
    page = admin.get(url)
    text = words(page)
    letter = admin.get(link(page, "reminder-BETA-USD-2026-05-05.pdf"))
    assert (letter.status_code, letter.content_type, letter.data[:5]) == (200, "application/pdf", b"%PDF-")
    assert admin.get(url.replace("?", "/9.pdf?")).status_code == 404
    assert messages(session) == []
    send(admin, PREVIEW, **shown(admin.get(PREVIEW).text))
    (beta,) = [message for message in messages(session) if message.recipients[0].address == "pay@beta.example"]
    assert f"Subject {beta.subject}" in text
    assert " ".join(beta.text.split()) in text
    assert admin.get(url).status_code == 404


def test_due_reminders_are_counted_by_level(admin: FlaskClient) -> None:
    text = words(admin.get("/reminders").text)
    assert "Payment reminder 3 150.00 USD 2 e-mails: one for each customer and currency." in text
    assert "No contact gets reminders 1" in text


def test_customers_and_invoices_are_left_out_by_tick(admin: FlaskClient, session: Session) -> None:
    page = admin.get(PREVIEW).text
    second = fresh(session, select(Invoice).where(Invoice.number == "INV-2026-00002"))[0]
    beta = fresh(session, select(Invoice).where(Invoice.number == "INV-2026-00003"))[0]
    ticks = {"leave_out": str(second.id), "leave_out_account": f"{beta.customer_id}:USD"}
    assert send(admin, PREVIEW, **shown(page), **ticks).status_code == 303
    [message] = messages(session)
    assert [(row.invoice.number, row.level) for row in message.documents] == [("INV-2026-00001", 1)]
    [run] = fresh(session, select(ReminderRun))
    result = words(admin.get(f"/reminders/{run.id}").text)
    assert "Left out by hand" in result


def test_a_stale_preview_is_shown_again_with_the_differences(admin: FlaskClient, session: Session) -> None:
    page = admin.get(PREVIEW).text
    second = fresh(session, select(Invoice).where(Invoice.number == "INV-2026-00002"))[0]
    pay(make_payment_spec("ACME", "10"), now=LATER)
    pay(make_payment_spec("BETA", "30"), now=LATER)
    make_invoice(make_customer(reference="NEW", name="New AG", email="pay@new.example"), now=NOW)
    response = send(admin, PREVIEW, **shown(page), leave_out=str(second.id))
    assert response.status_code == 422
    text = words(response.text)
    assert "The reminders have changed since this preview. Review the new preview first." in text
    assert "New: New AG Changed: ACME Inc. No longer due: Beta Ltd" in text
    assert re.search(rf'name="leave_out"\s+value="{second.id}"\s+checked', response.text)
    assert messages(session) == []
    assert send(admin, PREVIEW, **shown(response.text)).status_code == 303
    assert len(messages(session)) == 2


def test_reminders_of_one_customer(admin: FlaskClient, session: Session) -> None:
    url = link(admin.get("/open-items?customer=ACME"), "Preview reminders")
    page = admin.get(url).text
    assert "Beta Ltd" not in page
    send(admin, url, **shown(page))
    assert len(messages(session)) == 1
    assert admin.get(f"{PREVIEW}?customer=NOBODY").location == "/reminders"
    assert "There is no customer “NOBODY”." in words(admin.get("/reminders").text)


def test_without_a_mail_server_reminders_are_shown_only(
    app: Flask, admin: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = shown(admin.get(PREVIEW).text)
    settings = app.extensions["billing_settings"].model_copy(update={"mail_url": "off"})
    monkeypatch.setitem(app.extensions, "billing_settings", settings)
    page = admin.get(PREVIEW).text
    assert "E-mail is not set up" in words(page)
    assert "Send reminders" not in words(page)
    response = send(admin, PREVIEW, **entered)
    assert (response.status_code, messages(session)) == (422, [])
    assert "Set BILLING_MAIL_URL" in words(response.text)


def test_a_viewer_sees_reminders_and_sends_none(app: Flask, admin: FlaskClient) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get(PREVIEW).text
    assert "ACME Inc." in page
    assert "Leave out" not in page
    assert viewer.post(PREVIEW).status_code == 403


def test_an_invoice_shows_its_reminders_and_the_next_one(admin: FlaskClient, session: Session) -> None:
    invoice = fresh(session, select(Invoice).where(Invoice.number == "INV-2026-00001"))[0]
    page = f"/invoices/{invoice.id}"
    assert "Next reminder Payment reminder, from 5 May 2026 Paused No" in words(admin.get(page).text)
    make_message(invoice, state="sent", level=1, now=LATER)
    text = words(admin.get(page).text)
    assert "Payment reminder Sent 5 May 2026" in text
    assert "Next reminder Second reminder, from 16 May 2026" in text
    send(admin, link(admin.get(page), "Pause reminders"), id=str(UUID(int=7)), through="2026-06-01", reason="Disputed")
    assert "Paused Through 1 Jun 2026 : Disputed" in words(admin.get(page).text)


def test_very_many_overdue_invoices_are_counted_and_not_planned(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_PLANNED", 3)
    page = admin.get("/reminders")
    assert "4 invoices in USD are overdue With so many, the preview counts the reminders" in words(page)
    assert admin.get(link(page, "Preview reminders")).status_code == 200

"""The outbox, and messages on the pages of documents, customers and the dashboard."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.background.mail_transport import NO_STARTTLS
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.messages import CC, Recipient
from billing_admin.models import Invoice, MailPause, Message
from billing_admin.operations.master_data import contacts, customers
from billing_admin.web.messages import messages
from tests.background.outbox import change_mail
from tests.making import NOW, make_customer, make_invoice
from tests.messages import ANNA, make_message
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import fields, has_link, link, links, words
from tests.web.reading import fresh

BEN = Recipient("", "ben@example.com", CC)


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def issued(session: Session) -> Invoice:
    return make_invoice(make_customer(reference="ACME", name="ACME Inc"))


def test_empty_outbox_says_what_belongs_there(browser: FlaskClient) -> None:
    page = browser.get("/messages")
    assert "No messages yet When you send an invoice to a customer, the message appears here." in words(page)
    assert not has_link(page, "Export CSV")
    assert "No messages match" in words(browser.get("/messages?state=failed"))
    assert "There is no customer “nobody”" in words(browser.get("/messages?customer=nobody"))
    assert browser.get("/messages?state=lost").status_code == 422


def test_list_shows_recipients_documents_and_states(browser: FlaskClient, issued: Invoice) -> None:
    make_message(issued, subject="First", state="sent", recipients=(ANNA, BEN))
    make_message(customer=make_customer(reference="Other"), subject="Second", state="failed", now=NOW + timedelta(1))
    page = browser.get("/messages")
    text = words(page)
    assert text.index("Second") < text.index("First")
    assert f"{issued.number} To: anna@example.com Cc: ben@example.com Sent" in text
    assert "ACME Inc" in text
    assert link(page, str(issued.number)) == f"/invoices/{issued.id}"
    tabs = dict(links(page))
    assert {"All 2", "Needs attention 1", "Sent 1", "Failed 1", "Waiting 0"} <= tabs.keys()


@pytest.mark.parametrize("mail_on", [True, False])
def test_messages_that_wait_for_long_are_named_with_the_reason(
    app: Flask, browser: FlaskClient, issued: Invoice, monkeypatch: pytest.MonkeyPatch, mail_on: bool
) -> None:
    change_mail(app, monkeypatch, mail_url="smtp://127.0.0.1:1?tls=off" if mail_on else "off")
    now = clock.now()
    make_message(issued, now=now - timedelta(minutes=59))
    for page in ("/", "/messages"):
        assert "Messages are not going out" not in words(browser.get(page))
    make_message(customer=make_customer(reference="B"), now=now - timedelta(minutes=61))
    way_out = "If no worker is running" if mail_on else "E-mail is off. Ask your system administrator"
    for page in ("/", "/messages"):
        text = words(browser.get(page))
        assert "Messages are not going out 1 message has been waiting for more than an hour, since" in text
        assert way_out in text
    for minutes, reason in ((9, "450 Earlier"), (5, "451 Try later")):
        at, customer = now - timedelta(minutes=minutes), make_customer(reference=str(minutes))
        make_message(customer=customer, now=now - timedelta(days=1), tries=1, attempted_at=at, reason=reason)
    assert ("The latest reason: 451 Try later" in words(browser.get("/messages"))) is mail_on


@pytest.mark.parametrize(
    "query",
    [
        "state=sent",
        "customer=ACME",
        "document=INV-2026-00001",
        "purpose=reminder",
        "q=hello",
        "q=anna",
        "from=2026-04-03",
        "to=2026-04-02&customer=ACME",
        "undelivered=1",
    ],
)
def test_filters_select_messages(browser: FlaskClient, session: Session, issued: Invoice, query: str) -> None:
    other = make_customer(reference="Other")
    if query.startswith(("from", "purpose", "undelivered")):
        make_message(
            issued,
            subject="Hello",
            state="sent",
            level=1,
            now=NOW + timedelta(1),
            result="bounced",
        )
    else:
        make_message(issued, subject="Hello", state="sent")
    make_message(customer=other, subject="Good bye", recipients=(BEN,))
    page = words(browser.get(f"/messages?{query}"))
    assert ("Hello" in page, "Good bye" in page) == (True, False)


def test_message_shows_outcomes_and_text(browser: FlaskClient, issued: Invoice) -> None:
    first = make_message(issued, subject="Invoice", text="Dear Anna\nsee below", state="failed", reason="No such user.")
    page = browser.get(f"/messages/{first.id}")
    text = words(page)
    assert "This message was not sent No such user. Correct the cause, then send it again." in text
    assert "Dear Anna see below" in text
    second = make_message(
        issued, subject="Invoice", state="sent", again_of=first.id, again_reason="New address", recipients=(ANNA, BEN)
    )
    text = words(browser.get(f"/messages/{first.id}"))
    assert "This message was not sent" not in text
    assert "Reason: New address Sent" in text
    text = words(browser.get(f"/messages/{second.id}"))
    assert "ben@example.com – none Cc Accepted 250 OK" in text
    assert link(browser.get(f"/messages/{second.id}"), "an earlier one") == f"/messages/{first.id}"
    assert browser.get("/messages/00000000-0000-0000-0000-000000000001").status_code == 404


def test_message_marked_by_a_person_needs_no_recipients(browser: FlaskClient, issued: Invoice) -> None:
    message = make_message(issued, state="sent", by_hand=True, recipients=(), reason="By letter on 2 April.")
    text = words(browser.get(f"/messages/{message.id}"))
    assert "By letter on 2 April." in text
    assert "This message has no recipients: it was sent by other means." in text


def test_menu_counts_failed_and_uncertain_messages_that_were_not_sent_again(app: Flask, issued: Invoice) -> None:
    viewer = signed_in(app, "viewer")
    assert link(viewer.get("/"), "Outbox") == "/messages"
    failed = make_message(issued, state="failed")
    make_message(customer=make_customer(reference="Other"), state="uncertain")
    assert link(viewer.get("/"), "Outbox 2 need attention") == "/messages?state=attention"
    assert "Messages not sent 2 2 messages failed, or may not have been sent" in words(viewer.get("/"))
    make_message(issued, state="sent", again_of=failed.id, again_reason="New address")
    assert has_link(viewer.get("/"), "Outbox 1 need attention")


def test_menu_counts_messages_that_wait_for_long(app: Flask, issued: Invoice) -> None:
    viewer, now = signed_in(app, "viewer"), clock.now()
    make_message(issued, now=now - timedelta(minutes=61))
    assert link(viewer.get("/"), "Outbox 1 need attention") == "/messages?state=waiting"
    make_message(customer=make_customer(reference="B"), state="failed")
    assert link(viewer.get("/"), "Outbox 2 need attention") == "/messages?state=attention"


def test_a_pause_of_the_outbox_is_shown_and_can_be_ended(app: Flask, browser: FlaskClient, issued: Invoice) -> None:
    now = clock.now()
    message = make_message(issued, next_attempt_at=now + timedelta(hours=6), reason="554 5.7.1 Denied", tries=4)
    pause = {"refusals": 5, "reason": "554 5.7.1 Denied", "until": now + timedelta(minutes=10)}
    transaction(lambda session: session.execute(update(MailPause).values(**pause)))
    for page in ("/", "/messages"):
        text = words(browser.get(page))
        assert "The outbox is paused" in text
        assert "The mail server refused 5 messages in a row" in text
        assert "554 5.7.1 Denied" in text
    assert "Try again now" not in signed_in(app, "viewer").get("/messages").text
    assert send(browser, "/messages/resume").location == "/messages"
    text = words(browser.get("/messages"))
    assert "1 message will be sent shortly, if the mail server accepts them." in text
    assert "The outbox is paused" not in text
    due = db.session.get_one(Message, message.id, populate_existing=True).next_attempt_at
    assert due is not None
    assert due < now + timedelta(minutes=1)


@pytest.mark.usefixtures("issued")
def test_the_reason_of_a_pause_is_in_the_language_of_the_reader(browser: FlaskClient) -> None:
    def pause(session: Session) -> None:
        row = session.get_one(MailPause, 1)
        row.refusals, row.reason, row.until = 5, NO_STARTTLS, clock.now() + timedelta(minutes=10)

    transaction(pause)
    assert "Der Mailserver bietet kein STARTTLS an." in words(browser.get("/", headers={"Accept-Language": "de"}))
    assert "The mail server does not offer STARTTLS." in words(browser.get("/"))


def test_a_failed_message_that_is_sent_again_does_not_stop_the_others(browser: FlaskClient, issued: Invoice) -> None:
    failed = make_message(issued, state="failed")
    repeat = make_message(issued, again_of=failed.id, again_reason="New address")
    other = make_message(customer=make_customer(reference="B"), state="failed")
    fields: Any = {"id": [str(failed.id), str(other.id)]}
    assert send(browser, "/messages/selected/cancel", **fields, confirmed="1", reason="Wrong").status_code == 303
    states = {row.id: row.state for row in fresh(db.session(), select(Message))}
    assert states == {failed.id: "failed", repeat.id: "waiting", other.id: "cancelled"}


def test_all_messages_of_a_filter_are_changed_at_once(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = make_customer(reference="B")
    failed = [make_message(customer=customer, state="failed").id for _ in range(2)]
    waiting = make_message(customer=customer)
    assert "All 2 messages of this filter" in words(browser.get("/messages?state=failed"))
    asked = send(browser, "/messages/selected/cancel?state=failed", all="1")
    assert "Cancel 2 messages?" in words(asked)
    sent: Any = {"id": fields(asked, "id"), "confirmed": "1", "reason": "Wrong"}
    assert send(browser, "/messages/selected/cancel?state=failed", **sent).location == "/messages?state=failed"
    states = {row.id: row.state for row in fresh(db.session(), select(Message))}
    assert states == dict.fromkeys(failed, "cancelled") | {waiting.id: "waiting"}
    monkeypatch.setattr(messages, "MAX_CHANGED", 1)
    assert "More than 1 messages match. To select all" in words(browser.get("/messages?state=cancelled"))


def test_monthly_statements_without_a_recipient_are_named(browser: FlaskClient, session: Session) -> None:
    make_customer(reference="MUTE", name="Mute Ltd", monthly_statements=True)
    gone = make_customer(reference="GONE", name="Gone Ltd", monthly_statements=True)
    transaction(customers.archive, gone.id, SYSTEM, NOW)
    heard = make_customer(reference="HEARD", name="Heard Ltd", monthly_statements=True)
    contact: Any = {"email": "a@heard.example", "statements": "to"}
    transaction(contacts.create, heard.id, contact, None, SYSTEM, NOW)
    page = browser.get("/messages")
    assert "1 customer should get a statement each month, but no contact gets statements" in words(page)
    assert has_link(page, "Mute Ltd")
    assert not has_link(page, "Heard Ltd")
    assert not has_link(page, "Gone Ltd")


def test_a_withdrawn_repeat_does_not_hide_a_failure(browser: FlaskClient, issued: Invoice) -> None:
    failed = make_message(issued, state="failed", reason="550 No such user")
    make_message(issued, state="cancelled", again_of=failed.id, again_reason="Again", now=NOW + timedelta(1))
    assert "The last message failed: 550 No such user" in words(browser.get(f"/invoices/{issued.id}"))
    assert "Overdue Failed" in words(browser.get("/invoices"))


def test_refused_recipient_is_named_on_the_document(browser: FlaskClient, issued: Invoice) -> None:
    message = make_message(issued, state="sent", recipients=(ANNA, BEN), result="refused")
    document = browser.get(f"/invoices/{issued.id}")
    assert "This document may not have arrived anna@example.com, ben@example.com did not get it." in words(document)
    assert link(document, "Show message") == f"/messages/{message.id}"


def test_warning_of_bounces_leads_to_the_messages_and_ends(browser: FlaskClient, issued: Invoice) -> None:
    old, recent = clock.now() - timedelta(40), clock.now() - timedelta(20)
    make_message(issued, subject="Old", state="sent", result="bounced", now=old)
    pages = ("/", f"/customers/{issued.customer_id}")
    assert not any("Messages did not reach all recipients" in words(browser.get(page)) for page in pages)
    message = make_message(issued, subject="Hello", state="sent", result="bounced", level=1, now=recent)
    for page in pages:
        response = browser.get(page)
        assert "Messages did not reach all recipients" in words(response)
        messages = words(browser.get(link(response, "1 message")))
        assert ("Hello" in messages, "Old" in messages) == (True, False)
    make_message(issued, state="sent", level=1, again_of=message.id, again_reason="New address")
    assert not any("Messages did not reach all recipients" in words(browser.get(page)) for page in pages)


def test_document_and_customer_list_their_messages(browser: FlaskClient, issued: Invoice) -> None:
    make_message(issued, subject="Hello", state="sent")
    for page in (f"/invoices/{issued.id}", f"/customers/{issued.customer_id}"):
        assert "Hello" in words(browser.get(page))
    assert has_link(browser.get(f"/customers/{issued.customer_id}"), "All messages: Recent messages")


def test_invoices_are_filtered_by_whether_they_were_sent(
    browser: FlaskClient, session: Session, issued: Invoice
) -> None:
    other = make_invoice(make_customer(reference="Other"))
    draft = make_invoice(make_customer(reference="Unissued"), issue=False)
    make_message(issued, state="uncertain")
    make_message(other, state="failed")
    sent, unsent = (words(browser.get(f"/invoices?sent={value}")) for value in (1, 0))
    assert (str(issued.number) in sent, str(other.number) in sent) == (True, False)
    assert (str(issued.number) in unsent, str(other.number) in unsent) == (False, True)
    assert draft.customer_name not in unsent
    assert "Overdue Failed" in unsent


@pytest.mark.both_databases
def test_export_has_a_row_for_each_recipient(browser: FlaskClient, issued: Invoice) -> None:
    make_message(issued, subject="=1+1", state="sent", recipients=(ANNA, BEN))
    make_message(issued, level=1, state="sent", by_hand=True, recipients=(), reason="By letter", now=NOW + timedelta(1))
    make_message(make_invoice(), recipients=(BEN,), now=NOW - timedelta(1))
    page = browser.get(link(browser.get("/messages"), "Export CSV"))
    assert "Rows 4 recipients" in words(page)
    rows = list(csv.DictReader(io.StringIO(browser.get("/exports/messages.csv").text)))
    assert [row["recipient"] for row in rows] == ["", "anna@example.com", "ben@example.com", "ben@example.com"]
    assert [row["documents"] for row in rows[:3]] == [issued.number] * 3
    assert [row["finished_at"] != "" for row in rows] == [True, True, True, False]
    assert browser.get("/exports/messages.xlsx").status_code == 200
    assert (rows[1]["subject"], rows[1]["result"], rows[0]["marked_as_sent"]) == ("'=1+1", "accepted", "true")

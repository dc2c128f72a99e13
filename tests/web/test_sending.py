"""Send documents: one with recipients and text, many of a filter, and with their issue."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.background.runner import run_jobs
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.messages import Recipient
from billing_admin.models import BillingRun, Customer, Invoice, Job, Message, MessageRecipient, Organisation
from billing_admin.operations.invoices import voids
from billing_admin.operations.master_data import contacts
from billing_admin.operations.messages import sending_runs
from billing_admin.operations.messages.sending_runs import SendingRunSpec, send_run, start_run
from billing_admin.web.billing import runs as billing_runs
from billing_admin.web.messages import sending
from tests.background.outbox import change_mail
from tests.making import NOW, bill, make_customer, make_invoice, make_payment_spec, make_spec, pay, post
from tests.messages import make_message
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, hidden, link, textarea, words
from tests.web.reading import fresh


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    return signed_in(app)


def make_recipient(customer: Customer, email: str = "anna@example.com", name: str = "Anna", role: str = "to") -> None:
    fields: Any = {"name": name, "email": email, "invoices": role}
    transaction(contacts.create, customer.id, fields, None, SYSTEM, NOW)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    customer = make_customer(reference="ACME", name="ACME Inc")
    make_recipient(customer)
    make_recipient(customer, "ben@example.com", "Ben", "none")
    return customer


@pytest.fixture
@prepared
def issued(acme: Customer) -> Invoice:
    return make_invoice(acme)


def messages(session: Session) -> list[Message]:
    return list(fresh(session, select(Message).order_by(Message.created_at, Message.id)))


def recipients(session: Session) -> list[tuple[str, str]]:
    query = select(MessageRecipient).join(Message, Message.id == MessageRecipient.message_id)
    query = query.order_by(Message.created_at, MessageRecipient.message_id, MessageRecipient.position)
    return [(row.address, row.kind) for row in fresh(session, query)]


def filled(page: TestResponse, **changed: Any) -> dict[str, Any]:
    """The fields of the page as they are, except for what is changed."""
    values = {"id": hidden(page, "id"), "subject": field(page, "subject"), "text": textarea(page, "text")}
    return {**values, "to": ["anna@example.com"], "address": "", **changed}


def without_mail(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = app.extensions["billing_settings"].model_copy(update={"mail_url": "off"})
    monkeypatch.setitem(app.extensions, "billing_settings", settings)


def test_document_is_sent_in_two_clicks(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    page = browser.get(link(browser.get(f"/invoices/{issued.id}"), "Send"))
    assert str(issued.number) in field(page, "subject")
    assert "To Anna anna@example.com Ben ben@example.com Cc Anna" in words(page)
    assert link(page, f"{issued.number}.pdf") == f"/invoices/{issued.id}/pdf"
    fields = filled(page)
    for _ in range(2):  # a double click
        response = send(browser, f"/invoices/{issued.id}/send", **fields)
        assert response.location == f"/invoices/{issued.id}"
    [message] = messages(session)
    assert (message.state, message.subject, message.created_by) == ("waiting", fields["subject"], "admin@example.com")
    assert recipients(session) == [("anna@example.com", "to")]
    document = browser.get(f"/invoices/{issued.id}")
    assert f"{issued.number} is in the outbox and will be sent shortly." in words(document)
    assert not has_link(document, "Send")
    assert "To: anna@example.com Waiting" in words(document)


def test_recipients_subject_and_text_are_chosen(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    page = browser.get(f"/invoices/{issued.id}/send")
    fields = filled(
        page,
        subject="Your invoice",
        text="Hello,\n{number}",
        to=["ben@example.com"],
        cc=["anna@example.com"],
        address="cora@example.com",
    )
    preview = send(browser, f"/invoices/{issued.id}/send", preview="1", **fields)
    text = words(preview)
    assert "To: Ben <ben@example.com> To: cora@example.com Cc: Anna <anna@example.com>" in text
    assert "Subject Your invoice Hello, {number}" in text
    assert messages(session) == []
    assert (field(preview, "subject"), textarea(preview, "text")) == ("Your invoice", "Hello,\n{number}")
    assert send(browser, f"/invoices/{issued.id}/send", **fields).status_code == 303
    [message] = messages(session)
    assert (message.subject, message.text) == ("Your invoice", "Hello,\n{number}")
    assert recipients(session) == [
        ("ben@example.com", "to"),
        ("cora@example.com", "to"),
        ("anna@example.com", "cc"),
    ]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"to": []}, "Choose To for at least one recipient."),
        ({"address": "cora@"}, "cora@"),
        ({"subject": ""}, "Enter the subject."),
    ],
    ids=["nobody", "address", "subject"],
)
def test_wrong_input_is_kept_with_its_error(
    browser: FlaskClient, session: Session, issued: Invoice, changed: dict[str, Any], error: str
) -> None:
    page = browser.get(f"/invoices/{issued.id}/send")
    for extra in ({}, {"preview": "1"}):
        response = send(browser, f"/invoices/{issued.id}/send", **extra, **filled(page, text="Mine", **changed))
        assert response.status_code == 422
        assert error in response.text
        assert textarea(response, "text") == "Mine"
    assert messages(session) == []


def test_a_text_whose_amounts_have_changed_is_not_sent(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    url = f"/invoices/{issued.id}/send"
    page = browser.get(url)
    assert "Please pay 10.00 USD" in textarea(page, "text")
    pay(make_payment_spec("ACME", "4"))
    shown = hidden(page, "shown")
    edited = send(browser, url, **filled(page, shown=shown, text="Please pay 10.00 USD at once."))
    assert (edited.status_code, textarea(edited, "text")) == (422, "Please pay 10.00 USD at once.")
    assert "Amounts or days have changed since you saw this page. Check those in your text." in words(edited)
    refused = send(browser, url, **filled(page, shown=shown))
    assert "Please pay 6.00 USD" in textarea(refused, "text")
    assert "Amounts or days have changed since you saw this page. Check the new text." in words(refused)
    assert messages(session) == []
    assert send(browser, url, **filled(refused, shown=hidden(refused, "shown"))).status_code == 303
    assert "Please pay 6.00 USD" in messages(session)[0].text


def test_customer_without_a_recipient_can_get_one_here(browser: FlaskClient, session: Session) -> None:
    document = make_invoice(make_customer(reference="Other"))
    page = browser.get(f"/invoices/{document.id}/send")
    response = send(browser, f"/invoices/{document.id}/send", **filled(page, to=[]))
    assert (response.status_code, "Choose To for at least one recipient." in words(response)) == (422, True)
    send(browser, f"/invoices/{document.id}/send", **filled(page, to=[], address="new@example.com"))
    assert recipients(session) == [("new@example.com", "to")]


def test_document_that_was_sent_leads_to_its_message(browser: FlaskClient, issued: Invoice) -> None:
    message = make_message(issued, state="sent")
    response = browser.get(f"/invoices/{issued.id}/send")
    assert response.location == f"/messages/{message.id}"
    assert "was sent on 2 Apr 2026. Open that message, and choose “Send again”." in words(
        browser.get(response.location)
    )
    assert link(browser.get(f"/invoices/{issued.id}"), "Send again") == f"/messages/{message.id}/again"


def test_draft_and_void_document_are_not_sent(browser: FlaskClient, acme: Customer, issued: Invoice) -> None:
    draft = make_invoice(acme, issue=False)
    transaction(voids.void_invoice, issued.id, "Wrong", "pending", SYSTEM, NOW)
    for document in (draft, issued):
        assert not has_link(browser.get(f"/invoices/{document.id}"), "Send")
        assert browser.get(f"/invoices/{document.id}/send").location == f"/invoices/{document.id}"


def test_document_is_marked_as_sent(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    page = browser.get(link(browser.get(f"/invoices/{issued.id}"), "Mark as sent"))
    url, id = f"/invoices/{issued.id}/mark-sent", hidden(page, "id")
    assert "Enter how it was sent" in words(send(browser, url, id=id, reason=""))
    for _ in range(2):
        assert send(browser, url, id=id, reason="By letter on 2 April").location == f"/invoices/{issued.id}"
    [message] = messages(session)
    assert (message.state, message.by_hand, message.reason) == ("sent", True, "By letter on 2 April")
    document = browser.get(f"/invoices/{issued.id}")
    assert f"{issued.number} was marked as sent." in words(document)
    assert not has_link(document, "Mark as sent")


def test_demo_data_is_refused_at_the_click(
    app: Flask, browser: FlaskClient, session: Session, issued: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.get(f"/invoices/{issued.id}/send")
    change_mail(app, monkeypatch, mail_url="smtp://127.0.0.1:1?tls=off")
    transaction(lambda session: session.execute(update(Organisation).values(is_demo=True)))
    response = send(browser, f"/invoices/{issued.id}/send", **filled(page))
    way_out = "Demo data is not sent by a mail server, as its addresses are not real. Set BILLING_MAIL_URL to a folder"
    assert (response.status_code, way_out in words(response)) == (422, True)
    many = browser.get("/invoices/send")
    response = send(browser, "/invoices/send", id=hidden(many, "id"), shown=hidden(many, "shown"))
    assert (response.status_code, way_out in words(response)) == (422, True)
    assert messages(session) == []
    change_mail(app, monkeypatch, mail_url="maildir:/nowhere")
    assert send(browser, f"/invoices/{issued.id}/send", **filled(page)).status_code == 303


def test_without_a_mail_server_nothing_is_sent(
    app: Flask, browser: FlaskClient, session: Session, issued: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.get(f"/invoices/{issued.id}/send")
    without_mail(app, monkeypatch)
    assert "E-mail is not set up Nothing can be sent." in words(browser.get(f"/invoices/{issued.id}/send"))
    response = send(browser, f"/invoices/{issued.id}/send", **filled(page))
    assert (response.status_code, "E-mail is not set up, so nothing can be sent." in words(response)) == (422, True)
    many = browser.get("/invoices/send")
    assert "E-mail is not set up, so nothing can be sent." in words(many)
    assert not has_link(many, "Send 1 document")
    assert messages(session) == []


def test_viewer_sees_messages_and_sends_none(app: Flask, issued: Invoice) -> None:
    make_message(issued, state="failed")
    viewer = signed_in(app, "viewer")
    page = viewer.get(f"/invoices/{issued.id}")
    assert not any(has_link(page, label) for label in ("Send", "Send again", "Mark as sent"))
    assert viewer.get(f"/invoices/{issued.id}/send").status_code == 403
    assert "Cancel" not in words(viewer.get("/messages")).replace("Cancelled", "")


# --- many documents --------------------------------------------------------------------------------------------------


def make_run(session: Session, issue: bool = True, customers: int = 3) -> BillingRun:
    """A billing run of several customers, of whom all but the last have a recipient."""
    people = [make_customer(reference=f"C{number}") for number in range(customers)]
    for person in people[:-1]:
        make_recipient(person)
    post(*(make_spec(person, "10") for person in people))
    bill(issue=issue)
    return next(iter(fresh(session, select(BillingRun).order_by(BillingRun.created_at.desc()))))


def test_documents_of_a_run_are_sent_in_three_clicks(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(session)
    url = link(browser.get(f"/billing-runs/{run.id}"), "Send 2 documents")
    with monkeypatch.context() as limit:
        limit.setattr(billing_runs, "MAX_PLANNED", 1)
        assert link(browser.get(f"/billing-runs/{run.id}"), "3 documents not sent") == url
    page = browser.get(url)
    text = words(page)
    assert "Send 2 documents?" in text
    assert "Billing run: 2 Apr 2026, " in text
    assert "1 document will not be sent No contact gets invoices: 1" in text
    assert "C2 No contact gets invoices" in text
    assert re.search(
        r"Documents to send Document Customer Recipients Total INV-\S+ C0 To: Anna <anna@example.com> 10.00 USD", text
    )
    fields = {"id": hidden(page, "id"), "shown": hidden(page, "shown")}
    assert send(browser, url, **fields).location == f"/billing-runs/{run.id}"
    sent = browser.get(f"/billing-runs/{run.id}")
    assert "2 messages will be sent shortly." in words(sent)
    assert "No documents can be sent" in words(browser.get(link(sent, "1 document not sent")))
    assert [message.state for message in messages(session)] == ["waiting"] * 2
    assert send(browser, url, **fields).location == f"/billing-runs/{run.id}"  # a double click
    assert len(messages(session)) == 2
    again = send(browser, url, **fields | {"id": str(uuid4())})
    assert (again.status_code, "The documents have changed since you saw them." in words(again)) == (422, True)
    assert len(messages(session)) == 2


def test_documents_that_changed_are_shown_again(browser: FlaskClient, session: Session) -> None:
    make_run(session)
    page = browser.get("/invoices/send?sent=0")
    make_recipient(fresh(session, select(Customer).where(Customer.reference == "C2"))[0])
    fields = {"id": hidden(page, "id"), "shown": hidden(page, "shown")}
    response = send(browser, "/invoices/send?sent=0", **fields)
    assert (response.status_code, "Send 3 documents?" in words(response)) == (422, True)
    assert messages(session) == []
    response = send(browser, "/invoices/send?sent=0", **fields | {"shown": hidden(response, "shown")})
    assert (response.location, len(messages(session))) == ("/invoices?sent=0", 3)


def test_filtered_list_offers_to_send(browser: FlaskClient, session: Session) -> None:
    make_run(session)
    assert not has_link(browser.get("/invoices"), "Send these documents")
    page = browser.get(link(browser.get("/invoices?sent=0&customer=C1"), "Send these documents"))
    assert "Send 1 document?" in words(page)
    assert browser.get("/invoices/send?customer=C1&status=paid").location == "/invoices?customer=C1&status=paid"


def test_paid_invoices_are_sent_only_if_the_filter_names_them(browser: FlaskClient, session: Session) -> None:
    run = make_run(session)
    pay(make_payment_spec("C1", "10"))
    page = browser.get("/invoices/send?sent=0")
    assert "Send 1 document?" in words(page)
    assert "without paid invoices" in words(page)
    for filters in (f"run={run.id}", "issued_from=2026-01-01", "status=paid"):
        text = words(browser.get(f"/invoices/send?sent=0&{filters}"))
        expected = "Send 1 document?" if "paid" in filters else "Send 2 documents?"
        assert (expected in text, "without paid invoices" in text) == (True, False)


def test_too_many_documents_are_refused_with_the_way_out(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(session)
    page = browser.get("/invoices/send?sent=0")
    monkeypatch.setattr(sending, "MAX_DOCUMENTS", 2)
    url, fields = "/invoices/send?sent=0", {"shown": hidden(page, "shown")}
    for posts in (False, True):
        response = send(browser, url, **fields) if posts else browser.get(url)
        assert response.location == "/invoices?sent=0"
        text = words(browser.get(response.location))
        assert "3 documents were not sent. At most 2 can be sent at once: narrow the list" in text
    assert browser.get(f"/invoices/send?run={run.id}").location == f"/invoices?run={run.id}&sent=0"
    assert messages(session) == []


def test_many_documents_are_sent_by_a_worker(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(session)
    for module in (sending, sending_runs):
        monkeypatch.setattr(module, "CHUNK", 1)
    url = "/invoices/send?sent=0"
    page = browser.get(url)
    shown = send(browser, url, id=hidden(page, "id"), shown=hidden(page, "shown"))
    assert shown.location == f"/sending-runs/{hidden(page, 'id')}"
    text = words(browser.get(shown.location))
    assert "2 of 2 documents" in text
    assert "Put into the outbox 2" in text
    assert len(messages(session)) == 2
    job = fresh(session, select(Job))[0]
    assert (job.kind, job.state, job.done, job.of) == ("sending_run", "done", 2, 2)
    assert "Show the sending run" in browser.get(f"/jobs/{job.id}").text


def test_recipients_who_changed_after_the_confirmation_get_nothing(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(session)
    for module in (sending, sending_runs):
        monkeypatch.setattr(module, "CHUNK", 1)
    monkeypatch.setattr(sending, "wake_worker", lambda: None)
    url = "/invoices/send?sent=0"
    page = browser.get(url)
    shown = send(browser, url, id=hidden(page, "id"), shown=hidden(page, "shown"))
    assert "Waiting for a worker" in words(browser.get(shown.location))
    make_recipient(fresh(session, select(Customer).where(Customer.reference == "C1"))[0], "new@example.com", "New")
    run_jobs(browser.application)
    text = words(browser.get(shown.location))
    assert "C1 The recipients have changed since they were confirmed" in text
    [message] = messages(session)
    assert [recipient.name for recipient in message.recipients] == ["Anna"]


def test_a_job_finishes_a_small_run_whose_process_died(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(session)

    def die(*_arguments: object) -> None:
        raise SystemExit

    url = "/invoices/send?sent=0"
    page = browser.get(url)
    monkeypatch.setattr(sending, "send_run", die)
    with pytest.raises(SystemExit):
        send(browser, url, id=hidden(page, "id"), shown=hidden(page, "shown"))
    session.rollback()
    assert messages(session) == []
    run_jobs(browser.application)
    assert len(messages(session)) == 2
    assert [job.state for job in fresh(session, select(Job))] == ["done"]


def test_old_documents_are_marked_as_sent(browser: FlaskClient, session: Session) -> None:
    make_run(session)
    pay(make_payment_spec("C1", "10"))
    page = browser.get(link(browser.get("/invoices?sent=0"), "Mark these as sent"))
    text = words(page)
    assert "Mark 3 documents as sent?" in text
    assert "3 documents: 30.00 USD" in text
    url, fields = "/invoices/mark-sent?sent=0", {"id": hidden(page, "id"), "shown": hidden(page, "shown")}
    refused = send(browser, url, **fields, reason=" ")
    assert (refused.status_code, "Enter how they were sent" in words(refused)) == (422, True)
    changed = send(browser, url, **fields | {"shown": "x"}, reason="By letter")
    assert (changed.status_code, "The documents have changed since you saw them." in words(changed)) == (422, True)
    for _ in range(2):
        assert send(browser, url, **fields, reason="By letter").location == "/invoices?sent=0"
    assert "3 documents were marked as sent." in words(browser.get("/invoices"))
    assert {(row.state, row.by_hand, row.reason) for row in messages(session)} == {("sent", True, "By letter")}
    assert browser.get(url).location == "/invoices?sent=0"


def test_what_a_run_left_out_is_shown(browser: FlaskClient, session: Session) -> None:
    run = make_run(session)
    ids = fresh(session, select(Invoice.id).where(Invoice.run_id == run.id))
    spec = SendingRunSpec()
    sending_run, _ = transaction(start_run, spec, ids, True, SYSTEM, NOW)
    send_run(transaction, sending_run, True, SYSTEM, NOW)
    text = words(browser.get(f"/sending-runs/{sending_run}"))
    assert "1 document not sent No contact gets invoices: 1" in text
    assert "C2 No contact gets invoices" in text


def test_draft_is_issued_and_sent(browser: FlaskClient, session: Session, acme: Customer) -> None:
    draft = make_invoice(acme, issue=False)
    url = f"/invoices/{draft.id}/issue"
    assert "Draft ACME Inc To: Anna <anna@example.com> 10.00 USD" in words(browser.get(url))
    page = browser.get(url)
    assert "Issue and send" in page.text
    for _ in range(2):
        response = send(browser, url, issue_date="2026-04-02", send="1", recipients=hidden(page, "recipients"))
        assert response.location == f"/invoices/{draft.id}"
    assert "will be sent shortly" in words(browser.get(f"/invoices/{draft.id}"))
    [message] = messages(session)
    assert message.state == "waiting"


def test_draft_is_not_issued_for_recipients_that_were_not_shown(
    browser: FlaskClient, session: Session, acme: Customer
) -> None:
    draft = make_invoice(acme, issue=False)
    url = f"/invoices/{draft.id}/issue"
    page = browser.get(url)
    make_recipient(acme, "new@example.com", "New")
    fields = {"issue_date": "2026-04-02", "recipients": hidden(page, "recipients")}
    refused = send(browser, url, **fields, send="1")
    assert (refused.status_code, "The recipients have changed since you saw them." in words(refused)) == (422, True)
    assert fresh(session, select(Invoice.status)) == ["draft"]
    assert send(browser, url, **fields).location == f"/invoices/{draft.id}"  # issue alone
    assert messages(session) == []


def test_draft_that_cannot_be_sent_is_not_issued_for_sending(browser: FlaskClient, session: Session) -> None:
    draft = make_invoice(make_customer(reference="Other"), issue=False)
    url = f"/invoices/{draft.id}/issue"
    page = browser.get(url)
    assert "Issue and send" not in page.text
    assert "1 document will not be sent No contact gets invoices: 1" in words(page)
    response = send(browser, url, issue_date="2026-04-02", send="1")
    assert (response.status_code, "No contact of Other gets invoices." in words(response)) == (422, True)
    assert fresh(session, select(Invoice.status)) == ["draft"]


def test_drafts_of_a_run_are_issued_and_sent(browser: FlaskClient, session: Session) -> None:
    run = make_run(session, issue=False)
    page = browser.get(f"/invoices/issue?run={run.id}")
    assert "Issue and send 2" in page.text
    assert "Draft C1 To: Anna <anna@example.com> 10.00 USD" in words(page)
    assert "1 document will not be sent No contact gets invoices: 1" in words(page)
    url, fields = f"/invoices/issue?run={run.id}", {"issue_date": "2026-04-02", "send": "1"}
    make_recipient(fresh(session, select(Customer).where(Customer.reference == "C1"))[0], "new@example.com", "New")
    changed = send(browser, url, shown=hidden(page, "shown"), recipients=hidden(page, "recipients"), **fields)
    assert (changed.status_code, "The recipients have changed since you saw them" in words(changed)) == (422, True)
    assert "New <new@example.com>" in words(changed)
    assert fresh(session, select(Invoice.status).distinct()) == ["draft"]
    response = send(browser, url, shown=hidden(changed, "shown"), recipients=hidden(changed, "recipients"), **fields)
    assert response.status_code == 303
    assert "3 invoices issued. 2 messages will be sent shortly." in words(browser.get(response.location))
    assert len(messages(session)) == 2


# --- messages --------------------------------------------------------------------------------------------------------


def test_message_is_sent_again_with_a_reason(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    failed = make_message(issued, state="failed", reason="No such user.")
    page = browser.get(link(browser.get(f"/messages/{failed.id}"), "Send again"))
    fields: dict[str, Any] = {"id": hidden(page, "id"), "to": ["ben@example.com"], "address": ""}
    refused = send(browser, f"/messages/{failed.id}/again", reason="", **fields)
    assert (refused.status_code, "Enter a reason." in words(refused)) == (422, True)
    locations = {
        send(browser, f"/messages/{failed.id}/again", reason="Wrong address", **fields).location for _ in range(2)
    }
    assert len(locations) == 1
    again = messages(session)[-1]
    assert (again.again_of, again.again_reason, again.state) == (failed.id, "Wrong address", "waiting")
    assert recipients(session)[-1] == ("ben@example.com", "to")
    assert "This message repeats an earlier one. Reason: Wrong address" in words(browser.get(locations.pop()))
    waiting = browser.get(f"/messages/{again.id}/again", follow_redirects=True)
    assert "This message is still waiting to be sent." in words(waiting)


def test_recipients_of_the_earlier_message_can_be_chosen_again(
    browser: FlaskClient, session: Session, issued: Invoice
) -> None:
    typed = [Recipient("Zoe", "zoe@example.com"), Recipient("", "yan@example.com", "cc")]
    failed = make_message(issued, state="failed", recipients=typed)
    page = browser.get(f"/messages/{failed.id}/again")
    fields: Any = {
        "id": hidden(page, "id"),
        "to": ["zoe@example.com"],
        "cc": ["yan@example.com"],
        "reason": "Once more",
    }
    assert send(browser, f"/messages/{failed.id}/again", **fields).status_code == 303
    assert [(row.name, row.address, row.kind) for row in messages(session)[-1].recipients] == [
        ("Zoe", "zoe@example.com", "to"),
        ("", "yan@example.com", "cc"),
    ]


def test_message_is_cancelled_or_marked_as_sent(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    waiting = make_message(issued)
    uncertain = make_message(customer=make_customer(reference="Other"), state="uncertain")
    page = browser.get(f"/messages/{waiting.id}")
    url = link(page, "Cancel message")
    assert "Cancel message?" in words(browser.get(url))
    assert "Enter a reason." in words(send(browser, url, reason=""))
    assert "anna@example.com Anna To Not sent yet" in words(page)
    assert send(browser, url, reason="Too early").location == f"/messages/{waiting.id}"
    cancelled = words(browser.get(f"/messages/{waiting.id}"))
    assert "The message was cancelled." in cancelled
    assert "anna@example.com Anna To Not sent –" in cancelled
    assert not has_link(browser.get(f"/messages/{uncertain.id}"), "Cancel message")
    url = link(browser.get(f"/messages/{uncertain.id}"), "Mark as sent")
    send(browser, url, reason="Arrived, says Anna")
    states = {message.id: (message.state, message.by_hand, message.reason) for message in messages(session)}
    assert states == {
        waiting.id: ("cancelled", False, "Too early"),
        uncertain.id: ("sent", True, "Arrived, says Anna"),
    }
    response = browser.get(f"/messages/{waiting.id}/cancel", follow_redirects=True)
    assert "This message was cancelled already, so it is not sent." in words(response)


def test_selected_messages_are_changed_together(
    browser: FlaskClient, session: Session, acme: Customer, issued: Invoice
) -> None:
    failed = [make_message(document, state="failed") for document in (issued, make_invoice(acme))]
    waiting = make_message(make_invoice())
    ids = [str(message.id) for message in (*failed, waiting)]
    page = send(browser, "/messages/selected/again?state=failed", id=ids)
    assert "Send 2 messages again?" in words(page)
    assert "1 other selected message cannot be sent again and will not change." in words(page)
    refused = send(browser, "/messages/selected/again", id=ids, confirmed="1", reason="")
    assert (refused.status_code, "Enter a reason." in words(refused)) == (422, True)
    response = send(
        browser, "/messages/selected/again?state=failed", id=ids, confirmed="1", reason="The server is up again"
    )
    assert response.location == "/messages?state=failed"
    assert {message.again_of for message in messages(session)} == {None, *(message.id for message in failed)}
    handed_over = make_message(make_invoice(acme), state="sent")
    none = send(browser, "/messages/selected/cancel", id=[str(handed_over.id)])
    assert "None of the selected messages can be cancelled." in words(browser.get(none.location))


def test_text_that_is_sent_again_is_shown(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    url = f"/invoices/{issued.id}/mark-sent"
    send(browser, url, id=hidden(browser.get(url), "id"), reason="By letter on 2 April")
    [marked] = messages(session)
    page = browser.get(f"/messages/{marked.id}/again")
    fields: dict[str, Any] = {"id": hidden(page, "id"), "to": ["anna@example.com"], "address": ""}
    send(browser, f"/messages/{marked.id}/again", reason="Lost", **fields)
    again = messages(session)[-1]
    assert "Dear Anna" in again.text
    assert f"Subject {again.subject} Attachments {issued.number}.pdf {' '.join(again.text.split())}" in words(page)


def test_selected_message_and_its_repeat_are_sent_again_once(
    browser: FlaskClient, session: Session, acme: Customer, issued: Invoice
) -> None:
    waiting = make_message(make_invoice(acme), state="failed")
    make_message(customer=acme, again_of=waiting.id, again_reason="Corrected")
    first = make_message(issued, state="failed")
    repeat = make_message(
        issued, state="failed", again_of=first.id, again_reason="Corrected", now=NOW + timedelta(minutes=5)
    )
    ids = [str(message.id) for message in (waiting, first, repeat)]
    page = send(browser, "/messages/selected/again", id=ids)
    assert "Send 1 message again?" in words(page)
    assert "2 other selected messages cannot be sent again and will not change." in words(page)
    response = send(browser, "/messages/selected/again", id=ids, confirmed="1", reason="The server is up again")
    assert response.status_code == 303
    assert sorted(str(message.again_of) for message in messages(session) if message.state == "waiting") == sorted(
        [str(waiting.id), str(first.id)]
    )


def test_attachments_of_a_message_are_opened(browser: FlaskClient, session: Session, issued: Invoice) -> None:
    page = browser.get(f"/invoices/{issued.id}/send")
    send(browser, f"/invoices/{issued.id}/send", **filled(page))
    [message] = messages(session)
    url = link(browser.get(f"/messages/{message.id}"), f"{issued.number}.pdf")
    file = browser.get(url)
    assert (file.status_code, file.content_type) == (200, "application/pdf")
    assert file.data == browser.get(f"/invoices/{issued.id}/pdf").data
    assert browser.get(f"/messages/{message.id}/attachments/2").status_code == 404
    assert browser.get(f"/messages/{uuid4()}/attachments/1").status_code == 404

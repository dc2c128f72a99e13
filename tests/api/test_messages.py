"""Messages over the API: sent, listed, filtered and changed."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin import clock
from billing_admin.models import Invoice
from billing_admin.queries.webhooks.payloads import load_message_payload
from tests.api.conftest import Script, code, make_token, pointers  # noqa: F401 - a fixture
from tests.making import make_customer, make_invoice
from tests.messages import make_message


@pytest.fixture
def script(app: Flask, session: Session, make_token: Any) -> Script:  # noqa: F811
    return Script(app.test_client(), make_token())


def test_messages_are_listed_and_read(script: Script, session: Session) -> None:
    document = make_invoice(make_customer(reference="ACME"))
    other = make_message(customer=make_customer(reference="Other"), state="failed", reason="No such user.")
    message = make_message(document, subject="Hello", state="sent")
    content = script.get("/messages").json
    assert content
    assert [row["id"] for row in content["data"]] == [str(message.id), str(other.id)]
    row = script.get(f"/messages/{message.id}").json
    assert row == content["data"][0]
    assert row["documents"] == [{"id": str(document.id), "number": document.number, "level": 0}]
    assert (row["customer"], row["state"], row["subject"]) == ("ACME", "sent", "Hello")
    [recipient] = row["recipients"]
    assert (recipient["address"], recipient["kind"], recipient["result"]) == ("anna@example.com", "to", "accepted")


def test_a_webhook_has_a_message_as_the_api_shows_it(script: Script, session: Session) -> None:
    document = make_invoice(make_customer(reference="ACME"))
    for message in (make_message(document, state="sent"), make_message(document, state="failed", level=2, tries=3)):
        assert script.get(f"/messages/{message.id}").json == load_message_payload(session, message.id)


def test_a_reminder_tells_that_an_invoice_was_sent(script: Script, session: Session) -> None:
    document = make_invoice(make_customer(reference="ACME"))
    make_message(document, state="sent", level=1)
    row = script.get(f"/invoices/{document.number}").json
    assert row
    assert (row["sent"], row["message_state"]) == (True, None)
    assert script.get("/invoices?sent=true").json["data"] == [row]  # type: ignore[index]


@pytest.mark.parametrize(
    "query", ["state=attention", "customer=Other", "undelivered=false&state=failed", "from=2026-04-02"]
)
def test_messages_are_filtered(script: Script, session: Session, query: str) -> None:
    make_message(make_invoice(), state="sent") if not query.startswith("from") else None
    other = make_message(customer=make_customer(reference="Other"), state="failed")
    content = script.get(f"/messages?{query}").json
    assert content
    assert [row["id"] for row in content["data"]] == [str(other.id)]


def test_filters_and_ids_are_checked(script: Script) -> None:
    assert pointers(script.get("/messages?state=lost")) == ["/state"]
    assert script.get("/messages?document=INV-0").status_code == 404
    assert script.get("/messages/00000000-0000-0000-0000-000000000001").status_code == 404


def test_invoices_say_whether_they_were_sent(script: Script, session: Session) -> None:
    document, unsent = make_invoice(), make_invoice()
    first = make_message(document, state="uncertain")
    make_message(document, state="failed", again_of=first.id, again_reason="Did not arrive")
    row = script.get(f"/invoices/{document.number}").json
    assert row
    assert (row["sent"], row["message_state"]) == (True, "failed")
    row = script.get(f"/invoices/{unsent.number}").json
    assert row
    assert (row["sent"], row["message_state"]) == (False, None)
    for value, expected in (("true", document), ("false", unsent)):
        content = script.get(f"/invoices?sent={value}").json
        assert content
        assert [row["number"] for row in content["data"]] == [expected.number]


# --- sending ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def document(session: Session) -> Invoice:
    return make_invoice(make_customer(reference="ACME", name="ACME Inc", email="pay@acme.example"))


def send(script: Script, document: Invoice, **body: Any) -> TestResponse:
    return script.post(f"/invoices/{document.number}/send", body)


def content(response: TestResponse) -> Any:
    assert response.json is not None
    return response.json


def test_document_is_sent_once_to_the_contacts(script: Script, document: Invoice) -> None:
    id = str(uuid4())
    created, replayed = (send(script, document, id=id) for _ in range(2))
    assert (created.status_code, replayed.status_code) == (201, 200)
    assert replayed.headers["Idempotent-Replayed"] == "true"
    message = content(created)
    assert content(replayed) == message
    assert (message["id"], message["state"], message["attachments"]) == (id, "waiting", [f"{document.number}.pdf"])
    assert [(row["address"], row["kind"]) for row in message["recipients"]] == [("pay@acme.example", "to")]
    refused = send(script, document)
    assert (refused.status_code, code(refused)) == (409, "already_waiting")
    changed = send(script, document, id=id, subject="Other")
    assert (changed.status_code, content(changed)["differs"]) == (409, ["subject"])


def test_recipients_subject_and_text_may_be_given(script: Script, document: Invoice) -> None:
    recipients = [{"address": "ann@acme.example", "name": "Ann"}, {"address": "ben@acme.example", "kind": "cc"}]
    message = content(send(script, document, recipients=recipients, subject="Yours", text="Hello"))
    assert (message["subject"], message["text"]) == ("Yours", "Hello")
    assert [row["address"] for row in message["recipients"]] == ["ann@acme.example", "ben@acme.example"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"recipients": [{"address": "ann@"}]}, "/recipients/0/address"),
        ({"recipients": [{"address": "ann@acme.example", "kind": "cc"}]}, "/recipients"),
        ({"recipients": []}, "/recipients"),
        ({"subject": " "}, "/subject"),
        ({"recipients": [{"adress": "ann@acme.example"}]}, "/recipients/0/adress"),
    ],
)
def test_wrong_input_is_named(script: Script, document: Invoice, body: dict[str, Any], pointer: str) -> None:
    refused = send(script, document, **body)
    assert (refused.status_code, pointer in pointers(refused)) == (422, True)


def test_message_is_cancelled_marked_and_sent_again(script: Script, document: Invoice) -> None:
    first = content(send(script, document))["id"]
    for _ in range(2):
        cancelled = content(script.post(f"/messages/{first}/cancel", {"reason": "Too early"}))
        assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "Too early")
    marked = content(script.post(f"/invoices/{document.number}/mark-sent", {"reason": "By letter"}))
    assert (marked["state"], marked["marked_as_sent"], marked["reason"]) == ("sent", True, "By letter")
    assert content(script.get(f"/invoices/{document.number}"))["sent"]
    id = str(uuid4())
    body = {"id": id, "reason": "The letter did not arrive"}
    again = [script.post(f"/messages/{marked['id']}/again", body) for _ in range(2)]
    assert [response.status_code for response in again] == [201, 200]
    assert (content(again[0])["again_of"], content(again[0])["id"]) == (marked["id"], id)
    done = content(script.post(f"/messages/{id}/mark-sent", {"reason": "Given to Ann"}))
    assert (done["state"], done["marked_as_sent"]) == ("sent", True)
    refused = script.post(f"/messages/{id}/cancel", {"reason": "Too late"})
    assert (refused.status_code, code(refused)) == (409, "wrong_state")


def test_waiting_messages_are_sent_now(script: Script, session: Session, document: Invoice) -> None:
    later = clock.now() + timedelta(hours=6)
    message = make_message(document, next_attempt_at=later)
    assert script.post("/outbox/resume").json == {"messages": 1}
    due = content(script.get(f"/messages/{message.id}"))["next_attempt_at"]
    assert datetime.fromisoformat(due) < later


def test_sending_needs_its_scope_and_a_mail_server(
    app: Flask,
    script: Script,
    document: Invoice,
    make_token: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Script(app.test_client(), make_token(["read", "billing:write"]))
    assert send(reader, document).status_code == 403
    settings = app.extensions["billing_settings"].model_copy(update={"mail_url": "off"})
    monkeypatch.setitem(app.extensions, "billing_settings", settings)
    refused = send(script, document)
    assert (refused.status_code, code(refused)) == (409, "mail_off")

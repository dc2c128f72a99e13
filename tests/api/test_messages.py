"""Messages over the API: listed, filtered and read."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.api.conftest import Script, make_token, pointers  # noqa: F401 - a fixture
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

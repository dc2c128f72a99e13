"""Send a statement from the customer's page."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Customer, Message
from billing_admin.operations.master_data import contacts, customers
from tests.making import NOW, make_customer, make_invoice, make_payment_spec, pay
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, hidden, link, parse, textarea, words
from tests.web.reading import fresh
from tests.web.test_mailbox import configure

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """ACME owes 100.00 USD; Maria gets statements, Ann does not."""
    acme = make_customer(reference="ACME", name="ACME Inc.")
    make_invoice(acme, "100")
    for name, role in (("Maria Huber", "to"), ("Ann Lee", "none")):
        email = f"{name.split()[0].lower()}@acme.example"
        fields: Any = {"name": name, "email": email, "invoices": "none", "statements": role}
        transaction(contacts.create, acme.id, fields, None, SYSTEM, NOW)
    return acme


@pytest.fixture
def admin(app: Flask, acme: Customer) -> FlaskClient:
    return signed_in(app)


def stored(session: Session) -> list[Message]:
    return fresh(session, select(Message).order_by(Message.created_at, Message.id))


def ticked(page: Any, name: str) -> list[str]:
    boxes = parse(page).elements("input", type="checkbox", name=name)
    return [box.attributes["value"] for box in boxes if "checked" in box.attributes]


def test_a_statement_is_sent_in_two_clicks(admin: FlaskClient, session: Session, acme: Customer) -> None:
    url = link(admin.get(f"/customers/{acme.id}/statement?from=2026-04-01&to=2026-04-30"), "Send")
    page = admin.get(url)
    assert "Send statement in USD ACME Inc., 1 Apr 2026 to 30 Apr 2026" in words(page)
    assert (ticked(page, "to"), ticked(page, "cc")) == (["maria@acme.example"], [])
    assert "Dear Maria Huber," in textarea(page, "text")
    assert "Balance on 30 April 2026: 100.00 USD" in textarea(page, "text")
    assert has_link(page, "statement-ACME-USD-2026-04-30.pdf")
    entered = {
        "to": "maria@acme.example",
        "subject": field(page, "subject"),
        "text": textarea(page, "text"),
        "id": hidden(page, "id"),
    }
    responses = [send(admin, url, **entered) for _ in range(2)]
    (message,) = stored(session)
    assert [(response.status_code, response.location) for response in responses] == [
        (303, f"/messages/{message.id}"),
        (303, f"/messages/{message.id}"),
    ]
    assert "Statement of account from Example Ltd, 1 – 30 Apr 2026" in words(admin.get(f"/messages/{message.id}"))
    again = admin.get(url)
    assert "There is already a message with this statement" in words(again)
    assert has_link(again, "Open the message")


def test_a_balance_that_has_changed_is_shown_before_it_is_sent(
    admin: FlaskClient, session: Session, acme: Customer
) -> None:
    url = f"/customers/{acme.id}/statement/send"
    page = admin.get(url)
    names = ("id", "shown")
    entered = {name: hidden(page, name) for name in names} | {"to": "maria@acme.example"}
    entered |= {"subject": field(page, "subject"), "text": textarea(page, "text")}
    pay(make_payment_spec(acme, "40"))
    refused = send(admin, url, **entered)
    assert "Check the new text." in words(refused)
    assert "60.00 USD" in textarea(refused, "text")
    entered |= {name: hidden(refused, name) for name in names} | {"text": textarea(refused, "text")}
    assert send(admin, url, **entered).status_code == 303
    assert "60.00 USD" in stored(session)[0].text


def test_recipients_can_be_changed(admin: FlaskClient, session: Session, acme: Customer) -> None:
    url = f"/customers/{acme.id}/statement/send"
    response = send(admin, url, cc="ann@acme.example", address="cfo@acme.example", subject="Balance", text="Hello")
    assert response.status_code == 422
    page = admin.get(url)
    entered = {"subject": "Balance", "text": "Hello", "id": hidden(page, "id")}
    refused = send(admin, url, **entered, cc="ann@acme.example")
    assert "Choose To for at least one recipient." in words(refused)
    assert ticked(refused, "cc") == ["ann@acme.example"]
    refused = send(admin, url, **entered, address="nobody")
    assert refused.status_code == 422
    assert field(refused, "address") == "nobody"
    send(admin, url, **entered, cc="ann@acme.example", address="cfo@acme.example")
    (message,) = stored(session)
    assert [(person.name, person.address, person.kind) for person in message.recipients] == [
        ("", "cfo@acme.example", "to"),
        ("Ann Lee", "ann@acme.example", "cc"),
    ]


def test_what_cannot_be_sent_says_why(
    admin: FlaskClient, session: Session, app: Flask, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement, url = f"/customers/{acme.id}/statement", f"/customers/{acme.id}/statement/send"
    assert not has_link(admin.get(f"{statement}?to=2100-01-01"), "Send")
    assert "Choose a last day that is not in the future." in words(admin.get(f"{url}?to=2100-01-01"))
    unused = admin.get(f"{url}?currency=GBP")
    assert (unused.status_code, "has no documents or payments in GBP. Choose USD." in words(unused)) == (422, True)
    assert not has_link(signed_in(app, "viewer").get(statement), "Send")
    with monkeypatch.context() as patch:
        configure(app, patch, mail_url="off")
        assert "E-mail is not set up" in words(admin.get(url))
    transaction(customers.archive, acme.id, SYSTEM, NOW)
    assert "This customer is archived" in words(admin.get(url))
    assert not has_link(admin.get(statement), "Send")
    assert stored(session) == []

"""Webhooks: list, add and show the secret once, change, pause, rotate, delete; the deliveries, and sending again."""

import re
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.webhooks import EVENTS, endpoint_secret
from billing_admin.models import WebhookEndpoint
from billing_admin.operations.webhooks import endpoints as operations
from tests.background.hooks import allow_loopback, deliver, key_of, make_endpoint, stored, told
from tests.clocks import stopped_clock
from tests.making import NOW, make_invoice
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.receiver import receiving, status
from tests.web.pages import words
from tests.web.reading import fresh, queries_of

URL = "https://hooks.example.com/billing"


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def endpoints(session: Session) -> list[WebhookEndpoint]:
    return fresh(session, select(WebhookEndpoint).order_by(WebhookEndpoint.created_at))


def fields(**changed: Any) -> dict[str, Any]:
    given = {"id": str(uuid4()), "url": URL, "description": "Ledger", "events": ["invoice.paid", "charge.held"]}
    return given | changed


def secret_in(text: str) -> str:
    found = re.search(r"whsec_[0-9A-Za-z_-]{43}", text)
    assert found is not None
    return found[0]


def test_empty(admin: FlaskClient) -> None:
    assert "No webhooks yet" in words(admin.get("/webhooks").text)


def test_the_form_offers_every_event_with_its_sentence(admin: FlaskClient) -> None:
    page = admin.get("/webhooks/new")
    text = words(page)
    assert all(f'value="{event}"' in page.text and sentence in text for event, sentence in EVENTS.items())


def test_adds_and_shows_the_secret_once(app: Flask, admin: FlaskClient, session: Session) -> None:
    response = send(admin, "/webhooks/new", **fields())
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    (made,) = endpoints(session)
    assert (made.url, made.description, made.events) == (URL, "Ledger", ["invoice.paid", "charge.held"])
    shown = secret_in(response.text)
    assert shown == endpoint_secret(key_of(app), made.salt)
    assert f'data-copy="{shown}"' in response.text
    for path in ("/webhooks", f"/webhooks/{made.id}", f"/webhooks/{made.id}/edit", f"/audit?object={made.id}"):
        assert "whsec_" not in admin.get(path).text
    assert URL in admin.get("/audit").text


def test_sent_twice_it_adds_one(admin: FlaskClient, session: Session) -> None:
    sent = fields()
    send(admin, "/webhooks/new", **sent)
    response = send(admin, "/webhooks/new", **sent)
    assert (response.status_code, response.location) == (303, "/webhooks")
    assert "If you did not copy the secret, rotate it." in admin.get("/webhooks").text
    assert len(endpoints(session)) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"url": ""}, "Enter a URL, such as"),
        ({"url": "hooks.example.com"}, "Enter a URL such as"),
        ({"url": "http://hooks.example.com"}, "Use https"),
        ({"url": "https://user:secret@example.com/"}, "Remove the user name and password"),
        ({"url": "https://127.0.0.1/"}, "127.0.0.1 is not a public address."),
        ({"events": []}, "Choose at least one of"),
        ({"description": "x" * 201}, "Use at most 200 characters."),
    ],
)
def test_refuses(admin: FlaskClient, session: Session, wrong: dict[str, Any], sentence: str) -> None:
    response = send(admin, "/webhooks/new", **fields(**wrong))
    assert response.status_code == 422
    assert sentence in words(response.text)
    assert "Ledger" in response.text or "description" in wrong
    assert endpoints(session) == []


def test_configuration_allows_more(
    app: Flask, admin: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow_loopback(app, monkeypatch)
    assert send(admin, "/webhooks/new", **fields(url="http://127.0.0.1:8000/")).status_code == 201


def test_changes_and_tells_who_was_faster(app: Flask, admin: FlaskClient, session: Session) -> None:
    id, _ = make_endpoint(app)
    path = f"/webhooks/{id}/edit"
    changed: dict[str, Any] = {"url": URL, "description": "Ours", "events": ["charge.held"]}
    assert 'value="https://example.com/hook"' in admin.get(path).text
    assert send(admin, path, **changed, version="1").location == f"/webhooks/{id}"
    assert (stored(session, id).url, stored(session, id).version) == (URL, 2)
    again = send(admin, path, **changed | {"description": "Theirs"}, version="1")
    assert again.status_code == 422
    assert "Other values were saved after you opened this form" in again.text
    assert send(admin, path, **changed | {"url": "https://10.0.0.1/"}, version="2").status_code == 422


def test_ping_send_and_look(app: Flask, admin: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_loopback(app, monkeypatch)
    with receiving() as receiver:
        receiver.answer = status(500, "<b>No & never</b>")
        id, _ = make_endpoint(app, receiver.url)
        place = send(admin, f"/webhooks/{id}/ping").location
        page = admin.get(place)
        assert "data-live" in page.text
        assert "This delivery will be sent shortly" in page.text
        assert "No attempts yet" in page.text
        deliver(app)
        page = admin.get(place)
        assert "data-live" not in page.text
        assert re.search(r"2 Apr 2026, 09:30 UTC 500 \d+ ms <b>No & never</b>", words(page.text))
        receiver.answer = status(200, "Fine")
        assert send(admin, f"{place}/again").location == place
        deliver(app)
        text = words(admin.get(place).text)
        assert "Delivered" in text
        assert "200" in text
        assert '"type": "ping"' in text
        assert "Send again" in text


def test_the_log_and_its_filters(app: Flask, admin: FlaskClient, session: Session) -> None:
    id, _ = make_endpoint(app)
    invoice = make_invoice()
    transaction(operations.ping, id, SYSTEM, NOW)
    path = f"/webhooks/{id}"
    text = words(admin.get(path).text)
    assert f"invoice.issued {invoice.number} 0" in text
    assert "All 2" in text
    assert str(invoice.number) not in admin.get(f"{path}?event=ping").text
    assert "No deliveries match" in admin.get(f"{path}?state=given_up").text
    assert str(invoice.number) in admin.get(f"{path}?state=waiting&event=invoice.issued").text
    assert str(invoice.number) not in admin.get(f"{path}?state=nonsense").text
    first = told(session)[0]
    assert (
        f'<a href="/invoices/{invoice.id}">{invoice.number}</a>' in admin.get(f"/webhooks/deliveries/{first.id}").text
    )


def test_pause_and_resume(app: Flask, admin: FlaskClient, session: Session) -> None:
    id, _ = make_endpoint(app)
    send(admin, f"/webhooks/{id}/pause")
    assert "This webhook is paused" in admin.get(f"/webhooks/{id}").text
    assert send(admin, f"/webhooks/{id}/ping").location == f"/webhooks/{id}"
    assert "resume it first" in admin.get(f"/webhooks/{id}").text
    send(admin, f"/webhooks/{id}/resume")
    assert stored(session, id).state == "active"


def test_rotates_once(app: Flask, admin: FlaskClient, session: Session, clock: time_machine.Traveller) -> None:
    id, before = make_endpoint(app)
    path = f"/webhooks/{id}/rotate"
    assert "Rotate the secret?" in admin.get(path).text
    response = send(admin, path, version="1")
    assert response.status_code == 201
    assert secret_in(response.text) == endpoint_secret(key_of(app), stored(session, id).salt) != before
    assert "signed with the previous secret until 3 Apr 2026, 09:30 UTC" in words(response.text)
    assert "Previous secret valid until 3 Apr 2026, 09:30 UTC" in words(admin.get(f"/webhooks/{id}").text)
    again = send(admin, path, version="1")
    assert (again.status_code, again.location) == (303, f"/webhooks/{id}")
    assert "whsec_" not in admin.get(f"/webhooks/{id}").text
    clock.shift(timedelta(hours=25))
    assert "Old secret" not in signed_in(app, email="later@example.com").get(f"/webhooks/{id}").text


def test_deletes_after_saying_what_is_given_up(app: Flask, admin: FlaskClient, session: Session) -> None:
    id, _ = make_endpoint(app)
    make_invoice()
    assert "Deliveries waiting 1" in words(admin.get(f"/webhooks/{id}/archive").text)
    assert send(admin, f"/webhooks/{id}/archive").location == "/webhooks"
    assert "No webhooks yet" in admin.get("/webhooks").text
    (one,) = told(session)
    for path in (f"/webhooks/{id}", f"/webhooks/{id}/edit", f"/webhooks/deliveries/{one.id}"):
        assert admin.get(path).status_code == 404
    assert send(admin, f"/webhooks/deliveries/{one.id}/again").status_code == 404


def _trouble(session: Session, id: UUID) -> None:
    session.get_one(WebhookEndpoint, id).given_up_in_a_row = 3


def test_trouble_is_shown_where_people_look(app: Flask, admin: FlaskClient, session: Session) -> None:
    id, _ = make_endpoint(app)
    assert "Webhook deliveries are failing" not in admin.get("/").text
    transaction(_trouble, id)
    assert "Webhook deliveries are failing" in admin.get("/").text
    assert "Failing" in words(admin.get("/webhooks").text)
    assert "The last 3 deliveries were given up" in words(admin.get(f"/webhooks/{id}").text)


def test_a_receiver_that_does_not_answer(
    app: Flask, admin: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: [])
    id, _ = make_endpoint(app)
    make_invoice()
    deliver(app)
    text = words(admin.get(f"/webhooks/{id}").text)
    assert "The last attempt failed. The next attempt is after 2 Apr 2026, 09:30 UTC" in text
    assert "The host name example.com could not be resolved." in text
    german = words(admin.get(f"/webhooks/{id}", headers={"Accept-Language": "de"}))
    assert "Der Rechnername example.com konnte nicht aufgelöst werden." in german


def test_a_viewer_reads_and_is_offered_nothing(app: Flask, session: Session) -> None:
    id, _ = make_endpoint(app)
    make_invoice()
    viewer, (one,) = signed_in(app, "viewer"), told(session)
    for path in ("/webhooks", f"/webhooks/{id}", f"/webhooks/deliveries/{one.id}"):
        text = viewer.get(path).text
        main = text.partition("<main")[2]
        assert '<form method="post"' not in main
        assert "/new" not in main
        assert "whsec_" not in main
    for path in ("/webhooks/new", f"/webhooks/{id}/edit", f"/webhooks/{id}/rotate", f"/webhooks/{id}/archive"):
        assert viewer.get(path).status_code == 403


def test_pages_take_the_same_queries_for_3_and_30(app: Flask, admin: FlaskClient, session: Session) -> None:
    counts = []
    for number in range(30):
        id, _ = make_endpoint(app)
        transaction(operations.ping, id, SYSTEM, NOW)
        transaction(operations.ping, endpoints(session)[0].id, SYSTEM, NOW)
        if number in {2, 29}:
            paths = ("/webhooks", f"/webhooks/{endpoints(session)[0].id}")
            counts.append([queries_of(app, admin, path) for path in paths])
    assert counts[0] == counts[1]
    assert max(counts[0]) < 10

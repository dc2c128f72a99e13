"""The access log: one line for each request, events for refusals, and never a secret."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing_admin import clock, create_app
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.access import tokens
from tests.people import PASSWORD, person, send, sign_in, signed_in

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SECRET = "seeded-Secret-83b1"


def logging_app(app: Flask, **settings: Any) -> Flask:
    """An application on the same database with the settings of production."""
    stored: Settings = app.extensions["billing_settings"]
    logging = create_app(
        Settings(
            database_url=stored.database_url, secret_key=stored.secret_key, queue_url="immediate:",
            rate_limit_storage=stored.rate_limit_storage, **settings,
        )
    )  # fmt: skip
    logging.testing = True
    logging.test_client_class = app.test_client_class
    return logging


@pytest.fixture
def logged(app: Flask) -> Iterator[Flask]:
    """The application with an access log."""
    logging = logging_app(app)
    yield logging
    close(logging)


def close(logging: Flask) -> None:
    """Close its connections, before another test replaces the database."""
    with logging.app_context():
        db.engine.dispose()


def make_token(app: Flask, days: int = 365, age: Any = None) -> str:
    with app.app_context():
        return transaction(tokens.create, "nightly", ["read"], days, actor=SYSTEM, now=age or clock.now())[1]


def lines(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    """The lines of an event that were written since the last call."""
    written = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in written if line["event"] == event]


def test_each_request_has_one_line(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    client = signed_in(logged)
    capsys.readouterr()
    response = client.get("/invoices?q=acme")
    [line] = lines(capsys, "request")
    assert line.items() >= {
        "actor_kind": "person", "actor": "admin@example.com", "address": "127.0.0.1", "method": "GET",
        "path": "/invoices", "status": 200, "level": "info", "request_id": response.headers["X-Request-Id"],
    }.items()  # fmt: skip
    assert line["duration_ms"] > 0
    assert line["timestamp"].endswith("Z")
    client.get("/no-such-page")
    client.get("/exports/invoices.csv")
    assert [(line["path"], line["status"]) for line in lines(capsys, "request")] == [
        ("/no-such-page", 404), ("/exports/invoices.csv", 200),
    ]  # fmt: skip


def test_a_request_with_a_token_names_it(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"Authorization": f"Bearer {make_token(logged)}"}
    capsys.readouterr()
    logged.test_client().get("/api/v1/invoices", headers=headers)
    [line] = lines(capsys, "request")
    assert (line["actor_kind"], line["actor"], line["status"]) == ("token", "nightly", 200)
    assert line["actor_id"]


def test_a_request_for_another_host_has_a_line(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    response = logged.test_client().get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert [line["status"] for line in lines(capsys, "request")] == [400]


def test_the_access_log_can_be_switched_off(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = logging_app(app, access_log=False)
    client = quiet.test_client()
    client.get("/sign-in")
    client.get("/api/v1/invoices")
    written = capsys.readouterr().err
    assert '"event": "request"' not in written
    assert '"event": "token_refused"' in written  # refusals stay
    close(quiet)


def test_a_denied_page_or_call_is_logged(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    viewer, headers = signed_in(logged, "viewer"), {"Authorization": f"Bearer {make_token(logged)}"}
    capsys.readouterr()
    assert send(viewer, "/customers/new").status_code == 403
    assert logged.test_client().post("/api/v1/customers", json={}, headers=headers).status_code == 403
    page, call = lines(capsys, "denied")
    assert (page["actor"], page["path"], page["needs"]) == ("viewer@example.com", "/customers/new", "customers:write")
    assert (call["actor"], call["path"], call["needs"]) == ("nightly", "/api/v1/customers", "customers:write")
    assert page["level"] == call["level"] == "warning"


def test_a_form_without_its_token_is_logged(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    client = signed_in(logged)
    assert client.post("/customers/new", data={"name": "x"}).status_code == 400
    [line] = lines(capsys, "form_token_refused")
    assert (line["actor"], line["path"]) == ("admin@example.com", "/customers/new")


def test_a_failed_sign_in_is_logged_without_what_was_typed(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    person(logged)
    client = logged.test_client()
    sign_in(client, SECRET, SECRET)
    sign_in(client, "admin@example.com", SECRET)
    failed = lines(capsys, "sign_in_failed")
    assert [(line["address"], line["actor"]) for line in failed] == [("127.0.0.1", None)] * 2


def test_a_throttled_sign_in_is_logged_once(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    person(logged)
    with patch("billing_admin.web.access.sign_in.is_sign_in_throttled", return_value=True):
        sign_in(logged.test_client(), "admin@example.com", SECRET)
    written = capsys.readouterr().err
    assert written.count("throttled") == 1
    assert '"event": "attempt_throttled"' in written
    assert '"path": "/sign-in"' in written


def test_a_refused_token_is_logged_with_the_reason(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    client, secret = logged.test_client(), make_token(logged)
    expired = make_token(logged, days=1, age=clock.now() - timedelta(days=3))
    capsys.readouterr()
    for sent in (None, "Bearer " + SECRET, "Bearer " + secret[:-1] + "x", "Bearer " + expired):
        headers = {"Authorization": sent} if sent else {}
        assert client.get("/api/v1/invoices", headers=headers).status_code == 401
    refused = lines(capsys, "token_refused")
    assert [(line["reason"], line.get("token")) for line in refused] == [
        ("missing", None), ("unknown", None), ("unknown", None), ("expired", "nightly"),
    ]  # fmt: skip


def test_no_secret_reaches_the_log(logged: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    client, secret = signed_in(logged), make_token(logged)
    capsys.readouterr()
    cookie = client.get_cookie("billing")
    assert cookie is not None
    requests: list[tuple[FlaskClient, str, str, dict[str, Any]]] = [
        (client, "GET", f"/search?q={SECRET}", {}),
        (client, "POST", f"/sign-in?next=/{SECRET}", {"data": {"email": SECRET, "password": SECRET}}),
        (logged.test_client(), "GET", "/api/v1/invoices", {"headers": {"Authorization": f"Bearer {secret}"}}),
        (logged.test_client(), "GET", "/api/v1/invoices", {"headers": {"Authorization": f"Bearer {secret[:-1]}"}}),
        (logged.test_client(), "GET", f"/api/v1/invoices?token={SECRET}", {"headers": {"X-Api-Key": SECRET}}),
        (logged.test_client(), "GET", "/", {"headers": {"Referer": f"http://localhost/?token={SECRET}"}}),
    ]
    for sender, method, url, options in requests:
        sender.open(url, method=method, **options)
    send(client, "/account/password", current=PASSWORD, new=SECRET, again=SECRET)
    written = capsys.readouterr().err
    assert written.count('"event": "request"') == len(requests) + 1
    for value in (SECRET, secret, secret[:-1], secret[:12], PASSWORD, cookie.value):
        assert value not in written

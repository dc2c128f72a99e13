"""API tokens: list, create and show once, revoke."""

import json
import re
import shlex
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.domain.tokens import digest, is_well_formed
from billing_admin.models import ApiToken
from billing_admin.operations.access import tokens as operations
from tests.clocks import stopped_clock
from tests.making import NOW, make_customer
from tests.people import send, sign_in, signed_in
from tests.prepared import prepared
from tests.web.pages import parse, words
from tests.web.reading import fresh, queries_of

clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def stored(session: Session) -> list[ApiToken]:
    return fresh(session, select(ApiToken).order_by(ApiToken.created_at))


def fields(**changed: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "name": "nightly import",
        "scopes": ["read", "charges:write"],
        "expires_in_days": "30",
    } | changed


def make(name: str = "script", **given: Any) -> ApiToken:
    return transaction(operations.create, name, ["read"], actor=SYSTEM, now=NOW, **given)[0]


def secret_in(text: str) -> str:
    found = re.search(r"bil_[0-9A-Za-z]{28}", text)
    assert found is not None
    return found[0]


def command_in(text: str) -> list[str]:
    copied = (element.attributes.get("data-copy", "") for element in parse(text).elements())
    return shlex.split(next(command for command in copied if command.startswith("curl ")))


def test_empty(admin: FlaskClient) -> None:
    assert "No tokens yet" in words(admin.get("/tokens").text)


def test_form_offers_every_scope_with_its_sentence(admin: FlaskClient) -> None:
    text = admin.get("/tokens/new").text
    for scope, sentence in SCOPES.items():
        assert f'value="{scope}"' in text
        assert sentence in text
    assert 'value="365"' in text
    assert "tokens:write" not in text


def test_creates_and_shows_the_secret_once(admin: FlaskClient, session: Session) -> None:
    make_customer(reference="it's")
    response = send(admin, "/tokens/new", **fields())
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    secret = secret_in(response.text)
    assert is_well_formed(secret)
    (token,) = stored(session)
    assert token.token_hash == digest(secret)
    assert (token.scopes, token.expires_at) == (["read", "charges:write"], NOW + timedelta(days=30))
    assert token.user is not None
    assert token.user.email == "admin@example.com"
    listed = admin.get("/tokens").text
    assert secret not in listed
    assert "nightly import bil_" in words(listed)


def test_command_posts_a_charge(app: Flask, admin: FlaskClient, session: Session) -> None:
    make_customer(reference="it's")
    command = command_in(send(admin, "/tokens/new", **fields()).text)
    assert command[0] == "curl"
    assert command[-1] == "http://localhost/api/v1/charges"
    body = command[command.index("--data") + 1]
    assert json.loads(body)["customer"] == "it's"
    header = command[command.index("--header") + 1].partition(": ")
    script = app.test_client()
    response = script.post(command[-1], data=body, headers={header[0]: header[2], "Content-Type": "application/json"})
    assert response.status_code == 201, response.text


def test_command_of_a_reader_reads(app: Flask, admin: FlaskClient) -> None:
    command = command_in(send(admin, "/tokens/new", **fields(scopes=["read"])).text)
    header = command[command.index("--header") + 1].partition(": ")
    assert app.test_client().get(command[-1], headers={header[0]: header[2]}).status_code == 200


def test_double_submit_makes_one(admin: FlaskClient, session: Session) -> None:
    sent = fields()
    send(admin, "/tokens/new", **sent)
    response = send(admin, "/tokens/new", **sent)
    assert (response.status_code, response.location) == (303, "/tokens")
    assert "This token has already been created. Its secret is shown only once." in admin.get("/tokens").text
    assert len(stored(session)) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": ""}, "Enter a name for the token, such as nightly import."),
        ({"name": "n" * 101}, "Use at most 100 characters."),
        ({"scopes": []}, "Choose at least one scope."),
        ({"expires_in_days": ""}, "Enter a number of days, such as 365."),
        ({"expires_in_days": "0"}, "Use 1 to 400 days."),
        ({"expires_in_days": "401"}, "Use 1 to 400 days."),
        ({"id": ""}, "The form is incomplete. Reload the page and try again."),
    ],
)
def test_refuses(admin: FlaskClient, session: Session, wrong: dict[str, Any], sentence: str) -> None:
    response = send(admin, "/tokens/new", **fields(**wrong))
    assert response.status_code == 422
    assert sentence in response.text
    assert stored(session) == []


@pytest.mark.parametrize("scope", ["tokens:write", "nonsense"])
def test_refuses_what_is_no_scope(admin: FlaskClient, session: Session, scope: str) -> None:
    response = send(admin, "/tokens/new", **fields(scopes=["read", scope]))
    assert response.status_code == 422
    assert stored(session) == []


def test_list_tells_states_apart(admin: FlaskClient, session: Session, clock: time_machine.Traveller) -> None:
    make("active")
    make("expired", expires_in_days=1)
    revoked = make("revoked")
    transaction(operations.revoke, revoked.id, SYSTEM, NOW)
    clock.shift(timedelta(days=2))
    later = signed_in(admin.application, email="later@example.com")
    text = words(later.get("/tokens").text)
    for name, state in (("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")):
        assert re.search(rf"{name} bil_\w+… read Command line Never \d+ Apr 202\d {state}", text), text


def test_revokes_after_saying_when_it_was_last_used(admin: FlaskClient, session: Session) -> None:
    token = make()
    assert "Never used" in words(admin.get(f"/tokens/{token.id}/revoke").text)
    transaction(operations.record_use, token.id, NOW)
    assert "Last used 2 Apr 2026, 09:30 UTC" in words(admin.get(f"/tokens/{token.id}/revoke").text)
    for _ in range(2):
        assert send(admin, f"/tokens/{token.id}/revoke").location == "/tokens"
    assert stored(session)[0].revoked_at == NOW
    assert "/revoke" not in admin.get("/tokens").text


def test_revoking_nothing(admin: FlaskClient) -> None:
    assert admin.get(f"/tokens/{uuid4()}/revoke").status_code == 404
    assert send(admin, f"/tokens/{uuid4()}/revoke").status_code == 404


def test_list_takes_the_same_queries_for_5_and_50(app: Flask, admin: FlaskClient, session: Session) -> None:
    counts = []
    for number in range(50):
        make(f"script {number}")
        if number in {4, 49}:
            counts.append(queries_of(app, admin, "/tokens"))
    assert counts[0] == counts[1] < 10


def test_viewer_sees_none_of_it(app: Flask, session: Session) -> None:
    viewer, token = signed_in(app, "viewer"), make()
    assert "/tokens" not in viewer.get("/customers").text
    for path in ("/tokens", "/tokens/new", f"/tokens/{token.id}/revoke"):
        response = viewer.get(path)
        assert response.status_code == 403
        assert ("access:read" if path == "/tokens" else "tokens:write") in response.text
    assert send(viewer, "/tokens/new", **fields()).status_code == 403
    assert [one.revoked_at for one in stored(session)] == [None]


def test_expiry_is_warned_of_for_14_days(admin: FlaskClient, session: Session, clock: time_machine.Traveller) -> None:
    make("nightly import", expires_in_days=20)
    assert "API tokens that expire" not in words(admin.get("/"))  # the dashboard of a new installation
    clock.shift(timedelta(days=6))
    sign_in(admin, "admin@example.com")
    assert "1 API token to replace within 14 days" in words(admin.get("/"))
    assert "Expires soon" in words(admin.get("/tokens"))
    clock.shift(timedelta(days=15))
    sign_in(admin, "admin@example.com")
    assert "API tokens that expire" not in words(admin.get("/"))
    assert "Expired" in words(admin.get("/tokens"))

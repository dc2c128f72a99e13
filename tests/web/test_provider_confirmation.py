"""Confirmations of an identity at the identity provider, for people with a password and without one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import AuditEvent, UserSession
from billing_admin.operations.access.second_factors import require_second_factor
from billing_admin.web.access.identity_provider import EXTENSION
from tests.clocks import stopped_clock
from tests.identity_provider import METADATA, Provider, query, use_provider
from tests.people import PASSWORD, person, send, sign_in
from tests.web.pages import fields, has_link, link, words
from tests.web.test_single_sign_on import use

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONFIRM, NEW = "/account/confirm-identity", {"email": "eve@example.com", "role": "viewer"}
NOT_CONFIRMED = "Your identity is not confirmed"
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(START)


@pytest.fixture
def provider(app: Flask) -> Iterator[Provider]:
    """The provider of the application, which creates people."""
    provider = Provider()
    provider.claims["groups"] = ["admins"]
    use_provider(app, provider, role_claim="groups", roles={"admins": "admin"}, creates_people=True)
    yield provider
    app.extensions[EXTENSION] = None


@pytest.fixture
def admin(client: FlaskClient, provider: Provider, clock: time_machine.Traveller) -> FlaskClient:
    """An admin without a password, who signed in ten minutes ago."""
    assert use(client, provider).status_code == 303
    clock.shift(timedelta(minutes=10))
    return client


def confirm(client: FlaskClient, provider: Provider) -> str:
    """Open the second window, sign in there, and return the words of the page at its end."""
    redirect = client.get(CONFIRM)
    assert redirect.status_code == 303
    asked = query(redirect.location)
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    back = urlsplit(provider.authorize(redirect.location))
    return words(client.get(f"{back.path}?{back.query}"))


def events(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.at, AuditEvent.id)))


def test_a_person_without_a_password_confirms_at_the_provider(
    app: Flask, admin: FlaskClient, provider: Provider, session: Session
) -> None:
    thief, cookie = app.test_client(), admin.get_cookie("billing")
    assert cookie is not None
    thief.set_cookie("billing", cookie.value)
    page = send(admin, "/users/new", **NEW)
    assert (page.status_code, "Confirm your identity" in words(page)) == (401, True)
    assert (link(page, "Confirm with Example ID"), fields(page, "email")) == (CONFIRM, ["eve@example.com"])
    assert fields(page, "confirmation_password") == []
    early = send(admin, "/users/new", **NEW, confirmed_elsewhere="1")
    assert (early.status_code, "Your identity is not confirmed yet." in words(early)) == (422, True)
    assert "Your identity is confirmed" in confirm(admin, provider)
    assert send(admin, "/users/new", **NEW, confirmed_elsewhere="1").status_code == 201
    assert "user.identity_confirmed" in events(session)
    assert session.scalars(select(UserSession.confirmed_at)).all() == [START + timedelta(minutes=10)]
    assert thief.get("/customers").status_code == 303, "the session has a new id (check 22)"


def test_a_person_with_a_password_has_both_ways(
    app: Flask, client: FlaskClient, provider: Provider, clock: time_machine.Traveller
) -> None:
    person(app, "admin", "ada@example.com")
    use(client, provider)
    clock.shift(timedelta(minutes=10))
    page = send(client, "/users/new", **NEW)
    assert (has_link(page, "Confirm with Example ID"), fields(page, "confirmation_password")) == (True, [""])
    assert send(client, "/users/new", **NEW, confirmation_password=PASSWORD).status_code == 201
    clock.shift(timedelta(minutes=10))
    assert "Your identity is confirmed" in confirm(client, provider)
    assert send(client, "/users/new", email="b@example.com", role="viewer").status_code == 201


def test_a_person_who_must_set_up_a_second_factor_can_confirm(
    admin: FlaskClient, provider: Provider, session: Session
) -> None:
    assert session.scalars(select(UserSession.single_sign_on)).all() == [True]
    transaction(require_second_factor, True, SYSTEM, START)
    app_page = "/account/security/authenticator"
    assert admin.get("/customers").location.startswith(app_page)
    assert has_link(send(admin, app_page, salt="x", code="123456"), "Confirm with Example ID")
    assert "Your identity is confirmed" in confirm(admin, provider)
    assert send(admin, app_page, salt="x", code="123456").status_code == 422


def test_others_have_the_password_alone(app: Flask, provider: Provider, clock: time_machine.Traveller) -> None:
    client = app.test_client()
    sign_in(client, person(app, "admin", "other@example.com"))
    clock.shift(timedelta(minutes=10))
    page = send(client, "/users/new", **NEW)
    assert ("Confirm your password" in words(page), has_link(page, "Confirm with Example ID")) == (True, False)
    app.extensions[EXTENSION] = None
    assert client.get(CONFIRM).status_code == 404


def earlier(claims: dict[str, Any]) -> None:
    claims["auth_time"] = int(START.timestamp())


def without_time(claims: dict[str, Any]) -> None:
    del claims["auth_time"]


def another_person(claims: dict[str, Any]) -> None:
    claims["sub"] = "another"


@pytest.mark.parametrize("alter", [earlier, without_time, another_person])
def test_the_provider_must_have_asked_the_same_person_again(
    admin: FlaskClient, provider: Provider, session: Session, alter: Callable[[dict[str, Any]], object]
) -> None:
    provider.alter = alter
    assert NOT_CONFIRMED in confirm(admin, provider)
    assert events(session)[-1] == "user.single_sign_on_failed"
    assert send(admin, "/users/new", **NEW).status_code == 401


def test_a_confirmation_that_fails_says_so(
    admin: FlaskClient, provider: Provider, clock: time_machine.Traveller
) -> None:
    redirect = admin.get(CONFIRM)
    state = query(redirect.location)["state"]
    page = admin.get(f"/sign-in/single-sign-on/callback?error=login_required&state={state}")
    assert (page.status_code, NOT_CONFIRMED in words(page), has_link(page, "Try again")) == (401, True, True)
    provider.claims["nonce"] = "another"
    assert NOT_CONFIRMED in confirm(admin, provider)
    clock.shift(timedelta(minutes=55))
    assert admin.get("/customers").status_code == 200
    clock.shift(timedelta(minutes=30))
    provider.answers[METADATA] = ConnectionRefusedError(111, "refused")
    page = admin.get(CONFIRM)
    assert (page.status_code, NOT_CONFIRMED in words(page)) == (503, True)


def test_a_session_that_ended_meanwhile_stays_ended(admin: FlaskClient, provider: Provider, session: Session) -> None:
    back = urlsplit(provider.authorize(admin.get(CONFIRM).location))
    session.rollback()
    session_ids = session.scalars(select(UserSession.id)).all()
    send(admin, "/account/sessions/end-others")
    with admin.session_transaction() as kept:
        flow = kept["provider_flow"]
    send(admin, "/sign-out")
    with admin.session_transaction() as kept:
        kept["provider_flow"] = flow
    page = admin.get(f"{back.path}?{back.query}")
    assert (len(session_ids), page.status_code, NOT_CONFIRMED in words(page)) == (1, 401, True)
    assert admin.get("/customers").status_code == 303

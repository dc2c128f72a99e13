"""Passkeys: added, used alone and as second factor, removed; and every answer that must be refused."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.config import Settings
from billing_admin.models import AuditEvent, Passkey, RecoveryCode, User
from tests.authenticator import Device
from tests.clocks import stopped_clock
from tests.people import PASSWORD, person, send, sign_in, signed_in
from tests.prepared import prepared
from tests.web.pages import Page, fields, has_link, link, parse, words

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADDRESS = "admin@example.com"
NEW = "/account/security/passkeys/new"
REFUSED = "This passkey was not accepted."
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(START)


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    """An admin without a second factor, who just signed in."""
    return signed_in(app)


@pytest.fixture
def device(browser: FlaskClient) -> Device:
    """A device with a passkey of the admin."""
    device = Device()
    assert add(browser, device).status_code == 201
    return device


def options(page: Page) -> str:
    """The options for the browser that a page holds."""
    return next(
        form.attributes["data-options"] for form in parse(page).elements("form") if "data-options" in form.attributes
    )


def add(client: FlaskClient, device: Device, name: str = "Laptop", **more: str) -> TestResponse:
    return send(client, NEW, name=name, credential=device.create(options(client.get(NEW))), **more)


def use(client: FlaskClient, device: Device, **more: str) -> TestResponse:
    """Sign in with the passkey of a device."""
    return send(client, "/sign-in/passkey", credential=device.get(options(client.get("/sign-in"))), **more)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/customers").status_code == 200


def count(session: Session, model: type[Passkey | RecoveryCode]) -> int:
    session.rollback()
    return int(session.scalar(select(func.count()).select_from(model)) or 0)


def actions(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.at, AuditEvent.id)))


def test_the_first_passkey_comes_with_recovery_codes(app: Flask, browser: FlaskClient, session: Session) -> None:
    assert "data-options" not in app.test_client().get("/sign-in").text, "nobody has a passkey"
    elsewhere = app.test_client()
    sign_in(elsewhere, ADDRESS)
    page = add(browser, Device())
    assert (page.status_code, "Your recovery codes" in words(page)) == (201, True)
    assert count(session, RecoveryCode) == 10
    assert (is_signed_in(browser), is_signed_in(elsewhere)) == (True, False)
    assert actions(session)[-1] == "user.passkey_added"
    second = add(browser, Device(), "Phone")
    assert (second.status_code, second.location) == (303, "/account/security")
    shown = words(browser.get("/account/security"))
    assert ("Laptop" in shown, "Phone" in shown, "Codes left 10" in shown) == (True, True, True)


def test_a_passkey_alone_signs_in(app: Flask, device: Device, session: Session) -> None:
    client = app.test_client()
    done = use(client, device, next="/invoices?status=open")
    assert (done.status_code, done.location) == (303, "/invoices?status=open")
    assert is_signed_in(client)
    session.rollback()
    event = session.scalars(
        select(AuditEvent).where(AuditEvent.action == "user.signed_in").order_by(AuditEvent.id)
    ).all()[-1]
    assert event.details["passkey"] == "Laptop"
    assert session.scalars(select(Passkey.last_used_at)).one() == START


def test_a_passkey_is_the_second_step_after_the_password(app: Flask, device: Device) -> None:
    client = app.test_client()
    page = sign_in(client, ADDRESS, next="/invoices")
    assert "Enter your code" in words(page)
    done = send(client, "/sign-in/passkey", credential=device.get(options(page)), next="/invoices")
    assert (done.status_code, done.location) == (303, "/invoices")


def test_a_recovery_code_replaces_a_lost_passkey(app: Flask, browser: FlaskClient) -> None:
    code = re.findall(r">([a-z2-9]{4}(?:-[a-z2-9]{4}){5})<", add(browser, Device()).text)[0]
    client = app.test_client()
    sign_in(client, ADDRESS)
    assert send(client, "/sign-in/code", code=code).status_code == 303


def unverified(device: Device, options: str) -> str:
    device.verifies = False
    return device.get(options)


def another_key(device: Device, options: str) -> str:
    other = Device()
    other.id = device.id
    return other.get(options)


def wrong_challenge(device: Device, options: str) -> str:
    return device.get(re.sub(r'"challenge": "[\w-]{4}', '"challenge": "AAAA', options))


ANSWERS: dict[str, Callable[[Device, str], str]] = {
    "origin": lambda device, options: device.get(options, "https://evil.example"),
    "party": lambda device, options: device.get(options.replace('"localhost"', '"evil.example"')),
    "challenge": wrong_challenge,
    "unknown": lambda _, options: Device().get(options),
    "unverified": unverified,
    "key": another_key,
    "empty": lambda *_: "{}",
    "broken": lambda *_: "[",
    "types": lambda *_: '{"id": 1, "rawId": [], "type": null, "response": {}}',
    "null": lambda *_: "null",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_wrong_answers_are_refused(
    app: Flask, device: Device, session: Session, answer: Callable[[Device, str], str]
) -> None:
    client = app.test_client()
    sent = answer(device, options(client.get("/sign-in")))
    page = send(client, "/sign-in/passkey", credential=sent, next="/invoices")
    assert (page.status_code, REFUSED in words(page)) == (401, True)
    assert fields(page, "next")[0] == "/invoices"
    assert not is_signed_in(client)


def test_a_challenge_is_answered_once(app: Flask, device: Device, clock: time_machine.Traveller) -> None:
    client, thief = app.test_client(), app.test_client()
    answer = device.get(options(client.get("/sign-in")))
    cookie = client.get_cookie("billing")
    assert cookie is not None
    thief.set_cookie("billing", cookie.value)
    clock.shift(timedelta(seconds=1))
    assert send(client, "/sign-in/passkey", credential=answer).status_code == 303
    clock.shift(timedelta(seconds=1))
    again = send(thief, "/sign-in/passkey", credential=answer)
    assert (again.status_code, REFUSED in words(again)) == (401, True)
    over = send(app.test_client(), "/sign-in/passkey", credential=answer)
    assert (over.status_code, "This page has expired." in words(over)) == (401, True)


def test_a_challenge_is_over_after_ten_minutes(app: Flask, device: Device, clock: time_machine.Traveller) -> None:
    client = app.test_client()
    answer = device.get(options(client.get("/sign-in")))
    clock.shift(timedelta(minutes=10))
    assert send(client, "/sign-in/passkey", credential=answer).status_code == 401


def test_a_copied_device_is_noticed_by_its_count(app: Flask, device: Device, clock: time_machine.Traveller) -> None:
    device.count = 7
    assert use(app.test_client(), device).status_code == 303
    clock.shift(timedelta(seconds=1))
    assert use(app.test_client(), device).status_code == 401
    device.count = 8
    assert use(app.test_client(), device).status_code == 303


def test_a_deactivated_person_is_refused(app: Flask, browser: FlaskClient, device: Device, session: Session) -> None:
    person(app, "admin", "other@example.com")
    user = session.scalars(select(User.id).where(User.email == ADDRESS)).one()
    send(browser, f"/users/{user}/deactivate")
    assert use(app.test_client(), device).status_code == 401


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": "", "credential": "{}"}, "Enter a name"),
        ({"name": "x", "credential": ""}, "This page has expired."),
        ({"name": "x", "credential": "x" * 20_001}, "This page has expired."),
        ({"name": "x", "credential": "{}"}, REFUSED),
        ({"name": "x" * 201, "credential": "{}"}, "200"),
    ],
)
def test_an_incomplete_passkey_is_not_added(
    browser: FlaskClient, session: Session, form: dict[str, str], sentence: str
) -> None:
    browser.get(NEW)
    page = send(browser, NEW, **form)
    assert (page.status_code, sentence in words(page)) == (422, True)
    assert count(session, Passkey) == 0


def test_a_passkey_is_added_once_and_only_by_a_device_that_verifies(browser: FlaskClient, device: Device) -> None:
    again = add(browser, device)
    assert (again.status_code, "This passkey has been added already." in words(again)) == (422, True)
    assert REFUSED in words(add(browser, Device(verifies=False)))


def test_adding_and_removing_need_a_recent_confirmation(
    browser: FlaskClient, device: Device, session: Session, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(minutes=10))
    asked = add(browser, Device(), "Phone")
    assert (asked.status_code, fields(asked, "name")) == (401, ["Phone"])
    added = add(browser, Device(), "Phone", confirmation_password=PASSWORD)
    assert added.location == "/account/security"
    assert count(session, Passkey) == 2


def test_removing_needs_a_current_code(app: Flask, browser: FlaskClient, session: Session) -> None:
    codes = re.findall(r">([a-z2-9]{4}(?:-[a-z2-9]{4}){5})<", add(browser, Device()).text)
    url = link(browser.get("/account/security"), "Remove Laptop")
    assert send(browser, url, current_code="000000").status_code == 422
    assert count(session, Passkey) == 1
    assert send(browser, url, current_code=codes[0]).location == "/account/security"
    assert (count(session, Passkey), count(session, RecoveryCode)) == (0, 0)
    assert actions(session)[-1] == "user.passkey_removed"
    assert browser.get(url).status_code == 404
    assert sign_in(app.test_client(), ADDRESS).status_code == 303


def test_nobody_removes_the_passkey_of_another_person(app: Flask, browser: FlaskClient, device: Device) -> None:
    url = link(browser.get("/account/security"), "Remove Laptop")
    assert signed_in(app, "viewer").get(url).status_code == 404


def test_an_admin_removes_the_passkeys_of_another_person(app: Flask, browser: FlaskClient, session: Session) -> None:
    viewer, phone = signed_in(app, "viewer"), Device()
    add(viewer, phone)
    user = session.scalars(select(User.id).where(User.email == "viewer@example.com")).one()
    assert send(browser, f"/users/{user}/second-factors").location == "/users"
    assert count(session, Passkey) == 0
    assert sign_in(app.test_client(), "viewer@example.com").status_code == 303


def test_a_passkey_is_the_second_factor_that_is_required(app: Flask, browser: FlaskClient) -> None:
    send(browser, "/users/second-factor-rule", required="yes")
    assert has_link(browser.get("/account/security/authenticator"), "Use a passkey instead")
    page = browser.get(f"{NEW}?next=/invoices")
    assert "Your organisation requires a second factor." in words(page)
    done = send(browser, NEW, name="Laptop", credential=Device().create(options(page)), next="/invoices")
    assert (done.status_code, link(done, "Continue")) == (201, "/invoices")
    assert browser.get("/invoices").status_code == 200


def test_production_takes_name_and_origin_from_the_configured_host(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Settings = app.extensions["billing_settings"]
    monkeypatch.setattr(settings, "env", "production")
    monkeypatch.setattr(settings, "trusted_hosts", ("billing.example.com", "localhost"))
    page = browser.get(NEW)
    assert '"id": "billing.example.com"' in options(page)
    device = Device()
    assert REFUSED in words(send(browser, NEW, name="x", credential=device.create(options(page))))
    answer = device.create(options(browser.get(NEW)), "https://billing.example.com")
    assert send(browser, NEW, name="x", credential=answer).status_code == 201

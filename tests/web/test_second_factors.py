"""Authenticator apps and recovery codes: set up, sign in, replace, remove; and the rule that everyone needs one."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.domain.authenticator import authenticator_secret, code_at, current_step, secret_text
from billing_admin.models import AuditEvent, AuthenticatorApp, RecoveryCode, User, UserSession
from tests.clocks import stopped_clock
from tests.people import PASSWORD, person, send, sign_in, signed_in
from tests.prepared import prepared
from tests.web.pages import fields, words

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "only-for-tests" * 4
ADDRESS = "admin@example.com"
APP = "/account/security/authenticator"
WRONG = "This code is wrong or was used before."
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(START)


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    """An admin without a second factor, who just signed in."""
    return signed_in(app)


@pytest.fixture
def codes(browser: FlaskClient, clock: time_machine.Traveller, session: Session) -> list[str]:
    """The recovery codes of the admin, who set up an app a minute ago."""
    page = set_up(browser, session)
    clock.shift(timedelta(minutes=1))
    return recovery_codes_on(page)


def user_id(session: Session, email: str = ADDRESS) -> UUID:
    session.rollback()
    return session.scalars(select(User.id).where(User.email == email)).one()


def app_code(session: Session, salt: str | None = None, steps: int = 0, email: str = ADDRESS) -> str:
    """The code that a person's app shows now, or so many steps later."""
    someone = user_id(session, email)
    salt = salt or session.scalars(select(AuthenticatorApp.salt).where(AuthenticatorApp.user_id == someone)).one()
    return code_at(authenticator_secret(KEY, someone, salt), current_step(datetime.now(UTC)) + steps)


def set_up(client: FlaskClient, session: Session, email: str = ADDRESS, **more: str) -> TestResponse:
    """Set up an app with the secret that the page offers."""
    salt = fields(client.get(APP), "salt")[0]
    return send(client, APP, salt=salt, code=app_code(session, salt, email=email), **more)


def recovery_codes_on(page: TestResponse) -> list[str]:
    assert page.status_code == 201, words(page)
    return re.findall(r"<code class=\"identifier\">([a-z2-9]{4}(?:-[a-z2-9]{4}){5})</code>", page.text)


def events(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.at, AuditEvent.id)))


def count(session: Session, model: type[UserSession | RecoveryCode | AuthenticatorApp]) -> int:
    session.rollback()
    return int(session.scalar(select(func.count()).select_from(model)) or 0)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/customers").status_code == 200


# --- set up ----------------------------------------------------------------------------------------------------------


def test_an_app_is_set_up_with_a_code_and_recovery_codes_are_shown_once(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    page = browser.get(APP)
    salt = fields(page, "salt")[0]
    secret = authenticator_secret(KEY, user_id(session), salt)
    assert secret_text(secret) in words(page)
    assert 'src="data:image/svg+xml;base64,' in page.text
    elsewhere = app.test_client()
    sign_in(elsewhere, ADDRESS)
    shown = send(browser, APP, salt=salt, code=app_code(session, salt))
    codes = recovery_codes_on(shown)
    assert len(set(codes)) == 10
    assert is_signed_in(browser)
    assert not is_signed_in(elsewhere), "other sessions end (check 24)"
    session.rollback()
    stored = session.scalars(select(RecoveryCode.code_hash)).all()
    assert len(stored) == 10
    assert not set(stored) & set(codes)
    assert events(session)[-1] == "user.authenticator_set_up"
    overview = browser.get("/account/security")
    assert "Codes left 10" in words(overview)
    assert secret_text(secret) not in words(overview)


def test_a_wrong_first_code_keeps_the_secret_that_was_scanned(browser: FlaskClient, session: Session) -> None:
    salt = fields(browser.get(APP), "salt")[0]
    page = send(browser, APP, salt=salt, code="000000")
    assert (page.status_code, fields(page, "salt")) == (422, [salt])
    assert "This is not the code that your app should show now." in words(page)
    assert count(session, AuthenticatorApp) == 0


@pytest.mark.parametrize("form", [{"code": "123456"}, {"salt": "x" * 65, "code": "123456"}, {"salt": "", "code": ""}])
def test_an_incomplete_form_sets_up_nothing(browser: FlaskClient, session: Session, form: dict[str, str]) -> None:
    assert send(browser, APP, **form).status_code in {200, 422}
    assert count(session, AuthenticatorApp) == 0


# --- sign in ---------------------------------------------------------------------------------------------------------


def test_signing_in_takes_two_steps(app: Flask, codes: list[str], session: Session) -> None:
    client, before = app.test_client(), count(session, UserSession)
    page = sign_in(client, ADDRESS, next="/invoices?status=open")
    assert (page.status_code, "Enter your code" in words(page)) == (200, True)
    assert fields(page, "next") == ["/invoices?status=open"]
    assert count(session, UserSession) == before
    assert client.get("/customers").location == "/sign-in?next=/customers"
    assert send(client, APP, salt="x", code="1").status_code == 401
    assert "user.signed_in" not in events(session)[2:]
    done = send(client, "/sign-in/code", code=app_code(session), next="/invoices?status=open")
    assert (done.status_code, done.location) == (303, "/invoices?status=open")
    assert is_signed_in(client)
    assert events(session)[-1] == "user.signed_in"


def test_check_31_a_code_signs_in_once(app: Flask, codes: list[str], session: Session) -> None:
    code = app_code(session)
    first, second = app.test_client(), app.test_client()
    for client in (first, second):
        sign_in(client, ADDRESS)
    assert send(first, "/sign-in/code", code=code).status_code == 303
    again = send(second, "/sign-in/code", code=code)
    assert (again.status_code, WRONG in words(again)) == (422, True)
    assert code not in again.text
    assert not is_signed_in(second)
    assert events(session)[-1] == "user.second_factor_failed"


def test_check_31_a_recovery_code_signs_in_once(app: Flask, codes: list[str], session: Session) -> None:
    for client, expected in ((app.test_client(), 303), (app.test_client(), 422)):
        sign_in(client, ADDRESS)
        assert send(client, "/sign-in/code", code=codes[3].upper().replace("-", " ")).status_code == expected
    assert count(session, RecoveryCode) == 9
    session.rollback()
    used = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "user.recovery_code_used")).one()
    assert used == {"remaining": 9}


def test_check_31_wrong_codes_are_throttled_and_the_password_does_not_reset_them(
    app: Flask, codes: list[str], session: Session
) -> None:
    client = app.test_client()
    for number in range(10):
        assert "Enter your code" in words(sign_in(client, ADDRESS))
        assert send(client, "/sign-in/code", code=f"{number:06}").status_code == 422
    blocked = send(client, "/sign-in/code", code=app_code(session))
    assert (blocked.status_code, "Retry-After" in blocked.headers) == (429, True)
    assert sign_in(client, ADDRESS).status_code == 429
    assert not is_signed_in(client)


def test_a_pending_sign_in_ends_after_ten_minutes_and_with_a_new_password(
    app: Flask, browser: FlaskClient, codes: list[str], session: Session, clock: time_machine.Traveller
) -> None:
    client = app.test_client()
    sign_in(client, ADDRESS)
    clock.shift(timedelta(minutes=10))
    late = send(client, "/sign-in/code", code=app_code(session), saved_form='["/x", []]', next="/invoices")
    assert (late.status_code, "Enter your password again" in words(late)) == (401, True)
    assert (fields(late, "saved_form"), fields(late, "next")) == (['["/x", []]'], ["/invoices"])
    sign_in(client, ADDRESS)
    new = "granite-teapot-wander-58"
    send(browser, "/account/password", current=PASSWORD, password=new, again=new)
    assert send(client, "/sign-in/code", code=app_code(session)).status_code == 401
    assert not is_signed_in(client)


def test_the_second_step_without_the_first_leads_to_sign_in(app: Flask, client: FlaskClient) -> None:
    assert client.get("/sign-in/code?next=/invoices").location == "/sign-in?next=/invoices"
    assert send(client, "/sign-in/code", code="123456").status_code == 401


def test_a_kept_form_survives_both_steps(app: Flask, codes: list[str], session: Session) -> None:
    client, kept = app.test_client(), '["/charges/new", [["amount", "12.50"]]]'
    page = sign_in(client, ADDRESS, saved_form=kept)
    assert fields(page, "saved_form") == [kept]
    done = send(client, "/sign-in/code", code=app_code(session), saved_form=kept)
    assert ("Send your input again" in done.text, fields(done, "amount")) == (True, ["12.50"])


def test_another_key_of_the_installation_leaves_the_recovery_codes(app: Flask, codes: list[str]) -> None:
    settings, client = app.extensions["billing_settings"], app.test_client()
    sign_in(client, ADDRESS)
    before = settings.secret_key
    try:
        settings.secret_key = "another-key" * 4
        assert send(client, "/sign-in/code", code=codes[0]).status_code == 303
    finally:
        settings.secret_key = before


# --- change ----------------------------------------------------------------------------------------------------------


def test_replacing_the_app_needs_a_current_code(
    browser: FlaskClient, codes: list[str], session: Session, clock: time_machine.Traveller
) -> None:
    before = app_code(session, steps=1)
    refused = set_up(browser, session, current_code="000000")
    assert (refused.status_code, WRONG in words(refused)) == (422, True)
    assert "Enter the code that your app shows" in words(set_up(browser, session))
    new = recovery_codes_on(set_up(browser, session, current_code=app_code(session)))
    assert not set(new) & set(codes)
    assert count(session, RecoveryCode) == 10
    assert events(session)[-1] == "user.authenticator_replaced"
    clock.shift(timedelta(seconds=30))
    assert app_code(session) != before


def test_removing_the_app_needs_a_current_code_and_a_recent_confirmation(
    app: Flask, browser: FlaskClient, codes: list[str], session: Session, clock: time_machine.Traveller
) -> None:
    url = "/account/security/authenticator/remove"
    assert browser.get(url).status_code == 200
    assert send(browser, url, current_code="000000").status_code == 422
    clock.shift(timedelta(minutes=10))
    assert "Confirm your password" in words(send(browser, url, current_code=codes[0]))
    assert count(session, AuthenticatorApp) == 1
    done = send(browser, url, current_code=codes[0], confirmation_password=PASSWORD)
    assert (done.status_code, done.location) == (303, "/account/security")
    assert (count(session, AuthenticatorApp), count(session, RecoveryCode)) == (0, 0)
    assert events(session)[-1] == "user.authenticator_removed"
    assert sign_in(app.test_client(), ADDRESS).status_code == 303
    assert send(browser, url, current_code="1").location == "/account/security"


def test_new_recovery_codes_replace_the_old_ones(
    app: Flask, browser: FlaskClient, codes: list[str], session: Session
) -> None:
    url = "/account/security/recovery-codes"
    assert send(browser, url, current_code="000000").status_code == 422
    new = recovery_codes_on(send(browser, url, current_code=codes[0]))
    client = app.test_client()
    sign_in(client, ADDRESS)
    assert send(client, "/sign-in/code", code=codes[1]).status_code == 422
    assert send(client, "/sign-in/code", code=new[1]).status_code == 303
    assert "user.recovery_codes_renewed" in events(session)


# --- admins ----------------------------------------------------------------------------------------------------------


def test_an_admin_removes_the_second_factor_of_another_person(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    viewer = signed_in(app, "viewer")
    set_up(viewer, session, "viewer@example.com")
    url = f"/users/{user_id(session, 'viewer@example.com')}/second-factors"
    people = browser.get("/users")
    assert ("Second factor" in words(people), f'href="{url}"' in people.text) == (True, True)
    assert browser.get(url).status_code == 200
    assert send(browser, url).location == "/users"
    assert not is_signed_in(viewer)
    assert events(session)[-1] == "user.second_factors_removed"
    assert sign_in(app.test_client(), "viewer@example.com").status_code == 303
    assert url not in browser.get("/users").text


def test_an_admin_does_not_get_around_their_own_code(browser: FlaskClient, codes: list[str], session: Session) -> None:
    page = send(browser, f"/users/{user_id(session)}/second-factors")
    assert (page.status_code, "Remove your own second factor on the page" in words(page)) == (422, True)
    assert count(session, AuthenticatorApp) == 1


def test_a_person_without_the_required_factor_reaches_nothing_else(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    assert send(browser, "/users/second-factor-rule", required="yes").location == "/users"
    assert events(session)[-1] == "organisation.second_factor_rule_changed"
    client = app.test_client()
    sign_in(client, person(app, "viewer"))
    assert client.get("/invoices").location == f"{APP}?next=/invoices"
    assert client.get("/account/security").location == f"{APP}?next=/account/security"
    assert send(client, "/account/theme", theme="dark").location == APP
    assert "Your organisation requires a code" in words(client.get(f"{APP}?next=/invoices"))
    page = set_up(client, session, "viewer@example.com", next="/invoices")
    assert len(recovery_codes_on(page)) == 10
    assert 'href="/invoices"' in page.text
    assert client.get("/invoices").status_code == 200
    assert browser.get("/customers").location == f"{APP}?next=/customers", "the rule holds for open sessions"
    set_up(browser, session)
    assert send(browser, "/users/second-factor-rule", required="").location == "/users"
    assert sign_in(app.test_client(), person(app, "viewer", "ben@example.com")).location == "/"


def test_the_command_removes_second_factors(app: Flask, codes: list[str], session: Session) -> None:
    runner = app.test_cli_runner()
    done = runner.invoke(args=["remove-second-factors", ADDRESS.upper()])
    assert (done.exit_code, done.stderr.strip()) == (0, f"{ADDRESS} can sign in with the password alone.")
    again = runner.invoke(args=["remove-second-factors", ADDRESS])
    assert again.stderr.strip() == f"{ADDRESS} has no second factor."
    assert count(session, AuthenticatorApp) == 0

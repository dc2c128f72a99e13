"""Acts that need a recent confirmation of the person's identity, and the page that asks for it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import ApiToken, AuditEvent, User, UserSession
from billing_admin.operations.master_data.periods import set_period_lock
from billing_admin.web.frame.guard import WRITING_METHODS
from tests.clocks import stopped_clock
from tests.people import PASSWORD, csrf_token, send, signed_in
from tests.web.pages import fields, words

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ASKED = "Confirm your password You are changing access, bank details or locked books."
ACCOUNT = {"currency": "EUR", "holder": "Clouds Ltd", "iban": "DE89370400440532013000", "id": str(uuid4())}
TOKEN: dict[str, Any] = {
    "id": str(uuid4()),
    "name": "nightly <import>",
    "scopes": ["read", "charges:write"],
    "expires_in_days": "30",
}
# Every route that needs a recent confirmation, with a form that it would accept.
NEEDS_CONFIRMATION: dict[str, dict[str, Any]] = {
    "tokens.new": TOKEN,
    "users.new": {"email": "ada@example.com", "role": "viewer"},
    "users.role": {"role": "viewer"},
    "users.password": {},
    "users.second_factors": {},
    "users.second_factor_rule": {"required": "yes"},
    "users.single_sign_on": {},
    "users.deactivate": {},
    "users.activate": {},
    "roles.new": {"name": "Branch office", "permissions": ["payments:write"], "id": str(uuid4())},
    "roles.edit": {"permissions": ["payments:write"], "version": "1"},
    "roles.archive": {},
    "roles.limits": {"credit": "100"},
    "roles.restore": {},
    "security.authenticator": {"salt": "x", "code": "123456"},
    "security.remove_authenticator": {"current_code": "123456"},
    "security.recovery_codes": {"current_code": "123456"},
    "passkeys.new": {"name": "Laptop", "credential": "{}"},
    "passkeys.remove": {"current_code": "123456"},
    "bank_accounts.new": ACCOUNT,
    "bank_accounts.edit": ACCOUNT,
    "bank_accounts.make_default": {},
    "bank_accounts.archive": {},
    "bank_accounts.restore": {},
    "set_up.bank_account": ACCOUNT,
    "periods.edit": {"through": "", "reason": "late invoice"},
}
# The other routes of these subjects, and why they need none.
NEEDS_NONE = {
    "tokens.revoke": "takes access away",
    "account.password": "asks for the current password itself",
    "account.settings": "changes how pages look",
    "account.change_theme": "changes how pages look",
}
SUBJECTS = ("tokens", "users", "roles", "account", "security", "passkeys", "bank_accounts", "periods")
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(START)


@pytest.fixture
def admin(app: Flask, clock: time_machine.Traveller) -> FlaskClient:
    """An admin who signed in ten minutes ago."""
    client = signed_in(app)
    clock.shift(timedelta(minutes=10))
    return client


def events(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.at, AuditEvent.id)))


def session_row(session: Session) -> UserSession:
    session.rollback()
    return session.scalars(select(UserSession).execution_options(populate_existing=True)).one()


def test_check_26_acts_on_access_bank_data_and_locks_need_a_confirmation(
    app: Flask, admin: FlaskClient, session: Session
) -> None:
    transaction(set_period_lock, date(2026, 10, 31), "", SYSTEM, START)
    before = events(session)
    for endpoint, form in NEEDS_CONFIRMATION.items():
        rule = next(app.url_map.iter_rules(endpoint))
        with app.test_request_context():
            url = app.url_map.bind("localhost").build(endpoint, {name: UUID(int=1) for name in rule.arguments})
        page = send(admin, url, **form)
        assert (page.status_code, ASKED in words(page)) == (401, True), endpoint
    assert events(session) == before


def test_every_route_of_these_subjects_is_in_a_table(app: Flask) -> None:
    routes = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in SUBJECTS and WRITING_METHODS & (rule.methods or set())
    }
    decorated = {name for name, view in app.view_functions.items() if hasattr(view, "needs_recent_sign_in")}
    assert routes | {"set_up.bank_account"} == NEEDS_CONFIRMATION.keys() | NEEDS_NONE.keys()
    assert NEEDS_CONFIRMATION.keys() - decorated == {"set_up.bank_account", "periods.edit"}
    assert decorated <= NEEDS_CONFIRMATION.keys()


def test_the_form_is_kept_and_saved_with_the_confirmation(admin: FlaskClient, session: Session) -> None:
    page = send(admin, "/tokens/new", **TOKEN)
    assert fields(page, "name") == ["nightly <import>"]
    assert fields(page, "scopes") == ["read", "charges:write"]
    assert fields(page, "confirmation_password") == [""]
    created = send(admin, "/tokens/new", **TOKEN, confirmation_password=PASSWORD)
    assert created.status_code == 201
    assert session.scalars(select(ApiToken.name)).all() == ["nightly <import>"]
    assert "user.identity_confirmed" in events(session)
    assert send(admin, "/users/new", email="ada@example.com", role="viewer").status_code == 201


def test_a_confirmation_holds_for_ten_minutes(admin: FlaskClient, clock: time_machine.Traveller) -> None:
    new = {"role": "viewer"}
    confirmed = send(admin, "/users/new", email="a@example.com", **new, confirmation_password=PASSWORD)
    assert confirmed.status_code == 201
    clock.shift(timedelta(minutes=9, seconds=59))
    assert send(admin, "/users/new", email="b@example.com", **new).status_code == 201
    clock.shift(timedelta(seconds=1))
    assert send(admin, "/users/new", email="c@example.com", **new).status_code == 401


def test_check_22_a_confirmation_changes_the_id_of_the_session(
    app: Flask, admin: FlaskClient, session: Session
) -> None:
    thief, cookie, before = app.test_client(), admin.get_cookie("billing"), session_row(session).token_hash
    assert cookie is not None
    thief.set_cookie("billing", cookie.value)
    assert thief.get("/customers").status_code == 200
    token = csrf_token(admin)
    send(admin, "/users/new", email="ada@example.com", role="viewer", confirmation_password=PASSWORD)
    after = session_row(session)
    assert (after.token_hash != before, after.confirmed_at) == (True, START + timedelta(minutes=10))
    assert thief.get("/customers").status_code == 303
    theme = admin.post("/account/theme", data={"theme": "dark", "csrf_token": token})
    assert theme.status_code == 303, "forms in other windows stay valid"


def test_a_wrong_password_keeps_the_form_and_counts_as_a_failed_attempt(admin: FlaskClient, session: Session) -> None:
    for number in range(10):
        wrong = send(admin, "/tokens/new", **TOKEN, confirmation_password=f"wrong {number}")
        assert (wrong.status_code, fields(wrong, "name")) == (422, ["nightly <import>"])
        assert "This is not your current password." in words(wrong)
        assert "wrong" not in wrong.text.replace("wrong password", "")
    blocked = send(admin, "/tokens/new", **TOKEN, confirmation_password=PASSWORD)
    assert (blocked.status_code, "Too many failed attempts." in words(blocked)) == (429, True)
    assert session.scalar(select(func.count()).select_from(ApiToken)) == 0
    assert events(session).count("user.password_check_failed") == 10
    blank = send(admin, "/tokens/new", **TOKEN, confirmation_password="")
    assert blank.status_code == 429


def test_a_blank_password_is_asked_for_and_counts_nothing(admin: FlaskClient, session: Session) -> None:
    blank = send(admin, "/tokens/new", **TOKEN, confirmation_password="")
    assert (blank.status_code, "Enter your password." in words(blank)) == (422, True)
    assert "user.password_check_failed" not in events(session)


def test_locking_the_books_and_skipping_the_bank_account_need_no_confirmation(admin: FlaskClient) -> None:
    locked = send(admin, "/settings/period-lock", through="2026-10-31", reason="")
    assert locked.status_code == 303
    assert send(admin, "/set-up/bank-account", skip="1").status_code == 303


def test_reading_needs_no_confirmation(admin: FlaskClient, session: Session) -> None:
    someone = session.scalars(select(User.id)).one()
    for url in ("/tokens/new", "/users/new", f"/users/{someone}/role", "/settings/bank-accounts/new"):
        assert admin.get(url).status_code == 200

"""Signing in and out, the limits of sessions and attempts, and what holds for every answer."""

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Event
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Blueprint, Flask, render_template_string, request, session as cookie_session
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from werkzeug.routing import Map
from werkzeug.test import TestResponse

from billing_admin.config import Settings
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid, NotFound, Stale
from billing_admin.http.security import CONTENT_SECURITY_POLICY, init_security
from billing_admin.models import AuditEvent, FamiliarNetwork, SignInFailure, User, UserSession
from billing_admin.operations.access import users
from billing_admin.queries.access.users import credentials, session_token_hash
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.web.access.forms import TOO_MANY_ATTEMPTS
from billing_admin.web.access.sign_in import MAX_KEPT, MAX_SENT, WRONG_CREDENTIALS
from billing_admin.web.frame.forms import AmountField, Form, errors_on
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor
from tests.clocks import stopped_clock
from tests.people import PASSWORD, PRODUCTION_HASHER, csrf_token, person, send, sign_in, signed_in
from tests.web.pages import field

WRONG = "violet-anchor-meadow-38"
SHELF_PAGE = """
{% extends "base.html" %}
{% from "macros/layout.html" import page_header %}
{% from "macros/forms.html" import post_form, field, form_actions %}
{% block title %}Shelf{% endblock %}
{% block header %}{{ page_header("Shelf") }}{% endblock %}
{% block content %}{% call post_form(form=form) %}{{ field(form.width) }}{{ form_actions("Save") }}{% endcall %}{% endblock %}
"""
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


clock = stopped_clock(START)


def is_signed_in(client: FlaskClient) -> bool:
    """The sign-in page sends whoever is signed in on their way."""
    return client.get("/sign-in").status_code == HTTPStatus.SEE_OTHER


def actions(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.at, AuditEvent.id)))


def count(session: Session, model: Any) -> int:
    session.rollback()
    return int(session.scalar(select(func.count()).select_from(model)) or 0)


# --- in and out ------------------------------------------------------------------------------------------------------


def test_signs_in_and_out(app: Flask, client: FlaskClient, session: Session) -> None:
    email = person(app)
    response = sign_in(client, f"  {email.upper()} ")
    assert (response.status_code, response.location) == (HTTPStatus.SEE_OTHER, "/")
    assert is_signed_in(client)
    response = send(client, "/sign-out")
    assert (response.status_code, response.location) == (HTTPStatus.SEE_OTHER, "/sign-in")
    assert response.headers["Clear-Site-Data"] == '"cookies", "storage"'
    assert not is_signed_in(client)
    assert sorted(actions(session)) == ["user.created", "user.signed_in", "user.signed_out"]


def test_audit_names_the_person_and_the_request(app: Flask, client: FlaskClient, session: Session) -> None:
    response = sign_in(client, person(app))
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "user.signed_in")).one()
    assert (event.actor_kind, event.actor_name) == ("person", "admin@example.com")
    assert event.request_id == response.headers["X-Request-Id"]


def test_cookie_replayed_after_sign_out_is_worth_nothing(app: Flask) -> None:
    client = signed_in(app)
    cookie = client.get_cookie("billing")
    assert cookie is not None
    send(client, "/sign-out")
    thief = app.test_client()
    thief.set_cookie("billing", cookie.value)
    assert not is_signed_in(thief)


def test_only_a_hash_of_the_token_is_stored_and_each_sign_in_has_its_own(app: Flask, session: Session) -> None:
    client = signed_in(app)
    tokens = []
    for _ in range(2):
        with client.session_transaction() as kept:
            tokens.append(kept["_user_id"])
        sign_in(client, "admin@example.com")
    assert len(set(tokens)) == 2
    assert all(len(token) >= 43 for token in tokens)
    stored = set(session.scalars(select(UserSession.token_hash)))
    assert {session_token_hash(token) for token in tokens} <= stored
    assert not stored & set(tokens)


def test_signing_in_begins_with_a_new_csrf_token(app: Flask, client: FlaskClient) -> None:
    before = csrf_token(client)
    sign_in(client, person(app))
    response = client.post("/sign-out", data={"csrf_token": before})
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert is_signed_in(client)


def test_signing_out_twice_is_fine(app: Flask) -> None:
    client = signed_in(app)
    assert [send(client, "/sign-out").status_code for _ in range(2)] == [303, 303]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/invoices?status=open&page=2", "/invoices?status=open&page=2"),
        ("/customers/caf%C3%A9", "/customers/caf%C3%A9"),
        ("", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/a\\b", "/"),
        ("https:evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("\t//evil.example", "/"),
        (" //evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("/\x00", "/"),
        ("/é", "/"),
    ],
)
def test_next_stays_here(app: Flask, client: FlaskClient, target: str, lands: str) -> None:
    email = person(app)
    assert sign_in(client, email, next=target).location == lands
    assert client.get("/sign-in", query_string={"next": target}).location == lands


# --- refused ---------------------------------------------------------------------------------------------------------


def test_one_message_for_every_failure(app: Flask, client: FlaskClient, session: Session) -> None:
    known, gone = person(app), person(app, "viewer")
    session.rollback()
    leaver = session.scalars(select(User.id).where(User.email == gone)).one()
    transaction(users.deactivate, leaver, SYSTEM, START)
    for email, password in ((known, WRONG), ("nobody@example.com", PASSWORD), (gone, PASSWORD)):
        response = sign_in(client, email, password)
        assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert response.text.count(WRONG_CREDENTIALS) == 1
        assert f'value="{email}"' in response.text
        assert "<title>Error: " in response.text
        assert password not in response.text
    assert not is_signed_in(client)
    assert actions(session).count("user.sign_in_failed") == 3
    assert count(session, SignInFailure) == 3


def test_what_an_unknown_person_typed_is_not_in_the_audit_log(client: FlaskClient, session: Session) -> None:
    sign_in(client, "my secret password", "x")
    event = session.scalars(select(AuditEvent)).one()
    assert "secret" not in f"{event.actor_name} {event.details}"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        ("", PASSWORD, "Enter your e-mail address."),
        ("a@example.com", "", "Enter your password."),
        ("a\x00@example.com", PASSWORD, "Remove the control character U+0000 at position 2."),
        ("a" * 300, PASSWORD, "Use at most 254 characters."),
    ],
)
def test_says_what_is_missing(client: FlaskClient, email: str, password: str, sentence: str) -> None:
    response = sign_in(client, email, password)
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert sentence in response.text


def test_control_characters_in_a_password_are_only_wrong(app: Flask, client: FlaskClient) -> None:
    assert WRONG_CREDENTIALS in sign_in(client, person(app), "\x00" * 20).text


def test_a_password_that_is_too_long_fails_as_any_wrong_one_and_counts(
    app: Flask, client: FlaskClient, session: Session
) -> None:
    email = person(app)
    marks = "a" + "\u0301\u0327" * 10_000
    for number in range(10):
        response = sign_in(client, email, marks if number % 2 else "x" * 4_001)
        assert (response.status_code, WRONG_CREDENTIALS in response.text) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)
    assert count(session, SignInFailure) == 10
    assert sign_in(client, email, marks).status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert sign_in(client, email).status_code == HTTPStatus.TOO_MANY_REQUESTS


def test_an_address_that_grows_when_it_is_folded_is_refused_at_its_field(client: FlaskClient, session: Session) -> None:
    """Each of these is eighteen characters once it is folded: more than an index of PostgreSQL holds."""
    for email in ("\ufdfa" * 254, "".join(map(chr, range(0xFC00, 0xFC00 + 250))), "a" + "\u0301\u0327" * 10_000):
        response = sign_in(client, email, PASSWORD)
        assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "Use at most 254 characters." in response.text
    assert count(session, SignInFailure) == 0


def fail(client: FlaskClient, email: str, times: int, address: str = "192.0.2.1") -> None:
    """Fail without the cost of hashing."""
    with patch("billing_admin.operations.access.users.verify_password", return_value=None):
        for _ in range(times):
            sign_in_from(client, email, WRONG, address)


def sign_in_from(client: FlaskClient, email: str, password: str, address: str) -> TestResponse:
    fields = {"email": email, "password": password, "csrf_token": csrf_token(client)}
    return client.post("/sign-in", data=fields, environ_base={"REMOTE_ADDR": address})


def test_an_account_is_closed_to_the_address_that_fails_and_to_no_other(
    app: Flask, client: FlaskClient, clock: time_machine.Traveller, session: Session
) -> None:
    email = person(app)
    fail(client, email, 10)
    response = sign_in_from(client, email, PASSWORD, "192.0.2.1")
    assert response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert TOO_MANY_ATTEMPTS in response.text
    assert count(session, SignInFailure) == 10
    assert sign_in_from(client, email, PASSWORD, "192.0.2.2").status_code == HTTPStatus.SEE_OTHER
    clock.shift(timedelta(minutes=15))
    assert sign_in_from(app.test_client(), email, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER
    assert count(session, SignInFailure) == 0


def test_throttled_inside_the_transaction_too(app: Flask, client: FlaskClient, session: Session) -> None:
    """Others may have failed between the first look and the write."""
    email = person(app)
    fail(client, email, 10)
    with patch("billing_admin.web.access.sign_in.is_sign_in_throttled", return_value=False):
        assert WRONG_CREDENTIALS in sign_in_from(client, email, PASSWORD, "192.0.2.1").text
    assert count(session, SignInFailure) == 10


def store_failures(counts: Mapping[tuple[str, str], int], at: datetime = START) -> None:
    """Store failures of accounts from networks, without the cost of requests."""

    def store(session: Session) -> None:
        for (email, address), times in counts.items():
            session.add_all(SignInFailure(id=uuid4(), email=email, address=address, at=at) for _ in range(times))

    transaction(store)


def test_guesses_do_not_lock_out_a_colleague_behind_the_same_address(
    app: Flask, client: FlaskClient, session: Session
) -> None:
    """Fifty failed attempts on other accounts closed the address to all accounts."""
    email = person(app)
    store_failures({(f"{number}@example.com", "2001:db8::/64"): 1 for number in range(60)})
    fail(client, "victim@example.com", 11, "2001:db8::1")
    assert sign_in_from(client, email, PASSWORD, "2001:db8::2").status_code == HTTPStatus.SEE_OTHER


def test_an_account_is_closed_to_guesses_from_many_addresses_but_not_to_its_person(
    app: Flask, client: FlaskClient, session: Session
) -> None:
    """Each address had ten attempts on the same account."""
    email = person(app)
    assert sign_in_from(client, email, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER
    store_failures({(email, f"203.0.113.{number}"): 5 for number in range(10)})
    assert sign_in_from(app.test_client(), email, PASSWORD, "203.0.113.77").status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert sign_in_from(app.test_client(), email, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER
    other = person(app, "viewer")
    assert sign_in_from(app.test_client(), other, PASSWORD, "203.0.113.77").status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(
    "counts",
    [
        {(f"{number}@example.com", "192.0.2.1"): 5 for number in range(100)},
        {(f"{number}@example.com", f"203.0.113.{number}"): 10 for number in range(200)},
    ],
    ids=["of one address", "of all addresses"],
)
def test_a_flood_stops_attempts_except_where_the_person_signed_in_before(
    app: Flask, client: FlaskClient, session: Session, counts: dict[tuple[str, str], int]
) -> None:
    email, stranger = person(app), person(app, "viewer")
    assert sign_in_from(client, email, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER
    store_failures(counts)
    for account in (stranger, "nobody@example.com"):  # the answer does not tell whether the account exists
        answer = sign_in_from(app.test_client(), account, WRONG, "192.0.2.1")
        assert (answer.status_code, TOO_MANY_ATTEMPTS in answer.text) == (HTTPStatus.TOO_MANY_REQUESTS, True)
    assert count(session, SignInFailure) == sum(counts.values())
    assert sign_in_from(app.test_client(), email, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER


def test_an_address_is_familiar_for_ninety_days(
    app: Flask, client: FlaskClient, clock: time_machine.Traveller, session: Session
) -> None:
    email = person(app)
    sign_in_from(client, email, PASSWORD, "192.0.2.1")
    clock.shift(timedelta(days=89))
    store_failures({(email, "203.0.113.1"): 50}, START + timedelta(days=89))
    assert sign_in_from(app.test_client(), email, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER
    clock.shift(timedelta(days=90))
    store_failures({(email, "203.0.113.1"): 50}, START + timedelta(days=179))
    refused = sign_in_from(app.test_client(), email, PASSWORD, "192.0.2.1")
    assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert sign_in_from(client, person(app, "viewer"), PASSWORD, "192.0.2.7").status_code == HTTPStatus.SEE_OTHER
    assert session.scalars(select(FamiliarNetwork.address)).all() == ["192.0.2.7"]


def test_success_forgets_ones_own_failures_only(app: Flask, client: FlaskClient, session: Session) -> None:
    mine, other = person(app), person(app, "viewer")
    fail(client, mine, 9)
    fail(client, other, 9)
    assert sign_in_from(client, mine, PASSWORD, "192.0.2.1").status_code == HTTPStatus.SEE_OTHER
    assert count(session, SignInFailure) == 9


@pytest.fixture
def production_hasher(monkeypatch: pytest.MonkeyPatch) -> PasswordHasher:
    """Return the hasher of production, in force during the test."""
    monkeypatch.setattr(users, "_HASHER", PRODUCTION_HASHER)
    return PRODUCTION_HASHER


def test_unknown_accounts_take_as_long(production_hasher: PasswordHasher) -> None:
    hasher = production_hasher
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (19 * 1024, 2, 1)
    assert not hasher.check_needs_rehash(users._DECOY_HASH)
    with patch.object(type(hasher), "verify", return_value=True) as verify:
        assert users.verify_password(None, PASSWORD) is None
    verify.assert_called_once()


# --- sessions end ----------------------------------------------------------------------------------------------------


def test_ends_when_idle(app: Flask, clock: time_machine.Traveller, session: Session) -> None:
    client = signed_in(app)
    for _ in range(3):
        clock.shift(timedelta(minutes=59))
        assert is_signed_in(client)
    clock.shift(timedelta(minutes=60))
    response = client.get("/sign-in")
    assert response.status_code == HTTPStatus.OK
    assert "Your session has ended" in response.text
    assert actions(session)[-1] == "user.session_expired"


def test_ends_after_a_working_day_however_busy(app: Flask, clock: time_machine.Traveller) -> None:
    client = signed_in(app)
    for _ in range(15):
        clock.shift(timedelta(minutes=30))
        assert is_signed_in(client)
    clock.shift(timedelta(minutes=30))
    assert not is_signed_in(client)


def test_does_not_revive_when_the_clock_goes_back(app: Flask, clock: time_machine.Traveller) -> None:
    client = signed_in(app)
    clock.shift(timedelta(minutes=61))
    assert not is_signed_in(client)
    clock.move_to(START)
    assert not is_signed_in(client)
    sign_in(client, "admin@example.com")
    clock.shift(timedelta(days=-3))
    assert not is_signed_in(client)


def test_last_seen_is_written_once_a_minute(app: Flask, clock: time_machine.Traveller, session: Session) -> None:
    client = signed_in(app)
    for seconds, seen in ((59, 0), (1, 60), (30, 60)):
        clock.shift(timedelta(seconds=seconds))
        assert is_signed_in(client)
        session.rollback()
        assert session.scalars(select(UserSession.last_seen_at)).one() == START + timedelta(seconds=seen)


def test_reading_goes_on_while_nothing_can_be_written(app: Flask, clock: time_machine.Traveller) -> None:
    client = signed_in(app)
    clock.shift(timedelta(minutes=2))
    with patch(
        "billing_admin.operations.access.users.record_session_use", side_effect=OperationalError("", {}, Exception())
    ):
        assert is_signed_in(client)


@pytest.mark.parametrize("change", ["password", "role", "deactivation"])
def test_a_change_of_rights_ends_sessions(app: Flask, session: Session, change: str) -> None:
    client = signed_in(app, "viewer")
    id = session.scalars(select(User.id)).one()
    if change == "password":
        transaction(users.set_password, id, WRONG, SYSTEM, START)
    elif change == "role":
        transaction(users.change_role, id, "admin", SYSTEM, START)
    else:
        transaction(users.deactivate, id, SYSTEM, START)
    assert not is_signed_in(client)


@pytest.mark.both_databases
@pytest.mark.fault
def test_a_sign_in_at_the_moment_of_a_new_password_leaves_no_session(app: Flask, session: Session) -> None:
    """The sign-in had checked the old password, and opened its session after all others had been ended."""
    email = person(app)
    id, verified = session.scalars(select(User.id)).one(), users.verify_password(credentials(session, email), PASSWORD)
    checked, goes_on = Event(), Event()

    def pause(*arguments: Any) -> None:
        checked.set()
        goes_on.wait(5)

    def run(work: Any, *arguments: Any) -> Any:
        with app.app_context():
            return transaction(work, *arguments)

    with patch.object(users, "_delete_expired", pause), ThreadPoolExecutor(2) as pool:
        signs_in = pool.submit(run, users.sign_in, email, verified, "192.0.2.1", None, START)
        checked.wait(5)
        sets = pool.submit(run, users.set_password, id, WRONG, SYSTEM, START)
        wait([sets], timeout=0.5)
        goes_on.set()
        assert signs_in.result()
        sets.result()
    assert count(session, UserSession) == 0


def change_password(client: FlaskClient, current: str = PASSWORD, password: str = WRONG) -> TestResponse:
    return send(client, "/account/password", current=current, password=password, again=password)


def test_a_changed_password_renews_the_session_and_ends_all_others(app: Flask, session: Session) -> None:
    """The session that changed it kept its id, which somebody else may have copied."""
    mine, other, thief = signed_in(app), app.test_client(), app.test_client()
    sign_in(other, "admin@example.com")
    copied = mine.get_cookie("billing")
    assert copied is not None
    thief.set_cookie("billing", copied.value)
    before = csrf_token(mine)
    assert change_password(mine).status_code == HTTPStatus.SEE_OTHER
    assert (is_signed_in(mine), is_signed_in(other), is_signed_in(thief)) == (True, False, False)
    assert count(session, UserSession) == 1
    assert mine.post("/sign-out", data={"csrf_token": before}).status_code == HTTPStatus.BAD_REQUEST
    assert sign_in(other, "admin@example.com", WRONG).status_code == HTTPStatus.SEE_OTHER


def test_a_wrong_current_password_is_recorded_and_throttled(
    app: Flask, session: Session, clock: time_machine.Traveller
) -> None:
    """A copied session could try any number of passwords, without an audit event."""
    client = signed_in(app)
    for _ in range(10):
        refused = change_password(client, current=WRONG, password="granite-teapot-wander-58")
        assert "This is not your current password." in refused.text
    assert actions(session).count("user.password_check_failed") == 10
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "user.password_check_failed")).first()
    assert event is not None
    assert (event.actor_name, event.details) == ("admin@example.com", {"address": "127.0.0.1"})
    with capture_logs() as logs:
        throttled = change_password(client)
    assert [line["event"] for line in logs] == ["attempt_throttled"]
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (HTTPStatus.TOO_MANY_REQUESTS, "900")
    assert TOO_MANY_ATTEMPTS in throttled.text
    assert sign_in(app.test_client(), "admin@example.com").status_code == HTTPStatus.TOO_MANY_REQUESTS
    clock.shift(timedelta(minutes=15))
    assert change_password(client).status_code == HTTPStatus.SEE_OTHER


def test_the_current_password_is_throttled_inside_the_transaction_too(app: Flask, session: Session) -> None:
    client = signed_in(app)
    store_failures({("admin@example.com", "127.0.0.1"): 10})
    with patch("billing_admin.web.access.account.is_sign_in_throttled", return_value=False):
        assert change_password(client).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "user.password_changed" not in actions(session)


def test_a_password_that_was_set_meanwhile_is_not_changed(app: Flask, session: Session) -> None:
    """The current password is checked outside of the transaction, which takes long."""
    client, id = signed_in(app), session.scalars(select(User.id)).one()
    verify = users.verify_password

    def reset_meanwhile(credentials: Any, password: str) -> Any:
        verified = verify(credentials, password)
        transaction(users.set_password, id, "granite-teapot-wander-58", SYSTEM, START)
        return verified

    with patch("billing_admin.operations.access.users.verify_password", reset_meanwhile):
        refused = change_password(client)
    assert "has a new password" in refused.text
    assert sign_in(app.test_client(), "admin@example.com").status_code == HTTPStatus.UNPROCESSABLE_ENTITY


# --- accounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("email", "password", "role", "code"),
    [
        ("no address", PASSWORD, "admin", "not_an_email"),
        ("a@b@c", PASSWORD, "admin", "not_an_email"),
        ("a@example.com", "fourteen chars", "admin", "short_password"),
        ("a@example.com", "x9!" * 334, "admin", "too_long"),
        ("a@example.com", "aaaaaaaaaaaaaaaaaaaa", "admin", "common_password"),
        ("a@example.com", "Password-Password-1", "admin", "common_password"),
        ("a@example.com", "correct horse battery staple", "admin", "common_password"),
        ("a@example.com", "billing-admin-2026!", "admin", "common_password"),
        ("a@example.com", "123456789012345", "admin", "common_password"),
        ("a@example.com", "qwertyuiopasdfghjkl", "admin", "common_password"),
        ("marta.keller@example.com", "Marta.Keller@example.com", "admin", "common_password"),
        ("marta.keller@example.com", "marta.keller2026!", "admin", "common_password"),
        ("a@example.com", "passwordpass" * 80 + "x", "admin", None),
        ("a@example.com", "héron fjord tuba 🦆", "admin", None),
        ("a@example.com", PASSWORD, "owner", "unknown_role"),
    ],
)
def test_what_an_account_must_be(session: Session, email: str, password: str, role: str, code: str | None) -> None:
    if code is None:
        assert transaction(users.create_user, email, password, role, SYSTEM, START).role == role
    else:
        with pytest.raises(Invalid) as refused:
            transaction(users.create_user, email, password, role, SYSTEM, START)
        assert refused.value.code == code


def test_one_account_an_address(app: Flask, session: Session) -> None:
    person(app, email="Straße@example.com")
    with pytest.raises(Conflict):
        transaction(users.create_user, "STRASSE@EXAMPLE.COM", PASSWORD, "viewer", SYSTEM, START)


def test_passwords_typed_in_another_unicode_form_are_the_same(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        transaction(users.create_user, "a@example.com", "cafe\u0301 fjord tuba 7", "admin", SYSTEM, START)
    assert sign_in(client, "a@example.com", "caf\u00e9 fjord tuba 7").status_code == HTTPStatus.SEE_OTHER


def test_a_weaker_hash_is_replaced_at_sign_in(
    app: Flask, client: FlaskClient, session: Session, production_hasher: PasswordHasher
) -> None:
    email = person(app)
    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)

    def weaken(session: Session) -> None:
        session.scalars(select(User)).one().password_hash = weak

    transaction(weaken)
    assert sign_in(client, email).status_code == HTTPStatus.SEE_OTHER
    session.rollback()
    stored = session.scalars(select(User.password_hash)).one()
    assert not production_hasher.check_needs_rehash(stored)
    assert sign_in(app.test_client(), email).status_code == HTTPStatus.SEE_OTHER


def test_the_last_admin_stays(app: Flask, session: Session) -> None:
    person(app)
    id = session.scalars(select(User.id)).one()
    for removal in (
        lambda session: users.deactivate(session, id, SYSTEM, START),
        lambda session: users.change_role(session, id, "viewer", SYSTEM, START),
    ):
        with pytest.raises(Conflict) as refused:
            transaction(removal)
        assert refused.value.code == "last_admin"
    person(app, email="second@example.com")
    transaction(users.deactivate, id, SYSTEM, START)


# --- every answer ----------------------------------------------------------------------------------------------------


def test_headers_on_every_answer(app: Flask) -> None:
    client = signed_in(app)
    answers = {
        "page": app.test_client().get("/sign-in"),
        "redirect": client.get("/sign-in"),
        "file": client.get("/static/billing.css"),
        "400": client.post("/sign-out"),
        "404": client.get("/nothing/here"),
        "405": client.get("/sign-out"),
        "host": client.get("/sign-in", headers={"Host": "evil.example"}),
        "api": client.get("/api/nothing"),
    }
    for name, answer in answers.items():
        headers = answer.headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, name
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["Referrer-Policy"] == "same-origin", name
        assert headers["X-Frame-Options"] == "DENY", name
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "camera=()" in headers["Permissions-Policy"], name
        assert (headers.get("Cache-Control") == "no-store") is (name != "file"), name
        assert "Strict-Transport-Security" not in headers, name
        assert "Access-Control-Allow-Origin" not in headers, name
    assert len({answer.headers["X-Request-Id"] for answer in answers.values()}) == len(answers)
    assert [answers[name].status_code for name in ("400", "404", "405", "host")] == [400, 404, 405, 400]
    for name in ("400", "404", "405"):
        assert answers[name].headers["X-Request-Id"] in answers[name].text
    assert "POST" in answers["405"].headers["Allow"]
    assert 'aria-label="Main"' in answers["404"].text
    assert 'aria-label="Main"' not in app.test_client().get("/nothing/here").text


def test_production_cookies_and_transport() -> None:
    app = Flask("test")
    secret = "".join(chr(ord("!") + number) for number in range(64))
    init_security(app, Settings(env="production", secret_key=secret, trusted_hosts=("billing.example.com",), proxies=1))
    app.add_url_rule("/sign-in", "sign_in.sign_in", lambda: "ok")

    @app.get("/keep")
    def keep() -> str:
        cookie_session["x"] = "y"
        return f"{request.remote_addr} {request.scheme}"

    forwarded = {
        "Host": "billing.example.com",
        "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
        "X-Forwarded-Proto": "https",
    }
    response = app.test_client().get("/keep", headers=forwarded)
    assert response.text == "198.51.100.7 https"
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-billing=")
    assert all(part in cookie for part in ("; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"))
    assert "Domain" not in cookie
    assert "Expires" not in cookie
    age, _, scope = response.headers["Strict-Transport-Security"].partition("; ")
    assert int(age.removeprefix("max-age=")) >= 365 * 24 * 3600
    assert scope == "includeSubDomains"


def test_forwarded_headers_count_for_nothing_without_a_proxy(client: FlaskClient, session: Session) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    token = csrf_token(client)
    fields = {"email": "a@example.com", "password": WRONG, "csrf_token": token}
    assert client.post("/sign-in", data=fields, headers=headers).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert session.scalars(select(SignInFailure.address)).one() == "127.0.0.1"


def test_development_cookie(client: FlaskClient) -> None:
    cookie = client.get("/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("billing=")
    assert all(part in cookie for part in ("; HttpOnly", "; SameSite=Lax", "; Path=/"))


def test_csrf_token_of_this_session_or_nothing(app: Flask, client: FlaskClient) -> None:
    fields = {"email": person(app), "password": PASSWORD}
    other = csrf_token(app.test_client())
    csrf_token(client)
    for token in ({}, {"csrf_token": "x"}, {"csrf_token": other}):
        response = client.post("/sign-in", data=fields | token)
        assert response.status_code == HTTPStatus.BAD_REQUEST
        assert "Go back, reload the page" in response.text
    assert not is_signed_in(client)


def test_too_large_a_body(client: FlaskClient) -> None:
    response = client.post("/sign-in", data={"email": "x" * (17 * 1024 * 1024)})
    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


# --- a page behind the guard -----------------------------------------------------------------------------------------


@contextmanager
def more_pages(app: Flask, *blueprints: Blueprint) -> Iterator[None]:
    """Add blueprints to an app that has begun to serve, and take them off again: the app is every test's."""
    url_map = app.url_map
    parts: tuple[dict[str, Any], ...] = (app.blueprints, app.view_functions)
    before = [dict(part) for part in parts]
    app.url_map = Map([rule.empty() for rule in url_map.iter_rules()], converters=url_map.converters)
    app._got_first_request = False
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    yield
    app.url_map = url_map
    for part, was in zip(parts, before, strict=True):
        part.clear()
        part.update(was)


@pytest.fixture
def page(app: Flask) -> Iterator[Any]:
    """Whatever a test puts into `page["view"]`, at /shelf (reading) and /shelf/new (writing)."""
    views: dict[str, Any] = {"view": lambda: "shelf"}

    def show() -> Any:
        return views["view"]()

    shelf = page_blueprint("shelf", __name__, "/shelf", write="customers:write")
    silent = Blueprint("silent", __name__)
    shelf.add_url_rule("", "index", show)
    shelf.add_url_rule("/new", "new", show, methods=["GET", "POST"])
    silent.add_url_rule("/silent", "index", lambda: "open to nobody")
    with more_pages(app, shelf, silent):
        yield views


def test_signed_out_goes_to_sign_in_and_comes_back(app: Flask, client: FlaskClient, page: Any) -> None:
    response = client.get("/shelf?q=caf%C3%A9&page=2")
    assert response.status_code == HTTPStatus.SEE_OTHER
    form = client.get(response.location)
    assert "Your session has ended" not in form.text
    assert sign_in(client, person(app), next="/shelf?q=caf%C3%A9&page=2").location == "/shelf?q=caf%C3%A9&page=2"
    assert client.get("/shelf").text == "shelf"
    assert client.get("/silent").status_code == HTTPStatus.FORBIDDEN


def test_a_viewer_reads_and_sees_the_missing_permission(app: Flask, page: Any) -> None:
    client = signed_in(app, "viewer")
    assert client.get("/shelf").status_code == HTTPStatus.OK
    for response in (client.get("/shelf/new"), client.head("/shelf/new"), send(client, "/shelf/new")):
        assert response.status_code == HTTPStatus.FORBIDDEN
    assert "customers:write" in client.get("/shelf/new").text


def test_what_a_form_sent_survives_an_expired_session(app: Flask, clock: time_machine.Traveller, page: Any) -> None:
    page["view"] = lambda: f"saved {request.form.getlist('name')}"
    client = signed_in(app)
    clock.shift(timedelta(hours=2))
    response = client.post(
        "/shelf/new",
        data={"name": ["<a>", "b"], "csrf_token": csrf_token(client)},
        headers={"Referer": "http://localhost/shelf?page=2"},
    )
    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert "Your input was kept." in response.text
    fields = {"next": "/shelf?page=2", "saved_form": '["/shelf/new", [["name", "<a>"], ["name", "b"]]]'}
    assert all(f'value="{escape(value)}"' in response.text for value in fields.values())
    assert WRONG_CREDENTIALS in sign_in(client, "admin@example.com", WRONG, **fields).text
    response = sign_in(client, "admin@example.com", **fields)
    assert response.status_code == HTTPStatus.OK
    assert 'action="/shelf/new"' in response.text
    assert 'href="/shelf?page=2"' in response.text
    assert '<input type="hidden" name="name" value="&lt;a&gt;">' in response.text
    assert "saved" in client.post("/shelf/new", data={"name": "b", "csrf_token": csrf_token(client)}).text


def test_the_grid_with_all_its_rows_survives_an_expired_session(app: Flask, clock: time_machine.Traveller) -> None:
    client = signed_in(app)
    clock.shift(timedelta(hours=2))
    fields = {f"rows-{row}-{name}": "Bürö" for row in range(300) for name in ("a", "b", "c", "d", "e", "f", "g")}
    response = client.post("/charges/many", data=fields | {"csrf_token": csrf_token(client)})
    assert "Your input was kept." in response.text
    kept = field(response, "saved_form")
    assert 70_000 < len(kept) < MAX_KEPT
    response = sign_in(client, "admin@example.com", saved_form=kept, next="/charges/many")
    assert response.text.count('value="Bürö"') == len(fields)
    sent_again = send(client, "/charges/many", **fields)
    assert sent_again.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_only_what_can_be_kept_is_read_after_an_expired_session(
    app: Flask, clock: time_machine.Traveller, content_type: str
) -> None:
    """A file of any size, with a length or without, is neither kept in memory nor on disk."""
    client = signed_in(app)
    clock.shift(timedelta(hours=2))
    for chunked in (False, True):
        body = io.BytesIO(b"x" * 2_000_000)
        environ = {"wsgi.input": body} | (
            {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            if chunked
            else {"CONTENT_LENGTH": "2000000"}
        )
        response = client.post("/verify-file", content_type=content_type, environ_overrides=environ)
        assert (response.status_code, field(response, "saved_form")) == (HTTPStatus.UNAUTHORIZED, "")
        assert body.tell() <= (MAX_SENT + 1 if chunked else 0)


@pytest.mark.parametrize("kept", ["[", "{}", "[1, 2]", "[[1]]", "null", "[" * 100_000])
def test_kept_fields_that_are_none(app: Flask, client: FlaskClient, kept: str) -> None:
    assert sign_in(client, person(app), saved_form=kept, next="/shelf").location == "/shelf"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotFound("x", "There is no shelf."), 404, "There is no shelf."),
        (Denied("x", "This needs the permission “y”."), 403, "permission “y”"),
        (Conflict("x", "It is full."), 409, "It is full."),
        (Stale("x", "Look again."), 409, "Look again."),
        (Invalid("x", "Too wide."), 422, "Too wide."),
    ],
)
def test_refusals_of_the_business(app: Flask, page: Any, error: DomainError, status: int, words: str) -> None:
    def fail_so() -> None:
        raise error

    page["view"] = fail_so
    response = signed_in(app).get("/shelf")
    assert response.status_code == status
    assert words in response.text
    assert response.headers["X-Request-Id"] in response.text
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_a_bug_and_a_database_that_is_away(app: Flask, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(app)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    page["view"] = lambda: 1 / 0
    response = client.get("/shelf")
    assert (response.status_code, "ZeroDivision" in response.text) == (500, False)
    assert response.headers["X-Request-Id"] in response.text
    with patch(
        "billing_admin.web.frame.signed_in.open_session", side_effect=OperationalError("SELECT", {}, Exception())
    ):
        response = client.get("/shelf?page=2")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert 'href="/shelf?page=2"' in response.text
    assert "SELECT" not in response.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("referrer", "target"),
    [
        ("http://localhost//evil.example", "/"),
        ("https://evil.example/x", "/"),
        ("", "/"),
        ("http://localhost/x#y", "/x"),
    ],
)
def test_goes_back_only_to_pages_of_ours(
    app: Flask, clock: time_machine.Traveller, page: Any, referrer: str, target: str
) -> None:
    client = signed_in(app)
    clock.shift(timedelta(hours=2))
    response = client.post("/shelf/new", data={"csrf_token": csrf_token(client)}, headers={"Referer": referrer})
    assert f'name="next" type="hidden" value="{target}"' in response.text


def test_the_frame_of_a_page(app: Flask, page: Any, session: Session) -> None:
    """The frame renders with what every page is given, says who is there, and shows a form's refusals."""

    class ShelfForm(Form):
        width = AmountField("Width", blank_message="Enter a width.")

    def show() -> Any:
        form = ShelfForm()
        form.expect_currency("EUR")
        if form.validate_on_submit():
            with errors_on(form):
                raise Conflict("taken", f"{actor().name} has a shelf of {form.width.data}.", "width")
        return render_template_string(SHELF_PAGE, form=form), 422 if form.errors else 200

    def make_demo(session: Session) -> None:
        organisation(session).is_demo = True

    transaction(make_demo)
    page["view"] = show
    client = signed_in(app)
    shown, refused = client.get("/shelf/new").text, send(client, "/shelf/new", width="1,234.50 EUR")
    assert "Signed in as </span>admin@example.com" in shown
    assert "Demo data" in shown
    assert "<title>Shelf" in shown
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "<title>Error: Shelf" in refused.text
    assert refused.text.count("admin@example.com has a shelf of 1234.5.") == 2
    assert 'value="1,234.50 EUR"' in refused.text

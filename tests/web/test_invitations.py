"""Invitations and forgotten passwords: links that work once, for a time, and say nothing about who has an account."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin import clock
from billing_admin.background.account_mail import send_due_links
from billing_admin.background.mail_transport import NO_STARTTLS, SendOutcome, SendResult
from billing_admin.config import Settings
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.domain.mail_servers import Maildir
from billing_admin.models import AuditEvent, OneTimeLink, Organisation, User
from billing_admin.operations.access import invitations, users
from billing_admin.queries.access.users import session_token_hash
from tests.people import PASSWORD, person, send, sign_in, signed_in
from tests.web.pages import fields, words

START = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
NEW = "granite-teapot-wander-58"
LINK = re.compile(r"http://127\.0\.0\.1:8000(/choose-password\?token=([\w-]{43}))")
BROKEN = "This link does not work"


@pytest.fixture(autouse=True)
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until a test moves it."""
    with time_machine.travel(START, tick=False) as moved:
        yield moved


def link_on(page: TestResponse | str) -> str:
    """Return path and query of the link in a page or a message."""
    found = LINK.search(page if isinstance(page, str) else page.text)
    assert found is not None
    return found[1]


def mails(app: Flask) -> list[tuple[str, str]]:
    """Send what is due, and return recipient and text of each message in the mailbox, which is emptied."""
    send_due_links(app)
    transport = app.extensions["billing_settings"].mail_transport
    assert isinstance(transport, Maildir)
    messages = []
    for file in sorted(Path(transport.folder, "new").glob("*")):
        message = message_from_bytes(file.read_bytes(), policy=default)
        text = message.get_body(("plain",))
        assert text is not None
        messages.append((str(message["To"]), str(text.get_content())))
        file.unlink()
    return messages


def choose(client: FlaskClient, link: str, password: str = NEW, again: str = NEW) -> TestResponse:
    client.get(link)
    return send(client, "/choose-password", password=password, again=again)


def rows(session: Session) -> list[OneTimeLink]:
    session.rollback()
    return list(session.scalars(select(OneTimeLink).execution_options(populate_existing=True)))


def actions(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.at, AuditEvent.id)))


@pytest.fixture
def admin(app: Flask, time: time_machine.Traveller) -> FlaskClient:
    """An admin, and an empty mailbox."""
    transport = app.extensions["billing_settings"].mail_transport
    shutil.rmtree(transport.folder, ignore_errors=True)
    return signed_in(app)


# --- invitations -----------------------------------------------------------------------------------------------------


def test_an_invited_person_chooses_a_password_and_signs_in(app: Flask, admin: FlaskClient, session: Session) -> None:
    shown = send(admin, "/users/new", email="Ada@example.com", role="viewer")
    assert (shown.status_code, mails(app)) == (201, [])
    assert "It works once, for 72 hours." in words(shown)
    assert "ada@example.com Viewer" in words(admin.get("/users"))
    assert "Invited" in words(admin.get("/users"))
    ada = app.test_client()
    page = ada.get(link_on(shown), follow_redirects=True)
    assert "You sign in as ada@example.com." in words(page)
    saved = choose(ada, link_on(shown))
    assert (saved.status_code, saved.location) == (303, "/sign-in")
    assert "Your password was saved. Sign in with it." in words(ada.get("/sign-in"))
    assert sign_in(ada, "ada@example.com", NEW).status_code == 303
    assert "Invited" not in words(admin.get("/users"))
    assert choose(app.test_client(), link_on(shown)).status_code == 404
    assert rows(session) == []


def test_an_invitation_is_sent_if_that_is_asked_for(app: Flask, admin: FlaskClient, session: Session) -> None:
    sent = send(admin, "/users/new", email="ada@example.com", role="viewer", send="yes")
    assert (sent.status_code, sent.location) == (303, "/users")
    assert "A link is on its way to ada@example.com." in words(admin.get("/users"))
    assert rows(session)[0].token_hash is None
    ((recipient, text),) = mails(app)
    assert (recipient, "for 72 hours" in text) == ("ada@example.com", True)
    token = link_on(text).partition("=")[2]
    assert [row.token_hash for row in rows(session)] == [session_token_hash(token)]
    assert mails(app) == []
    assert choose(app.test_client(), link_on(text)).status_code == 303
    assert "user.link_sent" in actions(session)


def test_a_person_without_a_password_cannot_sign_in(app: Flask, admin: FlaskClient, session: Session) -> None:
    send(admin, "/users/new", email="ada@example.com", role="admin")
    for password in ("x", PASSWORD, ""):
        assert sign_in(app.test_client(), "ada@example.com", password).status_code == 422
    admin_id = session.scalars(select(User.id).where(User.email == "admin@example.com")).one()
    refused = send(admin, f"/users/{admin_id}/deactivate")
    assert "This is the last admin." in words(refused), "nobody else could sign in"


def test_a_new_invitation_replaces_the_earlier_one(
    app: Flask, admin: FlaskClient, session: Session, time: time_machine.Traveller
) -> None:
    first = link_on(send(admin, "/users/new", email="ada@example.com", role="viewer"))
    time.shift(timedelta(hours=72))
    assert choose(app.test_client(), first).status_code == 404
    admin = app.test_client()
    sign_in(admin, "admin@example.com")
    assert "Invitation expired" in words(admin.get("/users"))
    id = session.scalars(select(User.id).where(User.email == "ada@example.com")).one()
    assert "The link of the invitation will stop working." in words(admin.get(f"/users/{id}/password"))
    second = send(admin, f"/users/{id}/password")
    assert "It works once, for 72 hours." in words(second)
    time.shift(timedelta(hours=72) - timedelta(seconds=1))
    assert choose(app.test_client(), first).status_code == 404
    assert choose(app.test_client(), link_on(second)).status_code == 303


def test_a_link_that_cannot_be_sent_is_tried_again_and_then_shown_as_not_sent(
    app: Flask, admin: FlaskClient, session: Session, time: time_machine.Traveller
) -> None:
    send(admin, "/users/new", email="ada@example.com", role="viewer", send="yes")
    results = iter([SendOutcome.RETRY] * 8)

    def fail(_settings: Any, _mail: Any) -> SendResult:
        return SendResult(next(results), (), "421 Try later")

    for minutes in (0, 1, 2, 4, 8, 16, 32, 64):
        time.shift(timedelta(minutes=minutes, seconds=-1) if minutes else 0)
        send_due_links(app, fail)
        time.shift(1 if minutes else 0)
        send_due_links(app, fail)
    assert (next(results, None), [row.mail_due_at for row in rows(session)]) == (None, [None])
    admin = app.test_client()
    sign_in(admin, "admin@example.com")
    assert "Link not sent 421 Try later" in words(admin.get("/users"))
    assert actions(session).count("user.link_not_sent") == 8


def test_a_refused_link_is_not_sent_again(app: Flask, admin: FlaskClient, session: Session) -> None:
    send(admin, "/users/new", email="ada@example.com", role="viewer", send="yes")
    send_due_links(app, lambda *_: SendResult(SendOutcome.REFUSED, (), "550 No such user"))
    assert [(row.mail_due_at, row.mail_failure) for row in rows(session)] == [(None, "550 No such user")]


def test_why_a_link_was_not_sent_is_in_the_language_of_the_reader(app: Flask, admin: FlaskClient) -> None:
    send(admin, "/users/new", email="ada@example.com", role="viewer", send="yes")
    send_due_links(app, lambda *_: SendResult(SendOutcome.REFUSED, (), NO_STARTTLS))
    assert "Der Mailserver bietet kein STARTTLS an." in words(admin.get("/users", headers={"Accept-Language": "de"}))
    assert "The mail server does not offer STARTTLS." in words(admin.get("/users"))


@pytest.mark.parametrize(
    ("chosen", "of_organisation", "begin"),
    [
        ("", "de", "Sie wurden zur Abrechnung von "),
        ("en", "de", "You were invited to the billing of "),
        ("", "fr", "You were invited to the billing of "),
    ],
)
def test_a_message_is_in_the_language_of_the_person_or_the_organisation(
    app: Flask, admin: FlaskClient, session: Session, chosen: str, of_organisation: str, begin: str
) -> None:
    def choose_language(session: Session) -> None:
        session.execute(update(User).where(User.email == "ada@example.com").values(language=chosen))
        session.execute(update(Organisation).values(language=of_organisation, legal_name="Seller {link} GmbH"))

    send(admin, "/users/new", email="ada@example.com", role="viewer", send="yes")
    transaction(choose_language)
    ((_, text),) = mails(app)
    assert text.startswith(f"{begin}Seller {{link}} GmbH")
    assert "ada@example.com" in text
    assert choose(app.test_client(), link_on(text)).status_code == 303


# --- new passwords ---------------------------------------------------------------------------------------------------


def test_check_33_an_admins_link_ends_sessions_and_the_password(
    app: Flask, admin: FlaskClient, session: Session
) -> None:
    viewer = signed_in(app, "viewer")
    id = session.scalars(select(User.id).where(User.email == "viewer@example.com")).one()
    shown = send(admin, f"/users/{id}/password")
    assert viewer.get("/").status_code == 303
    assert sign_in(app.test_client(), "viewer@example.com").status_code == 422
    assert "It works once, for 1 hour." in words(shown)
    browser = app.test_client()
    assert choose(browser, link_on(shown)).location == "/sign-in"
    assert browser.get("/").status_code == 303, "the person is not signed in by the link"
    assert sign_in(browser, "viewer@example.com", NEW).status_code == 303


def test_check_33_a_forgotten_password_is_replaced_by_a_link_that_works_once(
    app: Flask, admin: FlaskClient, session: Session
) -> None:
    viewer, browser = signed_in(app, "viewer"), app.test_client()
    assert 'href="/forgot-password"' in browser.get("/sign-in").text
    asked = send(browser, "/forgot-password", email=" Viewer@example.com")
    assert "If Viewer@example.com is the address of an account" in words(asked)
    assert viewer.get("/").status_code == 200, "asking changes nothing"
    ((recipient, text),) = mails(app)
    assert (recipient, "for 1 hour" in text) == ("viewer@example.com", True)
    assert choose(browser, link_on(text)).location == "/sign-in"
    assert viewer.get("/").status_code == 303
    assert sign_in(browser, "viewer@example.com", NEW).status_code == 303
    again = choose(app.test_client(), link_on(text))
    assert (again.status_code, BROKEN in words(again)) == (404, True)
    assert actions(session).count("user.password_changed") == 1


def test_the_answer_is_the_same_for_unknown_addresses(app: Flask, admin: FlaskClient, session: Session) -> None:
    leaver = person(app, "viewer")
    id = session.scalars(select(User.id).where(User.email == leaver)).one()
    transaction(users.deactivate, id, SYSTEM, START)
    before = actions(session)
    answers = []
    for email in ("nobody@example.com", leaver, "admin@example.com"):
        answer = send(app.test_client(), "/forgot-password", email=email)
        answers.append((answer.status_code, words(answer).replace(email, "…")))
    assert len(set(answers)) == 1
    assert [recipient for recipient, _ in mails(app)] == ["admin@example.com"]
    assert actions(session)[len(before) :] == ["user.reset_requested", "user.link_sent"]


def test_the_address_is_looked_up_after_the_answer(app: Flask) -> None:
    """The time of the answer must not tell whether there is an account."""
    with app.test_request_context("/forgot-password", method="POST", data={"email": "a@example.com"}):
        from billing_admin.web.access import forgotten_passwords as module  # noqa: PLC0415

        with patch.object(module, "transaction") as looked_up:
            response = app.make_response("x")
            module._send_link_after(response, "a@example.com")
            assert not looked_up.called
            response.close()
            assert looked_up.called


def test_links_are_not_sent_more_often_than_every_five_minutes(
    app: Flask, admin: FlaskClient, time: time_machine.Traveller
) -> None:
    for minutes, count in ((0, 1), (4, 0), (1, 1)):
        time.shift(timedelta(minutes=minutes))
        send(app.test_client(), "/forgot-password", email="admin@example.com")
        assert len(mails(app)) == count


def test_a_network_asks_for_twenty_links_an_hour(app: Flask) -> None:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = "198.51.100.77"
    answers = [send(client, "/forgot-password", email=f"{number}@example.com").status_code for number in range(21)]
    assert answers == [200] * 20 + [429]


def test_without_mail_an_admin_helps(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: Settings = app.extensions["billing_settings"]
    monkeypatch.setattr(settings, "mail_url", "off")
    admin = signed_in(app)
    assert "Ask an admin of your organisation" in words(app.test_client().get("/forgot-password"))
    asked = send(app.test_client(), "/forgot-password", email="admin@example.com")
    assert "Ask an admin of your organisation" in words(asked)
    assert fields(admin.get("/users/new"), "send") == []
    assert send(admin, "/users/new", email="ada@example.com", role="viewer", send="yes").status_code == 201


def test_a_reset_link_expires_and_a_refused_password_keeps_it(
    app: Flask, admin: FlaskClient, time: time_machine.Traveller
) -> None:
    send(app.test_client(), "/forgot-password", email="admin@example.com")
    link, browser = link_on(mails(app)[0][1]), app.test_client()
    for password, again, sentence in (
        ("short", "short", "Use at least 15 characters"),
        ("admin@example.com", "admin@example.com", "easy to guess"),
        (NEW, NEW + "x", "The passwords do not match."),
        ("", "", "Enter a password."),
    ):
        refused = choose(browser, link, password, again)
        assert (refused.status_code, sentence in words(refused)) == (422, True)
    time.shift(timedelta(hours=1))
    assert choose(browser, link).status_code == 404


def test_check_33_links_are_built_from_the_configured_address(app: Flask, admin: FlaskClient) -> None:
    settings: Settings = app.extensions["billing_settings"]
    with patch.object(settings, "public_url", "https://billing.example.com/books"):
        client = app.test_client()
        send(client, "/forgot-password", email="admin@example.com")
        forged = client.post("/forgot-password", data={"email": "admin@example.com"}, headers={"Host": "evil.example"})
        assert forged.status_code == 400
        ((_, text),) = mails(app)
    assert "https://billing.example.com/books/choose-password?token=" in text


def test_the_secret_leaves_the_address_at_once(app: Flask, admin: FlaskClient) -> None:
    link = link_on(send(admin, "/users/new", email="ada@example.com", role="viewer"))
    ada = app.test_client()
    moved = ada.get(link)
    assert (moved.status_code, moved.location, moved.headers["Referrer-Policy"]) == (
        303,
        "/choose-password",
        "no-referrer",
    )
    assert link.partition("=")[2] not in ada.get("/choose-password").text
    for token in ("", "x", "é\x00"):
        refused = app.test_client().get("/choose-password", query_string={"token": token})
        assert (refused.status_code, refused.headers["Referrer-Policy"]) == (404, "no-referrer")
    assert app.test_client().get("/choose-password").status_code == 404
    assert app.test_client().get(link.replace("/choose-password", "/set-up")).status_code == 404


def test_a_link_for_another_person_signs_this_browser_out(app: Flask, admin: FlaskClient) -> None:
    link = link_on(send(admin, "/users/new", email="ada@example.com", role="viewer"))
    assert choose(admin, link).location == "/sign-in"
    assert admin.get("/users").status_code == 303


def test_a_deactivated_person_has_no_link(app: Flask, admin: FlaskClient, session: Session) -> None:
    link = link_on(send(admin, "/users/new", email="ada@example.com", role="viewer"))
    id = session.scalars(select(User.id).where(User.email == "ada@example.com")).one()
    send(admin, f"/users/{id}/deactivate")
    assert choose(app.test_client(), link).status_code == 404
    refused = send(admin, f"/users/{id}/password")
    assert (refused.status_code, "This person is deactivated." in words(refused)) == (422, True)


@pytest.mark.both_databases
def test_of_two_at_once_one_uses_the_link(app: Flask, session: Session) -> None:
    _, token = transaction(invitations.invite, "ada@example.com", "viewer", SYSTEM, clock.now(), by_mail=False)
    assert token is not None
    secret = token

    def use(password: str) -> bool:
        with app.app_context():
            try:
                transaction(invitations.choose_password, secret, password, None, clock.now())
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(use, [f"{NEW}-{number}" for number in range(3)]))
    assert sorted(results) == [False, False, True]

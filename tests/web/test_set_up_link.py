"""The set-up link: the first person's account, once, for a day, and for one of two who open it at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.domain.one_time_links import LINK_IS_VALID_FOR, LinkPurpose
from billing_admin.models import AuditEvent, OneTimeLink, User
from billing_admin.operations.access.set_up import create_link, use_link
from billing_admin.queries.access.users import session_token_hash
from tests.people import PASSWORD, person, send
from tests.web.pages import hidden, words

START = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
NO_LINK = "Open the set-up link that the program printed when it last started."


@pytest.fixture(autouse=True)
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until a test moves it."""
    with time_machine.travel(START, tick=False) as moved:
        yield moved


@pytest.fixture
def token(session: Session) -> str:
    """The secret of the link that was printed."""
    return transaction(create_link, SYSTEM, clock.now())


def open_link(client: FlaskClient, token: str) -> Any:
    """The page behind a link, or its refusal."""
    return client.get("/set-up", query_string={"token": token}, follow_redirects=True)


def fill_in(client: FlaskClient, token: str, **fields: str) -> Any:
    open_link(client, token)
    typed = {"email": " Ada@Example.com ", "password": PASSWORD, "again": PASSWORD} | fields
    return send(client, "/set-up", **typed)


def people(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(User.email)))


def test_the_link_creates_the_first_admin_and_signs_them_in(client: FlaskClient, session: Session, token: str) -> None:
    assert "Create your account" in open_link(client, token).text
    answer = fill_in(client, token)
    assert (answer.status_code, answer.location) == (303, "/")
    assert client.get("/").status_code == 200
    user = session.scalars(select(User)).one()
    assert (user.email, user.role, user.password_temporary) == ("ada@example.com", "admin", False)
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [(event.action, event.actor_name) for event in events] == [
        ("user.set_up_link_created", "command line"),
        ("user.created", "set-up link"),
        ("user.signed_in", "ada@example.com"),
    ]
    assert client.get("/set-up", query_string={"token": token}).location == "/"


def test_the_secret_leaves_the_address_at_once(client: FlaskClient, session: Session, token: str) -> None:
    moved = client.get("/set-up", query_string={"token": token})
    assert (moved.status_code, moved.location, moved.headers["Referrer-Policy"]) == (303, "/set-up", "no-referrer")
    page = client.get("/set-up")
    assert page.status_code == 200
    assert token not in page.text
    assert page.headers["Referrer-Policy"] == "same-origin"
    refused = client.get("/set-up", query_string={"token": "wrong"})
    assert (refused.status_code, refused.headers["Referrer-Policy"]) == (404, "no-referrer")
    assert fill_in(client, token).location == "/"
    with client.session_transaction() as stored:
        assert token not in str(dict(stored))


def test_the_form_is_sent_over_https(app: Flask, session: Session, token: str) -> None:
    client = app.test_client()
    url = "https://localhost/set-up"
    page = client.get(url, query_string={"token": token}, follow_redirects=True, base_url="https://localhost")
    typed = {
        "email": "ada@example.com",
        "password": PASSWORD,
        "again": PASSWORD,
        "csrf_token": hidden(page, "csrf_token"),
    }
    answer = client.post("/set-up", data=typed, base_url="https://localhost", headers={"Referer": url})
    assert (answer.status_code, people(session)) == (303, ["ada@example.com"])


def test_without_the_link_there_is_no_form(client: FlaskClient, session: Session, token: str) -> None:
    assert client.get("/set-up").status_code == 404
    assert send(client, "/set-up", email="eve@example.com", password=PASSWORD, again=PASSWORD).status_code == 404
    assert people(session) == []


def test_the_link_works_once(app: Flask, client: FlaskClient, session: Session, token: str) -> None:
    fill_in(client, token)
    other = app.test_client()
    for answer in (
        open_link(other, token),
        fill_in(other, token, email="eve@example.com"),
    ):
        assert answer.status_code == 404
        assert "the first person has already been added" in words(answer.text)
    assert people(session) == ["ada@example.com"]
    with pytest.raises(Conflict, match="create-user EMAIL"):
        transaction(create_link, SYSTEM, clock.now())


def test_only_the_hash_of_the_newest_link_is_stored(client: FlaskClient, session: Session, token: str) -> None:
    newer = transaction(create_link, SYSTEM, clock.now())
    assert session.scalars(select(OneTimeLink.token_hash)).all() == [session_token_hash(newer)]
    assert len(newer) >= 43
    refused = open_link(client, token)
    assert refused.status_code == 404
    assert NO_LINK in words(refused.text)
    assert open_link(client, newer).status_code == 200


def test_the_link_expires(client: FlaskClient, session: Session, token: str, time: time_machine.Traveller) -> None:
    time.shift(LINK_IS_VALID_FOR[LinkPurpose.SET_UP] - timedelta(seconds=1))
    assert open_link(client, token).status_code == 200
    time.shift(timedelta(seconds=1))
    assert fill_in(client, token).status_code == 404
    assert people(session) == []


@pytest.mark.parametrize("token", ["", "x", "é\x00"])
def test_a_wrong_secret_opens_nothing(client: FlaskClient, session: Session, token: str) -> None:
    transaction(create_link, SYSTEM, clock.now())
    assert open_link(client, token).status_code == 404
    assert fill_in(client, token).status_code == 404
    assert people(session) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": ""}, "Enter your e-mail address."),
        ({"email": "ada"}, "Enter an e-mail address such as name@example.com."),
        ({"password": "short", "again": "short"}, "Use at least 15 characters"),
        ({"password": "password-password", "again": "password-password"}, "this password is easy to guess"),
        ({"again": "violet-anchor-meadow-38"}, "The passwords do not match. Enter the same password twice."),
        ({"again": ""}, "Enter the password again."),
    ],
)
def test_wrong_input_is_kept_and_the_link_still_works(
    client: FlaskClient, session: Session, token: str, fields: dict[str, str], sentence: str
) -> None:
    answer = fill_in(client, token, **fields)
    assert answer.status_code == 422
    assert sentence in words(answer.text)
    assert "email" in fields or "Ada@Example.com" in answer.text
    assert people(session) == []
    assert fill_in(client, token).status_code == 303


def test_a_link_is_worth_nothing_beside_a_person(app: Flask, client: FlaskClient, session: Session, token: str) -> None:
    person(app)
    assert fill_in(client, token).status_code == 404
    assert people(session) == ["admin@example.com"]


@pytest.mark.both_databases
def test_of_two_at_once_one_gets_the_account(app: Flask, session: Session, token: str) -> None:
    def use(email: str) -> bool:
        with app.app_context():
            try:
                return transaction(use_link, token, email, PASSWORD, "127.0.0.1", SYSTEM, clock.now()) is not None
            except Conflict:
                return False

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(use, [f"{name}@example.com" for name in ("a", "b", "c", "d")]))
    assert sorted(results) == [False, False, False, True]
    assert len(people(session)) == 1


def test_the_sign_in_page_names_the_link_until_somebody_exists(app: Flask, client: FlaskClient) -> None:
    assert NO_LINK in words(client.get("/sign-in").text)
    person(app)
    assert NO_LINK not in words(client.get("/sign-in").text)

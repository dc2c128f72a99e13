"""The pages of sessions: a person's own, and those of others for admins."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, User, UserSession
from tests.clocks import stopped_clock
from tests.people import PASSWORD, person, send, sign_in, signed_in
from tests.web.pages import words

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
    " Mobile/15E148 Safari/604.1"
)
OWN = "/account/sessions"
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(START)


def browser(app: Flask, email: str, user_agent: str, address: str = "192.0.2.7") -> FlaskClient:
    """Return a browser in which a person is signed in."""
    client = app.test_client()
    client.environ_base |= {"HTTP_USER_AGENT": user_agent, "REMOTE_ADDR": address}
    assert sign_in(client, email).status_code == 303
    return client


def sessions(session: Session) -> list[UserSession]:
    session.rollback()
    return list(session.scalars(select(UserSession).order_by(UserSession.id)))


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/customers").status_code == 200


def test_check_25_a_person_sees_and_ends_their_own_sessions(
    app: Flask, session: Session, clock: time_machine.Traveller
) -> None:
    email = person(app, "viewer")
    phone = browser(app, email, SAFARI, "2001:db8::1")
    clock.shift(timedelta(minutes=5))
    laptop, tablet = browser(app, email, FIREFOX), browser(app, email, "")
    other = signed_in(app)
    text = words(laptop.get(OWN))
    assert "Firefox on Windows Current 192.0.2.7 22 Nov 2026, 12:05 UTC" in text
    assert "Safari on iPhone 2001:db8::/64 22 Nov 2026, 12:00 UTC" in text
    assert "Unknown device" in text
    first, _, third, foreign = sessions(session)
    ended = send(laptop, f"{OWN}/{first.id}/end")
    assert (ended.status_code, ended.location) == (303, OWN)
    assert "The session was ended." in words(laptop.get(OWN))
    assert [is_signed_in(client) for client in (phone, laptop, tablet, other)] == [False, True, True, True]
    send(laptop, f"{OWN}/{foreign.id}/end")
    assert "This session had ended before." in words(laptop.get(OWN))
    assert send(laptop, f"{OWN}/end-others").status_code == 303
    assert [is_signed_in(client) for client in (laptop, tablet, other)] == [True, False, True]
    assert third.id not in {row.id for row in sessions(session)}
    actions = list(session.scalars(select(AuditEvent.action)))
    assert actions.count("user.sessions_ended") == 2


def test_check_25_an_admin_ends_the_sessions_of_anyone(app: Flask, session: Session) -> None:
    email = person(app, "viewer")
    phone, laptop, admin = browser(app, email, SAFARI), browser(app, email, FIREFOX), signed_in(app)
    viewer, boss = (session.scalars(select(User).where(User.role == role)).one().id for role in ("viewer", "admin"))
    page = f"/users/{viewer}/sessions"
    assert f'href="{page}"' in admin.get("/users").text
    assert "Sessions of viewer@example.com" in words(admin.get(page))
    send(admin, f"{page}/{sessions(session)[0].id}/end")
    assert [is_signed_in(client) for client in (phone, laptop)] == [False, True]
    send(admin, f"{page}/end")
    assert [is_signed_in(client) for client in (laptop, admin)] == [False, True]
    assert "This person is not signed in anywhere." in words(admin.get(page))
    second = browser(app, "admin@example.com", FIREFOX)
    assert "Current" in words(admin.get(f"/users/{boss}/sessions"))
    send(admin, f"/users/{boss}/sessions/end")
    assert [is_signed_in(client) for client in (second, admin)] == [False, True]


def test_expired_sessions_are_not_listed(app: Flask, clock: time_machine.Traveller) -> None:
    email = person(app)
    browser(app, email, SAFARI)
    clock.shift(timedelta(hours=1))
    assert "Safari" not in words(browser(app, email, FIREFOX).get(OWN))


@pytest.mark.parametrize("act", ["password", "deactivate", "role"])
def test_check_24_a_change_of_password_access_or_role_ends_other_sessions(
    app: Flask, session: Session, act: str
) -> None:
    admin, ada = signed_in(app), signed_in(app, "admin", "ada@example.com")
    laptop = browser(app, "ada@example.com", FIREFOX)
    id = session.scalars(select(User.id).where(User.email == "ada@example.com")).one()
    if act == "password":
        changed = "granite-teapot-wander-58"
        send(ada, "/account/password", current=PASSWORD, password=changed, again=changed)
    else:
        send(admin, f"/users/{id}/{act}", role="viewer")
    assert [is_signed_in(client) for client in (ada, laptop)] == [act == "password", False]

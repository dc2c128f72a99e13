"""The settings of a person: theme and density, for this person on every device."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent
from tests.people import send, signed_in
from tests.web.pages import link, parse, words


def _root(client: FlaskClient) -> dict[str, str]:
    return next(parse(client.get("/customers")).elements("html")).attributes


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_a_person_chooses_theme_and_density(app: Flask, session: Session, role: str) -> None:
    person, other = signed_in(app, role, "ada@example.com"), signed_in(app, "admin", "bo@example.com")
    assert link(person.get("/"), "Your settings") == "/account/settings"
    assert (_root(person)["data-theme"], _root(person)["data-density"]) == ("system", "dense")
    assert "data-bs-theme" not in _root(person)
    assert send(person, "/account/settings", theme="dark", density="spacious").location == "/account/settings"
    assert "Your settings were saved." in words(person.get("/account/settings"))
    assert _root(person).items() >= {"data-theme": "dark", "data-bs-theme": "dark", "data-density": "spacious"}.items()
    assert _root(signed_in(app, role, "cy@example.com"))["data-theme"] == "system"
    assert _root(other)["data-theme"] == "system"
    details = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "user.appearance_changed")).one()
    assert details == {"theme": ["system", "dark"], "density": ["dense", "spacious"]}


def test_the_button_of_the_page_changes_the_theme_alone(app: Flask, session: Session) -> None:
    person = signed_in(app)
    send(person, "/account/settings", theme="light", density="spacious")
    (button,) = parse(person.get("/customers")).elements("button", title="Light or dark")
    assert button.attributes["data-theme-toggle"] == "/account/theme"
    token = next(parse(person.get("/customers")).elements("input", name="csrf_token")).attributes["value"]
    assert person.post("/account/theme", data={"theme": "dark", "csrf_token": token}).status_code == 303
    assert (_root(person)["data-theme"], _root(person)["data-density"]) == ("dark", "spacious")


def test_an_unknown_choice_is_refused_and_the_same_choice_changes_nothing(app: Flask, session: Session) -> None:
    person = signed_in(app)
    assert send(person, "/account/settings", theme="pink", density="dense").status_code == 422
    send(person, "/account/settings", theme="system", density="dense")
    assert session.scalars(select(AuditEvent).where(AuditEvent.action == "user.appearance_changed")).all() == []


def test_a_signed_out_page_has_no_settings_of_a_person(client: FlaskClient) -> None:
    assert "data-theme" not in next(parse(client.get("/sign-in")).elements("html")).attributes

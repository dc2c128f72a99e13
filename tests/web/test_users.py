"""The pages for people: who may sign in, as what, and one's own password."""

from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import ApiToken, AuditEvent, User
from billing_admin.operations.access import tokens, users
from billing_admin.queries.master_data.organisation import organisation
from tests.people import PASSWORD, send, sign_in, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, link, words

OTHER = "granite-teapot-wander-58"


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    """An admin."""
    return signed_in(app)


def user(session: Session, email: str) -> User:
    session.rollback()
    return session.scalars(select(User).where(User.email == email).execution_options(populate_existing=True)).one()


def at(session: Session, email: str, verb: str) -> str:
    return f"/users/{user(session, email).id}/{verb}"


def actions(session: Session) -> list[str]:
    session.rollback()
    query = select(AuditEvent.action).where(AuditEvent.object_type == "user", AuditEvent.action != "user.signed_in")
    return list(session.scalars(query.order_by(AuditEvent.at, AuditEvent.id)))[1:]


def give_password(session: Session, email: str) -> str:
    """Set a temporary password for a person, as `set-password` does, and return it."""
    given = "lantern-oyster-quarry-64"
    transaction(users.set_password, user(session, email).id, given, SYSTEM, clock.now())
    return given


def test_a_person_is_invited_once(browser: FlaskClient, session: Session) -> None:
    response = send(browser, "/users/new", email=" Ada@Example.com", role="viewer")
    assert response.status_code == 201
    assert user(session, "ada@example.com").role == "viewer"
    assert "ada@example.com Viewer" in words(browser.get("/users"))
    again = send(browser, "/users/new", email="ada@example.com", role="viewer")
    assert (again.status_code, "has already been added" in words(again)) == (422, True)
    assert actions(session) == ["user.created", "user.link_created"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "", "role": "viewer"}, "Enter an e-mail address."),
        ({"email": "ada", "role": "viewer"}, "such as"),
        ({"email": "ada@example.com", "role": "boss"}, "Choose one from the list."),
        ({"email": "ada@example.com"}, "Choose one from the list."),
    ],
)
def test_nobody_is_added_when_it_is_refused(
    browser: FlaskClient, session: Session, fields: dict[str, str], sentence: str
) -> None:
    response = send(browser, "/users/new", **fields)
    assert (response.status_code, sentence in words(response)) == (422, True)
    assert actions(session) == []


def test_another_role_counts_at_once_and_ends_sessions(app: Flask, browser: FlaskClient, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    page = browser.get(at(session, "viewer@example.com", "role"))
    assert "Can see everything and change nothing." in words(page)
    done = send(browser, at(session, "viewer@example.com", "role"), role="admin")
    assert "viewer@example.com now has the role Admin" in words(browser.get(done.location))
    assert viewer.get("/").status_code == 303
    send(browser, at(session, "viewer@example.com", "role"), role="admin")
    assert actions(session) == ["user.created", "user.role_changed"]


def test_the_last_admin_stays(browser: FlaskClient, session: Session) -> None:
    for verb, fields in (("role", {"role": "viewer"}), ("deactivate", {})):
        refused = send(browser, at(session, "admin@example.com", verb), **fields)
        assert refused.status_code == 422
        assert "This is the last admin. Make another person an admin first." in words(refused)
    admin = user(session, "admin@example.com")
    assert (admin.role, admin.active) == ("admin", True)


def test_an_account_is_closed_and_opened_again(app: Flask, browser: FlaskClient, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    assert "This person will be signed out on all devices" in words(
        browser.get(at(session, "viewer@example.com", "deactivate"))
    )
    send(browser, at(session, "viewer@example.com", "deactivate"))
    assert viewer.get("/").status_code == 303
    assert sign_in(app.test_client(), "viewer@example.com").status_code == 422
    assert "viewer@example.com Viewer" in words(browser.get("/users"))
    opened = send(browser, at(session, "viewer@example.com", "activate"))
    send(browser, at(session, "viewer@example.com", "activate"))
    assert "viewer@example.com was activated" in words(browser.get(opened.location))
    assert sign_in(app.test_client(), "viewer@example.com").status_code == 303
    assert actions(session) == ["user.created", "user.deactivated", "user.sign_in_failed", "user.activated"]


def test_who_is_not_there_is_not_found(browser: FlaskClient) -> None:
    for verb in ("role", "password", "deactivate"):
        assert browser.get(f"/users/{uuid4()}/{verb}").status_code == 404
    assert send(browser, f"/users/{UUID(int=1)}/activate").status_code == 404


def test_a_viewer_sees_nobody_and_changes_nobody(app: Flask, browser: FlaskClient, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    refused = viewer.get("/users")
    assert (refused.status_code, "access:read" in refused.text) == (403, True)
    assert not has_link(viewer.get("/"), "People")
    assert send(viewer, at(session, "admin@example.com", "role"), role="viewer").status_code == 403


# --- one's own password ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_everybody_changes_their_own_password(app: Flask, session: Session, role: str) -> None:
    signed_in(app, "admin", "first@example.com")
    here = signed_in(app, role)
    email = f"{role}@example.com"
    elsewhere = app.test_client()
    sign_in(elsewhere, email)
    response = send(here, link(here.get("/"), "Change password"), current=PASSWORD, password=OTHER, again=OTHER)
    assert "Your password was changed." in words(here.get(response.location))
    assert elsewhere.get("/").status_code == 303
    assert sign_in(app.test_client(), email).status_code == 422
    assert sign_in(app.test_client(), email, OTHER).status_code == 303


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"current": "", "password": OTHER, "again": OTHER}, "Enter your current password."),
        ({"current": "not mine at all", "password": OTHER, "again": OTHER}, "This is not your current password."),
        ({"current": PASSWORD, "password": OTHER, "again": OTHER + "x"}, "The new passwords do not match."),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "at least 15 characters"),
    ],
)
def test_the_old_one_stays_when_it_is_refused(
    app: Flask, browser: FlaskClient, fields: dict[str, str], sentence: str
) -> None:
    response = send(browser, "/account/password", **fields)
    assert (response.status_code, sentence in words(response)) == (422, True)
    assert OTHER not in response.text
    assert sign_in(app.test_client(), "admin@example.com").status_code == 303


def test_ones_own_new_password_has_a_longest(browser: FlaskClient, session: Session) -> None:
    """Too long a one is refused at its field, and no normalisation sees it."""
    marks = "a" + "\u0301\u0327" * 10_000
    for long in (marks, "violet anchor " * 300):
        refused = send(browser, "/account/password", current=PASSWORD, password=long, again=long)
        assert (refused.status_code, "Use at most 1,000 characters." in words(refused)) == (422, True)
        refused = send(browser, "/account/password", current=long, password=OTHER, again=OTHER)
        assert (refused.status_code, "This is not your current password." in words(refused)) == (422, True)
    assert actions(session) == ["user.password_check_failed"] * 2


# --- passwords that somebody else set ----------------------------------------------------------------------------------


def owned_token(session: Session, email: str, name: str) -> ApiToken:
    """A token of a person, as they would create it."""
    id = user(session, email).id
    return transaction(tokens.create, name, ["read"], user_id=id, actor=SYSTEM, now=clock.now())[0]


def is_revoked(session: Session, token: ApiToken) -> bool:
    session.rollback()
    return session.scalars(select(ApiToken.revoked_at).where(ApiToken.id == token.id)).one() is not None


def test_a_password_that_an_admin_set_is_changed_before_anything_else(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    signed_in(app, "admin", "ada@example.com")
    ada, given = app.test_client(), give_password(session, "ada@example.com")
    assert "ada@example.com Admin" in words(browser.get("/users"))
    assert "Temporary password" in words(browser.get("/users"))
    assert sign_in(ada, "ada@example.com", given, next="/customers?q=x").location == "/customers?q=x"
    first = ada.get("/customers?q=x")
    assert (first.status_code, first.location) == (303, "/account/password?next=/customers?q%3Dx")
    for url in ("/", "/users", "/charges/new"):
        assert ada.get(url).location.startswith("/account/password"), url
    assert send(ada, "/users/new", email="x@example.com", role="admin").location == "/account/password"
    page = ada.get(first.location)
    assert "Another person set your current password." in words(page)
    assert page.text.count('autocomplete="new-password"') == 2
    same = send(ada, "/account/password", current=given, password=given, again=given)
    assert "Choose a password that differs from the current one." in words(same)
    changed = send(ada, "/account/password", current=given, password=OTHER, again=OTHER, next="/customers?q=x")
    assert (changed.status_code, changed.location) == (303, "/customers?q=x")
    assert ada.get("/customers?q=x").status_code == 200
    assert ada.get("/account/password").status_code == 200
    assert user(session, "ada@example.com").password_temporary is False
    assert "Temporary password" not in words(browser.get("/users"))
    assert app.test_client().get("/users").status_code == 303


def test_a_form_kept_over_the_sign_in_survives_the_change_of_password(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    signed_in(app, "admin", "ada@example.com")
    given = give_password(session, "ada@example.com")
    ada, kept = app.test_client(), '["/customers/new", [["name", "Ωmega & Söhne"]]]'
    page = sign_in(ada, "ada@example.com", given, next="/customers", saved_form=kept)
    assert "Another person set your current password." in words(page)
    fields = {name: field(page, name) for name in ("next", "saved_form")}
    answer = send(ada, "/account/password", current=given, password=OTHER, again=OTHER, **fields)
    assert answer.status_code == 200
    assert 'action="/customers/new"' in answer.text
    assert 'value="Ωmega &amp; Söhne"' in answer.text


def test_tokens_of_a_person_with_a_new_password_are_named(app: Flask, browser: FlaskClient, session: Session) -> None:
    """A token that another person knows stays valid after the password changes."""
    signed_in(app, "admin", "ada@example.com")
    kept, gone = (owned_token(session, "ada@example.com", name) for name in ("nightly import", "old laptop"))
    foreign = owned_token(session, "admin@example.com", "mine")
    page = browser.get(at(session, "ada@example.com", "password"))
    assert all(name in words(page) for name in ("API tokens to revoke", "nightly import", "old laptop"))
    assert "mine" not in words(page)
    shown = send(browser, at(session, "ada@example.com", "password"), tokens=[str(gone.id)])
    assert "API tokens that still work" in words(shown)
    assert link(shown, "Revoke nightly import") == f"/tokens/{kept.id}/revoke"
    assert "old laptop" not in words(shown)
    assert [is_revoked(session, token) for token in (kept, gone, foreign)] == [False, True, False]
    refused = send(browser, at(session, "ada@example.com", "password"), tokens=[str(foreign.id)])
    assert (refused.status_code, is_revoked(session, foreign)) == (422, False)


def test_tokens_of_a_closed_account_are_named(app: Flask, browser: FlaskClient, session: Session) -> None:
    """They stop with the account, and work again with it unless they are revoked."""
    signed_in(app, "admin", "ada@example.com")
    kept, gone = (owned_token(session, "ada@example.com", name) for name in ("nightly import", "old laptop"))
    assert "nightly import" in words(browser.get(at(session, "ada@example.com", "deactivate")))
    send(browser, at(session, "ada@example.com", "deactivate"), tokens=[str(gone.id)])
    opened = send(browser, at(session, "ada@example.com", "activate"))
    assert "Their API tokens work again: nightly import." in words(browser.get(opened.location))
    assert [is_revoked(session, token) for token in (kept, gone)] == [False, True]


def test_the_persons_tokens_are_named_after_a_change_of_password(browser: FlaskClient, session: Session) -> None:
    owned_token(session, "admin@example.com", "nightly import")
    changed = send(browser, "/account/password", current=PASSWORD, password=OTHER, again=OTHER)
    assert "Your API tokens still work: nightly import." in words(browser.get(changed.location))


def test_the_name_of_the_organisation_is_no_password(browser: FlaskClient, session: Session) -> None:
    def name_organisation(session: Session) -> None:
        organisation(session).legal_name = "Quill & Ember Ltd"

    transaction(name_organisation)
    for password in ("quill-ember-2026", "Quill & Ember Ltd 1", "Password-2026-2026", "iloveyouiloveyou"):
        refused = send(browser, "/account/password", current=PASSWORD, password=password, again=password)
        assert (refused.status_code, "this password is easy to guess" in words(refused)) == (422, True)

"""The page of roles: own roles, what they change at once, and conflicting permissions."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import AuditEvent, Role, User
from billing_admin.operations.access import roles as operations, tokens
from billing_admin.queries.access.permissions import current_permissions, has_lost_permission
from tests.people import person, send, sign_in, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, words

BRANCH = "Branch office"


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    """An admin."""
    return signed_in(app)


def make_role(name: str = BRANCH, *permissions: str) -> Role:
    return transaction(operations.create, name, permissions or ["payments:write"], None, SYSTEM, clock.now())[0]


def role(session: Session, name: str = BRANCH) -> Role:
    session.rollback()
    return session.scalars(select(Role).where(Role.name == name).execution_options(populate_existing=True)).one()


def user_id(session: Session, email: str) -> UUID:
    session.rollback()
    return session.scalars(select(User.id).where(User.email == email)).one()


def test_an_own_role_is_added_given_and_changed(app: Flask, browser: FlaskClient, session: Session) -> None:
    fields: dict[str, Any] = {"id": str(uuid4()), "name": BRANCH, "permissions": ["payments:write", "audit:read"]}
    send(browser, "/settings/roles/new", **fields)
    added = send(browser, "/settings/roles/new", **fields)  # a second click adds no second role
    assert "The role Branch office was added" in words(browser.get(added.location))
    assert role(session).permissions == ["read", "payments:write", "audit:read", "password:write"]
    send(browser, "/users/new", email="ada@example.com", role=BRANCH)
    assert f"ada@example.com {BRANCH}" in words(browser.get("/users"))
    page = browser.get("/settings/roles")
    assert "Branch office A role of your organisation. 1 0 Active" in words(page)
    assert "Record, allocate and reverse payments; record refunds payments:write Yes – none Yes" in words(page)

    ada = signed_in(app, BRANCH, "eve@example.com")
    assert ada.get("/payments/new").status_code == 200
    assert ada.get("/charges/new").status_code == 403
    edit = link(page, BRANCH)
    version = str(role(session).version)
    send(browser, edit, permissions=["charges:write"], version=version)
    assert ada.get("/payments/new").status_code == 303
    sign_in(ada, "eve@example.com")
    assert ada.get("/payments/new").status_code == 403
    assert ada.get("/charges/new").status_code == 200
    stale = send(browser, edit, permissions=["users:write"], version=version)
    assert (stale.status_code, "changed" in words(stale)) == (422, True)
    session.rollback()
    changes = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "role.changed")).all()
    old = ["read", "payments:write", "audit:read", "password:write"]
    assert changes == [{"permissions": [old, ["read", "charges:write", "password:write"]]}]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Enter a name, such as Branch office."),
        ({"name": "Viewer"}, "This is the name of a built-in role."),
        ({"name": "branch OFFICE"}, "There is already a role “branch OFFICE”."),
        ({"name": "x", "permissions": ["everything"]}, "is not a valid choice"),
    ],
)
def test_a_wrong_role_is_refused_at_its_field(
    browser: FlaskClient, session: Session, fields: dict[str, Any], sentence: str
) -> None:
    make_role()
    response = send(browser, "/settings/roles/new", **{"id": str(uuid4()), "permissions": ["audit:read"], **fields})
    assert response.status_code == 422
    assert sentence in words(response)
    assert len(session.scalars(select(Role.id)).all()) == 1


def test_a_role_in_use_is_not_archived(browser: FlaskClient, session: Session, app: Flask) -> None:
    id = make_role().id
    person(app, BRANCH, "ada@example.com")
    assert not has_link(browser.get(f"/settings/roles/{id}/edit"), "Archive")
    refused = send(browser, f"/settings/roles/{id}/archive")
    assert refused.status_code == 409
    assert "1 person has this role. Give them another role first." in words(refused)
    send(browser, f"/users/{user_id(session, 'ada@example.com')}/role", role="viewer")
    send(browser, f"/settings/roles/{id}/archive")
    assert role(session).archived_at is not None
    assert send(browser, "/users/new", email="eve@example.com", role=BRANCH).status_code == 422
    send(browser, f"/settings/roles/{id}/restore")
    assert send(browser, "/users/new", email="eve@example.com", role=BRANCH).status_code == 201


def test_the_last_admin_cannot_leave_for_an_own_role_with_the_same_rights(
    browser: FlaskClient, session: Session
) -> None:
    make_role("Deputy", "users:write", "tokens:write")
    url = f"/users/{user_id(session, 'admin@example.com')}/role"
    refused = send(browser, url, role="Deputy")
    assert (refused.status_code, "This is the last admin" in words(refused)) == (422, True)


def test_who_changes_people_cannot_gain_more_rights_that_way(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    """They make nobody an admin, take over no admin's account, and give their role nothing new."""
    id = make_role("Deputy", "users:write", "access:read").id
    deputy = signed_in(app, "Deputy", "deputy@example.com")
    admin, own = user_id(session, "admin@example.com"), user_id(session, "deputy@example.com")
    for url, fields in (
        ("/users/new", {"email": "eve@example.com", "role": "admin"}),
        (f"/users/{own}/role", {"role": "admin"}),
        (f"/users/{admin}/role", {"role": "Deputy"}),
        (f"/users/{admin}/password", {}),
        (f"/users/{admin}/deactivate", {}),
        ("/settings/roles/new", {"id": str(uuid4()), "name": "x", "permissions": ["payments:write"]}),
        (f"/settings/roles/{id}/edit", {"permissions": ["users:write", "payments:write"], "version": "1"}),
    ):
        response = send(deputy, url, **fields)
        assert response.status_code in {403, 422}, url
        assert "more permissions than you have" in words(response), url
    assert role(session, "Deputy").permissions == ["read", "access:read", "users:write", "password:write"]
    assert browser.get("/users").status_code == 200


def test_a_token_and_its_jobs_lose_what_the_role_of_the_owner_loses(app: Flask, session: Session) -> None:
    stored = make_role(BRANCH, "billing:write", "corrections:write")
    person(app, BRANCH, "ada@example.com")
    owner = user_id(session, "ada@example.com")
    token, _ = transaction(tokens.create, "t", ["read", "billing:write"], user_id=owner, actor=SYSTEM, now=clock.now())
    assert current_permissions(session, "token", token.id) == {"read", "billing:write", "corrections:write"}
    assert current_permissions(session, "person", owner) >= {"billing:write", "password:write"}
    transaction(operations.change, stored.id, ["billing:write"], None, SYSTEM, clock.now())
    assert current_permissions(session, "token", token.id) == {"read", "billing:write"}
    assert has_lost_permission(session, "token", token.id, "corrections:write")
    assert has_lost_permission(session, "person", owner, "corrections:write")


def test_conflicting_rights_are_reported(app: Flask, browser: FlaskClient, session: Session) -> None:
    make_role(BRANCH, "billing:write", "payments:write")
    person(app, BRANCH, "ada@example.com")
    text = words(browser.get("/settings/roles"))
    assert (
        "Issue invoices and receive their money billing:write payments:write Admin, Branch office ada@example.com"
        in text
    )
    runner = app.test_cli_runner()
    found = runner.invoke(args=["role-conflicts"])
    assert found.exit_code == 1
    assert found.output.startswith(
        "billing:write + payments:write\tIssue invoices and receive their money\tada@example.com\n"
    )
    transaction(operations.change, role(session).id, ["billing:write"], None, SYSTEM, clock.now())
    assert runner.invoke(args=["role-conflicts"]).exit_code == 0


def test_an_auditor_sees_access_and_changes_nothing_of_it(app: Flask, browser: FlaskClient, session: Session) -> None:
    make_role()
    auditor = signed_in(app, "auditor")
    for url, button in (("/users", "Add person"), ("/settings/roles", "New role"), ("/tokens", "New token")):
        page = auditor.get(url)
        assert page.status_code == 200
        assert not has_link(page, button)
    assert not has_link(auditor.get("/settings/roles"), BRANCH)
    assert browser.get("/users").status_code == 200

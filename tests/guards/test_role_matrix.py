"""Each role opens exactly the routes that the one table grants: tests/guards/role_matrix.py."""

import re
from collections.abc import Iterator
from typing import NoReturn

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from billing_admin import clock
from billing_admin.api.frame import routing
from billing_admin.api.frame.routing import BASE, PUBLIC, ROUTES, Route
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLES, SCOPES, SYSTEM
from billing_admin.domain.errors import Denied, Invalid
from billing_admin.models import User
from billing_admin.operations.access import tokens
from billing_admin.web.frame.guard import WRITING_METHODS, is_public, permission_for
from tests.guards.role_matrix import PERMISSIONS_OF_ROLES, ROUTES_OF_PERMISSIONS
from tests.guards.test_routes import address
from tests.levels import sample, samples
from tests.people import csrf_token, person, signed_in

CONVERTER = re.compile(r"<([^<>]*:)?")
EXPECTED = {route: permission for permission, routes in ROUTES_OF_PERMISSIONS.items() for route in routes.split("\n")}


def pages(app: Flask) -> Iterator[tuple[str, Rule, str]]:
    """Method, rule and name in the table of each page behind the guard."""
    for rule in app.url_map.iter_rules():
        if not is_public(rule.endpoint):
            for method in (rule.methods or set()) & ({"GET"} | WRITING_METHODS):
                yield method, rule, f"{method} {CONVERTER.sub('{', rule.rule).replace('>', '}')}"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_table_lists_every_route_once_with_its_permission(app: Flask) -> None:
    """A route that is not in the table fails here."""
    stated = {name: permission_for(app, rule) for _, rule, name in pages(app)}
    stated |= {f"{route.method} {BASE}{route.path}": route.scope for route in ROUTES if route.scope != PUBLIC}
    assert stated == EXPECTED
    assert len(EXPECTED) == sum(len(routes.split("\n")) for routes in ROUTES_OF_PERMISSIONS.values())


def test_the_table_lists_the_permissions_of_each_role() -> None:
    assert {role: sorted(permissions) for role, permissions in ROLES.items()} == {
        role: sorted(permissions.split()) for role, permissions in PERMISSIONS_OF_ROLES.items()
    }


@pytest.mark.parametrize("role", PERMISSIONS_OF_ROLES)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@samples(4)
def test_a_role_opens_its_pages_and_no_other(app: Flask, role: str, step: int) -> None:
    """Only what runs before the view is run, which includes the guard."""
    client, granted = signed_in(app, role), PERMISSIONS_OF_ROLES[role].split()
    fields, cookie = {"csrf_token": csrf_token(client)}, client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    headers = {"Cookie": f"{cookie.key}={cookie.value}"}
    wrong = []
    for method, rule, name in sample(pages(app), step):
        data = None if method == "GET" else fields
        with app.test_request_context(address(app, rule), method=method, headers=headers, data=data):
            try:
                app.preprocess_request()
                refused = None
            except Denied as error:
                refused = error.extra["permission"]
        if refused != (None if EXPECTED[name] in granted else EXPECTED[name]):
            wrong.append((name, EXPECTED[name], refused))
    assert wrong == []


@pytest.mark.parametrize("role", PERMISSIONS_OF_ROLES)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_token_with_all_scopes_can_call_what_its_owners_role_grants(
    app: Flask, session: Session, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused later than by the scope is refused for its (unread) body: no view runs."""
    email = person(app, role)
    owner = session.scalars(select(User.id).where(User.email == email)).one()
    _, secret = transaction(tokens.create, "all", list(SCOPES), user_id=owner, actor=SYSTEM, now=clock.now())
    monkeypatch.setattr(routing, "_arguments", _refuse)
    client, granted = app.test_client(), PERMISSIONS_OF_ROLES[role].split()
    headers = {"Authorization": f"Bearer {secret}"}
    wrong = []
    for route in ROUTES:
        if route.scope != PUBLIC:
            response = client.open(BASE + route.path, method=route.method, headers=headers)
            if response.status_code != (422 if route.scope in granted else 403):
                wrong.append((route.method, route.path, route.scope, response.status_code))
    assert wrong == []


def _refuse(_route: Route) -> NoReturn:
    raise Invalid("not_read", "The permission suffices.")

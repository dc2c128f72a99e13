"""Every route is on the short public list, or behind sign-in and a permission; whoever adds one is tested by this, too."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.routing import Rule

from billing_admin.domain.access import PERMISSIONS, ROLES, Actor
from billing_admin.web.frame.guard import (
    PUBLIC_ENDPOINTS,
    WRITING_METHODS,
    PageBlueprint,
    is_api,
    is_public,
    permission_for,
)
from billing_admin.web.frame.navigation import MENU, build_menu
from tests.people import send, signed_in

SAMPLES = {
    "UUIDConverter": UUID(int=1),
    "IntegerConverter": 1,
    "DateConverter": "2026-11-22",
}
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def guarded(app: Flask) -> Iterator[Rule]:
    """The rules that are not public."""
    return (rule for rule in app.url_map.iter_rules() if not is_public(rule.endpoint))


def address(app: Flask, rule: Rule) -> str:
    """Some address that the rule takes."""
    values = {
        name: SAMPLES.get(type(converter).__name__) or next(iter(getattr(converter, "items", ())), "x")
        for name, converter in rule._converters.items()
    }
    with app.test_request_context():
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method=next(iter(rule.methods or ())))
    return str(path)


def test_the_public_list_is_short_and_true(app: Flask) -> None:
    assert sorted(PUBLIC_ENDPOINTS) == [
        "forgotten_passwords.choose",
        "forgotten_passwords.forgot",
        "second_step.code",
        "second_step.passkey",
        "set_up_link.show",
        "sign_in.sign_in",
        "sign_in.sign_out",
        "single_sign_on.begin",
        "single_sign_on.callback",
        "static",
    ]
    assert set(app.view_functions) >= PUBLIC_ENDPOINTS


def test_every_other_route_states_a_permission_that_exists(app: Flask) -> None:
    for rule in guarded(app):
        assert permission_for(app, rule) in PERMISSIONS, rule


def test_what_takes_a_form_needs_more_than_reading(app: Flask) -> None:
    """Files change nothing; a password and views are everybody's own."""
    for name, blueprint in app.blueprints.items():
        if isinstance(blueprint, PageBlueprint):
            own_pages = ("account", "security", "passkeys", "provider_confirmation", "sessions", "person_sessions")
            own = dict.fromkeys(("exports", "saved_views", *own_pages), blueprint.write_permission)
            access = dict.fromkeys(("tokens", "users", "roles"), "access:read")
            expected = (own | access | {"audit": "audit:read"}).get(name, "read")
            assert (blueprint.read_permission, blueprint.write_permission in {"read", "audit:read", "access:read"}) == (
                expected,
                False,
            ), name


def test_nobody_gets_in_signed_out(app: Flask) -> None:
    for rule in guarded(app):
        for method in rule.methods or ():
            client = app.test_client()
            response = send(client, address(app, rule), method)
            expected = 401 if method in WRITING_METHODS else 303
            assert response.status_code == expected, f"{method} {rule}"
            assert expected == 401 or response.location.startswith("/sign-in"), f"{method} {rule}"


def test_nothing_is_sent_without_a_csrf_token(app: Flask) -> None:
    client = signed_in(app)
    for rule in app.url_map.iter_rules():
        for method in () if is_api(rule.endpoint) else WRITING_METHODS & (rule.methods or set()):
            response = client.open(address(app, rule), method=method, data={"name": "x"})
            assert response.status_code == 400, f"{method} {rule}"


def test_the_cookie_opens_nothing_of_the_api(app: Flask) -> None:
    client = signed_in(app)
    for rule in app.url_map.iter_rules():
        if is_api(rule.endpoint):
            with_cookie, without = (c.get(address(app, rule)).status_code for c in (client, app.test_client()))
            assert with_cookie == without, rule


def test_the_menu_has_what_opens(app: Flask) -> None:
    """What the menu shows opens."""
    assert len({endpoint for *_, endpoint in MENU}) == len(MENU)
    for role in ("admin", "cashier"):  # all rights, and the fewest
        client = signed_in(app, role)
        with app.test_request_context():
            urls = [item.url for item in build_menu(Actor("person", None, role, ROLES[role]))]
        assert [client.get(url).status_code for url in urls] == [200] * len(urls)

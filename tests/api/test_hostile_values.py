"""Hostile values in every parameter, path and body field of every route of the API: 4xx that names the place, never a 500."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from werkzeug.test import TestResponse

from billing_admin.api.routing import BASE, ROUTES, Route
from tests.api.conftest import pointers
from tests.api.described import operation, resolved
from tests.api.story import Recorder
from tests.api.test_bodies import TAKING_A_BODY, fields, kinds, spoilt
from tests.hostile import CURSOR_PARTS, Watch, cursors, in_query, rows, share, values

# Workbooks are left out: they have the parameters of the CSV files.
READING = [route for route in ROUTES if route.method == "GET" and not route.path.endswith(("openapi.json", ".xlsx"))]
LISTS = [route for route in READING if "after" in route.query.model_fields]
JSON_ONLY = ("1e999999", "9" * 40, "[[[[[]]]]]", '{"a": {"a": {}}}', '"\\ud800"')
NO_CURSORS = ("é", "=", "a", "AA", "////", "_" * 20_000)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails at the end with all that was wrong."""
    seen = Watch()
    yield seen
    seen.report()


def kind_of(schema: Any) -> str:
    """The kind of the hostile values for a place, by its schema."""
    told = str(schema)
    if "'date'" in told or "'uuid'" in told:
        return "day" if "'date'" in told else "id"
    if "enum" in told:
        return "word"
    return "number" if kinds(schema) & {"number", "integer"} else "text"


def parameters(route: Route) -> dict[str, str]:
    """The parameters that may stand behind the question mark, with their kinds."""
    told = map(resolved, operation(route).get("parameters", ()))
    return {part["name"]: kind_of(resolved(part["schema"])) for part in told if part["in"] == "query"}


def address(told: Recorder, route: Route) -> str:
    """The route's address about what exists."""
    path = route.path
    for name, known in told.routes[route.name]["parameters"].items():
        path = path.replace(f"{{{name}}}", known)
    return path


def send(told: Recorder, method: str, path: str, body: str | None = None, version: str = "*") -> TestResponse:
    """Send without comparing with the OpenAPI document, which other tests do."""
    headers = {"Authorization": f"Bearer {told.script.token}", "If-Match": version}
    content_type = None if body is None else "application/json"
    return told.script.client.open(BASE + path, method=method, headers=headers, data=body, content_type=content_type)


def refused_at(response: TestResponse, *names: str) -> set[str]:
    """Which of the names a refusal points at."""
    return {name for name in names if any(pointer.startswith(f"/{name}") for pointer in pointers(response))}


def test_every_place_of_an_address(told: Recorder, watch: Watch) -> None:
    for turn, route in enumerate(READING):
        _spoil_parameters(told, watch, route, turn)
        for name in [*parameters(route), "unheard_of"]:
            for query in (f"{name}=1&{name}=2", f"{name}[]=1", f"{name}%00=1"):
                response = watch(f"{route.name}?{query}", partial(send, told, "GET", f"{address(told, route)}?{query}"))
                named = response is None or refused_at(response, name)
                watch.check(bool(named), f"{route.name}?{query} does not name it")
    for turn, route in enumerate(ROUTES):
        _spoil_path(told, watch, route, turn)
    for value in values("number") + values("text"):
        header = value.replace(b"\r", b"").replace(b"\n", b"").decode("latin-1")
        for version in (header, f'"{header}"'):
            patch = partial(send, told, "PATCH", "/customers/ACME", '{"name": "A"}', version)
            response = watch(f"If-Match: {version[:40]}", patch)
            refused = response is None or response.status_code in {
                HTTPStatus.PRECONDITION_FAILED,
                HTTPStatus.PRECONDITION_REQUIRED,
            }
            watch.check(refused, f"If-Match: {version[:40]} {response and response.status_code}")


def _spoil_parameters(told: Recorder, watch: Watch, route: Route, turn: int) -> None:
    """All parameters hold something at once; those that are refused by name are then left out, until none is."""
    for row in rows(parameters(route), turn):
        given = dict(row)
        while given:
            about = f"{route.name} { {name: value[:40] for name, value in given.items()} }"
            response = watch(about, partial(send, told, "GET", f"{address(told, route)}?{in_query(given)}"))
            if response is None or response.status_code < HTTPStatus.BAD_REQUEST:
                break
            named = refused_at(response, *given)
            watch.check(bool(named), f"{about}: {response.status_code} {response.text[:300]}")
            given = {name: value for name, value in given.items() if named and name not in named}


def _spoil_path(told: Recorder, watch: Watch, route: Route, turn: int) -> None:
    for value in share(values("text") + values("id"), turn) if "{" in route.path else ():
        parts = (quote_from_bytes(value, safe="") if part.startswith("{") else part for part in route.path.split("/"))
        body = None if route.body is None else next((spoilt(route, place, '"x"') for place, _ in fields(route)), "{}")
        about = f"{route.name} {value[:40]!r}"
        response = watch(about, partial(send, told, route.method, "/".join(parts), body))
        refused = response is None or response.status_code in {404, 405, 422}
        watch.check(refused, f"{about}: {response and response.status_code}")


def test_a_cursor_of_no_other_page_is_a_bad_cursor(told: Recorder, watch: Watch) -> None:
    page = send(told, "GET", "/charges?limit=1").json
    assert page
    real = urlsafe_b64decode(page["next"] + "=" * (-len(page["next"]) % 4)).decode()
    hidden = [urlsafe_b64encode(place.encode()).decode().rstrip("=") for place in [*cursors(real), *CURSOR_PARTS]]
    for number, route in enumerate(LISTS):  # all of them at the first list, and some at each other
        for cursor in (*hidden[number :: number * 5 or 1], *NO_CURSORS):
            about = f"{route.name} {cursor[:90]}"
            response = watch(about, partial(send, told, "GET", f"{route.path}?after={cursor}"))
            if response is not None and response.status_code != HTTPStatus.OK:
                told_so = (response.json or {}).get("code") == "bad_cursor" and pointers(response) == ["/after"]
                watch.check(told_so, f"{about}: {response.text[:200]}")


def test_every_field_of_a_body(told: Recorder, watch: Watch) -> None:
    """Each field in turn, about what exists; a refusal of what was understood names a place."""
    for route in TAKING_A_BODY:
        path = address(told, route)
        for turn, (place, schema) in enumerate(fields(route)):
            texts = [json.dumps(value.decode(errors="replace")) for value in values(kind_of(schema))]
            for value in share([*texts, *JSON_ONLY], turn):
                about = f"{route.name} {'/'.join(map(str, place))} = {value[:40]}"
                response = watch(about, partial(send, told, route.method, path, spoilt(route, place, value)))
                if response is not None and response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                    watch.check(bool(pointers(response)), f"{about}: {response.text[:200]}")

"""Hostile values in every parameter, path and body field of the API: an error that names the location, never a 500."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from werkzeug.test import TestResponse

from billing_admin.api.frame.routing import BASE, ROUTES, Route
from tests.api.conftest import pointers
from tests.api.example_requests import Recorder
from tests.api.openapi_check import operation, resolved
from tests.api.test_bodies import TAKING_A_BODY, fields, kinds, spoilt
from tests.hostile import CURSOR_PARTS, QUICK_STEP, Watch, cursors, in_query, rows, share, shares, values

# Workbooks are left out: they have the parameters of the CSV files.
READING = [route for route in ROUTES if route.method == "GET" and not route.path.endswith(("openapi.json", ".xlsx"))]
LISTS = [route for route in READING if "after" in route.query.model_fields]
JSON_ONLY = ("1e999999", "9" * 40, "[[[[[]]]]]", '{"a": {"a": {}}}', '"\\ud800"')
NO_CURSORS = ("é", "=", "a", "AA", "////", "_" * 20_000)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Send requests; fail at the end with everything that went wrong."""
    requests = Watch()
    yield requests
    requests.report()


def kind_of(schema: Any) -> str:
    """Return the kind of the hostile values for a location, by its schema."""
    text = str(schema)
    if "'date'" in text or "'uuid'" in text:
        return "day" if "'date'" in text else "id"
    if "enum" in text:
        return "word"
    return "number" if kinds(schema) & {"number", "integer"} else "text"


def parameters(route: Route) -> dict[str, str]:
    """Return the query parameters with their kinds."""
    parts = map(resolved, operation(route).get("parameters", ()))
    return {part["name"]: kind_of(resolved(part["schema"])) for part in parts if part["in"] == "query"}


def address(recording: Recorder, route: Route) -> str:
    """Return the route's URL for objects that exist."""
    path = route.path
    for name, known in recording.routes[route.name]["parameters"].items():
        path = path.replace(f"{{{name}}}", known)
    return path


def send(recording: Recorder, method: str, path: str, body: str | None = None, version: str = "*") -> TestResponse:
    """Send without comparing with the OpenAPI document, which other tests do."""
    headers = {"Authorization": f"Bearer {recording.script.token}", "If-Match": version}
    content: dict[str, Any] = {} if body is None else {"data": body, "content_type": "application/json"}
    return recording.script.client.open(BASE + path, method=method, headers=headers, **content)


def refused_at(response: TestResponse, *names: str) -> set[str]:
    """Return the names that an error points at."""
    return {name for name in names if any(pointer.startswith(f"/{name}") for pointer in pointers(response))}


@shares
def test_every_place_of_an_address(recording: Recorder, watch: Watch, step: int) -> None:
    for turn, route in enumerate(READING):
        _spoil_parameters(recording, watch, route, turn, step)
        for at, name in enumerate([*parameters(route), "unheard_of"]):
            queries = (f"{name}=1&{name}=2", f"{name}[]=1", f"{name}%00=1")
            for query in share(queries, turn + at, step if step == QUICK_STEP else 1):
                response = watch(
                    f"{route.name}?{query}", partial(send, recording, "GET", f"{address(recording, route)}?{query}")
                )
                named = response is None or refused_at(response, name)
                watch.check(bool(named), f"{route.name}?{query} does not name it")
    for turn, route in enumerate(ROUTES):
        _spoil_path(recording, watch, route, turn, step)
    for value in values("number") + values("text"):
        header = value.replace(b"\r", b"").replace(b"\n", b"").decode("latin-1")
        for version in (header, f'"{header}"'):
            patch = partial(send, recording, "PATCH", "/customers/ACME", '{"name": "A"}', version)
            response = watch(f"If-Match: {version[:40]}", patch)
            refused = response is None or response.status_code in {
                HTTPStatus.PRECONDITION_FAILED,
                HTTPStatus.PRECONDITION_REQUIRED,
            }
            watch.check(refused, f"If-Match: {version[:40]} {response and response.status_code}")


def _spoil_parameters(recording: Recorder, watch: Watch, route: Route, turn: int, step: int) -> None:
    """Send all parameters with hostile values, and omit those that are refused by name, until none is refused."""
    for row in rows(parameters(route), turn, step):
        query = dict(row)
        while query:
            about = f"{route.name} { {name: value[:40] for name, value in query.items()} }"
            response = watch(about, partial(send, recording, "GET", f"{address(recording, route)}?{in_query(query)}"))
            if response is None or response.status_code < HTTPStatus.BAD_REQUEST:
                break
            refused = refused_at(response, *query)
            watch.check(bool(refused), f"{about}: {response.status_code} {response.text[:300]}")
            query = {name: value for name, value in query.items() if refused and name not in refused}


def _spoil_path(recording: Recorder, watch: Watch, route: Route, turn: int, step: int) -> None:
    for value in share(values("text") + values("id"), turn, step) if "{" in route.path else ():
        parts = (quote_from_bytes(value, safe="") if part.startswith("{") else part for part in route.path.split("/"))
        body = None if route.body is None else next((spoilt(route, place, '"x"') for place, _ in fields(route)), "{}")
        about = f"{route.name} {value[:40]!r}"
        response = watch(about, partial(send, recording, route.method, "/".join(parts), body))
        refused = response is None or response.status_code in {404, 405, 422}
        watch.check(refused, f"{about}: {response and response.status_code}")


def test_a_cursor_of_no_other_page_is_a_bad_cursor(recording: Recorder, watch: Watch) -> None:
    page = send(recording, "GET", "/charges?limit=1").json
    assert page
    real = urlsafe_b64decode(page["next"] + "=" * (-len(page["next"]) % 4)).decode()
    hidden = [urlsafe_b64encode(place.encode()).decode().rstrip("=") for place in [*cursors(real), *CURSOR_PARTS]]
    for number, route in enumerate(LISTS):  # all of them at the first list, and some at each other
        for cursor in (*hidden[number :: number * 5 or 1], *NO_CURSORS):
            about = f"{route.name} {cursor[:90]}"
            response = watch(about, partial(send, recording, "GET", f"{route.path}?after={cursor}"))
            if response is not None and response.status_code != HTTPStatus.OK:
                is_bad_cursor = (response.json or {}).get("code") == "bad_cursor" and pointers(response) == ["/after"]
                watch.check(is_bad_cursor, f"{about}: {response.text[:200]}")


@shares
def test_every_field_of_a_body(recording: Recorder, watch: Watch, step: int) -> None:
    """Spoil each field in turn, for objects that exist; an error names a location."""
    for route in TAKING_A_BODY:
        path = address(recording, route)
        for turn, (place, schema) in enumerate(fields(route)):
            texts = [json.dumps(value.decode(errors="replace")) for value in values(kind_of(schema))]
            for value in share([*texts, *JSON_ONLY], turn, step):
                about = f"{route.name} {'/'.join(map(str, place))} = {value[:40]}"
                response = watch(about, partial(send, recording, route.method, path, spoilt(route, place, value)))
                if response is not None and response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
                    watch.check(bool(pointers(response)), f"{about}: {response.text[:200]}")

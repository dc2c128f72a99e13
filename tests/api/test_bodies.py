"""Bodies that every route must refuse. The tests read the routes from the table of routes, so that new ones are included.

`test_strict_json.py` tries the reader alone; here what it refuses goes through HTTP, and each field of each body is spoilt.
"""

import io
import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from billing_admin.api.frame.routing import ROUTES, Route
from billing_admin.domain.text import LONGEST_FOLDED
from tests.api.conftest import Script, code, pointers
from tests.api.example_requests import Recorder
from tests.api.openapi_check import operation, resolved
from tests.api.test_strict_json import NOT_JSON
from tests.hostile import share
from tests.levels import sample, samples

T = TypeVar("T")
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
TAKING_A_BODY = [route for route in ROUTES if route.body is not None and route.body.model_fields]

NUMBERS = [
    "9" * 19,
    "9223372036854775808123",
    "9" * 5000,
    "1e999",
    "-1e999",
    "1e999999",
    "1e" + "9" * 30,
    "-1e-" + "9" * 30,
    "0." + "1" * 31,
    "-0",
    "-0.0",
    '"-0"',
    '"1e3"',
    '"١٢"',
    '"１２"',
    '"1_000"',
    '" 12 "',
    '"12\\n"',
    '"NaN"',
    '"sNaN"',
    '"Infinity"',
    '"+1"',
    '"1,50"',
    '""',
    '"0.' + "1" * 13 + '"',
    '"' + "9" * 19 + '"',
]
OF_OTHER_TYPES = {
    "string": ["1", "1.5", "true", "null", "[]", "{}", '["a"]'],
    "number": ["true", "null", "[]", "{}", "[1]"],
    "integer": ['"1"', "1.5", "true", "[]", "{}"],
    "boolean": ["0", "1", '"true"', "null", "[]", "{}"],
    "array": ["0", "true", "null", "{}", '"a"'],
    "object": ["0", "true", "null", "[]", '"a"'],
    "null": ["0", "1", "1.5", "true", "[]", "{}", '["a"]', '"1"', '"true"'],
}
NO_JSON = ["NaN", "Infinity", "-Infinity", "nan", "01", "1_000", "١٢", "'1'", "0x1", "+1", ".5"]
NO_DAYS = ['"2026-02-30"', '"2026-11-22T00:00:00Z"', '"22.11.2026"', '"1795305600"', '"２０２６-11-22"', '""']
NO_IDS = ['"1"', '"3135f21655334c18882af96c09cfc73c"', '"{3135f216-5533-4c18-882a-f96c09cfc73c}"', '""']


def send(script: Script, route: Route, body: Any, **options: Any) -> TestResponse:
    """Send a body to a route, with ids that need not exist."""
    path = route.path
    for name in ("id", "ref", "code", "number", "allocation"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    return script.call(route.method, path, body, **options)


def each_route(items: Iterable[T], step: int) -> Iterator[tuple[Route, T]]:
    """Yield each route with every `step`-th item, so that each item is tried on every `step`-th route."""
    chosen = list(items)
    for turn, route in enumerate(TAKING_A_BODY):
        for item in share(chosen, turn, step):
            yield route, item


@samples(48)
def test_what_is_not_json(script: Script, step: int) -> None:
    for route, body in each_route((*NOT_JSON, b'{"a":NaN}', b'{"a":[-Infinity]}'), step):
        if body or not route.body_optional:
            response = send(script, route, body)
            assert (response.status_code, response.content_type) == (400, "application/problem+json"), (
                route,
                body[:20],
            )


PLACES = [
    ('{"x": {"a": 1, "b": 2, "a": 3}}', "duplicate_key", "/x/a"),
    ('{"x": 1, "x": 1}', "duplicate_key", "/x"),
    ('{"x": ["\\u0000"]}', "unprintable", "/x/0"),
    ('{"x": {"y": "a\\uD800b"}}', "unprintable", "/x/y"),
    ('{"x": "\\udc00\\ud800"}', "unprintable", "/x"),
    ('{"x": {"\\u0000": 1}}', "unprintable", "/x"),
    ('{"a~b/c": "\\ud800"}', "unprintable", "/a~0b~1c"),
    (json.dumps({"x": dict.fromkeys(map(str, range(1001)), 0)}), "too_many_keys", "/x"),
    ('{"unheard_of": 1}', "unknown_field", "/unheard_of"),
]


@samples(27)
def test_the_place_is_named(script: Script, step: int) -> None:
    for route, (body, kind, pointer) in each_route(PLACES, step):
        response = send(script, route, body)
        assert response.status_code == 422, (route, body)
        assert response.json
        errors = [(error["pointer"], error["code"]) for error in response.json["errors"]]
        assert (pointer, kind) in errors, (route, body)


@samples(18)
def test_a_body_is_an_object(script: Script, step: int) -> None:
    for route, body in each_route(("[]", "null", "1", '"{}"', "true", "[{}]"), step):
        response = send(script, route, body)
        assert (response.status_code, code(response)) == (422, "wrong_type"), (route, body)


OTHER_CONTENT = (
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/json; charset=latin1",
    "application/problem+json",
)


@samples(24)
def test_other_content(script: Script, step: int) -> None:
    for route, content_type in each_route(OTHER_CONTENT, step):
        response = send(script, route, b"{}", content_type=content_type)
        assert (response.status_code, code(response)) == (415, "unsupported_media_type"), (route, content_type)


@samples(9)
def test_json_content_and_no_body(script: Script, step: int) -> None:
    types = ("application/json", "application/json; charset=UTF-8", "Application/JSON;charset=utf-8")
    for route, content_type in each_route(types, step):
        response = send(script, route, b"", content_type=content_type)
        expected = {404} if route.body_optional else {400}
        assert response.status_code in expected, (route, content_type)
        assert route.body_optional or code(response) == "empty_body", (route, content_type)


def test_neither_body_nor_type(script: Script) -> None:
    for route in TAKING_A_BODY:
        assert send(script, route, None).status_code == (404 if route.body_optional else 415), route


def test_too_large(script: Script, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the body with a length, and in chunks without one."""
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 1000)
    chunked = {"wsgi.input_terminated": True}
    for route in TAKING_A_BODY:
        for response in (
            send(script, route, b" " * 1001),
            send(
                script,
                route,
                None,
                input_stream=io.BytesIO(b" " * 100_000),
                content_type="application/json",
                environ_overrides=chunked,
            ),
        ):
            assert (response.status_code, code(response)) == (413, "request_entity_too_large"), route


@samples(72)
def test_ten_megabytes_of_digits(recording: Recorder, step: int) -> None:
    """Use a numeric field if the body has one, else any field. The refusal must not take seconds."""
    for route in sample(TAKING_A_BODY, step):
        places = sorted(fields(route), key=lambda field: kinds(field[1]) != {"string", "number"})
        response = spoil(recording, route, places[0][0], "9" * 10_000_000)
        assert response.status_code == 422, route
        assert "/" + "/".join(map(str, places[0][0])) in pointers(response)


@samples(12)
def test_no_long_text_is_normalised_or_sent_back(recording: Recorder, step: int) -> None:
    """Try each text field. Normalising 20,000 combining marks would take seconds."""
    normalize, marks = unicodedata.normalize, json.dumps("a" + "\u0301\u0327" * 10_000, ensure_ascii=False)

    def bounded(form: Any, text: str) -> str:
        assert len(text) <= LONGEST_FOLDED
        return normalize(form, text)

    with patch.object(unicodedata, "normalize", bounded):
        for turn, route in enumerate(TAKING_A_BODY):
            for place in share([place for place, schema in fields(route) if "string" in kinds(schema)], turn, step):
                response = spoil(recording, route, place, marks)
                assert response.status_code in {200, 409, 422}, (route.name, place)  # 200: a repeated request
                assert len(response.data) < 2_000, (route.name, place)


# --- each field of each body, spoilt ---


def fields(route: Route) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the locations in a body, down to the first item of a list, each with its schema."""
    yield from _within((), _schema(route))


def _schema(route: Route) -> Any:
    return resolved(operation(route)["requestBody"]["content"]["application/json"]["schema"])


def _within(place: tuple[str | int, ...], schema: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    schema = resolved(schema)
    for name, part in schema.get("properties", {}).items():
        yield (*place, name), resolved(part)
        yield from _within((*place, name), part)
    for choice in [schema, *schema.get("anyOf", [])]:
        if "items" in choice:
            yield (*place, 0), resolved(choice["items"])
            yield from _within((*place, 0), choice["items"])


def kinds(schema: Any) -> set[str]:
    """Return the JSON types that a schema accepts."""
    if "anyOf" in schema:
        return set().union(*(kinds(resolved(branch)) for branch in schema["anyOf"]))
    return {schema["type"]}


def spoilt(route: Route, place: tuple[str | int, ...], value: str) -> str:
    """Return the route's example as a new request with another value at one location. `value` is JSON or text that is not."""
    body = json.loads(json.dumps(operation(route)["requestBody"]["content"]["application/json"]["example"]))
    for name in ("id", "amount" if place[0] == "lines" else "id"):  # a credit note has either an amount or lines
        body.pop(name, None)
    return json.dumps(_put(body, place, "MARK", _schema(route))).replace('"MARK"', value)


def _put(part: Any, place: tuple[str | int, ...], value: str, schema: Any) -> Any:
    """Return a copy of the part with the value at its location. Missing parents are made as the schema needs them."""
    if not place:
        return value
    name, remainder = place[0], place[1:]
    if isinstance(name, int):
        inner = next(choice["items"] for choice in [schema, *schema.get("anyOf", [])] if "items" in choice)
        items = part if isinstance(part, list) and part else [_sample(inner)]
        return [_put(items[0], remainder, value, resolved(inner)), *items[1:]]
    known = part if isinstance(part, dict) else {}
    return known | {name: _put(known.get(name), remainder, value, resolved(schema["properties"][name]))}


def _sample(schema: Any) -> Any:
    """Return a value that a schema accepts."""
    schema = resolved(schema)
    if "properties" in schema:
        return {name: _sample(schema["properties"][name]) for name in schema["required"]}
    if schema.get("format") == "uuid":
        return str(uuid4())
    return "1" if "number" in kinds(schema) else "INV-2026-00001"


def wrong(schema: Any) -> Iterator[str]:
    """Yield values that this schema does not accept."""
    accepted = kinds(schema)
    yield from sorted(set.intersection(*(set(OF_OTHER_TYPES[kind]) for kind in accepted)))
    if accepted == {"string", "number"}:
        yield from NUMBERS
    if "date" in str(schema.get("format")):
        yield from NO_DAYS
    if schema.get("format") == "uuid":
        yield from NO_IDS
    if "string" in accepted:
        yield from ('"\\u0000"', '"a\\ud800"')


def spoil(recording: Recorder, route: Route, place: tuple[str | int, ...], value: str) -> TestResponse:
    """Send the spoilt example for objects that exist."""
    path = route.path
    for name, known in recording.routes[route.name]["parameters"].items():
        path = path.replace(f"{{{name}}}", known)
    return recording.script.call(route.method, path, spoilt(route, place, value), headers={"If-Match": "*"})


@samples(48)
def test_each_field_refuses_what_it_cannot_be(recording: Recorder, step: int) -> None:
    """The error names the field or a value inside of it."""
    turn = 0
    for route in TAKING_A_BODY:
        for place, schema in fields(route):
            turn += 1
            pointer = "/" + "/".join(map(str, place))
            for value in share([*wrong(schema), *NO_JSON], turn, step):
                response = spoil(recording, route, place, value)
                details = (route.name, pointer, value[:30], response.text)
                assert response.status_code == (400 if value in NO_JSON else 422), details
                assert value in NO_JSON or any(error.startswith(pointer) for error in pointers(response)), details

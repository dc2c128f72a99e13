"""The API reference as pages: every call with its fields, examples and errors, without script and without another host."""

import json
import re
import shlex
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing_admin.http.api_document import api_document
from billing_admin.web.system.api_reference import Call, Reference, read_reference
from tests.people import signed_in
from tests.web.pages import parse

BASE = "https://billing.example"
LIMIT = 300_000  # bytes of the first visit


@pytest.fixture
def reference(app: Flask) -> Reference:
    with app.app_context():
        return read_reference(api_document())


@pytest.fixture
def viewer(app: Flask) -> FlaskClient:
    return signed_in(app, "viewer")


def _calls(reference: Reference) -> list[Call]:
    return [call for group in reference.groups for call in group.calls]


def test_every_call_of_the_document_is_in_one_group(app: Flask, reference: Reference) -> None:
    with app.app_context():
        document = json.loads(api_document())
    operations = {
        operation["operationId"] for operations in document["paths"].values() for operation in operations.values()
    }
    names = [call.name for call in _calls(reference)]
    assert sorted(names) == sorted(operations)
    assert reference.count == len(names) > 100


def test_the_index_links_to_each_call(viewer: FlaskClient, reference: Reference) -> None:
    links = {link.attributes["href"] for link in parse(viewer.get("/api/docs")).elements("a")}
    for group in reference.groups:
        assert {f"/api/docs/{group.name}#{call.name}" for call in group.calls} <= links


def test_each_group_shows_its_calls_with_fields_examples_and_errors(viewer: FlaskClient, reference: Reference) -> None:
    for group in reference.groups:
        page = parse(viewer.get(f"/api/docs/{group.name}"))
        ids = [element.attributes["id"] for element in page.elements() if "id" in element.attributes]
        assert len(ids) == len(set(ids)), group.name
        for call in group.calls:
            (card,) = page.elements("section", id=call.name)
            text = card.text()
            assert call.summary.replace("`", "") in text, call.name
            assert call.scope in text, call.name
            codes = {code.text().replace(" ", "") for code in card.elements("code")}
            assert {value.name for value in (*call.parameters, *call.body)} <= codes, call.name
            assert all(f"{status} {meaning}" in text for status, meaning in call.errors), call.name
        for shown in group.objects:
            (card,) = page.elements("section", id=f"object-{shown.type}")
            codes = {code.text() for code in card.elements("code")}
            assert {value.name for value in shown.fields} <= codes, shown.type


def test_a_command_makes_the_example_request(reference: Reference) -> None:
    for call in _calls(reference):
        words = shlex.split(call.curl(BASE).replace("\\\n", " "))
        assert words[0] == "curl"
        address = urlsplit(words[1])
        pattern = re.escape(call.path)
        for parameter in call.parameters:
            if parameter.place == "path":
                pattern = pattern.replace(re.escape(f"{{{parameter.name}}}"), "[^/{}]+")
        assert re.fullmatch(pattern, address.path), call.name
        options = dict(zip(words[2::2], words[3::2], strict=False))
        method = options.get("--request", "POST" if "--data" in options else "GET")
        assert method == call.method, call.name
        if call.body_example:
            assert json.loads(options["--data"]) == json.loads(call.body_example)
        assert ("Authorization: Bearer $BILLING_TOKEN" in words) is bool(call.scope)
        required = {value.name for value in call.parameters if value.place == "query" and value.is_required}
        assert required == set(re.findall(r"(\w+)=", address.query)), call.name
        assert "=&" not in address.query + "&", call.name


def test_an_unknown_group_is_not_found(viewer: FlaskClient) -> None:
    assert viewer.get("/api/docs/nothing").status_code == 404


def test_the_first_visit_is_light_and_calls_no_other_host(viewer: FlaskClient) -> None:
    response = viewer.get("/api/docs")
    page, size = parse(response), len(response.data)
    files = [link.attributes["href"] for link in page.elements("link")]
    files += [script.attributes["src"] for script in page.elements("script")]
    assert all(name.startswith("/static/") for name in files)
    for name in (*files, "/static/icons.svg", "/static/vendor/inter-latin-wght-normal.woff2"):
        size += len(viewer.get(name, headers={"Accept-Encoding": "gzip"}).data)
    assert 100_000 < size < LIMIT


def _document(schema: object, **schemas: object) -> str:
    operation = {
        "operationId": "make",
        "summary": "Make one.",
        "description": "",
        "tags": ["things"],
        "parameters": [],
        "security": [{"token": ["read"]}],
        "requestBody": {"content": {"application/json": {"schema": schema, "example": {"it": "it's"}}}},
        "responses": {"200": {"description": "OK", "headers": {}, "content": {"application/json": {"schema": schema}}}},
    }
    return json.dumps(
        {
            "info": {"description": ""},
            "tags": [{"name": "things", "description": "Things"}],
            "paths": {"/things": {"post": operation}},
            "components": {"schemas": schemas, "responses": {}, "headers": {}},
        }
    )


def _body(schema: object, **schemas: object) -> list[tuple[str, str, str]]:
    ((call,),) = (group.calls for group in read_reference(_document(schema, **schemas)).groups)
    return [(value.name, value.type, value.limits) for value in call.body]


def test_nested_fields_are_named_by_their_path() -> None:
    line = {"properties": {"net": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}
    fields = {
        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}, "maxItems": 10},
        "rest": {"anyOf": [{"$ref": "#/components/schemas/Line"}, {"type": "null"}]},
    }
    assert _body({"properties": fields}, Line=line) == [
        ("lines", "list of string", "Up to 10 items"),
        ("lines[].net", "decimal, as string or number", ""),
        ("rest", "string or null", ""),
        ("rest.net", "decimal, as string or number", ""),
    ]


def test_a_type_within_itself_is_described_once() -> None:
    part = {
        "type": "object",
        "properties": {"parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}}},
    }
    assert _body({"$ref": "#/components/schemas/Part"}, Part=part) == [("parts", "list of object", "")]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "maxLength": 5}, "Up to 5 characters"),
        ({"type": "string", "minLength": 0, "maxLength": 5}, "Up to 5 characters"),
        ({"type": "integer", "minimum": 0, "maximum": 365}, "0 to 365"),
        ({"type": "integer", "minimum": 1, "maximum": 100, "default": 50}, "1 to 100, default 50"),
        ({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}], "default": None}, "1 to 9"),
        ({"type": "string", "default": ""}, ""),
        ({"type": "boolean", "default": False}, ""),
    ],
)
def test_limits_are_words(schema: object, text: str) -> None:
    assert _body({"properties": {"field": schema}})[0][2] == text


def test_a_quote_in_a_body_survives_the_shell() -> None:
    ((call,),) = (group.calls for group in read_reference(_document({})).groups)
    assert json.loads(shlex.split(call.curl(BASE).replace("\\\n", " "))[-1]) == {"it": "it's"}

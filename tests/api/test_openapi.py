"""The OpenAPI document describes exactly the existing routes, and all its references resolve."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from billing_admin.api.frame.routing import BASE, PUBLIC, ROUTES
from tests.api.conftest import Script
from tests.api.openapi_check import resolved
from tests.prepared import prepared


@pytest.fixture
@prepared
def document(script: Script) -> Any:
    """The document, as a script reads it."""
    return script.get("/openapi.json").json


def test_it_names_the_scope_of_each_route(document: Any) -> None:
    for route in ROUTES:
        described = document["paths"][BASE + route.path][route.method.lower()]
        scopes = [] if route.scope == PUBLIC else [{"token": [route.scope]}]
        assert (described["operationId"], described["security"]) == (route.name, scopes)
        assert (route.scope in described["description"]) == (route.scope != PUBLIC)


def test_it_describes_the_routes(app: Flask, document: Any) -> None:
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    served = {
        (method, rule.rule.replace("name:", "").replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v")
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert document["openapi"] == "3.1.0"
    assert described == served


def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in _references(document):
        kind, _, name = reference.removeprefix("#/components/").partition("/")
        assert name in document["components"][kind]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _references(item)


def test_every_operation_says_what_it_needs_and_what_it_refuses(document: Any) -> None:
    operations = set()
    for item in document["paths"].values():
        for method, operation in item.items():
            operations.add(operation["operationId"])
            assert operation["summary"].endswith(".")
            public = operation["operationId"] == "get_health"
            assert bool(operation["security"]) != public
            assert public or {"401", "403"} <= operation["responses"].keys()
            assert ("requestBody" in operation) == (method != "get")
            assert {"422", "429", "503"} <= operation["responses"].keys()
            for status, answer in operation["responses"].items():
                described = resolved(answer)
                assert "X-Request-Id" in described["headers"]
                assert ("Retry-After" in described["headers"]) == (status in {"429", "503"})
                for media in described["content"]:
                    assert (media == "application/problem+json") == (int(status) >= 400)
            assert {"name": operation["tags"][0]} in [{"name": tag["name"]} for tag in document["tags"]]
    assert len(operations) == sum(len(item) for item in document["paths"].values())


def test_a_charge_in_and_out(document: Any) -> None:
    charge_in = document["components"]["schemas"]["ChargeIn"]
    assert charge_in["required"] == ["customer"]
    assert charge_in["additionalProperties"] is False
    assert "default" not in charge_in["properties"]["quantity"]
    assert [kind["type"] for kind in charge_in["properties"]["quantity"]["anyOf"]] == ["string", "number"]
    answered = document["components"]["schemas"]["ChargeOut"]
    assert answered["properties"]["amount"]["type"] == "string"
    batch = document["components"]["schemas"]["ChargeBatch"]["properties"]["charges"]
    assert (batch["minItems"], batch["maxItems"], batch["items"]) == (
        1,
        10_000,
        {"$ref": "#/components/schemas/ChargeIn"},
    )


def test_it_needs_a_token(script: Script) -> None:
    assert script.client.get("/api/v1/openapi.json").status_code == 401

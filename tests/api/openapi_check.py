"""Check that the OpenAPI document describes a response: status, media type, headers and content."""

import json
from functools import cache
from typing import Any

import jsonschema_rs
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.test import TestResponse

from billing_admin.api.frame.openapi import document
from billing_admin.api.frame.routing import BASE, ROUTES, Route
from billing_admin.config import VERSION

TOLD_APART = {"ETag", "Link", "Idempotent-Replayed", "Location", "Retry-After", "WWW-Authenticate"}


@cache
def whole() -> Any:
    """Return the document, as a script reads it."""
    return json.loads(json.dumps(document(VERSION)))


def operation(route: Route) -> Any:
    """Return the document's operation of a route."""
    return whole()["paths"][BASE + route.path][route.method.lower()]


def resolved(part: Any) -> Any:
    """Return a part of the document, or the part that it refers to."""
    if "$ref" not in part:
        return part
    kind, _, name = part["$ref"].removeprefix("#/components/").partition("/")
    return whole()["components"][kind][name]


def validate(schema: Any, content: Any) -> None:
    """Raise ValidationError if the content does not fit the schema."""
    _validator(json.dumps(schema)).validate(content)


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.Draft202012Validator(
        json.loads(schema) | {"components": whole()["components"]}, validate_formats=True
    )


def find(urls: Map, method: str, path: str) -> Route | None:
    """Return the route of a URL, or None."""
    try:
        endpoint, _ = urls.bind("localhost").match(BASE + path.partition("?")[0], method=method)
    except HTTPException:
        return None
    return next((route for route in ROUTES if f"api.{route.name}" == endpoint), None)


def check(route: Route, response: TestResponse) -> None:
    """Fail unless the document describes this response of this route."""
    description = f"{route.method} {route.path} → {response.status_code}"
    responses = operation(route)["responses"]
    assert str(response.status_code) in responses, description
    described = resolved(responses[str(response.status_code)])
    assert response.mimetype in {media.partition(";")[0] for media in described["content"]}, description
    if response.is_json:
        validate(described["content"][response.mimetype]["schema"], response.json)
    header_names = {name for name, _ in response.headers}
    assert header_names & TOLD_APART <= described["headers"].keys(), description
    for name, header in described["headers"].items():
        if name in header_names:
            validate(resolved(header)["schema"], _read(response.headers[name]))
        else:
            assert not resolved(header)["required"], f"{description} has no {name}"


def _read(header: str) -> str | int:
    return int(header) if header.isdigit() else header

"""The OpenAPI document, written from the routes themselves, so that it describes exactly those that exist.

Its examples are requests that were sent and answers that came: `tests/api/test_examples.py` records them in `examples.json`.
"""

import re
from collections.abc import Mapping
from functools import cache
from inspect import cleandoc
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from billing_admin.api.frame import routing
from billing_admin.api.frame.fields import Parameters
from billing_admin.api.frame.openapi_responses import (
    COMPONENTS,
    REFERENCE,
    error_responses,
    recorded_example,
    success_responses,
)
from billing_admin.api.frame.routing import PUBLIC, ROUTES, Route
from billing_admin.domain.access import SCOPES

JsonObject = dict[str, Any]
Schemas = Mapping[tuple[type[BaseModel], str], JsonObject]

_ABOUT: Final = """\
Money, prices and quantities are strings on the way out; on the way in text or a JSON number, read as it is written.

Lists are paged: pass `next` as `after` until `has_more` is false, or follow the `Link` header. Creating twice is safe: the same
`id` with the same fields answers 200 with `Idempotent-Replayed: true` and the original, with other fields 409. Unknown fields,
repeated keys and wrong types are refused, each named by a JSON pointer.
"""
_TAGS: Final[Mapping[str, str]] = {
    "charges": "What customers are charged for",
    "recurring-charges": "What they are charged each month, quarter or year",
    "customers": "Who is billed, and what they owe",
    "services": "The catalogue and its prices",
    "tax-rates": "What services may be taxed at",
    "billing-runs": "From charges to invoices",
    "invoices": "Drafts, invoices and credit notes",
    "invoice-lines": "Their lines",
    "payments": "Money that came in",
    "allocations": "Which invoices it went to",
    "journal": "The accounting journal",
    "audit-events": "Who did what",
    "number-series": "The numbers given out",
    "period-lock": "How far the books are closed",
    "openapi": "This document",
    "health": "For whoever watches the service",
}
_NAMES: Final[Mapping[str, str]] = {
    "id": "Its id.",
    "allocation": "The allocation's id.",
    "ref": "The customer's id or reference; slashes in it stand as they are.",
    "code": "The service's id or code; slashes in it stand as they are.",
    "number": "The invoice's id or number.",
}
_IF_MATCH: Final[JsonObject] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": '^(W/)?"[0-9]+"$'},
    "description": "The ETag of what was read",
    "example": '"1"',
}


@cache
def document(version: str) -> JsonObject:
    """The whole document, as plain JSON objects."""
    schemas, shared = _schemas()
    paths: JsonObject = {}
    for route in ROUTES:
        paths.setdefault(routing.BASE + route.path, {})[route.method.lower()] = _operation(route, schemas)
    components = COMPONENTS | {"schemas": shared | COMPONENTS["schemas"]}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": _scopes()}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "billing-admin", "version": version, "description": _ABOUT},
        "tags": [{"name": name, "description": what} for name, what in _TAGS.items()],
        "paths": paths,
        "components": components,
    }


def _scopes() -> str:
    return "An API token. Scopes: " + "; ".join(f"`{scope}`: {what}" for scope, what in SCOPES.items()) + "."


def _schemas() -> tuple[Schemas, JsonObject]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for route in ROUTES:
        if route.body is not None:
            wanted.append((route.body, "validation"))
        wanted += [(model, "serialization") for model in (route.response, route.or_json) if isinstance(model, type)]
    found, shared = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REFERENCE)
    return {(model, mode): dict(found[model, mode]) for model, mode in wanted}, shared.get("$defs", {})


def _operation(route: Route, schemas: Schemas) -> JsonObject:
    summary, _, more = cleandoc(route.view.__doc__ or "").partition("\n")
    needs = "Needs no token." if route.scope == PUBLIC else f"Needs the scope `{route.scope}`."
    shown = recorded_example(route)
    operation: JsonObject = {
        "operationId": route.name,
        "summary": summary,
        "description": f"{more.strip()}\n\n{needs}".strip(),
        "tags": [route.path.split("/")[1].partition(".")[0]],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query), *_header_parameters(route)],
        "responses": success_responses(route, schemas) | error_responses(route),
        "security": [] if route.scope == PUBLIC else [{"token": [route.scope]}],
    }
    for parameter in operation[
        "parameters"
    ]:  # a filter has none: whoever tries a list would narrow it without noticing
        if parameter["in"] == "path" and parameter["name"] in shown.parameters:
            parameter["example"] = shown.parameters[parameter["name"]]
    if route.body is not None:
        content = {"schema": schemas[route.body, "validation"], "example": shown.body}
        operation["requestBody"] = {"required": not route.body_optional, "content": {routing.MEDIA_TYPE: content}}
    return operation


def _path_parameters(route: Route) -> list[JsonObject]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"} | ({"format": "uuid"} if name in {"id", "allocation"} else {"minLength": 1}),
            "description": _NAMES[name],
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(model: type[Parameters]) -> list[JsonObject]:
    schema = model.model_json_schema(ref_template=REFERENCE)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
        for name, part in schema.get("properties", {}).items()
    ]


def _without_null(schema: JsonObject) -> JsonObject:
    """A parameter is left out, never null."""
    kept = {name: value for name, value in schema.items() if name != "title" and (name, value) != ("default", None)}
    choices = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
    return kept | choices[0] if len(choices) == 1 else kept | ({"anyOf": choices} if choices else {})


def _header_parameters(route: Route) -> list[JsonObject]:
    return [dict(_IF_MATCH)] if route.method == "PATCH" else []

"""The OpenAPI document, written from the routes themselves, so that it describes exactly those that exist."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from billing_admin.api import problems, routing
from billing_admin.api.fields import Parameters
from billing_admin.api.routing import PUBLIC, ROUTES, Route
from billing_admin.domain.access import SCOPES

JsonObject = dict[str, Any]

_REFERENCE = "#/components/schemas/{model}"
_ERRORS: Final[Mapping[int, str]] = {
    400: "Not JSON",
    401: "No token, or one unknown, expired or revoked",
    403: "The token lacks the scope",
    404: "There is no such thing",
    409: "It contradicts what is stored",
    412: "Somebody else changed it meanwhile",
    413: "The body is too large",
    415: "Not JSON content",
    422: "Understood, but wrong",
    428: "Send If-Match",
    503: "The database is away: try again later",
}
_PROBLEM: Final[JsonObject] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The request id, as in the header X-Request-Id"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "differs": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "differs": {"type": "array", "items": {"type": "string"}},
    },
}


@cache
def document(version: str) -> JsonObject:
    """The whole document, as plain JSON objects."""
    schemas, shared = _schemas()
    paths: JsonObject = {}
    for route in ROUTES:
        paths.setdefault(routing.BASE + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "billing-admin",
            "version": version,
            "description": "Money, prices and quantities are strings; lists are paged by cursor; creating twice is safe.",
        },
        "paths": paths,
        "components": {
            "schemas": shared | {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _scopes()}},
        },
    }


def _scopes() -> str:
    return "An API token. Scopes: " + "; ".join(f"`{scope}`: {what}" for scope, what in SCOPES.items()) + "."


def _schemas() -> tuple[dict[tuple[type[BaseModel], str], JsonObject], JsonObject]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for route in ROUTES:
        if route.body is not None:
            wanted.append((route.body, "validation"))
        if not isinstance(route.answer, str):
            wanted.append((route.answer, "serialization"))
    found, shared = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_REFERENCE)
    return {(model, mode): dict(found[model, mode]) for model, mode in wanted}, shared.get("$defs", {})


def _operation(route: Route, schemas: Mapping[tuple[type[BaseModel], str], JsonObject]) -> JsonObject:
    operation: JsonObject = {
        "operationId": route.name,
        "summary": (route.view.__doc__ or route.name).strip().splitlines()[0],
        "tags": [route.path.split("/")[1].partition(".")[0]],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query), *_header_parameters(route)],
        "responses": _answers(route, schemas) | _refusals(route),
        "security": [] if route.scope == PUBLIC else [{"token": [route.scope]}],
    }
    if route.body is not None:
        content = {routing.MEDIA_TYPE: {"schema": schemas[route.body, "validation"]}}
        operation["requestBody"] = {"required": not route.body_optional, "content": content}
    return operation


def _path_parameters(route: Route) -> list[JsonObject]:
    names = re.findall(r"{(\w+)}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(model: type[Parameters]) -> list[JsonObject]:
    schema = model.model_json_schema(ref_template=_REFERENCE)
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
    if route.method != "PATCH":
        return []
    description = "The ETag of what was read"
    return [
        {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
            "description": description,
        }
    ]


def _answers(route: Route, schemas: Mapping[tuple[type[BaseModel], str], JsonObject]) -> JsonObject:
    media, schema = routing.MEDIA_TYPE, {"type": "string"}
    if isinstance(route.answer, str):
        media = route.answer
    else:
        schema = schemas[route.answer, "serialization"]
    words = {200: "Done", 201: "Created", 202: "Begun"}
    return {
        str(status): {"description": words[status], "content": {media: {"schema": schema}}} for status in route.statuses
    }


def _refusals(route: Route) -> JsonObject:
    statuses = {503}
    if route.scope != PUBLIC:
        statuses |= {401, 403, 422}
    if route.body is not None:
        statuses |= {400, 409, 413, 415}
    if "{" in route.path or {"customer", "service", "invoice"} & route.query.model_fields.keys():
        statuses.add(404)
    if route.method == "PATCH":
        statuses |= {412, 428}
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    return {str(status): {"description": _ERRORS[status], "content": content} for status in sorted(statuses)}

"""The responses in the OpenAPI document, of success and of errors.

A success has its content, headers and an example; an error has its problems.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pydantic import BaseModel

from billing_admin.api.frame import problems, routing
from billing_admin.api.frame.fields import Listing
from billing_admin.api.frame.routing import PUBLIC, Route

JsonObject = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"
_EXAMPLES: Final = "examples.json"
_SUCCESS: Final[Mapping[int, str]] = {200: "OK", 201: "Created", 202: "Accepted"}
_ERRORS: Final[Mapping[int, str]] = {
    400: "The body is not JSON",
    401: "The token is missing, unknown, expired or revoked",
    403: "The token lacks the scope",
    404: "The object does not exist",
    409: "The request conflicts with stored data",
    412: "The object has changed since it was read",
    413: "The body is too large",
    415: "The content type is not JSON",
    422: "A value is not valid",
    428: "The header If-Match is missing",
    429: "The token, or the address without a token, has exceeded its rate limit",
    503: "The database is unavailable",
}
_PROBLEM: Final[JsonObject] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The error and how to fix it, for people"},
        "instance": {"type": "string", "description": "The request ID, as in the header X-Request-Id"},
        "code": {"type": "string", "description": "A stable code, for programs"},
        "errors": {
            "type": "array",
            "description": "The fields that are not valid, up to 1,000",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "format": "json-pointer",
                        "description": "The location in the body, or the name of a query parameter after a slash",
                    },
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "differs": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "differs": {
            "type": "array",
            "items": {"type": "string"},
            "description": "With the code `id_conflict`: the fields that differ from the stored object",
        },
    },
}


def _header(description: str, required: bool = False, **schema: object) -> JsonObject:
    return {"description": description, "required": required, "schema": {"type": "string"} | schema}


_HEADERS: Final[JsonObject] = {
    "X-Request-Id": _header("The ID of this request in the log and the audit log.", required=True, format="uuid"),
    "ETag": _header(
        "The version of the object. Send it as If-Match with a change.", pattern='^"[0-9]+"$', required=True
    ),
    "Link": _header('The URL of the next page: `<…>; rel="next"`. The last page has no such header.'),
    "Idempotent-Replayed": _header(
        "`true` for a repeated request: it returned the original and changed nothing.", enum=["true"]
    ),
    "Location": _header("The URL that shows the progress.", required=True),
    "WWW-Authenticate": _header("`Bearer`", enum=["Bearer"], required=True),
    "Retry-After": _header("The number of seconds after which to try again.", type="integer", minimum=1, required=True),
    "Content-Disposition": _header("The name of the file."),
}
_ERROR_HEADERS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


@dataclass(frozen=True, slots=True)
class Example:
    """A recorded request, and the content of its responses by status."""

    # The names are keys of examples.json.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    answers: Mapping[str, Any] = field(default_factory=dict)


@cache
def _recorded() -> JsonObject:
    content: JsonObject = json.loads(files(__package__).joinpath(_EXAMPLES).read_text("utf-8"))
    return content


def recorded_example(route: Route) -> Example:
    """Return the recorded example of a route, empty if there is no recording yet."""
    return Example(**_recorded()["routes"].get(route.name, {}))


def success_responses(route: Route, schemas: Mapping[tuple[type[BaseModel], str], JsonObject]) -> JsonObject:
    """Return the responses of success, by status."""
    return {
        str(status): {
            "description": _SUCCESS[status],
            "headers": _references(_headers(route, status)),
            "content": _content(route, status, schemas),
        }
        for status in route.statuses
    }


def _content(
    route: Route, status: int, schemas: Mapping[tuple[type[BaseModel], str], JsonObject]
) -> Mapping[str, JsonObject]:
    recorded = recorded_example(route).answers
    example = {"example": recorded[str(status)]} if str(status) in recorded else {}
    if not isinstance(route.response, str):
        return {routing.MEDIA_TYPE: {"schema": schemas[route.response, "serialization"]} | example}
    schema = {"type": "object" if route.response == routing.MEDIA_TYPE else "string"}
    content: dict[str, JsonObject] = {route.response: {"schema": schema} | example}
    if route.or_json is not None:
        content[routing.MEDIA_TYPE] = {"schema": schemas[route.or_json, "serialization"]}
    if route.or_file:
        content[route.or_file] = {"schema": {"type": "string"}}
    return content


def _headers(route: Route, status: int) -> list[str]:
    names = ["X-Request-Id"]
    if route.versioned:
        names.append("ETag")
    if isinstance(route.response, type) and issubclass(route.response, Listing):
        names.append("Link")
    if status != 201 and 201 in route.statuses:
        names.append("Idempotent-Replayed")
    if status == 202:
        names.append("Location")
    if isinstance(route.response, str) and route.response != routing.MEDIA_TYPE:
        names.append("Content-Disposition")
    return names


def _references(headers: list[str]) -> JsonObject:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


def error_responses(route: Route) -> JsonObject:
    """Return the error responses of a route, by status."""
    statuses = {422, 429, 503}
    if route.scope != PUBLIC:
        statuses |= {401, 403}
    if route.body is not None:
        statuses |= {400, 409, 413, 415}
    if "{" in route.path or {"customer", "service", "invoice"} & route.query.model_fields.keys():
        statuses.add(404)
    if route.method == "PATCH":
        statuses |= {412, 428}
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _error_response(status: int) -> JsonObject:
    recorded = _recorded()["problems"].get(str(status))
    content = {"schema": {"$ref": REFERENCE.format(model="Problem")}} | ({"example": recorded} if recorded else {})
    return {
        "description": _ERRORS[status],
        "headers": _references(["X-Request-Id", *_ERROR_HEADERS.get(status, ())]),
        "content": {problems.MEDIA_TYPE: content},
    }


COMPONENTS: Final[JsonObject] = {
    "schemas": {"Problem": _PROBLEM},
    "headers": _HEADERS,
    "responses": {str(status): _error_response(status) for status in _ERRORS},
}

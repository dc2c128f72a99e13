"""What the OpenAPI document says of answers: their content, headers and examples, and everything that may be refused."""

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
_SUCCESS: Final[Mapping[int, str]] = {200: "Done", 201: "Created", 202: "Begun"}
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
    429: "Too many calls of this token, or of this address without one: wait",
    503: "The database is away: try again later",
}
_PROBLEM: Final[JsonObject] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people"},
        "instance": {"type": "string", "description": "The request id, as in the header X-Request-Id"},
        "code": {"type": "string", "description": "Stable: for programs"},
        "errors": {
            "type": "array",
            "description": "What is wrong where: up to 1,000 places",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "format": "json-pointer",
                        "description": "The place in the body, or the name of a parameter behind a slash",
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
            "description": "With the code `id_conflict`: the fields in which the repeat differs from what is stored",
        },
    },
}


def _header(description: str, required: bool = False, **schema: object) -> JsonObject:
    return {"description": description, "required": required, "schema": {"type": "string"} | schema}


_HEADERS: Final[JsonObject] = {
    "X-Request-Id": _header("Names this request in the log and in the audit trail.", required=True, format="uuid"),
    "ETag": _header(
        "The version that is shown: send it as If-Match to change it.", pattern='^"[0-9]+"$', required=True
    ),
    "Link": _header('The next page: `<…>; rel="next"`. Absent on the last.'),
    "Idempotent-Replayed": _header("`true` when this was asked before: nothing was done again.", enum=["true"]),
    "Location": _header("Where to ask how far it is.", required=True),
    "WWW-Authenticate": _header("`Bearer`", enum=["Bearer"], required=True),
    "Retry-After": _header("After how many seconds to try again.", type="integer", minimum=1, required=True),
    "Content-Disposition": _header("The file's name."),
}
_HEADERS_OF_ERRORS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


@dataclass(frozen=True, slots=True)
class Example:
    """A request that was sent, and the answers that came, by status."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    answers: Mapping[str, Any] = field(default_factory=dict)


@cache
def _recorded() -> JsonObject:
    content: JsonObject = json.loads(files(__package__).joinpath(_EXAMPLES).read_text("utf-8"))
    return content


def recorded_example(route: Route) -> Example:
    """What was recorded of a route; nothing, for one that is newer than the recording."""
    return Example(**_recorded()["routes"].get(route.name, {}))


def success_responses(route: Route, schemas: Mapping[tuple[type[BaseModel], str], JsonObject]) -> JsonObject:
    """How a route answers when all is well."""
    return {
        str(status): {
            "description": _SUCCESS[status],
            "headers": _named(_headers(route, status)),
            "content": _content(route, status, schemas),
        }
        for status in route.statuses
    }


def _content(
    route: Route, status: int, schemas: Mapping[tuple[type[BaseModel], str], JsonObject]
) -> Mapping[str, JsonObject]:
    shown = recorded_example(route).answers
    example = {"example": shown[str(status)]} if str(status) in shown else {}
    if not isinstance(route.response, str):
        return {routing.MEDIA_TYPE: {"schema": schemas[route.response, "serialization"]} | example}
    schema = {"type": "object" if route.response == routing.MEDIA_TYPE else "string"}
    content: dict[str, JsonObject] = {route.response: {"schema": schema} | example}
    if route.or_json is not None:
        content[routing.MEDIA_TYPE] = {"schema": schemas[route.or_json, "serialization"]}
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


def _named(headers: list[str]) -> JsonObject:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


def error_responses(route: Route) -> JsonObject:
    """What a route may refuse, and how."""
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


def _refusal(status: int) -> JsonObject:
    recorded = _recorded()["problems"].get(str(status))
    content = {"schema": {"$ref": REFERENCE.format(model="Problem")}} | ({"example": recorded} if recorded else {})
    return {
        "description": _ERRORS[status],
        "headers": _named(["X-Request-Id", *_HEADERS_OF_ERRORS.get(status, ())]),
        "content": {problems.MEDIA_TYPE: content},
    }


COMPONENTS: Final[JsonObject] = {
    "schemas": {"Problem": _PROBLEM},
    "headers": _HEADERS,
    "responses": {str(status): _refusal(status) for status in _ERRORS},
}

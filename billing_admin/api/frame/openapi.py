"""The OpenAPI document, generated from the registered routes.

Its examples are recorded requests and responses: `RECORD=1` makes `tests/api/test_examples.py` write them to `examples.json`.
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
Responses contain money, prices and quantities as strings. Requests may contain them as strings or JSON numbers; both are exact.

Lists are paged: pass `next` as `after` until `has_more` is false, or follow the `Link` header.

You can safely repeat a request that creates an object. The same `id` with the same fields returns the original with status 200
and `Idempotent-Replayed: true`; the same `id` with other fields is refused with status 409.

Unknown fields, repeated keys and wrong types are refused. The error names each of them with a JSON pointer.
"""
_TAGS: Final[Mapping[str, str]] = {
    "charges": "Amounts that customers owe",
    "recurring-charges": "Charges that are posted for each period, such as a month",
    "customers": "Customers, their balances and statements",
    "customer-fields": "Fields of customers that the organisation defines: the keys of `metadata`",
    "contacts": "The people and mailboxes of customers that get documents",
    "services": "The catalogue: services and their prices",
    "tax-rates": "Tax rates for services",
    "organisation": "The settings of the organisation, and its logo",
    "bank-accounts": "Accounts of the organisation that documents show",
    "message-texts": "Subjects and texts of the e-mails to customers",
    "exchange-rates": "Rates by which documents state their tax in the base currency",
    "billing-runs": "Turn pending charges into invoices",
    "invoices": "Drafts, invoices and credit notes",
    "invoice-lines": "Lines of invoices and credit notes",
    "payments": "Money received from customers",
    "refunds": "Credit that was paid back to customers",
    "allocations": "Amounts of payments that are assigned to invoices",
    "opening-balances": "Open documents and credits of an earlier system",
    "open-items": "Invoices with an open amount on a day",
    "messages": "E-mails to customers with documents, reminders and statements",
    "sending-runs": "Send many documents, or mark them as sent",
    "outbox": "Send waiting messages now, for example after a correction of the mail server's settings",
    "reminder-settings": "The levels of reminders, and the daily switch",
    "reminder-pauses": "Customers and invoices whose reminders are paused",
    "reminder-runs": "Remind customers of overdue invoices",
    "journal": "Double-entry bookings of a period",
    "approvals": "Acts above the limit of a role, which wait for another person",
    "audit-events": "The audit log",
    "number-series": "The numbers of invoices and credit notes",
    "period-lock": "The day through which the books are locked",
    "openapi": "This document",
    "health": "The state of the service, for monitoring",
}
_PATH_PARAMETERS: Final[Mapping[str, str]] = {
    "id": "The ID of the object.",
    "allocation": "The ID of the allocation.",
    "ref": "The customer's ID or reference, which may contain slashes.",
    "code": "The service's ID or code, which may contain slashes.",
    "number": "The invoice's ID or number.",
    "sha256": "The SHA-256 of the logo.",
    "currency": "The ISO 4217 code of a currency.",
    "key": "The key of the text, such as `invoice` or `reminder-1`.",
    "language": "The code of the language, such as `de`.",
}
_IF_MATCH: Final[JsonObject] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": '^(W/)?"[0-9]+"$'},
    "description": "The ETag of the version that you change.",
    "example": '"1"',
}


@cache
def document(version: str) -> JsonObject:
    """Return the document as plain JSON objects."""
    schemas, shared = _schemas()
    paths: JsonObject = {}
    for route in ROUTES:
        paths.setdefault(routing.BASE + route.path, {})[route.method.lower()] = _operation(route, schemas)
    components = COMPONENTS | {"schemas": shared | COMPONENTS["schemas"]}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": _scopes()}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "billing-admin", "version": version, "description": _ABOUT},
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": paths,
        "components": components,
    }


def _scopes() -> str:
    return "An API token. Scopes: " + "; ".join(f"`{scope}`: {label}" for scope, label in SCOPES.items()) + "."


def _schemas() -> tuple[Schemas, JsonObject]:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for route in ROUTES:
        if route.body is not None:
            models.append((route.body, "validation"))
        models += [(model, "serialization") for model in (route.response, route.or_json) if isinstance(model, type)]
    schemas, shared = models_json_schema(list(dict.fromkeys(models)), ref_template=REFERENCE)
    return {(model, mode): dict(schemas[model, mode]) for model, mode in models}, shared.get("$defs", {})


def _operation(route: Route, schemas: Schemas) -> JsonObject:
    summary, _, details = cleandoc(route.view.__doc__ or "").partition("\n")
    authorisation = "Needs no token." if route.scope == PUBLIC else f"Needs the scope `{route.scope}`."
    example = recorded_example(route)
    operation: JsonObject = {
        "operationId": route.name,
        "summary": summary,
        "description": f"{details.strip()}\n\n{authorisation}".strip(),
        "tags": [route.path.split("/")[1].partition(".")[0]],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query), *_header_parameters(route)],
        "responses": success_responses(route, schemas) | error_responses(route),
        "security": [] if route.scope == PUBLIC else [{"token": [route.scope]}],
    }
    # Filters have no examples: a form with their values would narrow the list.
    for parameter in operation["parameters"]:
        if parameter["in"] != "header" and parameter["required"] and parameter["name"] in example.parameters:
            parameter["example"] = example.parameters[parameter["name"]]
    if route.body is not None:
        content = {"schema": schemas[route.body, "validation"], "example": example.body}
        operation["requestBody"] = {"required": not route.body_optional, "content": {routing.MEDIA_TYPE: content}}
    return operation


def _path_parameters(route: Route) -> list[JsonObject]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"} | ({"format": "uuid"} if name in {"id", "allocation"} else {"minLength": 1}),
            "description": _PATH_PARAMETERS[name],
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(model: type[Parameters]) -> list[JsonObject]:
    schema = model.model_json_schema(ref_template=REFERENCE)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(property)}
        for name, property in schema.get("properties", {}).items()
    ]


def _without_null(schema: JsonObject) -> JsonObject:
    """Return a parameter's schema without null: a parameter is omitted, never null."""
    schema = {name: value for name, value in schema.items() if name != "title" and (name, value) != ("default", None)}
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    return schema | choices[0] if len(choices) == 1 else schema | ({"anyOf": choices} if choices else {})


def _header_parameters(route: Route) -> list[JsonObject]:
    return [dict(_IF_MATCH)] if route.method == "PATCH" else []

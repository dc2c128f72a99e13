"""A script with a token, a customer and a service to charge for."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from billing_admin.clock import now
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.domain.master_data import ServiceFields
from billing_admin.operations.access import tokens
from billing_admin.operations.master_data import customers, services
from tests.api.openapi_check import check, find
from tests.making import make_tax_rate
from tests.prepared import prepared

if TYPE_CHECKING:
    from tests.api.example_requests import Recorder

BASE = "/api/v1"


class Script:
    """A caller of the API with one token. It sends JSON."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.token = token

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> TestResponse:
        return self.call("POST", path, body, **options)

    def patch(self, path: str, body: object = None, **options: Any) -> TestResponse:
        return self.call("PATCH", path, body, **options)

    def call(self, method: str, path: str, body: object = None, **options: Any) -> TestResponse:
        """`body` is JSON already when it is bytes or text. The OpenAPI document must describe the response."""
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        if body is not None:
            options["data"] = body if isinstance(body, bytes | str) else json.dumps(body)
            options.setdefault("content_type", "application/json")
        response = self.client.open(BASE + path, method=method, headers=headers, **options)
        route = find(self.client.application.url_map, method, path)
        if route is not None:
            check(route, response)
        return response


MakeToken = Callable[..., str]


@pytest.fixture
def make_token(app: Flask) -> MakeToken:
    """Make a token with these scopes, or all; `age` days old."""

    def make(scopes: Sequence[str] = tuple(SCOPES), age: int = 0) -> str:
        with app.app_context():
            created_at = now() - timedelta(days=age)
            return transaction(tokens.create, "tests", scopes, 365, actor=SYSTEM, now=created_at)[1]

    return make


@pytest.fixture
@prepared
def script(client: FlaskClient, make_token: MakeToken) -> Script:
    """A script with all scopes, on a database with ACME and a service."""
    with client.application.app_context():
        transaction(customers.create, {"reference": "ACME", "name": "ACME Inc", "currency": "EUR"}, None, SYSTEM, now())
        hosting: ServiceFields = {"code": "hosting", "name": "Database hosting", "prices": {"EUR": Decimal("0.05")}}
        transaction(services.create, hosting, None, SYSTEM, now())
    return Script(client, make_token())


@pytest.fixture
@prepared
def recording(app: Flask, client: FlaskClient, make_token: MakeToken, monkeypatch: pytest.MonkeyPatch) -> "Recorder":
    """The recorded example requests, sent at a fixed time; a token without a scope adds the 403."""
    from tests.api.example_requests import Recorder, record_examples  # noqa: PLC0415 - it imports this module

    with time_machine.travel("2026-11-22T10:00:00Z", tick=False):
        with app.app_context():
            make_tax_rate("standard")
        recorder = record_examples(Script(client, make_token()), monkeypatch)
        weak = Recorder(Script(client, make_token([scope for scope in SCOPES if scope != "charges:write"])))
        weak.post("/charges", {}, 403)
        recorder.problems |= weak.problems
        return recorder


def pointers(response: TestResponse) -> list[str]:
    """Return the locations of a problem's errors."""
    assert response.content_type == "application/problem+json"
    assert response.json
    return [error["pointer"] for error in response.json["errors"]]


def code(response: TestResponse) -> str:
    """Return the code of a problem."""
    assert response.json
    return str(response.json["code"])

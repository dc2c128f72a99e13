"""Every error below /api/ is answered with a problem document."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError, TimeoutError as PoolTimeout
from werkzeug.test import TestResponse

from billing_admin.api.routes import health


def _check(response: TestResponse, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    content: Any = response.json
    assert (content["status"], content["code"]) == (status, code)
    assert content["instance"] == response.headers["X-Request-Id"]
    assert {"type", "title", "detail", "errors"} <= content.keys()
    assert "Traceback" not in response.text


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/charges", "/api/v1/charges/"])
def test_no_such_address(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    if path != "/api":
        _check(response, 404, "not_found")


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_no_such_method(client: FlaskClient, method: str) -> None:
    response = client.open("/api/v1/charges", method=method)
    _check(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("error", [OperationalError("SELECT 1", {}, Exception("gone")), PoolTimeout("full")])
def test_the_database_is_away(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    _raise(monkeypatch, error)
    response = client.get("/api/v1/health")
    _check(response, 503, "database_away")
    assert int(response.headers["Retry-After"]) > 0
    assert "SELECT" not in response.text


def test_health_needs_no_token(client: FlaskClient) -> None:
    response = client.get("/api/v1/health")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_our_own_fault(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise(monkeypatch, RuntimeError("secret"))
    response = client.get("/api/v1/health")
    _check(response, 500, "unexpected")
    assert "secret" not in response.text


def _raise(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_session: object) -> None:
        raise error

    monkeypatch.setattr(health, "organisation", fail)

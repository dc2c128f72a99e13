"""People for tests: somebody with a role, and their browser."""

import secrets
from http import HTTPStatus
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.access import users

PASSWORD = "violet-anchor-meadow-37"
PRODUCTION_HASHER = users._HASHER


def hash_cheaply() -> None:
    """Hash passwords in a thousandth of the time for the rest of the run; tests of hashing put PRODUCTION_HASHER back."""
    setattr(users, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))  # noqa: B010 - a Final name


def person(app: Flask, role: str = "admin", email: str | None = None) -> str:
    """Make a person, whose password is PASSWORD, and return their e-mail address."""
    email = email or f"{role}@example.com"
    with app.app_context():
        transaction(users.create_user, email, PASSWORD, role, SYSTEM, clock.now())
    return email


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, **fields: str) -> TestResponse:
    """Fill in the sign-in page."""
    return send(client, "/sign-in", email=email, password=password, **fields)


def signed_in(app: Flask, role: str = "admin", email: str | None = None) -> FlaskClient:
    """The browser of somebody with that role."""
    client = app.test_client()
    response = sign_in(client, person(app, role, email))
    assert response.status_code == HTTPStatus.SEE_OTHER, response.text
    return client


def send(client: FlaskClient, url: str, /, method: str = "POST", **fields: Any) -> TestResponse:
    """Send a form with this browser's CSRF token."""
    return client.open(url, method=method, data={**fields, "csrf_token": csrf_token(client)})


def csrf_token(client: FlaskClient) -> str:
    """The token that a page would hold for this browser."""
    with client.session_transaction() as kept:
        value = kept.setdefault("csrf_token", secrets.token_hex())
    secret = client.application.secret_key
    assert isinstance(secret, str)
    return str(URLSafeTimedSerializer(secret, salt="wtf-csrf-token").dumps(value))

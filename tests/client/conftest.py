"""The Python client, and servers for it: the product in this process, the product behind gunicorn, and a stand-in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLContext

import pytest
from billing_client import Client
from flask import Flask
from werkzeug.serving import make_server

from tests.browser.server import serving
from tests.client.standin import StandIn
from tests.making import make_customer, make_service
from tests.people import person
from tests.prepared import prepared


@contextmanager
def in_this_process(app: Flask, context: SSLContext | None = None) -> Iterator[str]:
    """Yield the address of the product on a free port, served by threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    vars(server)["daemon_threads"] = True  # each open connection occupies a thread
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_token(app: Flask, *scopes: str) -> str:
    """Make a token with these scopes, by default all."""
    from billing_admin import clock  # noqa: PLC0415 - the product is imported after pytest-cov starts
    from billing_admin.db.transactions import transaction  # noqa: PLC0415
    from billing_admin.domain.access import SCOPES, SYSTEM  # noqa: PLC0415
    from billing_admin.operations.access import tokens  # noqa: PLC0415

    with app.app_context():
        granted = scopes or tuple(SCOPES)
        return transaction(tokens.create, "client", granted, 365, actor=SYSTEM, now=clock.now())[1]


@pytest.fixture
@prepared
def token(app: Flask) -> str:
    """A token with every scope, on a database with ACME and a service at 0.05 EUR."""
    person(app)
    with app.app_context():
        make_customer(reference="ACME", name="ACME Inc", currency="EUR")
        make_service(code="hosting", name="Database hosting", prices={"EUR": "0.05"})  # type: ignore[dict-item]
    return make_token(app)


@pytest.fixture
def home(app: Flask, token: str) -> Iterator[str]:
    """The address of the product, in this process."""
    with in_this_process(app) as address:
        yield address


@pytest.fixture
def billing(home: str, token: str) -> Iterator[Client]:
    """A client of the product."""
    with Client(home, token, deadline=20) as client:
        yield client


@pytest.fixture
def gunicorn(app: Flask, token: str) -> Iterator[str]:
    """The address of the product behind gunicorn."""
    with serving(app.extensions["billing_settings"].database_url) as address:
        yield address


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A server with responses that the test sets."""
    with StandIn() as server:
        yield server

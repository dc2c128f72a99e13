"""Single charges and pages of 100, compared with a small Django REST service.

Skipped unless Django and djangorestframework are installed (docs/benchmarks.md).
"""

import http.client
import importlib.util
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from benchmarks.harness import Measured, Row, measure
from benchmarks.limits import database
from benchmarks.load import ROOT, Server, as_json, posts, serving
from benchmarks.places import SECRET, SERVICES, Place, another, fill_catalogue, token
from benchmarks.posting import CUSTOMERS, charge

CONNECTIONS = 8
TARGET = 2
PRICES = dict(SERVICES)
MAKE_TABLES = f"from benchmarks import django_app; django_app.make_tables({CUSTOMERS}, {PRICES})"
numbers = count(1)


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield a row for posts and one for pages.

    Both services use the same database in turn, and have stored about as many charges when their pages are read.
    """
    if not all(importlib.util.find_spec(package) for package in ("django", "rest_framework")):
        return
    rounds, charges, pages = (9, 2_000, 800) if full else (5, 400, 160)
    with another(place, "comparison") as bench:
        fill_catalogue(bench, CUSTOMERS)
        environment = {"COMPARISON_DATABASE": database(bench)}
        subprocess.run([sys.executable, "-c", MAKE_TABLES], cwd=ROOT, env=os.environ | environment, check=True)
        headers = {"Authorization": f"Bearer {token(bench)}"}
        settings = {"BILLING_DATABASE_URL": bench.address, "BILLING_SECRET_KEY": SECRET, "BILLING_ENV": "development"}
        with (
            serving("wsgi:app", settings, headers) as ours,
            serving("benchmarks.django_app:app", environment, {}) as django,
        ):
            yield _row(
                "one charge per POST, 8 connections",
                place,
                lambda: posts(ours, "/api/v1/charges", [as_json(charge(next(numbers))) for _ in range(charges)]),
                lambda: posts(django, "/charges/", [_body(next(numbers)) for _ in range(charges)]),
                rounds,
            )
            yield _row(
                "a page of 100 charges, 8 connections",
                place,
                lambda: _pages(ours, "/api/v1/charges?limit=100", pages),
                lambda: _pages(django, "/charges/", pages),
                rounds,
            )


def _row(work: str, place: Place, ours: Measured, django: Measured, rounds: int) -> Row:
    pair = measure(ours, django, rounds)
    return Row(
        work,
        place.kind,
        f"{pair.ours:,.0f}/s",
        f"Django REST {pair.limit:,.0f}/s",
        f"{pair.ratio:.2f}",
        f"≥ {TARGET} of Django REST",
        pair.ratio >= TARGET,
    )


def _body(n: int) -> bytes:
    """Return the n-th charge as Django's service reads it, which computes no price and no amount."""
    fields = charge(n)
    place = n % len(SERVICES)
    service = {"customer": n % CUSTOMERS + 1, "service": place + 1, "unit_price": SERVICES[place][1]}
    return as_json(fields | service | {"charge_id": str(uuid.uuid4()), "amount": fields["quantity"], "currency": "EUR"})


def _pages(server: Server, path: str, pages: int) -> float:
    """Read the same page over a number of connections; return the pages per second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(lambda _: _read(server, path, pages // CONNECTIONS), range(CONNECTIONS)))
    return pages / (time.perf_counter() - started)


def _read(server: Server, path: str, pages: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for _ in range(pages):
        connection.request("GET", path, headers=server.headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {content[:300]!r}")
    connection.close()

"""Posting: one charge per request, a thousand per request, and the same into a full table."""

from collections.abc import Iterator
from itertools import count

from benchmarks.harness import Row, at_least, measure
from benchmarks.limits import environment, fill_table, make_table
from benchmarks.load import Server, as_json, posts, serving
from benchmarks.places import SECRET, SERVICES, Place, another, fill_catalogue, fill_charges, token

CUSTOMERS = 500
numbers = count(1)


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield each row as soon as it is measured."""
    with another(place, "posting") as empty:
        fill_catalogue(empty, CUSTOMERS)
        make_table(empty)
        with Both(empty) as (ours, limit):
            yield _one(empty, ours, limit, full)
            yield _batches(empty, ours, limit, "charges in batches of 1,000", full)
        filled = 10_000_000 if full else 200_000
        first = 1_000_000_000
        fill_charges(empty, first, first + filled, CUSTOMERS)
        fill_table(empty, first, first + filled, CUSTOMERS)
        empty.analyze()
        with Both(empty) as (ours, limit):
            yield _batches(empty, ours, limit, f"the same into {filled:,}", full)


class Both:
    """Our server and the limit's; only one works at a time, so that it has the whole machine."""

    def __init__(self, place: Place) -> None:
        headers = {"Authorization": f"Bearer {token(place)}"}
        ours = {"BILLING_DATABASE_URL": place.address, "BILLING_SECRET_KEY": SECRET, "BILLING_ENV": "development"}
        self.ours = serving("wsgi:app", ours, headers)
        self.limit = serving("benchmarks.limit_app:app", environment(place), {})

    def __enter__(self) -> tuple[Server, Server]:
        return self.ours.__enter__(), self.limit.__enter__()

    def __exit__(self, *error: object) -> None:
        self.limit.__exit__(None, None, None)
        self.ours.__exit__(None, None, None)


def charge(n: int) -> dict[str, str]:
    """Return the n-th charge as a script sends it."""
    return {
        "customer": f"C{n % CUSTOMERS + 1:06d}",
        "service": SERVICES[n % len(SERVICES)][0],
        "quantity": f"{n % 97 + 1}.25",
        "incurred_on": f"2026-01-{n % 28 + 1:02d}",
        "description": f"Usage of {n}",
    }


def _one(place: Place, ours: Server, limit: Server, full: bool) -> Row:
    requests = 4_000 if full else 800

    def bodies() -> list[bytes]:
        return [as_json(charge(next(numbers))) for _ in range(requests)]

    pair = measure(
        lambda: posts(ours, "/api/v1/charges", bodies()), lambda: posts(limit, "/one", bodies()), 5 if full else 3
    )
    return at_least("one charge per POST, 8 connections", place.kind, pair, "charges/s", 0.5)


def _batches(place: Place, ours: Server, limit: Server, work: str, full: bool) -> Row:
    batches = 50 if full else 6

    def bodies() -> list[bytes]:
        return [as_json({"charges": [charge(next(numbers)) for _ in range(1000)]}) for _ in range(batches)]

    pair = measure(
        lambda: 1000 * posts(ours, "/api/v1/charges/batch", bodies(), connections=1),
        lambda: 1000 * posts(limit, "/batch", bodies(), connections=1),
        5 if full else 3,
    )
    return at_least(work, place.kind, pair, "charges/s", 0.35)

"""Reads: a page deep in a large table compared with a small one, and the totals of unbilled charges."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlencode

from sqlalchemy import text

from benchmarks.harness import Row, measure
from benchmarks.load import Server, serving
from benchmarks.places import SECRET, Place, another, fill_catalogue, fill_charges, token
from billing_admin.api.frame.fields import encode_cursor
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.queries.charges import unbilled
from billing_admin.queries.charges.charges import ChargeFilter, charges

CUSTOMERS = 1_000
SMALL = 10_000
PAGES = 40


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield a row for the list page and one for the totals."""
    many = 10_000_000 if full else 200_000
    with another(place, "small") as small, another(place, "large") as large:
        for database, size in ((small, SMALL), (large, many)):
            fill_catalogue(database, CUSTOMERS)
            fill_charges(database, 1, size, CUSTOMERS)
            database.analyze()
        with _served(large) as ours, _served(small) as limit:
            deep, shallow = _path(large, many // 10), _path(small, SMALL // 10)
            pair = measure(lambda: _per_second(ours, deep), lambda: _per_second(limit, shallow), 5)
        yield Row(
            f"a list page deep in {many:,} charges",
            place.kind,
            f"{1000 / pair.ours:.1f} ms",
            f"{1000 / pair.limit:.1f} ms",
            f"{1 / pair.ratio:.2f}",
            f"≤ 1.5 of the page at {SMALL:,}",
            pair.ratio >= 1 / 1.5,
        )
        with large.app.app_context():
            seconds = _median(lambda: unbilled.unbilled_totals(db.session()))
        yield Row(
            f"totals of {many:,} unbilled charges",
            place.kind,
            f"{seconds * 1000:.1f} ms",
            "",
            "",
            "< 300 ms",
            seconds < 0.3,
        )


def _served(place: Place) -> AbstractContextManager[Server]:
    environment = {"BILLING_DATABASE_URL": place.address, "BILLING_SECRET_KEY": SECRET}
    return serving("wsgi:app", environment, {"Authorization": f"Bearer {token(place)}"})


def _path(place: Place, remaining: int) -> str:
    """Return the URL of the page that is followed by about `remaining` charges."""
    with place.app.app_context():
        session = db.session()
        id = text(f"charges.id <= {place.id('0d00', str(remaining))}")
        place_after = page(session, charges(session, ChargeFilter()).where(id), 1).next
    assert place_after
    return "/api/v1/charges?" + urlencode({"limit": 50, "after": encode_cursor(place_after)})


def _per_second(server: Server, path: str) -> float:
    started = time.perf_counter()
    for _ in range(PAGES):
        server.get(path)
    return PAGES / (time.perf_counter() - started)


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)

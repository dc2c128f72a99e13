"""Reading: a list page deep in a full table against the same page of a small one, and the totals of what is unbilled."""

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
    """Two rows."""
    many = 10_000_000 if full else 200_000
    with another(place, "small") as small, another(place, "large") as large:
        for one, size in ((small, SMALL), (large, many)):
            fill_catalogue(one, CUSTOMERS)
            fill_charges(one, 1, size, CUSTOMERS)
            one.analyze()
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
            taken = _median(lambda: unbilled.unbilled_totals(db.session()))
        yield Row(
            f"totals of {many:,} unbilled charges",
            place.kind,
            f"{taken * 1000:.1f} ms",
            "",
            "",
            "< 300 ms",
            taken < 0.3,
        )


def _served(place: Place) -> AbstractContextManager[Server]:
    environment = {"BILLING_DATABASE_URL": place.address, "BILLING_SECRET_KEY": SECRET}
    return serving("wsgi:app", environment, {"Authorization": f"Bearer {token(place)}"})


def _path(place: Place, left: int) -> str:
    """The page that has about as many charges behind it as `left`."""
    with place.app.app_context():
        session = db.session()
        id = text(f"charges.id <= {place.id('0d00', str(left))}")
        place_of = page(session, charges(session, ChargeFilter()).where(id), 1).next
    assert place_of
    return "/api/v1/charges?" + urlencode({"limit": 50, "after": encode_cursor(place_of)})


def _per_second(server: Server, path: str) -> float:
    started = time.perf_counter()
    for _ in range(PAGES):
        server.get(path)
    return PAGES / (time.perf_counter() - started)


def _median(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(7):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)

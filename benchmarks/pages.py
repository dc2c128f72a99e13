"""HTML pages on the demo data: the time that the server takes for each."""

import statistics
import time
from collections.abc import Iterator

from flask.testing import FlaskClient

from benchmarks.harness import Row
from benchmarks.places import Place, another
from billing_admin import clock, demo
from billing_admin.database import transaction
from tests.people import signed_in

PATHS = ("/", "/customers", "/charges", "/invoices", "/services", "/unbilled", "/billing-runs")
LONGEST = 0.1


def rows(place: Place, full: bool) -> Iterator[Row]:
    """One row: the slowest of the pages, by the median of its times."""
    with another(place, "demo") as bench:
        with bench.app.app_context():
            transaction(demo.fill, clock.now())
        browser = signed_in(bench.app)
        times = {path: _median(browser, path, 15 if full else 7) for path in PATHS}
    slowest = max(times, key=lambda path: times[path])
    yield Row(
        f"HTML pages on demo data, the slowest ({slowest})",
        place.kind,
        f"{times[slowest] * 1000:.0f} ms",
        f"fastest {min(times.values()) * 1000:.0f} ms",
        "",
        "≤ 100 ms",
        times[slowest] <= LONGEST,
    )


def _median(browser: FlaskClient, path: str, rounds: int) -> float:
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        status = browser.get(path).status_code
        taken.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
    return statistics.median(taken[1:])

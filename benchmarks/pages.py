"""HTML pages and PDF on the demo data: the time that the server takes for each."""

import statistics
import time
from collections.abc import Iterator

from flask.testing import FlaskClient

from benchmarks.harness import Row
from benchmarks.places import Place, another
from billing_admin import clock, demo
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice, invoices
from tests.people import signed_in

PATHS = ("/", "/customers", "/charges", "/invoices", "/services", "/unbilled", "/billing-runs")
LONGEST, LONGEST_PAPER = 0.1, 0.025


def rows(place: Place, full: bool) -> Iterator[Row]:
    """The slowest of the pages, by the median of its times; and an invoice as PDF."""
    with another(place, "demo") as bench:
        with bench.app.app_context():
            transaction(demo.fill, clock.now())
        browser = signed_in(bench.app)
        times = {path: _median(browser, path, 15 if full else 7) for path in PATHS}
        papers = _papers(bench, 400 if full else 100)
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
    yield Row("an invoice as PDF", place.kind, f"{papers * 1000:.0f} ms", "", "", "≤ 25 ms", papers <= LONGEST_PAPER)


def _papers(bench: Place, count: int) -> float:
    """The median time of making one."""
    taken = []
    with bench.app.app_context():
        session = db.session()
        issued = InvoiceFilter(clock.now().date(), status="issued")
        for found in session.scalars(invoices(session, issued).limit(count)).all():
            started = time.perf_counter()
            render_pdf(invoice(session, str(found.id)), load_glyphs())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _median(browser: FlaskClient, path: str, rounds: int) -> float:
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        status = browser.get(path).status_code
        taken.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
    return statistics.median(taken[1:])

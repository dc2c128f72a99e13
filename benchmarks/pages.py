"""HTML pages and PDF with the demo data: the time that the server needs for each."""

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
MAX_PAGE_SECONDS, MAX_PDF_SECONDS = 0.1, 0.025


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield rows for the slowest page by its median time, and for a PDF."""
    with another(place, "demo") as bench:
        with bench.app.app_context():
            transaction(demo.fill, clock.now())
        browser = signed_in(bench.app)
        times = {path: _median(browser, path, 15 if full else 7) for path in PATHS}
        pdf_seconds = _pdf_seconds(bench, 400 if full else 100)
    slowest = max(times, key=lambda path: times[path])
    yield Row(
        f"HTML pages on demo data, the slowest ({slowest})",
        place.kind,
        f"{times[slowest] * 1000:.0f} ms",
        f"fastest {min(times.values()) * 1000:.0f} ms",
        "",
        "≤ 100 ms",
        times[slowest] <= MAX_PAGE_SECONDS,
    )
    yield Row(
        "an invoice as PDF",
        place.kind,
        f"{pdf_seconds * 1000:.0f} ms",
        "",
        "",
        "≤ 25 ms",
        pdf_seconds <= MAX_PDF_SECONDS,
    )


def _pdf_seconds(bench: Place, count: int) -> float:
    """Return the median time for a PDF, in seconds."""
    times = []
    with bench.app.app_context():
        session = db.session()
        issued = InvoiceFilter(clock.now().date(), status="issued")
        for row in session.scalars(invoices(session, issued).limit(count)).all():
            started = time.perf_counter()
            render_pdf(invoice(session, str(row.id)), load_glyphs())
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _median(browser: FlaskClient, path: str, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        status = browser.get(path).status_code
        times.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
    return statistics.median(times[1:])

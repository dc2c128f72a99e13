"""HTML pages and PDF with the demo data: the time that the server needs for each."""

import statistics
import time
from collections.abc import Iterator

from flask import Flask
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

NOT_PAGES = ("/api/", "/static/", "/healthz", "/readyz", "/metrics")
LONGEST_PAGES = 3  # that the table names
MAX_PAGE_SECONDS, MAX_PDF_SECONDS = 0.1, 0.025


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield rows for the slowest pages by their median times, and for a PDF.

    The pages are all that need no value in their path; files among them count as well.
    """
    with another(place, "demo") as bench:
        with bench.app.app_context():
            transaction(demo.fill, clock.now())
        browser = signed_in(bench.app)
        times = {path: _median(browser, path, 15 if full else 3) for path in _paths(bench.app, browser)}
        pdf_seconds = _pdf_seconds(bench, 400 if full else 100)
    median = statistics.median(times.values())
    for path in sorted(times, key=lambda path: -times[path])[:LONGEST_PAGES]:
        yield Row(
            f"one of the slowest of {len(times)} pages on demo data: {path}",
            place.kind,
            f"{times[path] * 1000:.0f} ms",
            f"median {median * 1000:.0f} ms",
            "",
            "≤ 100 ms",
            times[path] <= MAX_PAGE_SECONDS,
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


def _paths(app: Flask, browser: FlaskClient) -> list[str]:
    """Return the paths of all pages.

    Left out are those that lead elsewhere, or need a link from an e-mail.
    """
    rules = (rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments)
    paths = sorted(rule.rule for rule in rules if not rule.rule.startswith(NOT_PAGES))
    return [path for path in paths if browser.get(path).status_code == 200]


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
    for _ in range(rounds):
        started = time.perf_counter()
        status = browser.get(path).status_code
        times.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
    return statistics.median(times)

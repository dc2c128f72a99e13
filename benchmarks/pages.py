"""HTML pages with the demo data and with many charges, and PDF: the time that the server needs for each."""

import html
import re
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from time import perf_counter, process_time
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from benchmarks.harness import Row
from benchmarks.places import Place, another, fill_catalogue, fill_charges, pay_invoices
from billing_admin import clock, demo
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.days import month_of
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.operations.billing import runs
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice, invoices
from billing_admin.queries.master_data.organisation import today
from tests.people import signed_in

NOT_PAGES = ("/api/", "/static/", "/healthz", "/readyz", "/metrics")
NO_LINKS = ("/billing-runs/preview?through={through}",)  # pages that a form leads to
LINK = re.compile(r'href="(/[^"#]*)')
LONGEST_PAGES = 3  # that the table names
MAX_PDF_SECONDS = 0.025
MONTHS = 6


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield rows for the slowest pages by their median times, and for a PDF."""
    with another(place, "demo") as bench:
        with bench.app.app_context():
            transaction(demo.fill, clock.now())
        yield from page_rows(bench, "demo data", 0.1, 15 if full else 3)
        pdf_seconds = _pdf_seconds(bench, 400 if full else 100)
    yield Row(
        "an invoice as PDF",
        place.kind,
        f"{pdf_seconds * 1000:.0f} ms",
        "",
        "",
        "≤ 25 ms",
        pdf_seconds <= MAX_PDF_SECONDS,
    )
    charges, customers = (1_000_000, 10_000) if full else (60_000, 1_000)
    with another(place, "months") as bench:
        fill_months(bench, charges, customers)
        yield from page_rows(bench, f"{charges:,} charges", 0.2, 3)


def page_rows(place: Place, data: str, max_seconds: float, rounds: int) -> Iterator[Row]:
    """Yield rows for the pages that take too long, and for the slowest of the others up to LONGEST_PAGES."""
    browser = signed_in(place.app)
    medians = {path: _medians(browser, path, rounds) for path in page_paths(place.app, browser)}
    times = {path: seconds for path, (seconds, _) in medians.items()}
    for rank, path in enumerate(sorted(times, key=lambda path: -times[path])):
        if rank < LONGEST_PAGES or times[path] > max_seconds:
            yield Row(
                f"one of the slowest of {len(times)} pages on {data}: {path}",
                place.kind,
                f"{times[path] * 1000:,.0f} ms",
                f"{medians[path][1] * 1000:,.0f} ms of CPU",
                "",
                f"≤ {max_seconds * 1000:.0f} ms",
                times[path] <= max_seconds,
            )


def page_paths(app: Flask, browser: FlaskClient) -> list[str]:
    """Return a path of each HTML page.

    They are all that need no value in their path, and the first link of each kind on those pages and on the pages that they
    lead to. Left out are pages that lead elsewhere, or need a link from an e-mail.
    """
    rules = (rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments)
    with app.app_context():
        through = today(db.session(), clock.now())
    waiting = [path.format(through=through) for path in NO_LINKS] + sorted(rule.rule for rule in rules)
    answered: set[str] = set()  # endpoints
    paths = []
    for path in waiting:  # grows with the links
        endpoint = _endpoint(app, path)
        if endpoint is None or endpoint in answered or path.startswith(NOT_PAGES):
            continue
        with browser.get(path) as response:
            if response.status_code == 200:
                answered.add(endpoint)
                if response.mimetype == "text/html":
                    paths.append(path)
                    waiting += map(html.unescape, LINK.findall(response.get_data(as_text=True)))
    return sorted(paths)


def _endpoint(app: Flask, path: str) -> str | None:
    try:
        return str(app.url_map.bind("localhost").match(urlsplit(path).path)[0])
    except HTTPException:  # no such page, or no longer
        return None


def _pdf_seconds(bench: Place, count: int) -> float:
    """Return the median time for a PDF, in seconds."""
    times = []
    with bench.app.app_context():
        session = db.session()
        issued = InvoiceFilter(clock.now().date(), status="issued")
        for row in session.scalars(invoices(session, issued).limit(count)).all():
            started = perf_counter()
            render_pdf(invoice(session, str(row.id)), load_glyphs())
            times.append(perf_counter() - started)
    return statistics.median(times)


def _medians(browser: FlaskClient, path: str, rounds: int) -> tuple[float, float]:
    """Return the median times of a page, on the clock and of this process's CPU, in seconds.

    The CPU time of PostgreSQL is not included. On a machine with other work it alone can be compared.
    """
    times, cpu_times = [], []
    for _ in range(rounds):
        started, cpu_started = perf_counter(), process_time()
        response = browser.get(path)
        response.get_data()
        times.append(perf_counter() - started)
        cpu_times.append(process_time() - cpu_started)
        if response.status_code != 200:
            raise RuntimeError(f"{path}: {response.status}")
    return statistics.median(times), statistics.median(cpu_times)


def fill_months(place: Place, charges: int, customers: int) -> None:
    """Fill a database with the charges of six months, of which the first five are billed and the first four paid."""
    fill_catalogue(place, customers)
    per_month = charges // MONTHS
    with place.app.app_context():
        current = today(db.session(), clock.now())
    for index in range(MONTHS):
        first_day, last_day = month_of(current, index - MONTHS)
        fill_charges(place, 1 + index * per_month, (index + 1) * per_month, customers, month=first_day)
        place.tidy()
        issue_date = last_day + timedelta(1)
        if index < MONTHS - 1:
            with place.app.app_context():
                spec = runs.RunSpec(through=last_day, issue=True, issue_date=issue_date)
                runs.run_billing(transaction, spec, SYSTEM, datetime.combine(issue_date, time(12), UTC))
        if index < MONTHS - 2:
            pay_invoices(place, issue_date)
    place.tidy()

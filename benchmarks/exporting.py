"""CSV of many charges over HTTP, whole and streamed, against COPY and against the csv module on a bare cursor."""

import csv
import io
import sqlite3
import statistics
import time
from collections.abc import Iterator

import psycopg

from benchmarks.harness import Row, at_least, measure
from benchmarks.load import Server, serving
from benchmarks.places import SECRET, Place, another, fill_catalogue, fill_charges, token
from tests.databases import plain

CUSTOMERS = 500
COLUMNS = (
    "id, customer_id, service_id, description, quantity, unit_price, amount, currency, incurred_on, status,"
    " invoice_line_id, created_at, late"
)
MOST_GROWTH = 20 * 1024 * 1024


def rows(place: Place, full: bool) -> Iterator[Row]:
    """How fast, and how much memory the server takes for it, as CSV and as a workbook; the latter has nothing to compare with."""
    charges = 1_000_000 if full else 100_000
    with another(place, "exporting") as bench:
        fill_catalogue(bench, CUSTOMERS)
        fill_charges(bench, 1, charges, CUSTOMERS)
        bench.analyze()
        environment = {"BILLING_DATABASE_URL": bench.address, "BILLING_SECRET_KEY": SECRET}
        with serving("wsgi:app", environment, {"Authorization": f"Bearer {token(bench)}"}) as server:
            for _ in range(8):
                server.size("/api/v1/charges.csv?currency=EUR&customer=C000001")
            before = server.memory
            target = 0.3 if place.kind == "PostgreSQL" else 0.7
            limit = _copied if place.kind == "PostgreSQL" else _written
            pair = measure(lambda: _ours(server, charges), lambda: limit(bench, charges), 5)
            grown = server.memory - before
            workbooks = [_workbook(server, charges) for _ in range(3)]
            more = server.memory - before - grown
    yield at_least(f"CSV of {charges:,} charges over HTTP", place.kind, pair, "rows/s", target)
    yield Row(
        "memory that it takes",
        place.kind,
        f"{max(0, grown) / 2**20:.1f} MB",
        "",
        "",
        "< 20 MB",
        grown < MOST_GROWTH,
    )
    speed = f"{statistics.median(workbooks):,.0f} rows/s"
    yield Row(f"workbook of {charges:,} charges over HTTP", place.kind, speed, "", "", "", passed=True)
    memory = f"{max(0, more) / 2**20:.1f} MB"
    yield Row("memory that it takes beyond the CSV's", place.kind, memory, "", "", "< 20 MB", more < MOST_GROWTH)


def _workbook(server: Server, charges: int) -> float:
    started = time.perf_counter()
    server.size("/api/v1/charges.xlsx")
    return charges / (time.perf_counter() - started)


def _ours(server: Server, charges: int) -> float:
    started = time.perf_counter()
    server.size("/api/v1/charges.csv")
    return charges / (time.perf_counter() - started)


def _copied(place: Place, charges: int) -> float:
    with psycopg.connect(plain(place.url)) as connection:
        started = time.perf_counter()
        with connection.cursor().copy(f"COPY (SELECT {COLUMNS} FROM charges) TO STDOUT (FORMAT csv)".encode()) as copy:
            for _ in copy:
                pass
        return charges / (time.perf_counter() - started)


def _written(place: Place, charges: int) -> float:
    connection = sqlite3.connect(str(place.url.database))
    started = time.perf_counter()
    cursor = connection.execute(f"SELECT {COLUMNS} FROM charges")
    while block := cursor.fetchmany(2_000):
        text = io.StringIO(newline="")
        csv.writer(text).writerows(block)
        text.getvalue().encode()
    taken = time.perf_counter() - started
    connection.close()
    return charges / taken

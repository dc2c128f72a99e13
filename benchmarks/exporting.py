"""CSV of many charges over HTTP, compared with COPY, or with the csv module on a bare cursor."""

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
    " invoice_line_id, created_at, late, tax_included, details, status_reason, replaces_id"
)
MAX_MEMORY_GROWTH = 20 * 1024 * 1024


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield rows for speed and memory of CSV, and of workbooks, which have no limit to compare with."""
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
            limit = _copy if place.kind == "PostgreSQL" else _write_csv
            pair = measure(lambda: _ours(server, charges), lambda: limit(bench, charges), 5)
            csv_memory = server.memory - before
            workbooks = [_workbook(server, charges) for _ in range(3)]
            workbook_memory = server.memory - before - csv_memory
    yield at_least(f"CSV of {charges:,} charges over HTTP", place.kind, pair, "rows/s", target)
    yield Row(
        "memory of the export",
        place.kind,
        f"{max(0, csv_memory) / 2**20:.1f} MB",
        "",
        "",
        "< 20 MB",
        csv_memory < MAX_MEMORY_GROWTH,
    )
    speed = f"{statistics.median(workbooks):,.0f} rows/s"
    yield Row(f"workbook of {charges:,} charges over HTTP", place.kind, speed, "", "", "", passed=True)
    memory = f"{max(0, workbook_memory) / 2**20:.1f} MB"
    yield Row(
        "memory of the workbook beyond the CSV",
        place.kind,
        memory,
        "",
        "",
        "< 20 MB",
        workbook_memory < MAX_MEMORY_GROWTH,
    )


def _workbook(server: Server, charges: int) -> float:
    started = time.perf_counter()
    server.size("/api/v1/charges.xlsx")
    return charges / (time.perf_counter() - started)


def _ours(server: Server, charges: int) -> float:
    started = time.perf_counter()
    server.size("/api/v1/charges.csv")
    return charges / (time.perf_counter() - started)


def _copy(place: Place, charges: int) -> float:
    with psycopg.connect(plain(place.url)) as connection:
        started = time.perf_counter()
        with connection.cursor().copy(f"COPY (SELECT {COLUMNS} FROM charges) TO STDOUT (FORMAT csv)".encode()) as copy:
            for _ in copy:
                pass
        return charges / (time.perf_counter() - started)


def _write_csv(place: Place, charges: int) -> float:
    connection = sqlite3.connect(str(place.url.database))
    started = time.perf_counter()
    cursor = connection.execute(f"SELECT {COLUMNS} FROM charges")
    while block := cursor.fetchmany(2_000):
        text = io.StringIO(newline="")
        csv.writer(text).writerows(block)
        text.getvalue().encode()
    seconds = time.perf_counter() - started
    connection.close()
    return charges / seconds

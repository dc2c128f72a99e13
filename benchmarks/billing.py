"""A billing run, compared with the same invoices made by a few set-based statements.

Each invoice has ten charges of three services. Two processes share the run on PostgreSQL; SQLite has one
writer at a time, so one process bills there.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from multiprocessing.connection import Connection
from uuid import UUID

from sqlalchemy import text

from benchmarks.harness import Row, at_least, measure
from benchmarks.places import SECRET, Place, another, fill_catalogue, fill_charges
from billing_admin import clock, create_app, tune_gc
from billing_admin.config import Settings
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.billing import runs

PER_INVOICE = 10
TARGETS = {"SQLite": 0.33, "PostgreSQL": 0.7}  # of what set-based SQL reaches
Share = Callable[[UUID | None], None]


def rows(place: Place, full: bool) -> Iterator[Row]:
    """Yield a row for complete runs that issue invoices with lines, taxes and hashes."""
    invoices, rounds = (100_000, 1) if full else (4_500, 2)
    with another(place, "billing") as bench:
        fill_catalogue(bench, invoices)
        _make_series(bench)
        numbers = count(1)

        def fill_next() -> int:
            start = 1 + (next(numbers) - 1) * invoices * PER_INVOICE
            fill_charges(bench, start, start + invoices * PER_INVOICE - 1, invoices)
            bench.tidy()
            return start

        with _second_worker(bench) as share:
            pair = measure(
                lambda: _ours(bench, fill_next(), invoices, share), lambda: _limit(bench, fill_next(), invoices), rounds
            )
    charges = invoices * PER_INVOICE
    work = f"billing run, {charges:,} charges → {invoices:,} invoices"
    yield at_least(work, place.kind, pair, "invoices/s", TARGETS[place.kind])


def _ours(place: Place, _first: int, invoices: int, share: Share) -> float:
    spec = runs.RunSpec(through=date(2026, 1, 31), issue=True)
    with place.app.app_context():
        started = time.perf_counter()
        run_id, _ = transaction(runs.start, spec, SYSTEM, clock.now())
        share(run_id)
        runs.bill_chunks(transaction, run_id, SYSTEM, clock.now())
        share(None)
        return invoices / (time.perf_counter() - started)


@contextmanager
def _second_worker(place: Place) -> Iterator[Share]:
    """Yield a function that lets another process join a run, or with None waits until it has finished."""
    if place.kind == "SQLite":
        yield lambda _: None
        return
    context = multiprocessing.get_context("spawn")
    pipe, worker_pipe = context.Pipe()
    process = context.Process(target=_work, args=(place.address, worker_pipe), daemon=True)
    process.start()
    pipe.recv()

    def share(run_id: UUID | None) -> None:
        if run_id is None:
            pipe.recv()
        else:
            pipe.send(run_id)

    yield share
    pipe.send(None)
    process.join()


def _work(address: str, pipe: Connection) -> None:
    app = create_app(Settings(database_url=address, secret_key=SECRET))
    tune_gc()
    with app.app_context():
        pipe.send("ready")
        while (run_id := pipe.recv()) is not None:
            runs.bill_chunks(transaction, run_id, SYSTEM, clock.now())
            pipe.send("done")


def _make_series(place: Place) -> None:
    with place.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO number_series (id, kind, year, next_sequence, last_hash)"
                f" VALUES ({place.id('0900', '1')}, 'invoice', 1999, 1, '')"
            )
        )


def _limit(place: Place, first: int, invoices: int) -> float:
    """Make invoices and lines and claim the charges in one transaction, without taxes, hashes and checks."""
    line = f"dense_rank() OVER (ORDER BY customer_id, service_id) + {first}"
    minor = (
        "round(sum(amount) * 100)::bigint"
        if place.kind == "PostgreSQL"
        else "cast(round(sum(amount) * 100) AS integer)"
    )
    day = "date '1999-01-01'" if place.kind == "PostgreSQL" else "'1999-01-01'"
    moment = "now()" if place.kind == "PostgreSQL" else "'1999-01-01 00:00:00.000000'"
    as_text = "::text" if place.kind == "PostgreSQL" else ""
    exact = "{}" if place.kind == "PostgreSQL" else "cast(sum({}) AS text)"
    total = (lambda name: f"sum({name})") if place.kind == "PostgreSQL" else exact.format
    statements = [
        f"""CREATE TEMPORARY TABLE new_lines AS
            SELECT {place.id("0f00", line)} AS id, customer_id, service_id, unit_price, count(*) AS charges,
                   {minor} AS net, {total("quantity")} AS quantity, {total("amount")} AS amount
            FROM charges WHERE status IN ('pending', 'held') AND status = 'pending' AND incurred_on <= '2027-01-01'
            GROUP BY customer_id, service_id, unit_price""",
        "CREATE INDEX new_lines_by_customer ON new_lines (customer_id, service_id, unit_price)",
        f"""INSERT INTO invoices (id, kind, status, customer_id, currency, series_id, sequence, number, issue_date, due_date,
                period_from, period_to, net, tax, total, paid, credited, customer_reference, customer_name, customer_address,
                customer_tax_id, seller_name, seller_address, seller_tax_id, footer, note, purchase_order, reason, hash,
                created_at, issued_at, version)
            SELECT {place.id("0e00", f"(row_number() OVER (ORDER BY customers.id) + {first})")}, 'invoice', 'issued',
                   customers.id, 'EUR', {place.id("0900", "1")}, row_number() OVER (ORDER BY customers.id) + {first},
                   'L-' || (row_number() OVER (ORDER BY customers.id) + {first}){as_text}, {day}, {day}, {day}, {day},
                   n.net, 0, n.net, 0, 0, reference, name, address, '', '', '', '', '', '', '', '', '{"0" * 64}',
                   {moment}, {moment}, 1
            FROM customers JOIN (SELECT customer_id, sum(net) AS net FROM new_lines GROUP BY customer_id) AS n
                 ON n.customer_id = customers.id""",
        f"""INSERT INTO invoice_lines (id, invoice_id, customer_id, currency, position, service_id, service_code, description,
                quantity, unit_price, amount, net, tax_category, tax_percent, charges)
            SELECT l.id, i.id, l.customer_id, 'EUR', row_number() OVER (PARTITION BY i.id ORDER BY l.service_id),
                   l.service_id, '', '', l.quantity, l.unit_price, l.amount, l.net, 'O', '0', l.charges
            FROM new_lines AS l JOIN invoices AS i
                 ON i.customer_id = l.customer_id AND i.series_id = {place.id("0900", "1")} AND i.sequence > {first}
                    AND i.sequence <= {first + invoices}""".replace("'0', l", "0, l" if as_text else "'0', l"),
        """UPDATE charges SET status = 'billed', invoice_line_id = new_lines.id FROM new_lines
            WHERE charges.status IN ('pending', 'held') AND charges.status = 'pending'
              AND charges.customer_id = new_lines.customer_id AND charges.service_id = new_lines.service_id
              AND charges.unit_price = new_lines.unit_price""",
        "DROP TABLE new_lines",
        f"UPDATE accounts SET pending_charges = 0, pending_amount = {'0' if as_text else repr('0')}",
    ]
    with place.writing() as connection:
        started = time.perf_counter()
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
        return invoices / (time.perf_counter() - started)

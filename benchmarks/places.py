"""The two measured databases with the application, filled by SQL as fast as each database allows."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import flask_migrate
import psycopg
from flask import Flask
from sqlalchemy import URL, Connection, text

from billing_admin import clock, create_app
from billing_admin.config import Settings
from billing_admin.db.engine import db, write_options
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.days import month_of
from billing_admin.domain.master_data import CUSTOMER_DEFAULTS
from billing_admin.operations.access import tokens
from tests.databases import NAME_THE_SELLER, PostgreSQL, plain, postgresql_database

ROOT = Path(__file__).resolve().parent.parent
SECRET = "only-for-benchmarks" * 3
# SQL for the id of the n-th row: ids rise with n, as those of UUIDv7 do.
ID = {
    "SQLite": "printf('01900000-{kind}-7000-8000-%012x', {n})",
    "PostgreSQL": "('01900000-{kind}-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid",
}
SERIES = {
    "SQLite": "(WITH RECURSIVE s(n) AS (SELECT {a} UNION ALL SELECT n + 1 FROM s WHERE n < {b}) SELECT n FROM s) AS s",
    "PostgreSQL": "generate_series({a}, {b}) AS s(n)",
}
SERVICES = (("GenericCompute", "2.5"), ("DataBaseHosting", "1.5"), ("IPAddress", "0.4"))


@dataclass(frozen=True, slots=True)
class Place:
    """A database and the application that uses it."""

    kind: str
    url: URL
    app: Flask

    @property
    def address(self) -> str:
        """The database URL with its password, for the settings."""
        return self.url.render_as_string(hide_password=False)

    def id(self, kind: str, n: str) -> str:
        """Return SQL for the id of the n-th row of a kind; a kind is four hex digits."""
        return ID[self.kind].format(kind=kind, n=n)

    def series(self, first: int, last: int) -> str:
        """Return SQL for a table `s` with the numbers from first to last as `n`."""
        return SERIES[self.kind].format(a=first, b=last)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection that may write; commit at the end."""
        with self.app.app_context(), db.engine.connect().execution_options(**write_options(db.engine)) as connection:
            yield connection
            connection.commit()

    def analyze(self, *tables: str) -> None:
        """Update PostgreSQL's statistics of some tables or all, as autovacuum would.

        The application never collects statistics on SQLite.
        """
        if self.kind == "PostgreSQL":
            with self.writing() as connection:
                for table in tables or ("",):
                    connection.execute(text(f"ANALYZE {table}"))

    def tidy(self) -> None:
        """Remove dead rows and update statistics, as autovacuum does; SQLite needs neither."""
        if self.kind == "PostgreSQL":
            with psycopg.connect(plain(self.url), autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE)")


@contextmanager
def places() -> Iterator[list[Place]]:
    """Yield a new SQLite file and a new PostgreSQL with durable settings, both migrated."""
    server = PostgreSQL(durable=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            postgresql_database(server.url, "bench") as url,
            _place("SQLite", URL.create("sqlite", database=f"{folder}/bench.sqlite3")) as sqlite,
            _place("PostgreSQL", url) as postgresql,
        ):
            yield [sqlite, postgresql]
    finally:
        server.remove()


@contextmanager
def another(place: Place, name: str) -> Iterator[Place]:
    """Yield a further empty database on the same disk or server."""
    if place.kind == "SQLite":
        assert place.url.database
        path = Path(place.url.database).with_name(f"{name}.sqlite3")
        with _place(place.kind, URL.create("sqlite", database=str(path))) as database:
            yield database
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        return
    with postgresql_database(place.url.set(database="postgres"), name) as url, _place(place.kind, url) as database:
        yield database


@contextmanager
def _place(kind: str, url: URL) -> Iterator[Place]:
    app = create_app(Settings(database_url=url.render_as_string(hide_password=False), secret_key=SECRET))
    with app.app_context():
        flask_migrate.upgrade(str(ROOT / "migrations"))
        transaction(lambda session: session.execute(text(NAME_THE_SELLER)))
    try:
        yield Place(kind, url, app)
    finally:
        with app.app_context():
            db.engine.dispose()


def token(place: Place) -> str:
    """Create a token that may do everything, and return it."""
    with place.app.app_context():
        scopes = ["charges:write", "billing:write", "read"]
        return str(transaction(tokens.create, "benchmarks", scopes, actor=SYSTEM, now=clock.now())[1])


def fill_catalogue(place: Place, customers: int) -> None:
    """Insert customers C000001 and so on with an account in EUR each, and three services."""
    now = "'2026-01-01 00:00:00.000000'" + ("::timestamptz" if place.kind == "PostgreSQL" else "")
    no = "false" if place.kind == "PostgreSQL" else "0"
    reference = "lpad(n::text, 6, '0')" if place.kind == "PostgreSQL" else "printf('%06d', n)"
    zero = "0" if place.kind == "PostgreSQL" else "'0'"
    blank = [name for name, value in CUSTOMER_DEFAULTS.items() if value == "" and name not in {"email", "address"}]
    statements = [
        f"""INSERT INTO audit_events (id, at, actor_kind, actor_name, action, object_type, details)
            VALUES ({place.id("0c00", "1")}, {now}, 'system', 'System', 'charge.posted', 'charge', '{{}}')""",
        f"""INSERT INTO customers
                (id, reference, name, address, tax_treatment, currency, search, sort_key, e_invoice, custom_lines,
                metadata, monthly_statements, created_at, version, {", ".join(blank)})
            SELECT {place.id("0a00", "n")}, 'C' || {reference}, 'Customer ' || n, 'Street 1', 'standard', 'EUR', '',
                   'customer ' || n, 'none', '[]', '{{}}',
                   {no}, {now}, 1, {", ".join("''" for _ in blank)}
            FROM {place.series(1, customers)}""",
        f"""INSERT INTO customer_texts (id, customer_id, text)
            SELECT {place.id("0a01", "n")}, {place.id("0a00", "n")}, 'c' || {reference} || ' customer ' || n || ' street 1'
            FROM {place.series(1, customers)}""",
        f"""INSERT INTO accounts (customer_id, currency, pending_charges, pending_amount, held_charges, held_amount)
            SELECT {place.id("0a00", "n")}, 'EUR', 0, {zero}, 0, {zero} FROM {place.series(1, customers)}""",
    ]
    for n, (code, price) in enumerate(SERVICES):
        statements += [
            f"""INSERT INTO services (id, code, name, unit, unit_code, tax_rate_id, line_per_charge, revenue_account, search,
                sort_key, created_at, version)
                SELECT {place.id("0b00", str(n))}, '{code}', '{code}', '', '', id, {no}, '', '', '{code}', {now}, 1
                FROM tax_rates LIMIT 1""",
            f"""INSERT INTO service_prices (service_id, currency, valid_from, unit_price, includes_tax)
                VALUES ({place.id("0b00", str(n))}, 'EUR', '1970-01-01', '{price}', {no})""",
        ]
    with place.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))
    # Without statistics PostgreSQL would take the tables for empty and scan them sequentially.
    place.analyze("customers", "customer_texts", "accounts", "services", "service_prices")


def fill_charges(
    place: Place, first: int, last: int, customers: int, table: str = "charges", month: date = date(2026, 1, 1)
) -> None:
    """Insert pending charges, spread over customers and services, and update the accounts.

    They are for days of a month, and were posted on the first day of the next one.
    """
    posted = month_of(month, 1)[0]
    exact = "rtrim(rtrim(printf('%d.%d', {0} / 10, {0} % 10), '0'), '.')" if place.kind == "SQLite" else "{0} / 10.0"
    tenths = "(CASE n / :customers % 3 WHEN 0 THEN 25 WHEN 1 THEN 15 ELSE 4 END)"
    quantity = "(n % 97 + 1)" if place.kind == "PostgreSQL" else "cast(n % 97 + 1 AS text)"
    moment = (
        f"timestamptz '{posted}' + (n % 86400) * interval '1 second'"
        if place.kind == "PostgreSQL"
        else f"strftime('%Y-%m-%d %H:%M:%S.000000', '{posted}', (n % 86400) || ' seconds')"
    )
    day = f"date '{month}' + (n % 28)::int" if place.kind == "PostgreSQL" else f"date('{month}', (n % 28) || ' days')"
    no = "false" if place.kind == "PostgreSQL" else "0"
    insert = text(
        f"""INSERT INTO {table} (id, customer_id, service_id, event_id, fingerprint, created_at, created_on, incurred_on,
                                 late, status, currency, quantity, unit_price, amount, tax_included, description)
        SELECT {place.id("0d00", "n")}, {place.id("0a00", "(n % :customers + 1)")},
               {place.id("0b00", "(n / :customers % 3)")}, {place.id("0c00", "1")}, n, {moment},
               {f"date '{posted}'" if place.kind == "PostgreSQL" else f"'{posted}'"}, {day}, {no}, 'pending', 'EUR',
               {quantity}, {exact.format(tenths)}, {exact.format(f"((n % 97 + 1) * {tenths})")}, {no}, 'Usage ' || n
        FROM {place.series(first, last)}"""
    )
    total = "exact_sum(amount)" if place.kind == "SQLite" else "sum(amount)"
    added = "exact_add(pending_amount, a.total)" if place.kind == "SQLite" else "pending_amount + a.total"
    account = text(
        f"""UPDATE accounts SET pending_charges = pending_charges + a.charges, pending_amount = {added}
        FROM (SELECT customer_id, count(*) AS charges, {total} AS total FROM charges
              WHERE id BETWEEN {place.id("0d00", str(first))} AND {place.id("0d00", str(last))} GROUP BY customer_id) AS a
        WHERE accounts.customer_id = a.customer_id"""
    )
    with place.writing() as connection:
        connection.execute(insert, {"customers": customers})
        if table == "charges":
            connection.execute(account)


def fill_invoices(place: Place, count: int, customers: int) -> None:
    """Insert issued invoices INV-2026-00001 and so on, of which each tenth has a line with a purchase order.

    They are spread over the customers, and the first nine tenths are paid. The lines of other invoices are left out.
    """
    is_sqlite = place.kind == "SQLite"
    if is_sqlite:
        number = "printf('INV-2026-%05d', n)"
        moment = "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-01-01', n || ' seconds')"
        day, exact_one, exact_zero = "date('2026-01-01', (n / 5000) || ' days')", "'1'", "'0'"
    else:
        number = "'INV-2026-' || lpad(n::text, greatest(5, length(n::text)), '0')"
        moment = "timestamptz '2026-01-01' + n * interval '1 second'"
        day, exact_one, exact_zero = "date '2026-01-01' + (n / 5000)::int", "1", "0"
    details = json.dumps({"buyer": {"name": "Customer", "street": "Street 1", "city": "Town"}, "seller": "x" * 600})
    series, total = place.id("0900", "1"), "1000 + n % 400000"
    statements = (
        f"""INSERT INTO number_series (id, kind, year, next_sequence, last_hash)
            VALUES ({series}, 'invoice', 2026, {count + 1}, '')""",
        f"""INSERT INTO invoices (id, kind, status, customer_id, currency, series_id, sequence, number, issue_date, due_date,
                period_from, period_to, net, tax, total, paid, credited, customer_reference, customer_name, customer_address,
                customer_tax_id, seller_name, seller_address, seller_tax_id, footer, note, purchase_order, reason, hash,
                created_at, issued_at, version, details)
            SELECT {place.id("0e00", "n")}, 'invoice', 'issued', c.id, 'EUR', {series}, n, {number}, {day}, {day}, {day},
                {day}, {total}, 0, {total}, CASE WHEN n <= {count} / 10 * 9 THEN {total} ELSE 0 END, 0, c.reference, c.name,
                'Street 1', '', 'Seller', 'Street 2', '', '', '', '', '', '{"0" * 64}', {moment}, {moment}, 1, '{details}'
            FROM {place.series(1, count)} JOIN customers AS c ON c.id = {place.id("0a00", f"(n % {customers} + 1)")}""",
        f"""INSERT INTO invoice_lines (id, invoice_id, customer_id, currency, position, service_code, description, quantity,
                unit_price, amount, net, tax_category, tax_percent, charges, purchase_order)
            SELECT {place.id("0f00", "n * 10")}, {place.id("0e00", "n * 10")},
                {place.id("0a00", f"(n * 10 % {customers} + 1)")}, 'EUR', 1, '', '',
                {exact_one}, {exact_one}, {exact_one}, 1, 'O', {exact_zero}, 1,
                'PO-' || n
            FROM {place.series(1, count // 10)}""",
    )
    with place.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def pay_invoices(place: Place, through: date) -> None:
    """Insert a payment of each issued invoice through an issue date, received on its due date, and its allocation."""
    columns = f"""id, customer_id, currency, total, due_date, created_at, number, {place.id("0c00", "1")} AS event_id
        FROM invoices WHERE status = 'issued' AND paid = 0 AND issue_date <= :through"""
    statements = (
        f"""INSERT INTO payments (id, customer_id, currency, amount, allocated, received_on, method, reference, asked,
                status, reason, reversal_reason, created_at, event_id)
            SELECT id, customer_id, currency, total, total, due_date, 'bank_transfer', number, '', 'recorded', '', '',
                created_at, event_id FROM (SELECT {columns}) AS i""",
        f"""INSERT INTO allocations (id, payment_id, invoice_id, customer_id, currency, amount, made_on)
            SELECT id, id, id, customer_id, currency, total, due_date FROM (SELECT {columns}) AS i""",
        "UPDATE invoices SET paid = total WHERE status = 'issued' AND paid = 0 AND issue_date <= :through",
    )
    with place.writing() as connection:
        for statement in statements:
            connection.execute(text(statement), {"through": through.isoformat() if place.kind == "SQLite" else through})

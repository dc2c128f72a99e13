"""The limits' table: our charges with key and indexes, without other constraints."""

from sqlalchemy import MetaData, Table
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import quoted_name

from benchmarks.places import Place, fill_charges
from billing_admin.models import Charge
from tests.databases import plain

TABLE = "bench_charges"
COLUMNS = (
    "id, customer_id, service_id, event_id, fingerprint, created_at, created_on, incurred_on, late, status, currency,"
    " quantity, unit_price, amount, tax_included, description"
)


def make_table(place: Place) -> None:
    """Create the table in the database of our own."""
    ours = Charge.__table__
    assert isinstance(ours, Table)
    table = ours.to_metadata(MetaData(), name=TABLE)
    table.primary_key.name = None
    table.constraints = {table.primary_key}
    for index in table.indexes:
        index.name = quoted_name(f"bench_{index.name}", quote=None)
    with place.writing() as connection:
        connection.execute(CreateTable(table, include_foreign_key_constraints=[]))
        for index in table.indexes:
            index.create(connection)


def fill_table(place: Place, first: int, last: int, customers: int) -> None:
    """Fill the table with the same rows as our charges."""
    fill_charges(place, first, last, customers, TABLE)


def environment(place: Place) -> dict[str, str]:
    """Return the environment variable that names the database for the limit's server."""
    return {"LIMIT_DATABASE": database(place)}


def database(place: Place) -> str:
    """Return the path of SQLite's file, or PostgreSQL's URL for psycopg."""
    return str(place.url.database) if place.kind == "SQLite" else plain(place.url)

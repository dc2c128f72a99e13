"""The table into which the limits write: as wide as our charges, with its key alone: no other index, no check, no foreign key."""

from sqlalchemy import text

from benchmarks.places import Place, fill_charges
from billing_admin.models import Charge
from tests.databases import plain

TABLE = "bench_charges"
COLUMNS = (
    "id, customer_id, service_id, event_id, fingerprint, created_at, created_on, incurred_on, late, status, currency,"
    " quantity, unit_price, amount, description"
)


def make_table(place: Place) -> None:
    """Make it beside ours, in the same database."""
    with place.writing() as connection:
        columns = [
            f"{column.name} {column.type.compile(connection.dialect)}{' PRIMARY KEY' if column.primary_key else ''}"
            for column in Charge.__table__.columns
        ]
        connection.execute(text(f"CREATE TABLE {TABLE} ({', '.join(columns)})"))


def fill_table(place: Place, first: int, last: int, customers: int) -> None:
    """The same rows as the charges have."""
    fill_charges(place, first, last, customers, TABLE)


def environment(place: Place) -> dict[str, str]:
    """Where the limit's server finds the database."""
    return {"LIMIT_DATABASE": str(place.url.database) if place.kind == "SQLite" else plain(place.url)}

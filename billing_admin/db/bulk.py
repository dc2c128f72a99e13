"""Bulk writes: COPY and set-based updates on PostgreSQL, executemany on SQLite.

Each call is one round trip to PostgreSQL.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Dialect, FromClause, Insert, Update, bindparam, column, func, insert, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator, TypeEngine

from billing_admin.db.errors import driver_errors
from billing_admin.db.lookup import ValueList, array_of
from billing_admin.db.prepared import PreparedQuery, convert_distinct, numbered_name
from billing_admin.models import Base
from billing_admin.models.base import ExactDecimal, UuidKey

# Up to this many rows, single INSERTs are quicker than starting a COPY.
MAX_SINGLE_INSERTS = 5
COPY_CHUNK_ROWS = 100  # rows converted at once; the driver buffers about as many

ValuesByColumn: TypeAlias = Mapping[str, ColumnElement[Any]]


def insert_many(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name every column.

    Raises SQLAlchemy's IntegrityError for a key that exists.
    """
    if not rows:
        return
    if len(rows) <= MAX_SINGLE_INSERTS:
        for row in rows:
            insert_query(model)(session, row)
    else:
        insert_stream(session, model, rows)


def insert_stream(session: Session, model: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows from an iterable.

    PostgreSQL stores the first while later ones are still computed.
    """
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, model.__table__, rows)
    else:
        _execute_many(session, model.__table__, list(rows))


def numbered_insert(model: type[Base], prefix: str, rows: int) -> Insert:
    """Return an INSERT of `rows` rows with numbered parameters.

    It can be combined with other writes.
    """
    columns = list(model.__table__.c)
    return insert(model).values(
        [
            {
                column.name: bindparam(numbered_name(prefix + column.name, number), type_=column.type)
                for column in columns
            }
            for number in range(rows)
        ]
    )


@cache
def insert_query(model: type[Base]) -> PreparedQuery:
    """Return the prepared INSERT of one row that names every column."""
    return PreparedQuery(insert(model))


def _copy(session: Session, table: FromClause, rows: Iterable[Mapping[str, Any]]) -> None:
    names = [column.name for column in table.c]
    remaining = iter(rows)
    copy_sql = f"COPY {table.description} ({', '.join(names)}) FROM STDIN"
    with driver_errors(session.connection()) as driver, driver.cursor().copy(copy_sql) as copy:
        while chunk := list(islice(remaining, COPY_CHUNK_ROWS)):
            for row in _convert_rows(session, table, names, chunk):
                copy.write_row(row)


def _execute_many(session: Session, table: FromClause, rows: Sequence[Mapping[str, Any]]) -> None:
    # The driver takes 0.3 µs for a None, so columns of which no row has a value are left out.
    names = [c.name for c in table.c if not c.nullable or any(row[c.name] is not None for row in rows)]
    insert_sql = f"INSERT INTO {table.description} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    session.connection().exec_driver_sql(insert_sql, list(_convert_rows(session, table, names, rows)))


def _convert_rows(
    session: Session, table: FromClause, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    """Return rows as tuples of driver values.

    They are converted column by column, which is faster than row by row.
    """
    dialect = session.get_bind().dialect
    columns = (_convert_column(table.c[name].type, dialect, [row[name] for row in rows]) for name in names)
    return zip(*columns, strict=True)


def _convert_column(type: TypeEngine[Any], dialect: Dialect, values: list[Any]) -> list[Any]:
    convert: Callable[[Any], Any] | None
    # The column types of `models.base` convert without SQLAlchemy's wrappers.
    if isinstance(type, UuidKey):
        convert = type.as_text
    elif isinstance(type, TypeDecorator) and dialect.name == "postgresql":
        convert = None
    elif isinstance(type, ExactDecimal):
        convert = type.as_text
    else:
        convert = type.dialect_impl(dialect).bind_processor(dialect)
    return convert_distinct(convert, values)


class UpdateMany:
    """An UPDATE that is run for each of many rows of values, built once.

    `build` returns the UPDATE; it receives the values of a row as SQL expressions, by column name.
    PostgreSQL joins the table with all rows of values at once. No two of them may match the same table
    row, and the join must be on a whole key, since the planner has no statistics about the values.
    """

    def __init__(self, columns: Iterable[ColumnElement[Any]], build: Callable[[ValuesByColumn], Update]) -> None:
        self._types = types = {column.key or "": column.type for column in columns}
        self._build = build
        arrays = [array_of(bindparam(f"given_{name}", type_=ValueList()), type) for name, type in types.items()]
        rows = func.unnest(*arrays).table_valued(*(column(name, type) for name, type in types.items()))
        self._names = list(types)
        self._joined = build(dict(rows.render_derived("given").c))
        parameters = {name: bindparam(f"given_{name}", type_=type) for name, type in types.items()}
        self._single = PreparedQuery(build(parameters))

    def clause(self, prefix: str, number: int) -> Update:
        """Return the update of one row with numbered parameters.

        It can be combined with other writes.
        """
        names = {name: numbered_name(prefix + name, number) for name in self._types}
        return self._build({name: bindparam(names[name], type_=type) for name, type in self._types.items()})

    def __call__(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run the update and return how many rows it changed."""
        if not rows:
            return 0
        columns = {f"given_{name}": [row[name] for row in rows] for name in self._names}
        if len(rows) > 1 and session.get_bind().dialect.name == "postgresql":
            return session.connection().execute(self._joined, columns).rowcount
        return self._single.run_many(session, columns)


@contextmanager
def hash_joins_only(session: Session) -> Iterator[None]:
    """Make PostgreSQL join by hash within the block.

    Without fresh statistics it takes a large side for a single row and loops over it.
    """
    if session.get_bind().dialect.name != "postgresql":
        yield
        return
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = DEFAULT"))

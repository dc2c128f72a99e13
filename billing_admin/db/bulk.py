"""Many rows at once: COPY and set-based updates on PostgreSQL, executemany on SQLite. Every call is one round trip there."""

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

# Below this, one INSERT is quicker than starting a COPY.
MAX_SINGLE_INSERTS = 5
COPY_CHUNK_ROWS = 100  # rows that are sent at once: about what the driver gathers, too

ValuesByColumn: TypeAlias = Mapping[str, ColumnElement[Any]]


def insert_many(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name every column. A key that exists already raises SQLAlchemy's IntegrityError, as always."""
    if not rows:
        return
    if len(rows) <= MAX_SINGLE_INSERTS:
        for row in rows:
            insert_query(model)(session, row)
    else:
        insert_stream(session, model, rows)


def insert_stream(session: Session, model: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert many rows that may still have to be made: on PostgreSQL that is done while the first of them are being stored."""
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, model.__table__, rows)
    else:
        _execute_many(session, model.__table__, list(rows))


def numbered_insert(model: type[Base], prefix: str, rows: int) -> Insert:
    """The insert of as many rows, each in its place, to be one statement with others; the prefix is its parameters'."""
    columns = list(model.__table__.c)
    return insert(model).values(
        [
            {
                column.name: bindparam(numbered_name(prefix + column.name, place), type_=column.type)
                for column in columns
            }
            for place in range(rows)
        ]
    )


@cache
def insert_query(model: type[Base]) -> PreparedQuery:
    """The statement that inserts one row which names every column."""
    return PreparedQuery(insert(model))


def _copy(session: Session, table: FromClause, rows: Iterable[Mapping[str, Any]]) -> None:
    names = [column.name for column in table.c]
    remaining = iter(rows)
    statement = f"COPY {table.description} ({', '.join(names)}) FROM STDIN"
    with driver_errors(session.connection()) as driver, driver.cursor().copy(statement) as copy:
        while some := list(islice(remaining, COPY_CHUNK_ROWS)):
            for row in _converted(session, table, names, some):
                copy.write_row(row)


def _execute_many(session: Session, table: FromClause, rows: Sequence[Mapping[str, Any]]) -> None:
    names = [column.name for column in table.c]
    statement = f"INSERT INTO {table.description} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    session.connection().exec_driver_sql(statement, list(_converted(session, table, names, rows)))


def _converted(
    session: Session, table: FromClause, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    """The rows as the driver takes them, made column by column."""
    dialect = session.get_bind().dialect
    columns = (_as_taken(table.c[name].type, dialect, [row[name] for row in rows]) for name in names)
    return zip(*columns, strict=True)


def _as_taken(type: TypeEngine[Any], dialect: Dialect, values: list[Any]) -> list[Any]:
    """A column's values as the driver takes them; those of our own types on a short way (see `models.base`)."""
    process: Callable[[Any], Any] | None
    if isinstance(type, UuidKey):
        process = type.as_text
    elif isinstance(type, TypeDecorator) and dialect.name == "postgresql":
        process = None
    elif isinstance(type, ExactDecimal):
        process = type.as_text
    else:
        process = type.dialect_impl(dialect).bind_processor(dialect)
    return convert_distinct(process, values)


class UpdateMany:
    """An update that is run for each of many rows of values, built once; `statement` gets the values as SQL, by column name.

    PostgreSQL joins with the rows all at once, so no two of them may meet the same row. Its planner knows nothing of what is
    joined with: let the join be on a whole key.
    """

    def __init__(self, columns: Iterable[ColumnElement[Any]], statement: Callable[[ValuesByColumn], Update]) -> None:
        self._types = types = {column.key or "": column.type for column in columns}
        self._statement = statement
        arrays = [array_of(bindparam(f"given_{name}", type_=ValueList()), type) for name, type in types.items()]
        rows = func.unnest(*arrays).table_valued(*(column(name, type) for name, type in types.items()))
        self._names = list(types)
        self._joined = statement(dict(rows.render_derived("given").c))
        one = {name: bindparam(f"given_{name}", type_=type) for name, type in types.items()}
        self._one_by_one = PreparedQuery(statement(one))

    def clause(self, prefix: str, place: int) -> Update:
        """The update of the row in one of several places, to be one statement with others; the prefix is its parameters'."""
        names = {name: numbered_name(prefix + name, place) for name in self._types}
        return self._statement({name: bindparam(names[name], type_=type) for name, type in self._types.items()})

    def __call__(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
        """Return how many rows it changed."""
        if not rows:
            return 0
        columns = {f"given_{name}": [row[name] for row in rows] for name in self._names}
        if len(rows) > 1 and session.get_bind().dialect.name == "postgresql":
            return session.connection().execute(self._joined, columns).rowcount
        return self._one_by_one.each(session, columns)


@contextmanager
def hash_joins_only(session: Session) -> Iterator[None]:
    """Have PostgreSQL join two large sides by hash: without fresh statistics it takes one for a single row, and loops."""
    if session.get_bind().dialect.name != "postgresql":
        yield
        return
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = DEFAULT"))

"""Prepared queries: compiled by SQLAlchemy once, then run by the driver itself.

SQLAlchemy writes the SQL and knows the types. Running a query through it takes several times as long
as the database needs for the queries of every request.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect, Engine, SelectBase
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

from billing_admin.db.errors import as_sqlalchemy_error, driver_errors, explain_unavailable
from billing_admin.db.schema_revision import check_stored_revision

Converter = Callable[[Any], Any] | None
Rows = list[tuple[Any, ...]]

# Key in `Session.info` of the connection that the transaction writes on: to ask SQLAlchemy for it takes
# longer than a query.
CONNECTION_KEY = "connection"
# Names parameters $1, $2, …, as PostgreSQL does, so that psycopg passes the SQL on unchanged.
_NUMBERED = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


# Up to this many values are numbered parameters of a query built for their number; more become a list.
MAX_NUMBERED = 8


def numbered_name(name: str, number: int) -> str:
    """Return the name of a numbered parameter."""
    return f"{name}_{number}"


def numbered_values(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """Return the values by the names of their numbered parameters."""
    return {numbered_name(name, number): value for number, value in enumerate(values)}


def convert_distinct(convert: Converter, values: list[Any]) -> list[Any]:
    """Return the converted values; each distinct object is converted once.

    The same ids and days recur in many rows.
    """
    if convert is None:
        return values
    identities = list(map(id, values))  # valid as keys, because `values` keeps the objects alive
    objects = dict(zip(identities, values, strict=True))
    converted = {identity: None if value is None else convert(value) for identity, value in objects.items()}
    return [converted[identity] for identity in identities]


class PreparedQuery:
    """A query, or several writes, with named parameters.

    Lists must be `db.lookup.ValueList` parameters, since SQLAlchemy expands others at each call.
    Several writes run as one statement on PostgreSQL; the names of their parameters must differ.
    """

    def __init__(self, *clauses: Any) -> None:
        self._clauses = clauses
        self._compiled: dict[str, list[_CompiledClause]] = {}  # by dialect

    def __call__(self, session: Session, values: Mapping[str, Any], many: bool = False) -> Rows:
        """Run the query and return its rows, or an empty list for a write.

        PostgreSQL keeps the plan unless `many` is true; then it plans for these values.
        Raises the errors that SQLAlchemy would raise.
        """
        connection = _connection(session)
        with driver_errors(connection) as driver:
            return self.run(driver, connection.dialect, values, many)

    def run_many(self, session: Session, columns: dict[str, list[Any]]) -> int:
        """Run a single write for each of many rows, given by column.

        Return how many rows it changed.
        """
        connection = _connection(session)
        with driver_errors(connection) as driver:
            (clause,) = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
            return clause.run_many(driver, columns)

    def run(self, driver: Any, dialect: Dialect, values: Mapping[str, Any], many: bool = False) -> Rows:
        """Run the query on the driver's own connection and return its rows."""
        rows: Rows = []
        for clause in self._compiled.get(dialect.name) or self._compile(dialect):
            rows = clause.run(driver, values, many)
        return rows

    def _compile(self, dialect: Dialect) -> "list[_CompiledClause]":
        *first, last = self._clauses
        if dialect.name != "postgresql":
            compiled = [_CompiledClause(clause, dialect) for clause in self._clauses]
        elif first:
            writes = [clause.cte(f"write_{number}") for number, clause in enumerate(first)]
            compiled = [_CompiledClause(last.add_cte(*writes), _NUMBERED)]
        else:
            compiled = [_CompiledClause(last, _NUMBERED)]
        self._compiled[dialect.name] = compiled
        return compiled


class _CompiledClause:
    """SQL for one dialect, its parameters in order, and the value converters.

    There are converters of parameters and of results.
    """

    def __init__(self, clause: Any, dialect: Dialect) -> None:
        compiled: Any = clause.compile(dialect=dialect)
        converters: Mapping[str, Callable[[Any], Any]] = compiled._bind_processors
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._parameters: list[tuple[str, Converter]] = [
            (name, converters.get(name)) for name in compiled.positiontup or ()
        ]
        self._returns_rows = isinstance(clause, SelectBase)
        columns: Iterable[Any] = clause.selected_columns if self._returns_rows else ()
        results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._results: list[Converter] = results if any(results) else []
        self._on_postgresql = dialect.name == "postgresql"

    def _convert(self, values: Mapping[str, Any]) -> list[Any]:
        by_name = {**self._constants, **values} if self._constants else values
        return [convert(by_name[name]) if convert else by_name[name] for name, convert in self._parameters]

    def run_many(self, driver: Any, columns: dict[str, list[Any]]) -> int:
        cursor = psycopg.RawCursor(driver) if self._on_postgresql else driver.cursor()
        rows = len(next(iter(columns.values())))
        by_name = {name: [value] * rows for name, value in self._constants.items()} | columns
        converted = [convert_distinct(convert, by_name[name]) for name, convert in self._parameters]
        cursor.executemany(self._sql, list(zip(*converted, strict=True)))
        changed: int = cursor.rowcount
        return changed

    def run(self, driver: Any, values: Mapping[str, Any], many: bool) -> Rows:
        parameters = self._convert(values)
        if self._on_postgresql:
            cursor: Any = psycopg.RawCursor(driver).execute(self._sql, parameters, prepare=not many)
        else:
            cursor = driver.execute(self._sql, parameters)
        if not self._returns_rows:  # read off the clause, as psycopg takes long to tell
            return []
        rows: Rows = cursor.fetchall()
        if not self._results:
            return rows
        return [
            tuple(convert(value) if convert else value for convert, value in zip(self._results, row, strict=True))
            for row in rows
        ]


def _connection(session: Session) -> Connection:
    return session.info.get(CONNECTION_KEY) or session.connection()


def run_without_transaction(engine: Engine, query: PreparedQuery, values: Mapping[str, Any]) -> Rows:
    """Run one reading query on a connection of the pool, and return its rows.

    It has no session and no transaction. Raises the errors that a session would raise; after an error the connection is
    not reused. No transaction checks the revision of the schema here, so the revision is checked after an error that a
    mismatch could explain. Raises RevisionMismatch.
    """
    dialect = engine.dialect
    try:
        with closing(engine.raw_connection()) as pooled:
            try:
                return _run_checked(pooled.driver_connection, dialect, query, values)
            except BaseException as error:
                pooled.invalidate(error)
                raise
    except dialect.loaded_dbapi.Error as error:
        if explain_unavailable(error):
            engine.dispose()  # the pool's other connections have probably broken as well
        raise as_sqlalchemy_error(dialect, error) from error


def _run_checked(driver: Any, dialect: Dialect, query: PreparedQuery, values: Mapping[str, Any]) -> Rows:
    try:
        return query.run(driver, dialect, values)
    except dialect.loaded_dbapi.Error as error:
        if not explain_unavailable(error):
            check_stored_revision(driver)
        raise

"""Statements that every request asks for: compiled once, and handed to the driver itself.

SQLAlchemy writes the SQL and knows the types; its way from there to the driver takes several times as long as the database needs.
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

# Where a session notes the connection that it writes on: to ask SQLAlchemy for it costs more than a statement.
CONNECTION_KEY = "connection"
# PostgreSQL's own way to name parameters, which psycopg passes on as it is.
_NUMBERED = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


# Up to so many things alike have a place each in a statement of its own; of more, lists are made.
MAX_NUMBERED = 8


def numbered_name(name: str, place: int) -> str:
    """The name of a parameter in one of several places."""
    return f"{name}_{place}"


def numbered_values(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """The values by their parameters' names."""
    return {numbered_name(name, place): value for place, value in enumerate(values)}


def convert_distinct(process: Converter, values: list[Any]) -> list[Any]:
    """The values processed, each object once: keys and days come again and again. While they live, its identity stands for it."""
    if process is None:
        return values
    identities = list(map(id, values))
    objects = dict(zip(identities, values, strict=True))
    made = {identity: None if one is None else process(one) for identity, one in objects.items()}
    return [made[identity] for identity in identities]


class PreparedQuery:
    """A statement with named parameters. It may not have lists that SQLAlchemy would write out (see `queries.lookup.Several`).

    Several writes are one statement on PostgreSQL, and each goes through or none; their parameters must differ in name.
    """

    def __init__(self, *clauses: Any) -> None:
        self._clauses = clauses
        self._forms: dict[str, list[_Form]] = {}

    def __call__(self, session: Session, values: Mapping[str, Any], many: bool = False) -> Rows:
        """Run it; return its rows, if it has any. Raises what SQLAlchemy would.

        PostgreSQL keeps the plan that it made, unless there are `many` values: then it plans for just these.
        """
        connection = _connection(session)
        with driver_errors(connection) as driver:
            return self.run(driver, connection.dialect, values, many)

    def each(self, session: Session, columns: dict[str, list[Any]]) -> int:
        """Run a single write for each row of many, whose values come by column; return how many rows it changed."""
        connection = _connection(session)
        with driver_errors(connection) as driver:
            (form,) = self._forms.get(connection.dialect.name) or self._make_forms(connection.dialect)
            return form.run_each(driver, columns)

    def run(self, driver: Any, dialect: Dialect, values: Mapping[str, Any], many: bool = False) -> Rows:
        """Run it on the driver's own connection."""
        rows: Rows = []
        for form in self._forms.get(dialect.name) or self._make_forms(dialect):
            rows = form.run(driver, values, many)
        return rows

    def _make_forms(self, dialect: Dialect) -> "list[_Form]":
        *first, last = self._clauses
        if dialect.name != "postgresql":
            forms = [_Form(clause, dialect) for clause in self._clauses]
        elif first:
            beside = [clause.cte(f"write_{number}") for number, clause in enumerate(first)]
            forms = [_Form(last.add_cte(*beside), _NUMBERED)]
        else:
            forms = [_Form(last, _NUMBERED)]
        self._forms[dialect.name] = forms
        return forms


class _Form:
    """One kind of database's words, the parameters in its own order, and what makes its values ours."""

    def __init__(self, clause: Any, dialect: Dialect) -> None:
        compiled: Any = clause.compile(dialect=dialect)
        binds: Mapping[str, Callable[[Any], Any]] = compiled._bind_processors
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._parameters: list[tuple[str, Converter]] = [(name, binds.get(name)) for name in compiled.positiontup or ()]
        self._answers = isinstance(clause, SelectBase)
        columns: Iterable[Any] = clause.selected_columns if self._answers else ()
        results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._results: list[Converter] = results if any(results) else []
        self._on_postgresql = dialect.name == "postgresql"

    def _said(self, values: Mapping[str, Any]) -> list[Any]:
        given = {**self._constants, **values} if self._constants else values
        return [process(given[name]) if process else given[name] for name, process in self._parameters]

    def run_each(self, driver: Any, columns: dict[str, list[Any]]) -> int:
        cursor = psycopg.RawCursor(driver) if self._on_postgresql else driver.cursor()
        rows = len(next(iter(columns.values())))
        given = {name: [value] * rows for name, value in self._constants.items()} | columns
        said = [convert_distinct(process, given[name]) for name, process in self._parameters]
        cursor.executemany(self._sql, list(zip(*said, strict=True)))
        changed: int = cursor.rowcount
        return changed

    def run(self, driver: Any, values: Mapping[str, Any], many: bool) -> Rows:
        parameters = self._said(values)
        if self._on_postgresql:
            found: Any = psycopg.RawCursor(driver).execute(self._sql, parameters, prepare=not many)
        else:
            found = driver.execute(self._sql, parameters)
        if not self._answers:  # known from the clause: psycopg takes long to say it
            return []
        rows: Rows = found.fetchall()
        if not self._results:
            return rows
        return [
            tuple(process(value) if process else value for process, value in zip(self._results, row, strict=True))
            for row in rows
        ]


def _connection(session: Session) -> Connection:
    return session.info.get(CONNECTION_KEY) or session.connection()


def run_without_transaction(engine: Engine, statement: PreparedQuery, values: Mapping[str, Any]) -> Rows:
    """Run one statement that reads, by itself: without a session, and without a transaction to begin and end.

    Raises as a session does. After an error nobody else gets the connection. As there is no transaction that would check the
    revision of the schema, a statement that does not fit the schema has it checked. Raises RevisionMismatch.
    """
    dialect = engine.dialect
    try:
        with closing(engine.raw_connection()) as pooled:
            try:
                return _run_checked(pooled.driver_connection, dialect, statement, values)
            except BaseException as error:
                pooled.invalidate(error)
                raise
    except dialect.loaded_dbapi.Error as error:
        if explain_unavailable(error):
            engine.dispose()  # the pool's other connections have probably broken as well
        raise as_sqlalchemy_error(dialect, error) from error


def _run_checked(driver: Any, dialect: Dialect, statement: PreparedQuery, values: Mapping[str, Any]) -> Rows:
    try:
        return statement.run(driver, dialect, values)
    except dialect.loaded_dbapi.Error as error:
        if not explain_unavailable(error):
            check_stored_revision(driver)
        raise

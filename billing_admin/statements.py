"""Statements that every request asks for: compiled once, and handed to the driver itself.

SQLAlchemy writes the SQL and knows the types; its way from there to the driver takes several times as long as the database needs.
Several statements run together are one round trip to PostgreSQL.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

Process = Callable[[Any], Any] | None
Asked = tuple["Statement", Mapping[str, Any]]


class Statement:
    """A statement with named parameters. It may not have lists that SQLAlchemy would write out (see `queries.lookup.Several`)."""

    def __init__(self, clause: Any) -> None:
        self._clause = clause
        self._forms: dict[str, _Form] = {}

    def form(self, dialect: Dialect) -> "_Form":
        """How it is said to one kind of database."""
        if dialect.name not in self._forms:
            self._forms[dialect.name] = _Form(self._clause, dialect)
        return self._forms[dialect.name]

    def __call__(self, session: Session, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; return its rows, if it has any."""
        return together(session, [(self, values)])[0]


class _Form:
    """One kind of database's words, the parameters in its own way, and what makes its values ours."""

    def __init__(self, clause: Any, dialect: Dialect) -> None:
        compiled: Any = clause.compile(dialect=dialect)
        self.sql = str(compiled)
        self.defaults: dict[str, Any] = compiled.params
        self.order: Sequence[str] | None = compiled.positiontup
        self.binds: Mapping[str, Callable[[Any], Any]] = compiled._bind_processors
        columns: Iterable[Any] = clause.selected_columns if isinstance(clause, Select) else ()
        self.results: list[Process] = [c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them."""
        given = {**self.defaults, **values}
        for name, process in self.binds.items():
            given[name] = process(given[name])
        return given if self.order is None else [given[name] for name in self.order]

    def rows(self, found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows with our types."""
        if not any(self.results):
            return list(found)
        return [
            tuple(process(value) if process else value for process, value in zip(self.results, row, strict=True))
            for row in found
        ]


def together(session: Session, asked: Sequence[Asked]) -> list[list[tuple[Any, ...]]]:
    """Run statements one after the other, in one round trip where the database can; return the rows of each.

    Raises what SQLAlchemy would.
    """
    connection = session.connection()
    dialect = connection.dialect
    forms = [statement.form(dialect) for statement, _ in asked]
    said = [(form.sql, form.parameters(values)) for form, (_, values) in zip(forms, asked, strict=True)]
    driver: Any = connection.connection.driver_connection
    try:
        cursors = _in_one(driver, said) if dialect.name == "postgresql" else [driver.execute(*one) for one in said]
        found = [cursor.fetchall() if cursor.description else [] for cursor in cursors]
    except dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy(connection, said[0][0], error) from error
    return [form.rows(rows) for form, rows in zip(forms, found, strict=True)]


def _in_one(driver: Any, said: Sequence[tuple[str, Any]]) -> list[Any]:
    """A pipeline, even for one statement: the BEGIN before the first one then travels with it."""
    with driver.pipeline():
        return [driver.execute(*one) for one in said]


def _as_sqlalchemy(connection: Connection, sql: str, error: Any) -> BaseException:
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if lost:
        connection.invalidate(error)
        connection.engine.dispose()
    wrapped: BaseException = DBAPIError.instance(
        sql, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=lost, dialect=dialect
    )
    return wrapped

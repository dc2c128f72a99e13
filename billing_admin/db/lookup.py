"""SQL conditions on many values, or on an object's id or own name."""

import json
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Dialect, Text, bindparam, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, QueryableAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from billing_admin.models.base import uuid_text


class ValueList(TypeDecorator[list[Any]]):
    """Many values as one text parameter: an array literal, or JSON on SQLite.

    PostgreSQL's driver takes far longer to write a list parameter than we take to write its text.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the driver's type, or none on PostgreSQL.

        There the query casts the parameter.
        """
        return dialect.type_descriptor(NullType() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        """Return the values as one text."""
        if dialect.name == "postgresql":
            return "{" + ",".join(map(_array_element, value or ())) + "}"
        values = [uuid_text(item) if isinstance(item, UUID) else item for item in value or ()]
        return json.dumps(values, default=str)


def _array_element(value: Any) -> str:
    if isinstance(value, UUID):
        return uuid_text(value)
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        value = json.dumps(value)
    if not isinstance(value, str):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class array_of(FunctionElement[Any]):  # noqa: N801 - SQL functions are named in lower case
    """A `ValueList` parameter cast to PostgreSQL's array of a type."""

    inherit_cache = True

    def __init__(self, values: ColumnElement[Any], item: TypeEngine[Any]) -> None:
        super().__init__(values)
        self.type = ARRAY(item)


@compiles(array_of, "postgresql")
def _array_on_postgresql(element: array_of, compiler: SQLCompiler, **options: Any) -> str:
    (values,) = element.clauses
    return f"{compiler.process(values, **options)}::{compiler.dialect.type_compiler_instance.process(element.type)}"


class list_contains(FunctionElement[Any]):  # noqa: N801 - SQL functions are named in lower case
    """`column IN (values)`, where the values are one `ValueList` parameter.

    The condition has no type: SQLAlchemy would compile a Boolean for SQLite as `(…) = 1`, which uses
    no index.
    """

    type = NullType()
    inherit_cache = True


@compiles(list_contains, "postgresql")
def _contains_on_postgresql(element: list_contains, compiler: SQLCompiler, **options: Any) -> str:
    item, values = element.clauses
    array = compiler.dialect.type_compiler_instance.process(ARRAY(item.type))
    return f"({compiler.process(item, **options)} = ANY ({compiler.process(values, **options)}::{array}))"


@compiles(list_contains, "sqlite")
def _contains_on_sqlite(element: list_contains, compiler: SQLCompiler, **options: Any) -> str:
    item, values = element.clauses
    subquery = f"SELECT value FROM json_each({compiler.process(values, **options)})"  # noqa: S608 - compiled by SQLAlchemy
    return f"({compiler.process(item, **options)} IN ({subquery}))"


def is_any_of_named(attribute: InstrumentedAttribute[Any], name: str) -> ColumnElement[bool]:
    """Return `attribute IN (values)` with the values in the parameter `name`.

    It is for queries that are built once.
    """
    return list_contains(attribute, bindparam(name, type_=ValueList()))


def is_any_of(attribute: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Return `attribute IN (values)` with one parameter for any number of values."""
    return list_contains(attribute, bindparam(None, list(values), ValueList(), unique=True))


class like_in_any_case(FunctionElement[Any]):  # noqa: N801 - SQL functions are named in lower case
    """`column LIKE pattern` in upper or lower case.

    SQLite's LIKE ignores the case of ASCII letters. SQLAlchemy's `ilike` would call `lower` on each value there.
    """

    type = NullType()
    inherit_cache = True


@compiles(like_in_any_case)
def _like_on_sqlite(element: like_in_any_case, compiler: SQLCompiler, **options: Any) -> str:
    return _like(element, compiler, "LIKE", **options)


@compiles(like_in_any_case, "postgresql")
def _like_on_postgresql(element: like_in_any_case, compiler: SQLCompiler, **options: Any) -> str:
    return _like(element, compiler, "ILIKE", **options)


def _like(element: like_in_any_case, compiler: SQLCompiler, operator: str, **options: Any) -> str:
    column, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({column} {operator} {pattern} ESCAPE '/')"


def contains_text(column: ColumnElement[Any] | QueryableAttribute[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that a column contains a text, in upper or lower case.

    SQLite ignores the case of ASCII letters only: a text with others is searched in each common spelling.
    """
    spellings = [text] if text.isascii() else [text, text.lower(), text.upper(), text.title(), text.capitalize()]
    patterns = ("%" + re.sub("([/%_])", r"/\1", spelling) + "%" for spelling in dict.fromkeys(spellings))
    return or_(*(like_in_any_case(column, literal(pattern, Text())) for pattern in patterns))


def parse_uuid(name: str) -> UUID | None:
    """Read a UUID written with dashes.

    Return None for any other text, such as a reference or code.
    """
    if len(name) != len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"):
        return None
    try:
        return UUID(name)
    except ValueError:
        return None


def has_id_or_name(
    id_column: InstrumentedAttribute[UUID], name_column: InstrumentedAttribute[Any], name: str
) -> ColumnElement[bool]:
    """Return the condition that finds one object by its id or its own name.

    Its own name is, for example, a code.
    """
    id = parse_uuid(name)
    return name_column == name if id is None else id_column == id

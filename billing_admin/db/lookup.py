"""Finding rows by many keys at once, and things by their id or their own name."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from billing_admin.models.base import uuid_text


class ValueList(TypeDecorator[list[Any]]):
    """Many values as one text: that of an array on PostgreSQL, whose driver takes far longer to write it, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # On PostgreSQL its type is what it is cast to.
        return dialect.type_descriptor(NullType() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return "{" + ",".join(map(_element, value or ())) + "}"
        return json.dumps(list(value or ()), default=str)


def _element(value: Any) -> str:
    """An element of an array as PostgreSQL reads it."""
    if isinstance(value, UUID):
        return uuid_text(value)
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class array_of(FunctionElement[Any]):  # noqa: N801 - SQL functions are named in lower case
    """The values of a parameter of the type `ValueList` as PostgreSQL's array of a type."""

    inherit_cache = True

    def __init__(self, values: ColumnElement[Any], item: TypeEngine[Any]) -> None:
        super().__init__(values)
        self.type = ARRAY(item)


@compiles(array_of, "postgresql")
def _array_on_postgresql(element: array_of, compiler: SQLCompiler, **options: Any) -> str:
    (values,) = element.clauses
    return f"{compiler.process(values, **options)}::{compiler.dialect.type_compiler_instance.process(element.type)}"


class list_contains(FunctionElement[Any]):  # noqa: N801 - SQL functions are named in lower case
    """`column IN (values)`, the values being one parameter of the type `ValueList`.

    It has no type: of a Boolean SQLAlchemy asks SQLite `(…) = 1`, for which no index serves.
    """

    type = NullType()
    inherit_cache = True


@compiles(list_contains, "postgresql")
def _among_on_postgresql(element: list_contains, compiler: SQLCompiler, **options: Any) -> str:
    item, values = element.clauses
    array = compiler.dialect.type_compiler_instance.process(ARRAY(item.type))
    return f"({compiler.process(item, **options)} = ANY ({compiler.process(values, **options)}::{array}))"


@compiles(list_contains, "sqlite")
def _among_on_sqlite(element: list_contains, compiler: SQLCompiler, **options: Any) -> str:
    item, values = element.clauses
    listed = f"SELECT value FROM json_each({compiler.process(values, **options)})"  # noqa: S608 - compiled by SQLAlchemy
    return f"({compiler.process(item, **options)} IN ({listed}))"


def is_any_of_named(attribute: InstrumentedAttribute[Any], name: str) -> ColumnElement[bool]:
    """`attribute IN (values)`; the values come by name when the statement, built once, is run."""
    return list_contains(attribute, bindparam(name, type_=ValueList()))


def is_any_of(attribute: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """`attribute IN (values)` as one parameter, however many values there are."""
    return list_contains(attribute, bindparam(None, list(values), ValueList(), unique=True))


def parse_uuid(name: str) -> UUID | None:
    """Read a UUID in its usual spelling, or None: the name is then a thing's own."""
    if len(name) != len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"):
        return None
    try:
        return UUID(name)
    except ValueError:
        return None


def has_id_or_name(key: InstrumentedAttribute[UUID], own: InstrumentedAttribute[Any], name: str) -> ColumnElement[bool]:
    """The condition that finds one thing by id or by its own name."""
    id = parse_uuid(name)
    return own == name if id is None else key == id

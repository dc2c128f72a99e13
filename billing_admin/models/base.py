"""The declarative base, and the column types that keep keys, exact decimals and moments the same on both databases."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    MetaData,
    Numeric,
    String,
    Text,
    Uuid,
    func,
    literal,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from billing_admin.domain.money import plain

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


# The same few keys come again and again: on each row of a join, in each table that an invoice is written to.
_parsed = lru_cache(maxsize=4096)(UUID)
spelled = lru_cache(maxsize=4096)(UUID.__str__)


class Key(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, its usual text with dashes on SQLite, so that a row reads the same everywhere."""

    impl = Uuid
    cache_ok = True
    as_text = staticmethod(spelled)

    @property
    def python_type(self) -> type[UUID]:
        """The type of the values, which a TypeDecorator does not take from its `impl`."""
        return UUID

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else String(36))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else spelled(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return value if value is None or isinstance(value, UUID) else _parsed(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """On PostgreSQL the driver knows them."""
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)


class Exact(TypeDecorator[Decimal]):
    """An exact decimal: on PostgreSQL a NUMERIC that holds any sum, on SQLite its one plain spelling, so that equal is equal."""

    impl = Numeric
    cache_ok = True
    as_text = staticmethod(plain)

    @property
    def python_type(self) -> type[Decimal]:
        """The type of the values, which a TypeDecorator does not take from its `impl`."""
        return Decimal

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric(42, 12) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else plain(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return value if value is None or isinstance(value, Decimal) else Decimal(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """On PostgreSQL the driver knows them."""
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, with microseconds."""

    impl = DateTime
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """The type of the values, which a TypeDecorator does not take from its `impl`."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Bytes order text on both databases; a locale's order would differ between them, and be slower.
Words = Text().with_variant(Text(collation="C"), "postgresql")
Data = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class exact_sum(GenericFunction[Decimal]):  # noqa: N801 - SQL functions are named in lower case
    """The exact sum of an `Exact` column: SUM on PostgreSQL, our own aggregate on SQLite (see `database`)."""

    type = Exact()
    inherit_cache = True


@compiles(exact_sum, "postgresql")
def _sum_on_postgresql(element: exact_sum, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(func.sum(*element.clauses), **options)


class exact_add(GenericFunction[Decimal]):  # noqa: N801
    """The exact sum of two `Exact` values. A bare Decimal is bound as one, too: left to itself SQLite would get a float."""

    type = Exact()
    inherit_cache = True

    def __init__(self, *values: Any) -> None:
        super().__init__(*(literal(value, Exact()) if isinstance(value, Decimal) else value for value in values))


@compiles(exact_add, "postgresql")
def _add_on_postgresql(element: exact_add, compiler: SQLCompiler, **options: Any) -> str:
    left, right = element.clauses
    return f"({compiler.process(left, **options)} + {compiler.process(right, **options)})"


class json_text(GenericFunction[str]):  # noqa: N801
    """A `Data` column as text, spelled alike on both databases: as PostgreSQL writes JSONB (see `domain.jsontext`)."""

    type = Words
    inherit_cache = True

    def __init__(self, value: Any) -> None:
        super().__init__(type_coerce(value, Text))


@compiles(json_text, "postgresql")
def _json_text_on_postgresql(element: json_text, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(*element.clauses, **options)} AS TEXT)"


@compiles(json_text, "sqlite")
def _json_text_on_sqlite(element: json_text, compiler: SQLCompiler, **options: Any) -> str:
    """The way into Python is long: what has one name at most, and nothing escaped as a code point, is spelled so already."""
    value = compiler.process(*element.clauses, **options)
    spelled = f"instr({value}, ',') = 0 AND instr({value}, '\\u') = 0"
    return f"CASE WHEN {value} IS NULL OR ({spelled}) THEN {value} ELSE json_text({value}) END"


class Base(DeclarativeBase):
    """Every table of ours."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            UUID: Key,
            Decimal: Exact,
            datetime: Moment,
            date: Date,
            int: BigInteger,
            str: Words,
            dict[str, Any]: Data,
            list[str]: Data,
        },
    )


def one_of(column: str, *words: str) -> CheckConstraint:
    """A column that holds one of a few words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def exact_checks(*columns: str) -> tuple[CheckConstraint, ...]:
    """PostgreSQL accepts NaN as a number, SQLite any text: refuse both in the database itself."""
    return tuple(
        check
        for column in columns
        for check in (
            CheckConstraint(f"{column} <> 'NaN'", name=f"{column}_number").ddl_if(dialect="postgresql"),
            CheckConstraint(
                f"{column} GLOB '[-0-9]*' AND {column} NOT GLOB '*[^-.0-9]*'", name=f"{column}_number"
            ).ddl_if(dialect="sqlite"),
        )
    )

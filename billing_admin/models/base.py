"""The declarative base, and column types.

With these types both databases store and return the same values.
"""

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
from sqlalchemy.orm import DeclarativeBase, registry, validates
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from billing_admin.domain.money import plain_decimal
from billing_admin.domain.translation import phrase_data, phrase_from

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


# Cached because the same keys recur: on each row of a join, in each table of an invoice, and in each query of a page
# that plans all documents. Many more keys than the cache holds would find none of them in it.
MAX_CACHED_KEYS = 32_768
_parse_uuid = lru_cache(maxsize=MAX_CACHED_KEYS)(UUID)
uuid_text = lru_cache(maxsize=MAX_CACHED_KEYS)(UUID.__str__)


def _read_uuid(text: str | None) -> UUID | None:
    return None if text is None else _parse_uuid(text)


def _read_decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _read_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _read_utc_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


class UuidKey(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, its text with dashes on SQLite.

    Both databases therefore show a row alike.
    """

    impl = Uuid
    cache_ok = True
    as_text = staticmethod(uuid_text)

    @property
    def python_type(self) -> type[UUID]:
        """The type of the values; a TypeDecorator does not take it from its `impl`."""
        return UUID

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of this database."""
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else String(36))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """Return the value as the driver takes it."""
        return value if value is None or dialect.name == "postgresql" else uuid_text(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return the reader of a stored text.

        It is None on PostgreSQL, whose driver returns the type itself.
        """
        return None if dialect.name == "postgresql" else _read_uuid


class ExactDecimal(TypeDecorator[Decimal]):
    """An exact decimal: a NUMERIC that holds any sum, or plain text on SQLite.

    Each number has one plain text (`domain.money.plain_decimal`), so that equal numbers compare equal as text.
    """

    impl = Numeric
    cache_ok = True
    as_text = staticmethod(plain_decimal)

    @property
    def python_type(self) -> type[Decimal]:
        """The type of the values; a TypeDecorator does not take it from its `impl`."""
        return Decimal

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of this database."""
        return dialect.type_descriptor(Numeric(42, 12) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return the value as the driver takes it."""
        return value if value is None or dialect.name == "postgresql" else plain_decimal(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return the reader of a stored text.

        It is None on PostgreSQL, whose driver returns the type itself.
        """
        return None if dialect.name == "postgresql" else _read_decimal


class UtcDateTime(TypeDecorator[datetime]):
    """A date and time in UTC, with microseconds."""

    impl = DateTime
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """The type of the values; a TypeDecorator does not take it from its `impl`."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of this database."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return the value as the driver takes it."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Return the reader of a stored value.

        It is a text without time zone on SQLite, a time of any zone on PostgreSQL.
        """
        return _read_utc if dialect.name == "postgresql" else _read_utc_text


# Both databases order text by its bytes: an order by locale would differ between them and be slower.
ByteOrderedText = Text().with_variant(Text(collation="C"), "postgresql")
JsonData = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class exact_sum(GenericFunction[Decimal]):  # noqa: N801 - SQL functions are named in lower case
    """The exact sum of an `ExactDecimal` column.

    It is SUM on PostgreSQL, and an aggregate in `db.engine` on SQLite.
    """

    type = ExactDecimal()
    inherit_cache = True


@compiles(exact_sum, "postgresql")
def _sum_on_postgresql(element: exact_sum, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(func.sum(*element.clauses), **options)


class exact_add(GenericFunction[Decimal]):  # noqa: N801
    """The exact sum of two `ExactDecimal` values.

    A plain Decimal is bound as ExactDecimal as well: SQLAlchemy would send it to SQLite as a float.
    """

    type = ExactDecimal()
    inherit_cache = True

    def __init__(self, *values: Any) -> None:
        super().__init__(*(literal(value, ExactDecimal()) if isinstance(value, Decimal) else value for value in values))


@compiles(exact_add, "postgresql")
def _add_on_postgresql(element: exact_add, compiler: SQLCompiler, **options: Any) -> str:
    first, second = element.clauses
    return f"({compiler.process(first, **options)} + {compiler.process(second, **options)})"


class days_between(GenericFunction[int]):  # noqa: N801
    """The number of days from the second day to the first."""

    type = BigInteger()
    inherit_cache = True


@compiles(days_between, "postgresql")
def _days_on_postgresql(element: days_between, compiler: SQLCompiler, **options: Any) -> str:
    last, first = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({last} - {first})"


@compiles(days_between, "sqlite")
def _days_on_sqlite(element: days_between, compiler: SQLCompiler, **options: Any) -> str:
    last, first = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(julianday({last}) - julianday({first}) AS INTEGER)"


class json_text(GenericFunction[str]):  # noqa: N801
    """A `JsonData` column as text, in the form of PostgreSQL's JSONB.

    See `domain.json_text`.
    """

    type = ByteOrderedText
    inherit_cache = True

    def __init__(self, value: Any) -> None:
        super().__init__(type_coerce(value, Text))


@compiles(json_text, "postgresql")
def _json_text_on_postgresql(element: json_text, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(*element.clauses, **options)} AS TEXT)"


@compiles(json_text, "sqlite")
def _json_text_on_sqlite(element: json_text, compiler: SQLCompiler, **options: Any) -> str:
    # A call into Python is slow. Text with at most one name and no \u escape is in PostgreSQL's form already.
    value = compiler.process(*element.clauses, **options)
    is_same_text = f"instr({value}, ',') = 0 AND instr({value}, '\\u') = 0"
    return f"CASE WHEN {value} IS NULL OR ({is_same_text}) THEN {value} ELSE json_text({value}) END"


class Base(DeclarativeBase):
    """The base of every table."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            UUID: UuidKey,
            Decimal: ExactDecimal,
            datetime: UtcDateTime,
            date: Date,
            int: BigInteger,
            str: ByteOrderedText,
            dict[str, Any]: JsonData,
            list[str]: JsonData,
            list[list[str]]: JsonData,
            list[dict[str, Any]]: JsonData,
        },
    )


def value_check(column: str, *values: str) -> CheckConstraint:
    """Return the constraint that a column holds one of these values."""
    literals = ", ".join("'{}'".format(value.replace("'", "''")) for value in values)
    return CheckConstraint(f"{column} IN ({literals})", name=f"{column}_known")


def exact_checks(*columns: str) -> tuple[CheckConstraint, ...]:
    """Return constraints that columns hold numbers.

    PostgreSQL would accept NaN, SQLite any text.
    """
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


def period_check() -> CheckConstraint:
    """Return the constraint that a period has both days in order, or neither.

    It belongs to a column: SQLite can add such a constraint without a copy of the table.
    """
    return CheckConstraint(
        "(period_from IS NULL) = (period_to IS NULL) AND (period_from IS NULL OR period_to >= period_from)"
        " AND (period_of_days IS NULL OR period_from IS NOT NULL)",
        name="period_has_both_days",
    )


# Released migrations import these names.
Key, Exact, Moment, Words, Data = UuidKey, ExactDecimal, UtcDateTime, ByteOrderedText, JsonData


class StoredPhrase:
    """A text of a row for a page: `reason_text = StoredPhrase("reason")`.

    The column is in English. If it is a text of the program, the column `<name>_phrase` has its form and values, so that
    the page can translate it. Setting the attribute sets both; a statement of INSERT or UPDATE names both.
    """

    def __init__(self, column: str) -> None:
        self._column, self._phrase_column = column, f"{column}_phrase"

    def __set_name__(self, model: type, _name: str) -> None:
        phrase_column = self._phrase_column

        @validates(self._column)
        def keep_phrase(row: object, _column: str, value: str | None) -> str | None:
            setattr(row, phrase_column, phrase_data(value))
            return value

        setattr(model, f"_keep_{phrase_column}", keep_phrase)

    def __get__(self, row: object, _model: type) -> str | None:
        value = getattr(row, self._column)
        return None if value is None else phrase_from(value, getattr(row, self._phrase_column))

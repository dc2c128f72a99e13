"""Rows as named tuples, for code that reads many values of many rows."""

from functools import cache
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Result

# A named tuple of a row's values.
NamedRow: TypeAlias = Any


def named_rows(result: Result[Any]) -> list[NamedRow]:
    """Return the rows of a result as named tuples.

    To read a value of SQLAlchemy's rows by its name takes 0.25 µs, fifteen times as long as of a named tuple. A billing run
    reads 50 values of each customer.
    """
    return list(map(_row_class(tuple(result.keys()))._make, result.all()))


@cache
def _row_class(names: tuple[str, ...]) -> Any:
    return NamedTuple("NamedRow", [(name, Any) for name in names])

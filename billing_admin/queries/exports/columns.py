"""Typed columns of exported files.

`formats.csv_writer` and `formats.xlsx` turn them into cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute


class Kind(Enum):
    """The kind of a column, which decides how its cells are written."""

    TEXT = auto()
    """Text that people typed: escaped so that spreadsheets do not take it for a formula."""
    WORD = auto()
    """A fixed word, an id or a currency, never empty: the databases write an empty one differently."""
    WHOLE = auto()
    EXACT = auto()
    MONEY = auto()
    """Minor units of the row's currency, or of the column's."""
    DAY = auto()
    MOMENT = auto()
    FLAG = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of a file.

    `currency` is that of its money, if it is not the row's.
    """

    name: str
    kind: Kind
    value: ColumnElement[Any]
    currency: ColumnElement[Any] | None = None


def column(name: str, kind: Kind, value: Any, currency: ColumnElement[Any] | None = None) -> Column:
    """Return a column of a file for a column or expression of a query."""
    return Column(name, kind, value.expression if isinstance(value, InstrumentedAttribute) else value, currency)


@dataclass(frozen=True, slots=True)
class Export:
    """One file: `rows` selects no columns yet; `columns` are added to it.

    Money is in `currency`.
    """

    columns: Sequence[Column]
    rows: Select[Any]
    currency: ColumnElement[Any]

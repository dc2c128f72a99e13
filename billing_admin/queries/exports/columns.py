"""What a file is made of: typed columns in their fixed order. `documents.csv` and `documents.xlsx` turn them into cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute


class Kind(Enum):
    """How a column is written."""

    TEXT = auto()
    """What somebody typed: it is kept from looking like a formula."""
    WORD = auto()
    """A word of ours, a key or a currency."""
    WHOLE = auto()
    EXACT = auto()
    MONEY = auto()
    """Minor units of the row's currency."""
    DAY = auto()
    MOMENT = auto()
    FLAG = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of a file."""

    name: str
    kind: Kind
    value: ColumnElement[Any]


def column(name: str, kind: Kind, value: Any) -> Column:
    """A column of anything that stands for one in a query."""
    return Column(name, kind, value.expression if isinstance(value, InstrumentedAttribute) else value)


@dataclass(frozen=True, slots=True)
class Export:
    """One file: `rows` selects nothing yet, `columns` say what. Money is in the row's `currency`."""

    columns: Sequence[Column]
    rows: Select[Any]
    currency: ColumnElement[Any]

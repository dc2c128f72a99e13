"""Cells of a file as somebody typed or exported them: read by rules that were chosen, never guessed. A blank cell is None."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import LONGEST_NUMBER, exact_decimal

# What an export puts one apostrophe in front of (docs/files.md).
_GUARDED = re.compile("'+[=+\\-@\t\r]")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DAY_FIRST = re.compile(r"([0-9]{1,2})[./-]([0-9]{1,2})[./-]([0-9]{4})", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_KEPT = 10_000  # the same quantities, prices and days come again and again
LONGEST_SHOWN = 40
_LONGEST_DAY = 10


class CellType(Enum):
    """What a column holds."""

    TEXT = auto()
    """One line, exactly as it stands."""
    LINES = auto()
    """Text of several lines; lines end in LF."""
    NAME = auto()
    """What a thing is called by: spaces around it are nobody's name."""
    WORD = auto()
    """A word of ours, in lower case."""
    CODE = auto()
    """A currency, in capitals."""
    NUMBER = auto()
    WHOLE = auto()
    DAY = auto()
    FLAG = auto()
    KEY = auto()
    """A UUID."""
    ENTRIES = auto()
    """A JSON object of texts."""


@dataclass(frozen=True, slots=True)
class CellFormat:
    """How numbers and days are written in a file."""

    decimal_comma: bool = False
    day_first: bool = False


def read_cell(what: CellType, cell: str, written: CellFormat) -> Any:
    """The value of a cell, None for a blank one. Raises Invalid with a sentence that says how to mend it."""
    return None if not cell or cell.isspace() else _READERS[what](cell, written)


def cell_reader(what: CellType) -> Callable[[str, CellFormat], Any]:
    """What reads a cell that is not blank: looked up once for a column, not for each row."""
    return _READERS[what]


def escape_formula(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula, and before what begins as a guarded text does."""
    return f"'{text}" if _GUARDED.match(f"'{text}") else text


def unescape_formula(cell: str) -> str:
    """Take off the apostrophe that an export puts before what a spreadsheet would take for a formula."""
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell) else cell


def shorten(cell: str) -> str:
    """A cell as a sentence may quote it."""
    return cell if len(cell) <= LONGEST_SHOWN else f"{cell[:LONGEST_SHOWN]}…"


def _text(cell: str, _written: CellFormat) -> str:
    return unescape_formula(cell)


def _lines(cell: str, _written: CellFormat) -> str:
    return unescape_formula(cell).replace("\r\n", "\n").replace("\r", "\n")


def _name(cell: str, _written: CellFormat) -> str:
    return unescape_formula(cell).strip()


def _word(cell: str, _written: CellFormat) -> str:
    return cell.strip().lower()


def _code(cell: str, _written: CellFormat) -> str:
    return cell.strip().upper()


def _number(cell: str, written: CellFormat) -> Decimal:
    typed = cell.strip()
    if len(typed) > LONGEST_NUMBER:
        raise Invalid("not_a_number", "Use at most 18 digits before and 12 after the point, such as 1234.50.")
    return _short_number(typed, written)


@lru_cache(_KEPT)
def _short_number(typed: str, written: CellFormat) -> Decimal:
    if ("$" in typed or not typed.isascii()) and any(unicodedata.category(character) == "Sc" for character in typed):
        raise Invalid(
            "not_a_number",
            f"“{typed}” has a sign of a currency. Write the number alone, such as 1234.50: its currency is that of the"
            " customer, or of the currency column.",
        )
    if written.decimal_comma:
        if "." in typed:
            raise Invalid(
                "not_a_number",
                f"“{shorten(typed)}” has a point, but numbers have a decimal comma here: leave out separators of thousands,"
                " or choose the decimal point.",
            )
        typed = typed.replace(",", ".", 1)
    elif "," in typed:
        raise Invalid(
            "not_a_number",
            f"“{shorten(typed)}” has a comma: leave out separators of thousands, or choose the decimal comma.",
        )
    return exact_decimal(typed)


def _whole(cell: str, _written: CellFormat) -> int:
    typed = cell.strip()
    if not _WHOLE.fullmatch(typed):
        raise Invalid("not_a_whole_number", "Use a whole number such as 30.")
    return int(typed)


def _day(cell: str, written: CellFormat) -> date:
    typed = cell.strip()
    return _short_day(typed if len(typed) <= _LONGEST_DAY else "", written)


@lru_cache(_KEPT)
def _short_day(typed: str, written: CellFormat) -> date:
    try:
        if not written.day_first:
            return date.fromisoformat(typed if _ISO.fullmatch(typed) else "")
        found = _DAY_FIRST.fullmatch(typed)
        day, month, year = map(int, found.groups()) if found else (0, 0, 0)
        return date(year, month, day)
    except ValueError as error:
        example = "31.12.2026" if written.day_first else "2026-12-31"
        raise Invalid("not_a_day", f"Use a day such as {example}, or choose how days are written.") from error


def _flag(cell: str, _written: CellFormat) -> bool:
    found = _FLAGS.get(cell.strip().lower())
    if found is None:
        raise Invalid("not_a_choice", "Use true or false.")
    return found


def _key(cell: str, _written: CellFormat) -> UUID:
    try:
        return UUID(cell.strip() if len(cell.strip()) == 36 else "")
    except ValueError as error:
        raise Invalid(
            "not_an_id",
            "Use a UUID such as 019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c. A number of your own goes into the key instead.",
        ) from error


def _entries(cell: str, _written: CellFormat) -> dict[str, str]:
    try:
        found = json.loads(unescape_formula(cell), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Invalid("not_entries", 'Use a JSON object of texts such as {"cluster": "7"}.')
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


_READERS: Final[Mapping[CellType, Callable[[str, CellFormat], Any]]] = {
    CellType.TEXT: _text,
    CellType.LINES: _lines,
    CellType.NAME: _name,
    CellType.WORD: _word,
    CellType.CODE: _code,
    CellType.NUMBER: _number,
    CellType.WHOLE: _whole,
    CellType.DAY: _day,
    CellType.FLAG: _flag,
    CellType.KEY: _key,
    CellType.ENTRIES: _entries,
}

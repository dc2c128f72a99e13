"""Cells of imported files, read by the chosen formats.

A blank cell is None.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final, TypeAlias
from uuid import UUID

from billing_admin.domain.amount_input import parse_amount
from billing_admin.domain.day_input import LONGEST_MOMENT, SERIAL_ZERO, day_of_serial, parse_copied_day
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import LONGEST_NUMBER, exact_decimal, plain_decimal
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.translation import Phrase

# The characters with which a formula can begin, by the version of the rule (docs/files.md). Exports escape such texts with
# an apostrophe, and state the version in their `.meta.json`.
FORMULA_CHARACTERS: Final[Mapping[int, str]] = {1: "=+-@\t\r", 2: "=+-@\t\r\n＝＋－＠"}
FORMULA_RULE: Final = 2
_ESCAPED = {rule: re.compile(f"'+[{re.escape(characters)}]") for rule, characters in FORMULA_CHARACTERS.items()}
_PLAIN = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?", re.ASCII)
# Numbers as a spreadsheet writes them in a narrow column: their last digits are lost.
_SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{2,3}", re.ASCII)
_SPREADSHEET_ERRORS = frozenset(
    {"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}
)
UNCALCULATED: Final = "#UNCALCULATED!"  # a formula without a stored value
_TOO_NARROW = re.compile("#{2,}")
_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LONGEST_SHOWN = 40


class CellType(Enum):
    """The type of a column's values."""

    TEXT = auto()
    """One line of text, unchanged."""
    LINES = auto()
    """Text of several lines, which end in LF."""
    NAME = auto()
    """A reference, code or number, without surrounding spaces."""
    IDENTIFIER = auto()
    """One line of text, unchanged, that may be a long number."""
    WORD = auto()
    """A keyword, in lower case."""
    CODE = auto()
    """A code of a list, such as a currency, in upper case."""
    NUMBER = auto()
    WHOLE = auto()
    DAY = auto()
    FLAG = auto()
    KEY = auto()
    """A UUID."""
    ENTRIES = auto()
    """A JSON object of texts."""
    SCHEME = auto()
    """A code of a scheme, such as `0088`, whose zeros a spreadsheet may have dropped."""
    LABELS = auto()
    """Lines such as `Cost centre: 4711`, or a JSON list of labels and values."""


@dataclass(frozen=True, slots=True)
class CellFormat:
    """The formats of numbers and days in a file.

    With `accounting`, `(1.00)` and `1.00-` are negative numbers. `formula_rule` is the version of the rule
    by which texts were escaped.
    """

    number_format: NumberFormat = NumberFormat.COMMA_POINT
    date_order: DateOrder = DateOrder.YEAR_FIRST
    accounting: bool = False
    formula_rule: int = FORMULA_RULE


class NumberCell(str):
    """A number of a workbook as a plain decimal, which no number format changes.

    `first_day` is the day with the serial 0 in the workbook.
    """

    __slots__ = ()
    first_day = SERIAL_ZERO


class NumberCell1904(NumberCell):
    """A number of a workbook whose days are counted from 1904."""

    __slots__ = ()
    first_day = date(1904, 1, 1)


CellReader: TypeAlias = Callable[[str, CellFormat], Any]


def read_cell(cell_type: CellType, cell: str, cell_format: CellFormat) -> Any:
    """Return the value of a cell, None for a blank one.

    Raises:
        Invalid: The cell cannot be read.
    """
    if not cell or cell.isspace():
        return None
    refuse_spreadsheet_error(cell)
    return _READERS[cell_type](cell, cell_format)


def cell_reader(cell_type: CellType) -> CellReader:
    """Return the function that reads non-blank cells of a type.

    Look it up once per column.
    """
    return _READERS[cell_type]


def refuse_spreadsheet_error(cell: str) -> None:
    """Raise Invalid if a cell has an error of the spreadsheet, such as `#N/A`."""
    if not cell.startswith("#"):
        return
    cell = cell.strip()
    if cell in _SPREADSHEET_ERRORS:
        raise Invalid(
            "spreadsheet_error", Phrase("The spreadsheet has the error {cell} here. Correct its formula.", cell=cell)
        )
    if cell == UNCALCULATED:
        message = Phrase(
            "This formula has no stored value. Open the workbook in a spreadsheet program and save it again."
        )
        raise Invalid("spreadsheet_error", message)
    if _TOO_NARROW.fullmatch(cell):
        message = Phrase(
            "The column was too narrow when the file was saved. Widen it in the spreadsheet and save the file again."
        )
        raise Invalid("spreadsheet_error", message)


def escape_formula(text: str) -> str:
    """Return a text with an apostrophe before it if it looks like a formula.

    A spreadsheet would calculate such a text. A text that looks like an escaped one gets an apostrophe as
    well, so that `unescape_formula` returns every text unchanged.
    """
    return f"'{text}" if _ESCAPED[FORMULA_RULE].match(f"'{text}") else text


def unescape_formula(cell: str, rule: int = FORMULA_RULE) -> str:
    """Return a cell without the apostrophe that an export puts before a formula.

    `rule` is the version of the rule by which the cell was written.
    """
    return cell[1:] if cell.startswith("'") and _ESCAPED[rule].match(cell) else cell


def shorten(cell: str) -> str:
    """Return a cell cut to the length that messages quote."""
    return cell if len(cell) <= LONGEST_SHOWN else f"{cell[:LONGEST_SHOWN]}…"


def _text(cell: str, cell_format: CellFormat) -> str:
    return unescape_formula(cell, cell_format.formula_rule)


def _lines(cell: str, cell_format: CellFormat) -> str:
    return unescape_formula(cell, cell_format.formula_rule).replace("\r\n", "\n").replace("\r", "\n")


def _identifier(cell: str, cell_format: CellFormat) -> str:
    if "+" in cell and _SHORTENED.fullmatch(cell.strip()):
        message = Phrase(
            "“{cell}” is a number that a spreadsheet has shortened: its last digits are lost. Format the "
            "column as text, enter the whole number, and save the file again.",
            cell=cell.strip(),
        )
        raise Invalid("shortened", message)
    return unescape_formula(cell, cell_format.formula_rule)


def _name(cell: str, cell_format: CellFormat) -> str:
    return _identifier(cell, cell_format).strip()


def _word(cell: str, _format: CellFormat) -> str:
    return cell.strip().lower()


def _code(cell: str, _format: CellFormat) -> str:
    return cell.strip().upper()


def _number(cell: str, cell_format: CellFormat) -> Decimal:
    if isinstance(cell, NumberCell):
        return exact_decimal(Decimal(cell))
    number = cell.strip()
    if len(number) > LONGEST_NUMBER:
        raise Invalid("not_a_number", Phrase("Use at most 18 digits before and 12 after the point, such as 1234.50."))
    if cell_format.number_format.decimal_sign == "." and _PLAIN.fullmatch(number):
        return exact_decimal(number)
    try:
        amount = parse_amount(number, cell_format.number_format, accounting=cell_format.accounting)
    except Invalid:
        if not cell_format.accounting and (negative := _read_accounting(number, cell_format)) is not None:
            raise Invalid(
                "accounting",
                Phrase(
                    "“{shorten}” may mean {negative}. If it does, choose to read (1.00) and 1.00- as negative numbers.",
                    shorten=shorten(number),
                    negative=plain_decimal(negative),
                ),
            ) from None
        raise
    if amount.currencies is not None:
        raise Invalid(
            "not_a_number",
            Phrase(
                "Remove the currency sign from “{number}” and enter the number alone, such as 1234.50. The "
                "currency comes from the customer or from the currency column.",
                number=number,
            ),
        )
    return amount.without_currency()


def _read_accounting(number: str, cell_format: CellFormat) -> Decimal | None:
    try:
        return parse_amount(number, cell_format.number_format, accounting=True).without_currency()
    except Invalid:
        return None


def _whole(cell: str, _format: CellFormat) -> int:
    number = cell.strip()
    if not _WHOLE.fullmatch(number):
        raise Invalid("not_a_whole_number", Phrase("Use a whole number such as 30."))
    return int(exact_decimal(number))  # refuses −0


def _day(cell: str, cell_format: CellFormat) -> date:
    if isinstance(cell, NumberCell):
        return day_of_serial(cell, cell.first_day)
    return parse_copied_day(cell.strip()[:LONGEST_MOMENT], cell_format.date_order)


def _flag(cell: str, _format: CellFormat) -> bool:
    flag = _FLAGS.get(cell.strip().lower())
    if flag is None:
        raise Invalid("not_a_choice", Phrase("Use true or false."))
    return flag


def _key(cell: str, _format: CellFormat) -> UUID:
    try:
        return UUID(cell.strip() if len(cell.strip()) == 36 else "")
    except ValueError as error:
        raise Invalid(
            "not_an_id",
            Phrase(
                "Use a UUID such as 019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c. To use your own numbers, map the "
                "column to “Your own key”."
            ),
        ) from error


def _entries(cell: str, cell_format: CellFormat) -> dict[str, str]:
    try:
        entries = json.loads(unescape_formula(cell, cell_format.formula_rule), object_pairs_hook=_unique_entries)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        raise Invalid("not_entries", Phrase('Use a JSON object of texts such as {"cluster": "7"}.'))
    return entries


def _unique_entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError
    return entries


def _scheme(cell: str, _format: CellFormat) -> str:
    code = cell.strip().upper()
    return code.zfill(4) if code.isascii() and code.isdigit() else code


def _labels(cell: str, cell_format: CellFormat) -> list[dict[str, str]]:
    text = _lines(cell, cell_format).strip()
    if text.startswith("["):
        return _labels_of_json(text)
    lines = [line.partition(":") for line in text.split("\n") if line.strip()]
    if not all(colon for _, colon, _ in lines):
        raise Invalid("not_labels", Phrase("Put a colon after each label, as in Cost centre: 4711."))
    return [{"label": label.strip(), "value": value.strip()} for label, _, value in lines]


def _labels_of_json(text: str) -> list[dict[str, str]]:
    try:
        lines = json.loads(text)
    except (ValueError, RecursionError):
        lines = None
    if isinstance(lines, list) and all(isinstance(line, dict) and line.keys() == {"label", "value"} for line in lines):
        texts = [value for line in lines for value in line.values()]
        if all(isinstance(value, str) for value in texts):
            return lines
    raise Invalid(
        "not_labels", Phrase('Use lines such as Cost centre: 4711, or [{"label": "Cost centre", "value": "4711"}].')
    )


_READERS: Final[Mapping[CellType, CellReader]] = {
    CellType.TEXT: _text,
    CellType.LINES: _lines,
    CellType.NAME: _name,
    CellType.IDENTIFIER: _identifier,
    CellType.WORD: _word,
    CellType.CODE: _code,
    CellType.NUMBER: _number,
    CellType.WHOLE: _whole,
    CellType.DAY: _day,
    CellType.FLAG: _flag,
    CellType.KEY: _key,
    CellType.ENTRIES: _entries,
    CellType.SCHEME: _scheme,
    CellType.LABELS: _labels,
}

"""Excel workbooks: the rows of the CSV with Excel's numbers and dates.

A workbook is written in constant memory. Excel stores numbers as doubles, which represent 15 significant
digits exactly. Longer numbers are written as text, so that no digit is lost. Frozen: the same data gives
the same bytes.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from typing import Any, BinaryIO

from sqlalchemy.orm import Session
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from billing_admin.formats.csv_writer import text_rows
from billing_admin.queries.exports import Column, Export, Kind

EXCEL_ROWS = 1_048_576
EXCEL_TEXT = 32_767
EXACT_DIGITS = 15
CUT = " … (cut here, where a cell of Excel ends: the CSV has it whole)"
# XML has no character for these two.
NONCHARACTERS = str.maketrans({"\ufffe": "\ufffd", "\uffff": "\ufffd"})
# A constant, so that the same data gives the same bytes; the `.meta.json` has the time.
CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - Excel has no time zones
WIDTHS = {
    Kind.TEXT: 30,
    Kind.WORD: 16,
    Kind.WHOLE: 12,
    Kind.EXACT: 24,
    Kind.MONEY: 22,
    Kind.DAY: 12,
    Kind.MOMENT: 20,
    Kind.FLAG: 10,
}
KEY_WIDTH = 38
KEYS = frozenset({"id", "payment", "invoice_id", "replaces", "actor_id", "object_id", "request_id"})


def write_workbook(session: Session, export: Export, title: str, sink: BinaryIO) -> None:
    """Write a workbook.

    Rows beyond the limit of a sheet continue on the next one, which repeats the header.
    """
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(sink, options) as book:
        book.set_properties({"title": title, "created": CREATED})
        sheets = _Sheets(book, title, export.columns)
        for row in text_rows(session, export):
            sheets.add(row)


class _Sheets:
    """The sheets of a workbook; rows are added to the last."""

    def __init__(self, book: Workbook, title: str, columns: Sequence[Column]) -> None:
        self.book, self.title, self.columns = book, title, columns
        self.formats: dict[str, Format] = {}
        self.count, self.row = 0, 0
        self.sheet = self._begin()
        self.writers = [self._writer(column) for column in columns]

    def _begin(self) -> Worksheet:
        self.count += 1
        sheet = self.book.add_worksheet(self.title if self.count == 1 else f"{self.title} {self.count}")
        bold = self.book.add_format({"bold": True})
        for place, column in enumerate(self.columns):
            sheet.set_column(place, place, _width(column))
            sheet.write_string(0, place, column.name, bold)
        sheet.freeze_panes(1, 0)
        self.row = 1
        return sheet

    def add(self, row: Sequence[str | None]) -> None:
        if self.row == EXCEL_ROWS:
            self.sheet = self._begin()
        for place, cell in enumerate(row):
            if cell is not None:
                self.writers[place](place, cell)
        self.row += 1

    def _writer(self, column: Column) -> Callable[[int, str], None]:
        kinds: dict[Kind, Callable[[int, str], None]] = {
            Kind.WHOLE: self._number,
            Kind.EXACT: self._number,
            Kind.MONEY: self._number,
            Kind.DAY: self._day,
            Kind.MOMENT: self._moment,
            Kind.FLAG: self._flag,
        }
        return kinds.get(column.kind, self._text)

    def _text(self, place: int, cell: str) -> None:
        self.sheet.write_string(self.row, place, cell_text(cell))

    def _number(self, place: int, cell: str) -> None:
        if not fits_double(cell):
            self._text(place, cell)
            return
        digits = len(cell.partition(".")[2])
        shown = "#,##0" + ("." + "0" * digits if digits else "")
        self.sheet.write_number(
            self.row, place, Decimal(cell), self._format(shown)
        )  # exact: see the head of this module

    def _day(self, place: int, cell: str) -> None:
        self.sheet.write_datetime(self.row, place, date.fromisoformat(cell), self._format("yyyy-mm-dd"))

    def _moment(self, place: int, cell: str) -> None:
        at = datetime.fromisoformat(cell).astimezone(UTC).replace(tzinfo=None)
        self.sheet.write_datetime(self.row, place, at, self._format("yyyy-mm-dd hh:mm:ss"))

    def _flag(self, place: int, cell: str) -> None:
        self.sheet.write_boolean(self.row, place, cell == "true")

    def _format(self, shown: str) -> Any:
        if shown not in self.formats:
            self.formats[shown] = self.book.add_format({"num_format": shown})
        return self.formats[shown]


def _width(column: Column) -> int:
    return KEY_WIDTH if column.name in KEYS else max(WIDTHS[column.kind], len(column.name) + 2)


def fits_double(number: str) -> bool:
    """Return whether Excel's numbers represent a plain decimal exactly."""
    return len(number.lstrip("-").replace(".", "").lstrip("0")) <= EXACT_DIGITS


def cell_text(text: str) -> str:
    """Return a text as a cell can store it.

    It is cut at Excel's limit, and escaped if it looks like mark-up.
    """
    cell = text.translate(NONCHARACTERS)
    if 2 * len(cell) > EXCEL_TEXT and len(cell.encode("utf-16-le")) > 2 * EXCEL_TEXT:
        cell = cell[: (EXCEL_TEXT - len(CUT)) // 2] + CUT
    if cell.startswith("<r>") and cell.endswith("</r>"):  # XlsxWriter would write such a text unescaped
        cell = f'<r><t xml:space="preserve">{escape(cell, quote=False)}</t></r>'
    return cell

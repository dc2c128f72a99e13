"""The table of an imported file: CSV, compressed CSV, or a workbook (.xlsx).

Rows are read as a stream: memory does not grow with the file.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Final, Protocol

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.headers import check_header
from billing_admin.domain.imports.layouts import DELIMITERS, Layout
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.domain.imports.rows import Record
from billing_admin.domain.translation import Phrase
from billing_admin.formats.compressed import expand
from billing_admin.formats.csv_reader import CsvRows, guess_encoding
from billing_admin.formats.xlsx_reader import Workbook

SAMPLE_ROWS: Final = 3
TITLE_ROWS: Final = 30  # rows in which the header is searched
_ZIP: Final = b"PK\x03\x04"
RawRow = tuple[int, list[str]]
# A function that returns how well each of some rows fits as the header.
Score = Callable[[Sequence[Sequence[str]]], Sequence[int]]


class Opener(Protocol):
    """A function that opens the file at its beginning."""

    def __call__(self) -> BinaryIO:
        """Open the file."""


class Table:
    """The header of a file, and an iterator over the rows below it without blank ones."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        """Read the header.

        Raises:
            Invalid: The file cannot be read by the layout, or has no header.
        """
        expanded = expand(file)
        self._workbook = Workbook(expanded) if is_workbook(expanded) else None
        self._csv = None if self._workbook else CsvRows(expanded, layout.encoding, layout.delimiter)
        try:
            self._rows = self._open(layout)
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> tuple[str, ...]:
        row = next(self._rows, None)
        if row is None:
            raise _no_header()
        check_header(row[1])
        return tuple(row[1])

    def __iter__(self) -> Iterator[Record]:
        """Yield the rows below the header."""
        for number, (line, cells) in enumerate(self._rows):
            yield Record(line, number, cells)

    def close(self) -> None:
        """Release the file, which stays open."""
        if self._workbook:
            self._workbook.close()
        if self._csv:
            self._csv.detach()

    def _open(self, layout: Layout) -> Iterator[RawRow]:
        if self._workbook:
            return self._workbook.rows(layout.sheet, layout.header_line)
        assert self._csv is not None  # noqa: S101 - a file is either
        return (row for row in self._csv if row[0] >= layout.header_line)


def open_table(file: BinaryIO, plan: ImportPlan) -> Table:
    """Return the table of a file by its plan.

    Raises:
        Invalid: The header is not that of the plan.
    """
    table = Table(file, plan.layout)
    if table.header != plan.header:
        table.close()
        raise Invalid(
            "other_header",
            Phrase("The header row has changed since the columns were mapped. Map the columns again."),
        )
    return table


@dataclass(frozen=True, slots=True)
class LayoutChoice:
    """The parts of a layout that a person chose; the others are guessed."""

    encoding: str | None = None
    delimiter: str | None = None
    header_line: int | None = None
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """The layout of a file, its first rows, and the sheets of a workbook."""

    layout: Layout
    header: tuple[str, ...]
    rows: Sequence[Record]
    sheets: Sequence[str]


def preview(open_file: Opener, score: Score, choice: LayoutChoice = LayoutChoice()) -> Preview:
    """Return the beginning of a table, and guess the layout where it is not chosen.

    The header is the row with the highest score among the first ones, or the first row if none has a
    higher one; a single known name can be chance. Of several delimiters, the one with the highest score or
    else the most columns is used.

    Raises:
        Invalid: The file cannot be read, or has no rows.
    """
    first = expand(open_file())
    if is_workbook(first):
        with closing(Workbook(first)) as workbook:
            return _preview_workbook(workbook, score, choice)
    encoding = choice.encoding or guess_encoding(first)
    layouts = [Layout(encoding, delimiter) for delimiter in ([choice.delimiter] if choice.delimiter else DELIMITERS)]
    candidates: list[tuple[int, int, Layout]] = []
    refusal: Invalid | None = None
    for layout in layouts:
        rows = CsvRows(expand(open_file()), layout.encoding, layout.delimiter)
        try:
            points, line, cells = _find_header(rows, score, choice.header_line)
        except Invalid as error:
            refusal = refusal or error
        else:
            candidates.append((points, len(cells), replace(layout, header_line=line)))
        finally:
            rows.detach()
    if not candidates:
        assert refusal is not None  # noqa: S101 - each layout is either a candidate or refused
        raise refusal
    best = max(candidates, key=lambda candidate: candidate[:2])[2]
    with closing(Table(open_file(), best)) as table:
        return _with_rows(Preview(best, table.header, _read_sample(table), ()))


def _preview_workbook(workbook: Workbook, score: Score, choice: LayoutChoice) -> Preview:
    """Return the beginning of the chosen sheet, or of the first one that has a table."""
    refusal: Invalid | None = None
    for sheet in workbook.sheets if choice.sheet is None else [choice.sheet]:
        try:
            _, line, header = _find_header(workbook.rows(sheet, 1), score, choice.header_line)
            check_header(header)
            rows = islice(workbook.rows(sheet, line), 1, SAMPLE_ROWS + 1)
            records = [Record(number, index, cells) for index, (number, cells) in enumerate(rows)]
            return _with_rows(Preview(Layout(header_line=line, sheet=sheet), tuple(header), records, workbook.sheets))
        except Invalid as error:
            refusal = refusal or error
    assert refusal is not None  # noqa: S101 - a workbook has a sheet
    raise refusal


def _read_sample(table: Table) -> list[Record]:
    try:
        return list(islice(table, SAMPLE_ROWS))
    except Invalid as error:
        raise Invalid("unreadable_row", error.message) from error


def _with_rows(beginning: Preview) -> Preview:
    if not beginning.rows:
        raise Invalid("no_rows", Phrase("The file has a header row but no data rows."))
    return beginning


def _find_header(rows: Iterable[RawRow], score: Score, chosen_line: int | None) -> tuple[int, int, list[str]]:
    """Return the score, the line and the cells of the header row.

    The line of the first row counts as 1.

    Raises:
        Invalid: There is no row.
    """
    first_rows: list[RawRow] = []
    try:
        for row in rows:
            if row[0] >= (chosen_line or 1):
                first_rows.append(row)
            if len(first_rows) == (1 if chosen_line else TITLE_ROWS):
                break
    except Invalid:
        if not first_rows:
            raise
    if not first_rows:
        raise _no_header()
    points = score([cells for _, cells in first_rows])
    below_titles = range(1, len(first_rows) if len(first_rows) == TITLE_ROWS else len(first_rows) - 1)
    candidates = [index for index in below_titles if points[index] > max(points[0], 1)]
    best = max(candidates, key=points.__getitem__, default=0)  # the first one of several
    line, cells = first_rows[best]
    return points[best], chosen_line or (line if best else 1), cells


def _no_header() -> Invalid:
    return Invalid("empty_file", Phrase("There is no row with column names. Choose another file, sheet or line."))


def is_workbook(file: io.BufferedReader) -> bool:
    """Return whether a file begins as a workbook does."""
    return file.peek(len(_ZIP)).startswith(_ZIP)


def sheet_names(file: BinaryIO) -> Sequence[str]:
    """Return the names of a workbook's sheets.

    A CSV file or a damaged workbook has none.
    """
    expanded = expand(file)
    if not is_workbook(expanded):
        return ()
    try:
        with closing(Workbook(expanded)) as workbook:
            return workbook.sheets
    except Invalid:
        return ()

"""CSV files as rows: streamed, one line in memory at a time, each row with the line on which it begins.

The delimiter and the encoding are told, not guessed at; what contradicts them is named by its line.
"""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.fields import DELIMITERS, ENCODINGS, ImportPlan, check_header
from billing_admin.domain.imports.rows import Record

MAX_ROW_CHARACTERS: Final = 1 << 20  # characters, whatever the csv module would take
HEADER_BYTES: Final = 4 * MAX_ROW_CHARACTERS + 4  # bytes in which a header row ends, whatever its encoding
csv.field_size_limit(1 << 24)
SAMPLE_ROWS: Final = 3
_UTF_16, _UTF_8 = (b"\xff\xfe", b"\xfe\xff"), b"\xef\xbb\xbf"
_CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "windows-1252": "cp1252"}
# What files that are no text begin with.
_OTHERS = (
    (b"PK\x03\x04", "This is an Excel workbook or a ZIP file. In Excel, save it as “CSV UTF-8”, and import that."),
    (b"\xd0\xcf\x11\xe0", "This is an old Excel workbook. In Excel, save it as “CSV UTF-8”, and import that."),
    (b"%PDF", "This is a PDF. Import the CSV file that it was made of."),
    (b"\x1f\x8b", "This file is compressed. Unpack it first."),
)


class Opener(Protocol):
    """What opens the file anew, from its beginning."""

    def __call__(self) -> BinaryIO: ...


class CsvRows:
    """The header row, and an iterator over the rows below it. Blank rows are left out."""

    def __init__(self, file: BinaryIO, encoding: str, delimiter: str, any_header: bool = False) -> None:
        _refuse_other(file, encoding)
        self._lines = _Lines(file, encoding)
        self._reader = csv.reader(self._lines, delimiter=DELIMITERS[delimiter], strict=True)
        found = self._next()
        if found is None:
            raise Invalid("empty_file", "The file is empty: its first row must name the columns.")
        self.header: tuple[str, ...] = tuple(found[1])
        if not any_header:
            check_header(self.header)

    def __iter__(self) -> Iterator[Record]:
        number = 0
        while (found := self._next()) is not None:
            yield Record(found[0], number, found[1])
            number += 1

    def let_go(self) -> None:
        """Leave the file to whoever opened it."""
        self._lines.text.detach()

    def _next(self) -> tuple[int, list[str]] | None:
        """The next row that is not blank, with its first line."""
        while True:
            first = self._reader.line_num + 1
            self._lines.begin_row()
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                raise Invalid("not_csv", f"Line {first}: {_worded(str(error))}") from error
            if cells is None:
                return None
            if any(cells):
                return first, cells


class _Lines:
    """The lines of a file, with their ends as they are: what the csv module reads."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self.text = io.TextIOWrapper(file, _CODECS[encoding], newline="")
        self._encoding, self._count, self._first, self._size = encoding, 0, 1, 0

    def begin_row(self) -> None:
        """From here on it is another row."""
        self._first, self._size = self._count + 1, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            line = self.text.readline(MAX_ROW_CHARACTERS + 1)
        except UnicodeDecodeError as error:
            raise self._undecoded(error) from error
        except UnicodeError as error:  # UTF-16 that does not say in which order its bytes are
            raise Invalid("other_encoding", f"This is not UTF-16: choose another encoding. ({error})") from error
        if not line:
            raise StopIteration
        self._count += 1
        self._size += len(line)
        if "\0" in line:
            raise Invalid(
                "not_text",
                f"Line {self._count} holds a NUL byte, which no text has. If the file is UTF-16, choose that; else save it as"
                " CSV again.",
            )
        if self._size > MAX_ROW_CHARACTERS:
            raise Invalid(
                "too_long",
                f"The row that begins on line {self._first} is longer than {MAX_ROW_CHARACTERS:,} characters."
                " Is a closing quote missing?",
            )
        return line

    def _undecoded(self, error: UnicodeDecodeError) -> Invalid:
        """All whole lines before are read by now; those in the piece that failed are counted."""
        before = error.object[: error.start].decode(error.encoding, "replace")
        line = self._count + len(io.StringIO(before + "x", newline="").readlines())
        found = " ".join(f"{byte:02X}" for byte in error.object[error.start : error.start + 2])
        return Invalid(
            "other_encoding",
            f"Line {line} is not {ENCODINGS[self._encoding].partition(' (')[0]}: it holds the bytes {found}."
            " Choose the encoding in which the file was saved.",
        )


def _worded(said: str) -> str:
    if said.startswith("unexpected end"):
        return "A quote is opened and never closed."
    if "expected after" in said:
        return "Behind a closing quote stands something else. A quote within a cell is written twice."
    return f"This cannot be read as CSV ({said})."


def _refuse_other(file: BinaryIO, encoding: str) -> None:
    begins = file.peek(8)[:8] if isinstance(file, io.BufferedReader) else b""
    for magic, said in _OTHERS:
        if begins.startswith(magic):
            raise Invalid("not_csv", said)
    if begins.startswith(_UTF_16) and encoding != "utf-16":
        raise Invalid("other_encoding", "The file says that it is UTF-16: choose that.")
    if begins.startswith(_UTF_8) and encoding != "utf-8":
        raise Invalid("other_encoding", "The file says that it is UTF-8: choose that.")


def guess_encoding(begins: bytes) -> str:
    """What the file says of itself; UTF-8 if it says nothing."""
    return "utf-16" if begins.startswith(_UTF_16) else "utf-8"


def guess_delimiter(open_file: Opener, encoding: str) -> str:
    """The one by which the header row has most columns. Raises Invalid for what cannot be read, and for such a header."""
    headers: dict[str, tuple[str, ...]] = {}
    refusal: Invalid | None = None
    for name in DELIMITERS:
        try:
            headers[name] = CsvRows(open_file(), encoding, name, any_header=True).header
        except Invalid as error:
            refusal = refusal or error
    if not headers:
        assert refusal is not None  # noqa: S101 - each delimiter either has a header or refuses
        raise refusal
    best = max(headers, key=lambda name: len(headers[name]))
    check_header(headers[best])
    return best


def open_rows(file: BinaryIO, plan: ImportPlan) -> CsvRows:
    """The rows by a plan. Raises Invalid when the header is not the one that the plan was made for."""
    found = CsvRows(file, plan.encoding, plan.delimiter)
    if found.header != plan.header:
        raise Invalid("other_header", "The header row is another than the one that was mapped: map the columns again.")
    return found


def read_sample(file: BinaryIO, encoding: str, delimiter: str) -> tuple[tuple[str, ...], list[Record]]:
    """The header and the first rows. Raises Invalid for a file without any row."""
    found = CsvRows(file, encoding, delimiter)
    first = [record for record, _ in zip(found, range(SAMPLE_ROWS), strict=False)]
    if not first:
        raise Invalid("no_rows", "The file has a header row but no data rows.")
    return found.header, first

"""Exported CSV files that are uploaded to be verified.

A spreadsheet may have saved a file again. Files are read as a stream, in constant memory.
"""

import csv
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO, Final

from billing_admin.domain.money import EXACT, ZERO
from billing_admin.queries.exports import FILE_KINDS

BLOCK_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"
# The longest exported row is an audit event whose details name ten thousand charges.
LONGEST_ROW: Final = 1 << 20
csv.field_size_limit(1 << 24)
ENCODINGS: Final = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
# Exported files have no longer numbers, and longer ones could not be added exactly.
_POINT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,20})?", re.ASCII)
_COMMA = re.compile(r"-?[0-9]{1,30}(,[0-9]{1,20})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The size and SHA-256 of a file.

    The second SHA-256 leaves out the byte order mark, if the file has one.
    """

    size: int
    sha256: str
    without_bom: str | None


@dataclass(frozen=True, slots=True)
class CsvContent:
    """The content of an exported file: its rows, its sums per currency and problems.

    `written` names how its form differs from that of exports.
    """

    kind: str
    rows: int
    sums: dict[str, Decimal]
    written: tuple[str, ...]
    problems: tuple[str, ...]


def digest_file(file: BinaryIO) -> FileDigest:
    """Return the size and hashes of a file."""
    file.seek(0)
    block = file.read(BLOCK_BYTES)
    has_bom = block.startswith(BOM)
    whole, bare, size = hashlib.sha256(), hashlib.sha256(), 0
    while block:
        whole.update(block)
        bare.update(block[len(BOM) :] if has_bom and not size else block)
        size += len(block)
        block = file.read(BLOCK_BYTES)
    return FileDigest(size, whole.hexdigest(), bare.hexdigest() if has_bom else None)


def read_content(file: BinaryIO) -> CsvContent | None:
    """Return the content of an exported file.

    The result is None if its header is of no kind of export.
    """
    encoding = _encoding(file)
    for delimiter in ",;\t":
        rows = _rows(file, encoding, delimiter)
        header = _header(rows)
        kind = _kind(header)
        if kind is not None:
            return _read(file, kind, header, rows, encoding, delimiter)
    return None


def _header(rows: Iterator[list[str]]) -> list[str]:
    try:
        return next(rows, [])
    except csv.Error:
        return []


def _encoding(file: BinaryIO) -> str:
    file.seek(0)
    if file.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    return "utf-8-sig" if _decodes(file) else "cp1252"


def _decodes(file: BinaryIO) -> bool:
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        while text.read(BLOCK_BYTES):
            pass
    except UnicodeDecodeError:
        return False
    finally:
        text.detach()
    return True


def _rows(file: BinaryIO, encoding: str, delimiter: str) -> Iterator[list[str]]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    size = 0

    def lines() -> Iterator[str]:
        nonlocal size
        while line := text.readline(LONGEST_ROW + 1):
            size += len(line)
            if size > LONGEST_ROW:
                raise csv.Error(f"a row is longer than {LONGEST_ROW:,} characters")
            yield line

    try:
        for row in csv.reader(lines(), delimiter=delimiter):
            size = 0
            yield row
    finally:
        text.detach()


def _kind(header: Sequence[str]) -> str | None:
    """Return the kind of export that has a header, or None.

    Columns are only ever appended, so a prefix is sufficient.
    """
    for kind, about in FILE_KINDS.items():
        columns = tuple(column.name for column in about.columns)
        shared = min(len(header), len(columns))
        if shared >= len(columns) // 2 and tuple(header[:shared]) == columns[:shared]:
            return kind
    return None


def _read(
    file: BinaryIO, kind: str, header: Sequence[str], rows: Iterator[list[str]], encoding: str, delimiter: str
) -> CsvContent:
    summing = _Summing(header, FILE_KINDS[kind].summed)
    count = 0
    try:
        for count, row in enumerate(filter(None, rows), 1):
            summing.add(count, row)
    except csv.Error as error:
        summing.problems.append(f"The file cannot be read after row {count}: {error}.")
    if not _ends_with_line(file):
        summing.problems.append("The file may be incomplete: its last line has no line break.")
    return CsvContent(
        kind, count, dict(sorted(summing.sums.items())), _written(file, encoding, delimiter), tuple(summing.problems)
    )


class _Summing:
    """Adds the amounts of a file by currency, and collects problems."""

    def __init__(self, header: Sequence[str], summed: str | None) -> None:
        self.width = len(header)
        self.amount = header.index(summed) if summed else None
        self.currency = header.index("currency") if summed else 0
        self.sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.problems: list[str] = []

    def add(self, number: int, row: Sequence[str]) -> None:
        """Add a row; the first has the number 1."""
        if len(row) != self.width:
            self._note(f"Row {number} has {len(row)} cells, but the header has {self.width}.")
        elif self.amount is not None:
            amount = _amount(row[self.amount])
            if amount is None:
                self._note(f"The amount “{row[self.amount][:40]}” in row {number} is not a plain number.")
            else:
                self.sums[row[self.currency]] = EXACT.add(self.sums[row[self.currency]], amount)

    def _note(self, problem: str) -> None:
        if len(self.problems) < 5:
            self.problems.append(problem)


def _amount(cell: str) -> Decimal | None:
    if _POINT.fullmatch(cell):
        return Decimal(cell)
    return Decimal(cell.replace(",", ".")) if _COMMA.fullmatch(cell) else None


def _ends_with_line(file: BinaryIO) -> bool:
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - 2))
    return file.read().rstrip(b"\0").endswith((b"\n", b"\r"))


def _written(file: BinaryIO, encoding: str, delimiter: str) -> tuple[str, ...]:
    """Return how the form of a file differs from that of exports."""
    file.seek(0)
    beginning = file.read(1 << 12)
    differences = []
    if beginning.startswith(BOM):
        differences.append("it begins with a byte order mark")
    if encoding != "utf-8-sig":
        differences.append(f"its encoding is {ENCODINGS[encoding]}")
    if delimiter != ",":
        differences.append("its delimiter is a " + ("semicolon" if delimiter == ";" else "tab"))
    if b"\r\n" not in beginning:
        differences.append("its lines do not end with CR LF")
    return tuple(differences)

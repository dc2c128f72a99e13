"""The rows of CSV files, read as a stream, each with the line on which it begins.

Delimiter and encoding are given by the layout; an error names the line that contradicts them.
"""

import codecs
import csv
import io
from typing import BinaryIO, Final

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.layouts import DELIMITERS, ENCODINGS
from billing_admin.domain.translation import Phrase

MAX_ROW_CHARACTERS: Final = 1 << 20  # characters, whatever the csv module would take
csv.field_size_limit(1 << 24)
_UTF_16, _UTF_8 = (b"\xff\xfe", b"\xfe\xff"), b"\xef\xbb\xbf"
_BLOCK_BYTES, _GUESSED_BLOCKS, _SAMPLE_BYTES = 1 << 20, 64, 4_096
_CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "windows-1252": "cp1252"}
# The first bytes of files that are not CSV, and the message for each.
_OTHER_FILES = (
    (b"PK\x03\x04", Phrase("This file is compressed twice. Extract it first.")),
    (
        b"\xd0\xcf\x11\xe0",
        Phrase("This is an old Excel workbook, or one with a password. In Excel, save it as .xlsx without a password."),
    ),
    (b"%PDF", Phrase("This is a PDF. Import a CSV file or a workbook (.xlsx) instead.")),
    (b"\x1f\x8b", Phrase("This file is compressed twice. Extract it first.")),
)


class CsvRows:
    """The rows of a file that are not blank, each with its first line."""

    def __init__(self, file: BinaryIO, encoding: str, delimiter: str) -> None:
        _refuse_other(file, encoding)
        self._lines = _Lines(file, encoding)
        self._reader = csv.reader(self._lines, delimiter=DELIMITERS[delimiter], strict=True)

    def __iter__(self) -> "CsvRows":
        """Return the iterator over the rows."""
        return self

    def __next__(self) -> tuple[int, list[str]]:
        """Return the next row.

        Raises:
            Invalid: The row cannot be read.
        """
        while True:
            first = self._reader.line_num + 1
            self._lines.begin_row()
            try:
                cells = next(self._reader)
            except csv.Error as error:
                message = Phrase("Line {line}: {message}", line=first, message=_explain(str(error)))
                raise Invalid("not_csv", message) from error
            if any(cells):
                return first, cells

    def detach(self) -> None:
        """Release the file, so that the caller can go on reading it."""
        self._lines.text.detach()


class _Lines:
    """The lines of a file with their unchanged ends, for the csv module."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self.text = io.TextIOWrapper(file, _codec(file, encoding), newline="")
        self._encoding, self._count, self._first, self._size = encoding, 0, 1, 0

    def begin_row(self) -> None:
        """Begin to measure another row."""
        self._first, self._size = self._count + 1, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            line = self.text.readline(MAX_ROW_CHARACTERS + 1)
        except UnicodeDecodeError as error:
            raise self._undecoded(error) from error
        except UnicodeError as error:  # UTF-16 that does not say in which order its bytes are
            message = Phrase("The file is not UTF-16. Choose another encoding. ({error})", error=str(error))
            raise Invalid("other_encoding", message) from error
        if not line:
            raise StopIteration
        self._count += 1
        self._size += len(line)
        if "\0" in line:
            raise Invalid(
                "not_text",
                Phrase(
                    "Line {line} has a NUL byte. If the file is UTF-16, choose that encoding; otherwise save it as CSV"
                    " again.",
                    line=self._count,
                ),
            )
        if self._size > MAX_ROW_CHARACTERS:
            raise Invalid(
                "too_long",
                Phrase(
                    "The row that begins on line {line} is longer than {limit:,} characters. Is a closing quote missing?",
                    line=self._first,
                    limit=MAX_ROW_CHARACTERS,
                ),
            )
        return line

    def _undecoded(self, error: UnicodeDecodeError) -> Invalid:
        """Return the error for bytes that cannot be decoded.

        Earlier lines were decoded and counted.
        """
        before = error.object[: error.start].decode(error.encoding, "replace")
        line = self._count + len(io.StringIO(before + "x", newline="").readlines())
        wrong_bytes = " ".join(f"{byte:02X}" for byte in error.object[error.start : error.start + 2])
        return Invalid(
            "other_encoding",
            Phrase(
                "Line {line} is not {encoding}: it has the bytes {wrong_bytes}. Choose the encoding in which the file was"
                " saved.",
                line=line,
                encoding=ENCODINGS[self._encoding].partition(" (")[0],
                wrong_bytes=wrong_bytes,
            ),
        )


def _codec(file: BinaryIO, encoding: str) -> str:
    beginning = file.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES] if isinstance(file, io.BufferedReader) else b""
    if encoding == "utf-16" and not beginning.startswith(_UTF_16):
        return _utf_16_without_mark(beginning) or "utf-16"
    return _CODECS[encoding]


def _explain(message: str) -> str:
    if message.startswith("unexpected end"):
        return Phrase("A closing quote is missing.")
    if "expected after" in message:
        return Phrase(
            "A closing quote must be followed by a delimiter or the end of the line. Write a quote within a cell twice."
        )
    return Phrase("The file cannot be read as CSV ({message}).", message=message)


def _refuse_other(file: BinaryIO, encoding: str) -> None:
    beginning = file.peek(8)[:8] if isinstance(file, io.BufferedReader) else b""
    for first_bytes, message in _OTHER_FILES:
        if beginning.startswith(first_bytes):
            raise Invalid("other_file", message)
    if beginning.startswith(_UTF_16) and encoding != "utf-16":
        raise Invalid("other_encoding", Phrase("The file is UTF-16. Choose that encoding."))
    if beginning.startswith(_UTF_8) and encoding != "utf-8":
        raise Invalid("other_encoding", Phrase("The file is UTF-8. Choose that encoding."))


def guess_encoding(file: BinaryIO) -> str:
    """Return the encoding of a file, read from its beginning.

    A file with more bytes that are not UTF-8 than characters beyond ASCII that are, is taken as Windows-1252;
    the first 64 MB decide.
    """
    block = file.read(_BLOCK_BYTES)
    if block.startswith(_UTF_16) or _utf_16_without_mark(block):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoded = wrong = 0
    for _ in range(_GUESSED_BLOCKS):
        if not block.isascii():
            text = decoder.decode(block)
            wrong += text.count("\ufffd")
            decoded += len(text) - len(text.encode("ascii", "ignore"))
        block = file.read(_BLOCK_BYTES)
        if not block:
            break
    wrong += len(decoder.decode(b"", final=True))
    return "windows-1252" if 2 * wrong > decoded else "utf-8"  # `decoded` counts replacement characters as well


def _utf_16_without_mark(beginning: bytes) -> str | None:
    """Return the codec of UTF-16 without a byte order mark, or None.

    Each of its ASCII characters has a zero byte.
    """
    sample = beginning[:_SAMPLE_BYTES]
    high_first, low_first = sample[::2].count(0), sample[1::2].count(0)
    if high_first > low_first and high_first * 4 > len(sample):
        return "utf-16-be"
    if low_first > high_first and low_first * 4 > len(sample):
        return "utf-16-le"
    return None

"""The errors of an import's check, as a CSV file.

The page of the import reads the file.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice, zip_longest
from typing import Any, BinaryIO

from billing_admin.domain.imports.cells import escape_formula, unescape_formula
from billing_admin.domain.imports.rows import RowError
from billing_admin.domain.translation import phrase_from
from billing_admin.formats.csv_reader import CsvRows

COLUMNS = ("line", "column", "value", "what to do")
MEDIA_TYPE = "text/csv"
MAX_SHOWN = 100  # errors on the page of an import


def header_row() -> bytes:
    """Return the header row."""
    return (",".join(COLUMNS) + "\r\n").encode()


def error_rows(errors: Iterable[RowError]) -> bytes:
    """Return the rows of some errors; texts that look like formulas are escaped."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(
        (error.line, escape_formula(error.column), escape_formula(error.value), escape_formula(error.message))
        for error in errors
    )
    return file.getvalue().encode()


def read_first_errors(file: BinaryIO, phrases: Sequence[Mapping[str, Any] | None]) -> list[RowError]:
    """Return the first errors of a file.

    Pages translate their messages, as far as their `phrases` are given.
    """
    rows = islice(CsvRows(file, "utf-8", "comma"), 1, MAX_SHOWN + 1)
    errors = [RowError(int(cells[0]), *map(unescape_formula, cells[1:])) for _, cells in rows]
    return [
        replace(error, message=phrase_from(error.message, phrase))
        for error, phrase in zip_longest(errors, phrases[: len(errors)])
    ]

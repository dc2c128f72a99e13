"""The errors that the check of an import found, as a CSV file: written as they are found, read back for the page."""

import csv
import io
from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO

from billing_admin.domain.imports.cells import escape_formula, unescape_formula
from billing_admin.domain.imports.rows import RowError
from billing_admin.formats.csv_reader import CsvRows

COLUMNS = ("line", "column", "value", "what to do")
MEDIA_TYPE = "text/csv"


def header_row() -> bytes:
    """The first row."""
    return (",".join(COLUMNS) + "\r\n").encode()


def error_rows(errors: Iterable[RowError]) -> bytes:
    """Rows of errors; none looks like a formula to a spreadsheet."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(
        (one.line, escape_formula(one.column), escape_formula(one.value), escape_formula(one.message)) for one in errors
    )
    return file.getvalue().encode()


def read_first_errors(file: BinaryIO, most: int) -> list[RowError]:
    """The first errors of such a file."""
    rows = CsvRows(file, "utf-8", "comma")
    return [RowError(int(row.cells[0]), *map(unescape_formula, row.cells[1:])) for row in islice(rows, most)]

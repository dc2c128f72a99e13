"""The errors that the check of an import found, as a CSV file: written as they are found, read back for the page."""

import csv
import io
from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO

from billing_admin.domain.imports.cells import guarded, unguarded
from billing_admin.domain.imports.rows import RowError
from billing_admin.formats.csv_reader import Rows

COLUMNS = ("line", "column", "value", "what to do")
MEDIA_TYPE = "text/csv"


def header() -> bytes:
    """The first row."""
    return (",".join(COLUMNS) + "\r\n").encode()


def written(errors: Iterable[RowError]) -> bytes:
    """Rows of errors; none looks like a formula to a spreadsheet."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(
        (one.line, guarded(one.column), guarded(one.value), guarded(one.message)) for one in errors
    )
    return file.getvalue().encode()


def first(file: BinaryIO, most: int) -> list[RowError]:
    """The first errors of such a file."""
    rows = Rows(file, "utf-8", "comma")
    return [RowError(int(row.cells[0]), *map(unguarded, row.cells[1:])) for row in islice(rows, most)]

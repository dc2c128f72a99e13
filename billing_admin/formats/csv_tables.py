"""Small CSV files out of rows that are there already: statements, ageing. Large ones are written by the database (`csv`)."""

import csv
import io
from collections.abc import Iterable, Sequence

from billing_admin.domain.imports.cells import escape_formula


def write_csv(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = (), header: bool = True
) -> bytes:
    """Write a file, or rows of it: RFC 4180, UTF-8. Text that a spreadsheet would take for a formula gets an apostrophe.

    `numbers` names the columns that are left alone, as −12.00 is a number.
    """
    kept = [column in numbers for column in columns]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    if header:
        writer.writerow(columns)
    for row in rows:
        writer.writerow(cell if keep else escape_formula(cell) for cell, keep in zip(row, kept, strict=True))
    return file.getvalue().encode()

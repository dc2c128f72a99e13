"""Small CSV files made of rows in memory, such as statements.

`csv_writer` writes large files.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from billing_admin.domain.imports.cells import escape_formula


def write_csv(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = (), header: bool = True
) -> bytes:
    """Return a CSV file, or rows of it, in UTF-8 (RFC 4180).

    Texts that a spreadsheet would take for a formula get an apostrophe. The columns in `numbers` do
    not, as -12.00 is a number.
    """
    are_numbers = [column in numbers for column in columns]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    if header:
        writer.writerow(columns)
    for row in rows:
        writer.writerow(
            cell if is_number else escape_formula(cell) for cell, is_number in zip(row, are_numbers, strict=True)
        )
    return file.getvalue().encode()

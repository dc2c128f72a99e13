#!/usr/bin/env python3
"""Post usage from a CSV file as charges.

You can stop the script and run it again: each row is charged once.

    export BILLING_URL=https://billing.example.com BILLING_TOKEN=bil_…
    post_charges.py usage.csv                        # or: meter | post_charges.py

The first line names the columns: `customer`, `event`, other fields of a charge (service, description,
quantity, unit_price, amount, currency, incurred_on), and `metadata.…` for your own notes. The `event`
makes a row unique: the id of the charge is derived from it and from --source, so that the server
recognises repeated rows. Empty cells are ignored.

Refused rows are listed on standard error by line, with the reason. No row of their batch is posted; all
other batches are. Correct the file and run the script again.

Exit codes: 0 all rows are posted; 1 some rows were refused; 2 change the options, the file or the token;
3 the server was unavailable for too long: run the script again.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, TextIO, cast

from billing_client import (
    BillingError,
    Client,
    FailedBatch,
    Forbidden,
    NewCharge,
    NotConfigured,
    Refused,
    Unauthorized,
    charge_id,
)

FIELDS = {"customer", "service", "description", "quantity", "unit_price", "amount", "currency", "incurred_on"}
NEVER_EMPTY = {"customer", "quantity"}  # an empty quantity would count as 1
METADATA = "metadata."
RUN_AGAIN = "Run it again: rows that are posted are not posted twice."


class UnusableFile(Exception):
    """The file cannot be read as usage."""


class Row(dict[str, Any]):
    """A charge, and the last line of its row in the file."""

    line: int


class Posting:
    """One run of the script: reads rows, reports refused ones, and counts both."""

    def __init__(self, keys: list[str], source: str) -> None:
        self.keys = keys
        self.source = source
        self.rows = self.refused = 0

    def charges(self, file: TextIO, delimiter: str) -> Iterator[NewCharge]:
        """Yield the charges of valid rows; report and count the others."""
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            self._check_columns(reader.fieldnames or [])
            for cells in reader:
                self.rows += 1
                problem = self._problem(cells)
                if problem:
                    self._refuse(reader.line_num, problem)
                else:
                    yield cast("NewCharge", self._row(cells, reader.line_num))
        except (csv.Error, UnicodeError) as error:
            raise UnusableFile(f"Line {reader.line_num + 1} cannot be read as CSV in UTF-8: {error}.") from error

    def report_batch(self, refusal: Refused) -> None:
        """Report the rows of a batch that the server refused."""
        batch = cast("FailedBatch", refusal.batch)
        rows = [cast("Row", charge) for charge in batch.charges]
        for error in refusal.errors:
            row = rows[error.row or 0]
            say(f"line {row.line}: {error.field or 'row'}: {error.detail}")
        say(f"No row of lines {rows[0].line} to {rows[-1].line} is posted: {refusal.detail}")
        self.refused += len(rows)

    def _check_columns(self, columns: Iterable[str]) -> None:
        names = list(columns)
        missing = [name for name in ["customer", *self.keys] if name not in names]
        unknown = [name for name in names if name not in FIELDS | set(self.keys) and not name.startswith(METADATA)]
        if missing:
            raise UnusableFile(
                f"The file has no column “{missing[0]}”. Name the columns that identify an event with --key."
            )
        if unknown:
            raise UnusableFile(
                f"A charge has no field “{unknown[0]}”. Remove the column, or rename it to “{METADATA}{unknown[0]}”."
            )
        if len(set(names)) < len(names):
            raise UnusableFile("Two columns have the same name. Rename one.")

    def _problem(self, cells: dict[str, Any]) -> str:
        if None in cells or None in cells.values():
            return "row: the number of cells differs from the number of columns."
        empty = [name for name, cell in cells.items() if not cell and (name in NEVER_EMPTY or name in self.keys)]
        return f"{empty[0]}: enter a value." if empty else ""

    def _row(self, cells: dict[str, str], line: int) -> Row:
        row = Row({name: cell for name, cell in cells.items() if cell and name in FIELDS})
        notes = {name[len(METADATA) :]: cell for name, cell in cells.items() if cell and name.startswith(METADATA)}
        row.update({"metadata": notes} if notes else {})
        row["id"] = charge_id(self.source, *(cells[key] for key in self.keys))
        row.line = line
        return row

    def _refuse(self, line: int, problem: str) -> None:
        say(f"line {line}: {problem}")
        self.refused += 1


def say(sentence: str) -> None:
    """Print a message on standard error."""
    print(sentence, file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("file", nargs="?", default="-", help="the CSV file (default: standard input)")
    options.add_argument(
        "--key",
        action="append",
        metavar="COLUMN",
        help="a column that identifies an event; repeat the option for several (default: event)",
    )
    options.add_argument(
        "--source",
        default="post_charges",
        help="the source of the events, part of each charge's id (default: post_charges)",
    )
    options.add_argument("--delimiter", default=",", help="the separator of cells (default: ,)")
    options.add_argument(
        "--batch-size", type=int, default=1000, metavar="N", help="rows in one request, 1 to 10000 (default: 1000)"
    )
    return options


def run(options: argparse.Namespace) -> int:
    """Post the rows, print the totals, and return the exit code."""
    posting = Posting(options.key or ["event"], options.source)
    with ExitStack() as stack:
        client = stack.enter_context(Client())
        name = 0 if options.file == "-" else options.file
        file = stack.enter_context(open(name, encoding="utf-8-sig", newline=""))  # noqa: PTH123 - 0 is standard input
        charges = posting.charges(file, options.delimiter)
        posted = client.charges.create_many(charges, options.batch_size, on_refused=posting.report_batch)
    print(
        f"{posting.rows} rows: {posted.created} created, {posted.replayed} posted before, {posting.refused} refused;"
        f" {posted.possible_duplicates} likely duplicates."
    )
    return 1 if posting.refused else 0


def main() -> int:
    """Run the script, report errors in one sentence, and return the exit code."""
    try:
        return run(parser().parse_args())
    except (NotConfigured, Unauthorized, Forbidden, UnusableFile, OSError, ValueError) as error:
        say(str(error))
        return 2
    except BillingError as error:
        say(f"{error}\n{RUN_AGAIN}" if error.worth_retrying else str(error))
        return 3 if error.worth_retrying else 2
    except KeyboardInterrupt:
        say(f"Stopped. {RUN_AGAIN}")
        return 130


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Post usage from a CSV file as charges. Stop it, kill it, run it again: each row is charged once.

    export BILLING_URL=https://billing.example.com BILLING_TOKEN=bil_…
    post_charges.py usage.csv                        # or: meter | post_charges.py

The first line names the columns: `customer` and `event`, further those of a charge (service, description, quantity, unit_price,
amount, currency, incurred_on), and `metadata.…` for notes of your own. The `event` is what makes a row unique: the charge's id is
made of it and of --source, so that the server knows a row that it has seen. A cell that is empty is left out.

Rows that are refused are named by line on standard error, with what would mend them; nothing of their batch is posted, and all
other batches are. Mend the file and run it again.

Exit: 0 all posted; 1 some rows were refused; 2 nothing to be done without a change of options, file or token; 3 the server
was not reached for too long: run it again.
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
NEVER_EMPTY = {"customer", "quantity"}  # a row without a quantity would count as 1
METADATA = "metadata."
AGAIN = "Run it again: what is posted already is not posted twice."


class Unusable(Exception):
    """The file cannot be read as usage at all."""


class Row(dict[str, Any]):
    """A charge, and the line of the file that it ends on."""

    line: int


class Posting:
    """What is read, what is refused, and what became of the rest."""

    def __init__(self, keys: list[str], source: str) -> None:
        self.keys = keys
        self.source = source
        self.rows = self.refused = 0

    def charges(self, file: TextIO, delimiter: str) -> Iterator[NewCharge]:
        """The charges of the rows that can be asked for; the others are told and counted."""
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
            raise Unusable(f"Line {reader.line_num + 1} cannot be read as CSV in UTF-8: {error}.") from error

    def tell(self, refusal: Refused) -> None:
        """Name the rows of a batch that was refused."""
        batch = cast("FailedBatch", refusal.batch)
        rows = [cast("Row", charge) for charge in batch.charges]
        for error in refusal.errors:
            row = rows[error.row or 0]
            say(f"line {row.line}: {error.field or 'row'}: {error.detail}")
        say(f"Nothing of lines {rows[0].line} to {rows[-1].line} is posted: {refusal.detail}")
        self.refused += len(rows)

    def _check_columns(self, columns: Iterable[str]) -> None:
        found = list(columns)
        missing = [name for name in ["customer", *self.keys] if name not in found]
        unknown = [name for name in found if name not in FIELDS | set(self.keys) and not name.startswith(METADATA)]
        if missing:
            raise Unusable(
                f"The file has no column “{missing[0]}”. Name the columns that tell events apart with --key."
            )
        if unknown:
            raise Unusable(
                f"A charge has no “{unknown[0]}”: leave the column out, or call it “{METADATA}{unknown[0]}”."
            )
        if len(set(found)) < len(found):
            raise Unusable("Two columns have the same name.")

    def _problem(self, cells: dict[str, Any]) -> str:
        if None in cells or None in cells.values():
            return "row: it has not as many cells as the first line has columns."
        empty = [name for name, cell in cells.items() if not cell and (name in NEVER_EMPTY or name in self.keys)]
        return f"{empty[0]}: it is empty." if empty else ""

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
    """Tell whoever watches."""
    print(sentence, file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("file", nargs="?", default="-", help="the CSV file; standard input if left out")
    made.add_argument(
        "--key", action="append", metavar="COLUMN", help="tells events apart; may be given several times (event)"
    )
    made.add_argument(
        "--source", default="post_charges", help="keeps your events apart from those of others (post_charges)"
    )
    made.add_argument("--delimiter", default=",", help="what stands between cells (,)")
    made.add_argument(
        "--batch-size", type=int, default=1000, metavar="N", help="rows posted at once, 1 to 10000 (1000)"
    )
    return made


def run(options: argparse.Namespace) -> int:
    """Post, and print what became of the rows."""
    posting = Posting(options.key or ["event"], options.source)
    with ExitStack() as stack:
        client = stack.enter_context(Client())
        name = 0 if options.file == "-" else options.file
        file = stack.enter_context(open(name, encoding="utf-8-sig", newline=""))  # noqa: PTH123 - 0 is standard input
        charges = posting.charges(file, options.delimiter)
        posted = client.charges.create_many(charges, options.batch_size, on_refused=posting.tell)
    print(
        f"{posting.rows} rows: {posted.created} created, {posted.replayed} posted before, {posting.refused} refused;"
        f" {posted.possible_duplicates} look like another charge."
    )
    return 1 if posting.refused else 0


def main() -> int:
    """Run, and say in one sentence what stopped it."""
    try:
        return run(parser().parse_args())
    except (NotConfigured, Unauthorized, Forbidden, Unusable, OSError, ValueError) as error:
        say(str(error))
        return 2
    except BillingError as error:
        say(f"{error}\n{AGAIN}" if error.worth_retrying else str(error))
        return 3 if error.worth_retrying else 2
    except KeyboardInterrupt:
        say(f"Stopped. {AGAIN}")
        return 130


if __name__ == "__main__":
    sys.exit(main())

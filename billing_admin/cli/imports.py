"""Check and import CSV files."""

import csv
import hashlib
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import click

from billing_admin import clock
from billing_admin.background.imports import check_all_rows, check_file, import_file, open_file
from billing_admin.cli.commands import REJECTED, command, print_message
from billing_admin.cli.output import print_json
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import column_name, guess_columns
from billing_admin.domain.imports.plans import DELIMITERS, ENCODINGS, ImportPlan, check_plan
from billing_admin.domain.imports.rows import RowError, RowReader
from billing_admin.domain.imports.tally import Tally
from billing_admin.domain.payments import METHODS, OLDEST
from billing_admin.formats import csv_reader, import_errors
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.queries.imports import earlier_import, import_by_id

BLOCK = 1 << 20


@command("import", writes=True)
@click.argument("kind", type=click.Choice(list(IMPORT_KINDS)))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-n", "--dry-run", is_flag=True, help="Check the file, print the result, and store nothing.")
@click.option(
    "--encoding",
    type=click.Choice(list(ENCODINGS)),
    help="Encoding of the file. Default: guessed from its bytes.",
)
@click.option(
    "--delimiter",
    type=click.Choice(list(DELIMITERS)),
    help="Column separator. Default: the one that gives the most columns.",
)
@click.option("--decimal-comma", is_flag=True, help="Read numbers such as 1234,50.")
@click.option("--day-first", is_flag=True, help="Read dates such as 31.12.2026.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Column for a field; nothing after = leaves the field out. Repeat the option to map more. Default: columns are"
    " matched by name.",
)
@click.option("--update", is_flag=True, help="Update existing customers and services that differ from the file.")
@click.option("--settled", is_flag=True, help="Import charges that the file marks as billed, and bill them here.")
@click.option(
    "--method", type=click.Choice(list(METHODS)), default="bank_transfer", help="Payment method for rows without one."
)
@click.option(
    "--allocate",
    type=click.Choice(["none", OLDEST]),
    default="none",
    help="Allocation of payments without an invoice in the file.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def import_(ctx: click.Context, /, kind: str, file: Path, dry_run: bool, wants_json: bool, **options: Any) -> None:
    """Import KIND from the CSV file FILE: all rows, or none if a row has an error.

    Errors are printed on stdout as CSV: line, column, value, remedy. Importing the same file again changes nothing.

    \b
    Examples:
      flask --app wsgi import charges usage.csv --dry-run
      flask --app wsgi import charges usage.csv --column customer="Client no" --decimal-comma
      flask --app wsgi import customers customers.csv --update
    """
    plan = _make_plan(kind, file, **options)
    if dry_run:
        tally, failure = _check(kind, file, plan)
    else:
        tally, failure = _import(kind, file, plan)
    if wants_json:
        stored = not (dry_run or tally.errors or failure)
        print_json({"kind": kind, "stored": stored, **tally.as_data(), "failure": failure})
    _print_tally(kind, tally)
    if failure:
        print_message(failure)
    if tally.errors or failure:
        print_message(f"Errors: {tally.errors:,}. Nothing was stored." if tally.errors else "Nothing was stored.")
        ctx.exit(REJECTED)
    print_message(
        "Nothing was stored. Run the command without --dry-run to import the file." if dry_run else "Imported."
    )


def _make_plan(
    kind: str, file: Path, encoding: str | None, delimiter: str | None, columns: Sequence[str], **options: Any
) -> ImportPlan:
    """Return the plan for reading the file.

    Raises Invalid for an unreadable file and for missing columns.
    """
    with _opened(file) as opened:
        encoding = encoding or csv_reader.guess_encoding(opened)
        delimiter = delimiter or csv_reader.guess_delimiter(lambda: _beginning(opened), encoding)
        print_message(f"Encoding: {encoding}. Delimiter: {delimiter}.")
        header = csv_reader.CsvRows(_beginning(opened), encoding, delimiter).header
    plan = ImportPlan(header, _choose_columns(kind, header, columns), encoding, delimiter)
    written = CellFormat(options.pop("decimal_comma"), options.pop("day_first"))
    plan = replace(plan, written=written, **options)
    check_plan(kind, plan)
    return plan


def _beginning(file: BinaryIO) -> BinaryIO:
    """Return the first part of a file, which has its header row."""
    file.seek(0)
    return io.BufferedReader(io.BytesIO(file.read(csv_reader.HEADER_BYTES)))


def _choose_columns(kind: str, header: Sequence[str], options: Sequence[str]) -> dict[str, int]:
    """Return the column of each field: as given by the options, or guessed by name.

    An option wins over a guess for its field and for its column, and a given `key` over a guessed `id`.
    `FIELD=` leaves a field out.
    """
    chosen = dict(_named_columns(kind, header, options))
    guessed = {
        field: index
        for field, index in guess_columns(kind, header).items()
        if field not in chosen and index not in chosen.values()
    }
    for field, alternative in (("id", "key"), ("key", "id")):
        if chosen.get(alternative) is not None:
            guessed.pop(field, None)
    return guessed | {field: index for field, index in chosen.items() if index is not None}


def _named_columns(kind: str, header: Sequence[str], options: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    indexes = {column_name(header, index): index for index in range(len(header))}
    for option in options:
        field, _, column = (part.strip() for part in option.partition("="))
        if field not in IMPORT_KINDS[kind].fields:
            names = ", ".join(IMPORT_KINDS[kind].fields)
            raise click.UsageError(f"“{field}” is not a field of {kind}. Use one of {names}.")
        if column and column not in indexes:
            same_name = [unique for unique, index in indexes.items() if header[index].strip() == column]
            if same_name:
                raise click.UsageError(f"Several columns are named “{column}”. Use {' or '.join(same_name)}.")
            raise click.UsageError(f"The file has no column “{column}”. Its columns are {', '.join(indexes)}.")
        yield field, indexes[column] if column else None


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedReader]:
    with file.open("rb") as opened:
        yield opened


def _check(kind: str, file: Path, plan: ImportPlan) -> tuple[Tally, str | None]:
    with _opened(file) as whole:
        sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
    tally, failure, errors = Tally(), None, _ErrorWriter()
    with _opened(file) as rows:
        try:
            check_all_rows(RowReader(kind, plan, sha256), rows, SYSTEM, errors.write, lambda: None, tally)
        except Invalid as refusal:
            failure = refusal.message
    return tally, failure


def _import(kind: str, file: Path, plan: ImportPlan) -> tuple[Tally, str | None]:
    with _opened(file) as whole:
        parts = iter(lambda: whole.read(BLOCK), b"")
        file_id = files.store(transaction, parts, file.name, "text/csv", SYSTEM, clock.now())
    id = transaction(imports.create, kind, file_id, SYSTEM, clock.now())
    transaction(imports.set_plan, id, plan, SYSTEM, clock.now())
    earlier = earlier_import(db.session(), import_by_id(db.session(), id))
    if earlier is not None:
        print_message(
            f"This file was already imported on {earlier.created_at:%Y-%m-%d} by {earlier.created_by}."
            " Existing records stay unchanged."
        )
    check_file(id, SYSTEM, lambda _count: None)
    checked = import_by_id(db.session(), id)
    if checked.state != "checked":
        _show_errors(checked.errors_id)
        return Tally.of_data(checked.promised), checked.failure
    transaction(imports.start, id, SYSTEM, clock.now())
    import_file(id, SYSTEM, lambda _count: None)
    return Tally.of_data(import_by_id(db.session(), id).made), None


def _show_errors(errors_id: UUID | None) -> None:
    if errors_id is not None:
        with open_file(db.session(), errors_id) as file:
            sys.stdout.write(file.read().decode())


class _ErrorWriter:
    """Writes errors to stdout as they are found, below one header row."""

    has_header = False

    def write(self, errors: Sequence[RowError]) -> None:
        if errors and not self.has_header:
            csv.writer(sys.stdout).writerow(import_errors.COLUMNS)
            self.has_header = True
        sys.stdout.write(import_errors.error_rows(errors).decode())


def _print_tally(kind: str, tally: Tally) -> None:
    print_message(
        f"{IMPORT_KINDS[kind].title}: rows {tally.rows:,}; new {tally.new:,}, unchanged {tally.unchanged:,},"
        f" changed {tally.changed:,}, skipped {tally.left_out:,}."
    )
    for currency, amount in tally.as_data()["sums"].items():
        print_message(f"Total: {amount} {currency}, of which new {tally.as_data()['added'].get(currency, '0')}.")

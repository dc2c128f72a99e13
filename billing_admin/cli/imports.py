"""Files in: checked as a whole, and taken in if nothing is wrong."""

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
from billing_admin.domain.imports.fields import (
    DELIMITERS,
    ENCODINGS,
    IMPORT_KINDS,
    ImportPlan,
    check_plan,
    column_name,
    guess_columns,
)
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
@click.option("-n", "--dry-run", is_flag=True, help="Check the file, tell what would come of it, and store nothing.")
@click.option("--encoding", type=click.Choice(list(ENCODINGS)), help="utf-8 if left out, or what the file's BOM says.")
@click.option("--delimiter", type=click.Choice(list(DELIMITERS)), help="If left out, what makes most columns.")
@click.option("--decimal-comma", is_flag=True, help="Numbers are written 1234,50.")
@click.option("--day-first", is_flag=True, help="Days are written 31.12.2026.")
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=COLUMN", help="Which column is a field; by name if left out."
)
@click.option("--update", is_flag=True, help="Change customers and services that exist and differ.")
@click.option("--settled", is_flag=True, help="Take in charges that the file calls billed.")
@click.option("--method", type=click.Choice(list(METHODS)), default="bank_transfer", help="Of payments that say none.")
@click.option(
    "--allocate", type=click.Choice(["none", OLDEST]), default="none", help="Of payments that name no invoice."
)
@click.option("--json", "wants_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def import_(ctx: click.Context, /, kind: str, file: Path, dry_run: bool, wants_json: bool, **how: Any) -> None:
    """Import KIND from the CSV file FILE: all of it, or, if a row is wrong, nothing.

    Wrong rows go to stdout as CSV: line, column, value, what to do. The same file again changes nothing.

    \b
    Examples:
      flask --app wsgi import charges usage.csv --dry-run
      flask --app wsgi import charges usage.csv --column customer="Client no" --decimal-comma
      flask --app wsgi import customers customers.csv --update
    """
    plan = _plan(kind, file, **how)
    if dry_run:
        tally, failure = _rehearse(kind, file, plan)
    else:
        tally, failure = _import(kind, file, plan)
    if wants_json:
        print_json({"kind": kind, "stored": not (dry_run or tally.errors or failure), **tally.as_data()})
    _tell(kind, tally)
    if failure:
        print_message(failure)
    if tally.errors or failure:
        print_message(f"Errors: {tally.errors:,}. Nothing was stored.")
        ctx.exit(REJECTED)
    print_message("Nothing was stored. The same command without --dry-run imports it." if dry_run else "Imported.")


def _plan(
    kind: str, file: Path, encoding: str | None, delimiter: str | None, columns: Sequence[str], **how: Any
) -> ImportPlan:
    """How to read the file. Raises Invalid for one that cannot be read, and for columns by which nothing could be."""
    with file.open("rb") as begins:
        encoding = encoding or csv_reader.guess_encoding(begins.read(4))
    with _opened(file) as first:
        delimiter = delimiter or csv_reader.guess_delimiter(lambda: _again(first), encoding)
        header = csv_reader.CsvRows(_again(first), encoding, delimiter).header
    plan = ImportPlan(header, guess_columns(kind, header) | dict(_named(kind, header, columns)), encoding, delimiter)
    written = CellFormat(how.pop("decimal_comma"), how.pop("day_first"))
    plan = replace(plan, written=written, **how)
    check_plan(kind, plan)
    return plan


def _again(file: BinaryIO) -> BinaryIO:
    """The beginning of a file, with its header row."""
    file.seek(0)
    return io.BufferedReader(io.BytesIO(file.read(csv_reader.HEADER_BYTES)))


def _named(kind: str, header: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, int]]:
    places = {column_name(header, place): place for place in range(len(header))}
    for one in columns:
        field, _, column = one.partition("=")
        if field not in IMPORT_KINDS[kind].fields:
            known = ", ".join(IMPORT_KINDS[kind].fields)
            raise click.UsageError(f"“{field}” is no field of {kind}. Use one of {known}.")
        if column not in places:
            raise click.UsageError(f"The file has no column “{column}”. It has {', '.join(places)}.")
        yield field, places[column]


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedReader]:
    with file.open("rb") as opened:
        yield opened


def _rehearse(kind: str, file: Path, plan: ImportPlan) -> tuple[Tally, str | None]:
    with _opened(file) as whole:
        sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
    tally, failure, shown = Tally(), None, _Errors()
    with _opened(file) as rows:
        try:
            check_all_rows(RowReader(kind, plan, sha256), rows, SYSTEM, shown.show, lambda: None, tally)
        except Invalid as refusal:
            failure = refusal.message
    return tally, failure


def _import(kind: str, file: Path, plan: ImportPlan) -> tuple[Tally, str | None]:
    with _opened(file) as whole:
        parts = iter(lambda: whole.read(BLOCK), b"")
        file_id = files.store(transaction, parts, file.name, "text/csv", SYSTEM, clock.now())
    id = transaction(imports.create, kind, file_id, SYSTEM, clock.now())
    transaction(imports.set_plan, id, plan, SYSTEM, clock.now())
    before = earlier_import(db.session(), import_by_id(db.session(), id))
    if before is not None:
        print_message(
            f"This very file was imported {before.created_at:%Y-%m-%d} by {before.created_by}: what is in stays as it is."
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


class _Errors:
    """Writes errors to stdout as they are found, below one header row."""

    begun = False

    def show(self, errors: Sequence[RowError]) -> None:
        if errors and not self.begun:
            csv.writer(sys.stdout).writerow(import_errors.COLUMNS)
            self.begun = True
        sys.stdout.write(import_errors.error_rows(errors).decode())


def _tell(kind: str, tally: Tally) -> None:
    print_message(
        f"{IMPORT_KINDS[kind].title}: rows {tally.rows:,}; new {tally.new:,}, there already {tally.unchanged:,},"
        f" changed {tally.changed:,}, left out {tally.left_out:,}."
    )
    for currency, amount in tally.as_data()["sums"].items():
        print_message(f"Sum: {amount} {currency}, of which new {tally.as_data()['added'].get(currency, '0')}.")

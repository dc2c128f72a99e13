"""Check and import files."""

import csv
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from io import BufferedReader
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
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import FORMULA_RULE, CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS, fields_of_kind
from billing_admin.domain.imports.headers import (
    column_name,
    default_format,
    guess_columns,
    score_headers,
    without_incomplete_prices,
)
from billing_admin.domain.imports.layouts import DELIMITERS, ENCODINGS, MAX_HEADER_LINE
from billing_admin.domain.imports.plans import ImportPlan, SkipRule
from billing_admin.domain.imports.rows import RowError, RowReader
from billing_admin.domain.imports.tally import Tally
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.payments import METHODS, OLDEST
from billing_admin.formats import import_errors, table_reader
from billing_admin.formats.export import META_SUFFIX
from billing_admin.formats.table_reader import LayoutChoice, Preview
from billing_admin.formats.verify import read_meta
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.queries.imports import earlier_import, import_by_id, organisation_cell_format

BLOCK = 1 << 20
_SKIP = re.compile(r"(?P<column>.+?)(?P<sign>!=|=|~)(?P<text>.*)", re.DOTALL)
_SKIP_SIGNS = {"=": "is", "!=": "is_not", "~": "contains"}


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
@click.option("--sheet", help="Sheet of a workbook. Default: the first visible one that has rows.")
@click.option(
    "--header-line",
    type=click.IntRange(1, MAX_HEADER_LINE),
    help="Line of the column names. Default: the line with the most known names.",
)
@click.option(
    "--number-format",
    type=click.Choice([number.value for number in NumberFormat]),
    help="How numbers are written. Default: the organisation's format.",
)
@click.option("--decimal-comma", is_flag=True, help="The same as --number-format 1.234,56.")
@click.option(
    "--date-order",
    type=click.Choice([order.value for order in DateOrder]),
    help="Order of dates such as 05/06/2026. Default: the organisation's order.",
)
@click.option("--day-first", is_flag=True, help="The same as --date-order day_first.")
@click.option(
    "--formula-rule",
    type=click.IntRange(1, FORMULA_RULE),
    help="Version of the formula rule of an exported file. Default: the version in FILE.meta.json, or the newest.",
)
@click.option("--accounting", is_flag=True, help="Read (1.00) and 1.00- as negative numbers.")
@click.option(
    "--value",
    "constants",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Value of a field for rows without one, such as incurred_on=today. Repeat the option for more fields.",
)
@click.option(
    "--skip",
    "rules",
    multiple=True,
    metavar="COLUMN=TEXT",
    help="Leave out rows whose cell in the column is this text. COLUMN!=TEXT leaves out all other rows, and COLUMN~TEXT"
    " those that contain the text. Repeat the option for more rules.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Column for a field. Leave COLUMN empty to leave the field out. Repeat the option for more fields. Default:"
    " columns are matched by name.",
)
@click.option(
    "--update", is_flag=True, help="Update existing customers, contacts and services that differ from the file."
)
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
    """Import KIND from FILE: all rows, or none if a row has an error.

    FILE is a CSV file, also compressed with gzip, or a workbook (.xlsx).

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
    kind: str,
    file: Path,
    columns: Sequence[str],
    constants: Sequence[str],
    rules: Sequence[str],
    formula_rule: int | None,
    **options: Any,
) -> ImportPlan:
    """Return the plan for reading the file.

    Raises Invalid for an unreadable file and for missing columns.
    """
    choice = LayoutChoice(*(options.pop(name) for name in ("encoding", "delimiter", "header_line", "sheet")))
    with _opened(file) as opened:

        def rewind() -> BinaryIO:
            opened.seek(0)
            return opened

        beginning = table_reader.preview(rewind, partial(score_headers, kind), choice)
    _print_layout(beginning)
    header, rows = beginning.header, [row.cells for row in beginning.rows]
    plan = ImportPlan(
        header,
        _choose_columns(kind, header, rows, columns),
        written=replace(_cell_format(kind, header, options), formula_rule=formula_rule or _stated_formula_rule(file)),
        constants=_named_constants(kind, constants),
        skip=tuple(_skip_rule(header, rule) for rule in rules),
        **asdict(beginning.layout),
        **options,
    )
    imports.check_columns(db.session(), kind, plan)
    return plan


def _print_layout(beginning: Preview) -> None:
    layout = beginning.layout
    source = (
        f"Sheet: {layout.sheet}."
        if beginning.sheets
        else f"Encoding: {layout.encoding}. Delimiter: {layout.delimiter}."
    )
    print_message(f"{source} Column names: {', '.join(filter(None, beginning.header))}.")


def _stated_formula_rule(file: Path) -> int:
    """Return the rule that the file's `.meta.json` states, or the newest one."""
    meta_file = file.with_name(file.name + META_SUFFIX)
    return read_meta(meta_file.read_bytes()).formula_rule if meta_file.is_file() else FORMULA_RULE


def _cell_format(kind: str, header: Sequence[str], options: dict[str, Any]) -> CellFormat:
    """Return the chosen format of cells, and remove it from the options."""
    offered = default_format(kind, header, organisation_cell_format(db.session()))
    number_format = options.pop("number_format") or ("1.234,56" if options["decimal_comma"] else offered.number_format)
    date_order = options.pop("date_order") or ("day_first" if options["day_first"] else offered.date_order)
    del options["decimal_comma"], options["day_first"]
    return CellFormat(NumberFormat(number_format), DateOrder(date_order), options.pop("accounting"))


def _named_constants(kind: str, constants: Sequence[str]) -> dict[str, str]:
    fields = IMPORT_KINDS[kind].fields
    values = {}
    for option in constants:
        field, _, text = (part.strip() for part in option.partition("="))
        if field not in fields or not fields[field].constant:
            names = ", ".join(name for name in fields if fields[name].constant)
            raise click.UsageError(f"“{field}” cannot have one value for all rows. Use one of {names}.")
        if not text:
            raise click.UsageError(f"Enter a value for “{field}”, as in {field}=VALUE.")
        values[field] = text
    return values


def _skip_rule(header: Sequence[str], option: str) -> SkipRule:
    match = _SKIP.fullmatch(option)
    if match is None:
        raise click.UsageError(f"Write “{option}” as COLUMN=TEXT, COLUMN!=TEXT or COLUMN~TEXT.")
    return SkipRule(_column_index(header, match["column"].strip()), _SKIP_SIGNS[match["sign"]], match["text"])


def _column_index(header: Sequence[str], column: str) -> int:
    """Return the index of a named column."""
    indexes = {column_name(header, index): index for index in range(len(header))}
    if column in indexes:
        return indexes[column]
    same_name = [unique for unique, index in indexes.items() if header[index].strip() == column]
    if same_name:
        raise click.UsageError(f"Several columns are named “{column}”. Use {' or '.join(same_name)}.")
    raise click.UsageError(f"The file has no column “{column}”. Its columns are {', '.join(indexes)}.")


def _choose_columns(
    kind: str, header: Sequence[str], rows: Sequence[Sequence[str]], options: Sequence[str]
) -> dict[str, int]:
    """Return the column of each field: as given by the options, or guessed by name.

    An option wins over a guess for its field and for its column, and a given `key` over a guessed `id`.
    `FIELD=` leaves a field out.
    """
    chosen = dict(_named_columns(kind, header, options))
    guessed = {
        field: index
        for field, index in guess_columns(kind, header, rows).items()
        if field not in chosen and index not in chosen.values()
    }
    for field, alternative in (("id", "key"), ("key", "id")):
        if chosen.get(alternative) is not None:
            guessed.pop(field, None)
    columns = guessed | {field: index for field, index in chosen.items() if index is not None}
    return without_incomplete_prices(columns, chosen) if kind == "services" else columns


def _named_columns(kind: str, header: Sequence[str], options: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    for option in options:
        field, _, column = (part.strip() for part in option.partition("="))
        if field not in fields_of_kind(kind, [field]):
            names = ", ".join(IMPORT_KINDS[kind].fields)
            raise click.UsageError(f"“{field}” is not a field of {kind}. Use one of {names}.")
        yield field, _column_index(header, column) if column else None


@contextmanager
def _opened(file: Path) -> Iterator[BufferedReader]:
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
        f" changed {tally.changed:,}, skipped {tally.left_out:,}, left out by --skip {tally.skipped:,}."
    )
    for currency, amount in tally.as_data()["sums"].items():
        print_message(f"Total: {amount} {currency}, of which new {tally.as_data()['added'].get(currency, '0')}.")
    for customer, sums in tally.as_data().get("customers", {}).items():
        print_message(f"{customer}: {', '.join(f'{amount} {currency}' for currency, amount in sums.items())}.")

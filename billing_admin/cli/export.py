"""Files for spreadsheets and other programs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import click

from billing_admin import clock
from billing_admin.cli.commands import DayType, command
from billing_admin.db.engine import db
from billing_admin.domain.access import SYSTEM
from billing_admin.formats import export as exporting, journal
from billing_admin.formats.export import FORMATS, META_SUFFIX, ExportRequest
from billing_admin.formats.journal import JournalRequest
from billing_admin.formats.meta_filters import no_filters
from billing_admin.queries.journal import Period
from billing_admin.queries.master_data.organisation import today

KINDS = ("invoices", "invoice-lines", "charges", "payments", "allocations", "customers", "services", "audit-events")
JOURNAL = "journal"


@command("export")
@click.argument("kind", type=click.Choice([*KINDS, JOURNAL]))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format", type=click.Choice([*FORMATS, "hledger"]), help="csv, or what FILE ends in; hledger for a journal."
)
@click.option("--from", "first", type=DayType(), help="A journal's first day.")
@click.option("--to", "last", type=DayType(), help="A journal's last day.")
@click.option("--opening", is_flag=True, help="Begin a journal with the balances of all that came before.")
def export(kind: str, file: Path, format: str | None, first: date | None, last: date | None, opening: bool) -> None:
    """Write everything of one kind to FILE, or to stdout if it is “-”, and its control totals to FILE.meta.json.

    FILE appears when it is whole: an export that is interrupted leaves what was there before.

    \b
    Examples:
      flask --app wsgi export invoices invoices.csv
      flask --app wsgi export invoices invoices.xlsx
      flask --app wsgi export charges - | gzip > charges.csv.gz
      flask --app wsgi export journal november.journal --from 2026-11-01 --to 2026-11-30
    """
    asked = format or _format(kind, file)
    if asked not in (journal.FORMATS if kind == JOURNAL else FORMATS):
        raise click.UsageError(f"There is no {kind} in the format {asked}.")
    if kind == JOURNAL:
        _write(file, JournalRequest(Period(first, last), asked, opening))
    elif first or last or opening:
        raise click.UsageError("--from, --to and --opening are for a journal.")
    else:
        _write(file, ExportRequest(kind, no_filters(kind, today(db.session(), clock.now())), asked))


def _format(kind: str, file: Path) -> str:
    usual = "hledger" if kind == JOURNAL else "csv"
    return {".csv": "csv", ".xlsx": "xlsx"}.get(file.suffix, usual)


def _write(file: Path, wanted: ExportRequest | JournalRequest) -> None:
    session, at = db.session(), clock.now()
    with _target(file) as target:
        about: dict[str, Any]
        if isinstance(wanted, JournalRequest):
            about = journal.describe_journal(
                wanted, file.name, journal.write_journal(session, wanted, target), at, SYSTEM.name
            )
        else:
            about = exporting.describe_export(
                wanted, file.name, exporting.write_export(session, wanted, target), at, SYSTEM.name
            )
    if str(file) != "-":
        with _target(file.with_name(file.name + META_SUFFIX)) as target:
            target.write(exporting.meta_json(about))


@contextmanager
def _target(file: Path) -> Iterator[BinaryIO]:
    """Stdout, or a file beside the one asked for that takes its place at the end."""
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(file)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)

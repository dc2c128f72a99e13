"""Export lists and the journal to files."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from billing_admin import clock
from billing_admin.cli.commands import DayType, command
from billing_admin.cli.output import open_target
from billing_admin.db.engine import db
from billing_admin.db.transactions import open_snapshot, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.formats import export as exporting, journal
from billing_admin.formats.export import FORMATS, META_SUFFIX, ExportRequest
from billing_admin.formats.journal import JournalRequest
from billing_admin.formats.meta_filters import no_filters
from billing_admin.operations.files import record_download
from billing_admin.queries.journal import Period
from billing_admin.queries.master_data.organisation import today

KINDS = (
    "invoices",
    "invoice-lines",
    "charges",
    "recurring-charges",
    "payments",
    "allocations",
    "refunds",
    "open-items",
    "customers",
    "contacts",
    "services",
    "bank-accounts",
    "exchange-rates",
    "messages",
    "audit-events",
)
JOURNAL = "journal"


@command("export", writes=True)
@click.argument("kind", type=click.Choice([*KINDS, JOURNAL]))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format",
    type=click.Choice([*FORMATS, "hledger"]),
    help="Format of the file. Default: the extension of FILE, or csv, or hledger for a journal.",
)
@click.option("--from", "first", type=DayType(), help="First day of the journal.")
@click.option("--to", "last", type=DayType(), help="Last day of the journal.")
@click.option("--opening", is_flag=True, help="Start the journal with the opening balances.")
def export(kind: str, file: Path, format: str | None, first: date | None, last: date | None, opening: bool) -> None:
    """Write all rows of KIND to FILE, and the control totals to FILE.meta.json.

    With “-” as FILE, the rows go to stdout. FILE is replaced when the export is complete, and keeps its permissions; an
    interrupted export leaves the existing file.

    \b
    Examples:
      flask --app wsgi export invoices invoices.csv
      flask --app wsgi export invoices invoices.xlsx
      flask --app wsgi export charges - | gzip > charges.csv.gz
      flask --app wsgi export journal november.journal --from 2026-11-01 --to 2026-11-30
    """
    format = format or _format(kind, file)
    if format not in (journal.FORMATS if kind == JOURNAL else FORMATS):
        raise click.UsageError(f"{kind} cannot be exported as {format}.")
    if kind == JOURNAL:
        _write(file, JournalRequest(Period(first, last), format, opening))
    elif first or last or opening:
        raise click.UsageError("--from, --to and --opening apply to a journal only.")
    else:
        _write(file, ExportRequest(kind, no_filters(kind, today(db.session(), clock.now())), format))


def _format(kind: str, file: Path) -> str:
    default = "hledger" if kind == JOURNAL else "csv"
    return {".csv": "csv", ".xlsx": "xlsx"}.get(file.suffix, default)


def _write(file: Path, request: ExportRequest | JournalRequest) -> None:
    at = clock.now()
    # The snapshot is older than the event: an export of the audit log does not contain itself.
    with open_snapshot() as session, open_target(file) as target:
        transaction(record_download, "export", None, file.name, request.details, SYSTEM, at)
        meta: dict[str, Any]
        if isinstance(request, JournalRequest):
            meta = journal.describe_journal(
                request, file.name, journal.write_journal(session, request, target), at, SYSTEM.name
            )
        else:
            meta = exporting.describe_export(
                request, file.name, exporting.write_export(session, request, target), at, SYSTEM.name
            )
    if str(file) != "-":
        with open_target(file.with_name(file.name + META_SUFFIX)) as target:
            target.write(exporting.meta_json(meta))

"""Files for spreadsheets and other programs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from billing_admin import clock
from billing_admin.cli.commands import command
from billing_admin.database import Session, db
from billing_admin.documents import csv
from billing_admin.queries.charges import ChargeFilter
from billing_admin.queries.exports import Filters
from billing_admin.queries.invoices import InvoiceFilter
from billing_admin.queries.organisation import today
from billing_admin.queries.payments import PaymentFilter

KINDS = ("invoices", "invoice-lines", "charges", "payments")


@command("export")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
def export(kind: str, file: Path) -> None:
    """Write everything of one kind as CSV to FILE, or to stdout if it is “-”.

    FILE appears when it is whole: an export that is interrupted leaves what was there before.

    \b
    Examples:
      flask --app wsgi export invoices invoices.csv
      flask --app wsgi export charges - | gzip > charges.csv.gz
    """
    with _target(file) as target:
        for part in _parts(kind):
            target.write(part)


def _parts(kind: str) -> Iterator[bytes]:
    session = db.session()
    return csv.export(session, kind, _everything(session, kind))


def _everything(session: Session, kind: str) -> Filters:
    if kind == "charges":
        return ChargeFilter()
    return PaymentFilter() if kind == "payments" else InvoiceFilter(today(session, clock.now()))


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

"""Write the files of documents."""

from pathlib import Path

import click
from flask import current_app

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import open_target
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.formats.einvoice import PROFILES
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.operations.files import record_download
from billing_admin.operations.invoices.e_invoices import issued_e_invoice
from billing_admin.operations.invoices.renditions import issued_pdf
from billing_admin.queries.invoices.invoices import invoice


@command("render", writes=True)
@click.argument("number")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
def render(number: str, file: Path) -> None:
    """Write the PDF of an issued invoice or credit note to FILE.

    With “-” as FILE, it goes to stdout. The PDF has the same bytes each time.

    \b
    Examples:
      flask --app wsgi render INV-2026-00042 INV-2026-00042.pdf
    """
    session, now = db.session(), clock.now()
    document = invoice(session, number)
    id, name = document.id, f"{document.number}.pdf"
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    data = issued_pdf(transaction, session, document, glyphs, now)
    transaction(record_download, "invoice", id, name, {}, SYSTEM, now)
    with open_target(file) as target:
        target.write(data)
    print_message(f"Wrote {name}: {len(data):,} bytes.")


@command("e-invoice", writes=True)
@click.argument("number")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--syntax",
    type=click.Choice(sorted(PROFILES)),
    help="Format of the e-invoice. Default: the format of the customer when the document was issued.",
)
def e_invoice(number: str, file: Path, syntax: str | None) -> None:
    """Write the e-invoice of an issued invoice or credit note to FILE.

    With “-” as FILE, it goes to stdout. The e-invoice has the same bytes each time.

    \b
    Examples:
      flask --app wsgi e-invoice INV-2026-00042 invoice.xml
      flask --app wsgi e-invoice INV-2026-00042 invoice.pdf --syntax factur-x
    """
    session, now = db.session(), clock.now()
    document = invoice(session, number)
    id = document.id
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    content, name, _ = issued_e_invoice(transaction, session, document, syntax or "", glyphs, now)
    transaction(record_download, "invoice", id, name, {}, SYSTEM, now)
    with open_target(file) as target:
        target.write(content)
    print_message(f"Wrote {name}: {len(content):,} bytes.")

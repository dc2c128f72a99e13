"""The e-invoice of a document: its formats, and what is missing for them."""

from typing import Final, NamedTuple
from uuid import UUID

from flask import current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.errors import Invalid, NotFound, Problem
from billing_admin.domain.translation import Phrase
from billing_admin.formats.einvoice import check_issued
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import Download, send_recorded
from billing_admin.operations.invoices.e_invoices import issued_e_invoice, missing_facts
from billing_admin.queries.invoices.invoices import invoice as load_invoice
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import now
from billing_admin.web.invoices.invoices import WRITE

pages = page_blueprint("e_invoices", __name__, "/invoices", write=WRITE)

# Names and purposes of the formats, in the order of the page.
FORMATS: Final = {
    "factur-x": (Phrase("Factur-X (ZUGFeRD)"), Phrase("A PDF with the e-invoice inside")),
    "ubl": (Phrase("EN 16931 in UBL"), Phrase("Most accounting programs")),
    "cii": (Phrase("EN 16931 in CII"), Phrase("Most accounting programs; the same XML as in Factur-X")),
    "peppol": (Phrase("Peppol BIS Billing 3"), Phrase("The Peppol network")),
    "xrechnung-ubl": (Phrase("XRechnung 3.0 in UBL"), Phrase("German authorities")),
    "xrechnung-cii": (Phrase("XRechnung 3.0 in CII"), Phrase("German authorities")),
}


class FormatRow(NamedTuple):
    """A format of the page, with what the document lacks for it."""

    format: str
    name: str
    purpose: str
    missing: list[Problem]


@pages.get("/<uuid:id>/e-invoice")
def index(id: UUID) -> ResponseReturnValue:
    """Show the formats of a document's e-invoice, and what is missing for each."""
    invoice = load_invoice(db.session(), str(id))
    check_issued(invoice)
    rows = [FormatRow(format, *FORMATS[format], missing_facts(invoice, format)) for format in FORMATS]
    chosen = details_from_json(invoice.details).e_invoice
    return render_template("invoices/e_invoice.html", invoice=invoice, rows=rows, chosen=FORMATS.get(chosen))


@pages.get("/<uuid:id>/e-invoice/<format>")
def download(id: UUID, format: str) -> ResponseReturnValue:
    """Send the e-invoice in a format, or show what is missing."""
    if format not in FORMATS:
        raise NotFound(
            "unknown_format", Phrase("This e-invoice format does not exist. Choose a format on the document's page.")
        )
    invoice, session = load_invoice(db.session(), str(id)), db.session()
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    try:
        content, name, media_type = issued_e_invoice(transaction, session, invoice, format, glyphs, now())
    except Invalid as error:
        flash(error.message, "danger")
        return redirect(url_for("e_invoices.index", id=id), 303)
    return send_recorded(Download(name, media_type, object_type="invoice", object_id=id), content)

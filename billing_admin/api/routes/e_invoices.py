"""E-invoices of issued documents."""

from typing import Literal

from flask import Response, current_app

from billing_admin.api.frame.fields import Parameters
from billing_admin.api.frame.routing import route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import Download, send_recorded
from billing_admin.operations.invoices.e_invoices import PDF, XML, issued_e_invoice
from billing_admin.queries.invoices.invoices import invoice


class EInvoiceQuery(Parameters):
    """The format of an e-invoice.

    The default is the format that the customer had when the document was issued. `factur-x` is a PDF.
    """

    syntax: Literal["", "cii", "factur-x", "peppol", "ubl", "xrechnung-cii", "xrechnung-ubl"] = ""


@route("GET", "/invoices/{number}/e-invoice", scope="read", query=EInvoiceQuery, response=XML, or_file=PDF)
def get_e_invoice(number: str, query: EInvoiceQuery) -> Response:
    """Read an issued invoice or credit note as e-invoice.

    It has the same bytes each time. Drafts and void documents have none. If the document lacks facts that the format
    requires, the error names each of them.
    """
    document = invoice(db.session(), number)
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    id = document.id
    content, name, media_type = issued_e_invoice(transaction, db.session(), document, query.syntax, glyphs, now())
    return send_recorded(Download(name, media_type, object_type="invoice", object_id=id), content)

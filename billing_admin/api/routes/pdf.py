"""Documents and statements as PDF files."""

from flask import Response, current_app

from billing_admin.api.frame.routing import route
from billing_admin.api.routes.receivables import StatementQuery
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import Download, send_recorded
from billing_admin.operations.invoices.letters import load_statement, print_statement
from billing_admin.operations.invoices.renditions import issued_pdf
from billing_admin.queries.invoices.invoices import invoice
from billing_admin.queries.master_data.customers import customer

MEDIA_TYPE = "application/pdf"


@route("GET", "/invoices/{number}/pdf", scope="read", response=MEDIA_TYPE)
def get_invoice_pdf(number: str) -> Response:
    """Read an issued invoice or credit note as PDF.

    It has the same bytes each time. A draft has no PDF.
    """
    document = invoice(db.session(), number)
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    file = Download(f"{document.number}.pdf", MEDIA_TYPE, object_type="invoice", object_id=document.id)
    return send_recorded(file, issued_pdf(transaction, db.session(), document, glyphs, now()))


@route("GET", "/customers/{ref}/statement.pdf", scope="read", query=StatementQuery, response=MEDIA_TYPE)
def get_statement_pdf(ref: str, query: StatementQuery) -> Response:
    """Read a customer's statement in one currency as PDF.

    It has the opening balance, the entries, the closing balance and the ageing. `currency` is required if the customer
    has entries in several.
    """
    session, moment = db.session(), now()
    row = customer(session, ref)
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    details = {"kind": "statement", "customer": row.reference, "format": "pdf"}
    statement = load_statement(session, row, query.currency, query.from_, query.to, moment)
    file = Download(statement.file_name, MEDIA_TYPE, details, object_id=row.id)
    return send_recorded(file, print_statement(session, statement, glyphs, moment))

"""The PDF of issued documents and of drafts."""

from typing import Any

from sqlalchemy.orm import Session

from billing_admin.domain.document_details import details_to_json
from billing_admin.domain.errors import NotFound
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Invoice
from billing_admin.operations.invoices.invoices import customer_fields, load_customers, seller_fields
from billing_admin.queries.invoices.document_details import load_detail_sources, make_details
from billing_admin.queries.invoices.printing import load_logo
from billing_admin.queries.master_data.organisation import organisation


def issued_pdf(session: Session, invoice: Invoice, glyphs: Glyphs) -> bytes:
    """Return the PDF of an issued or void document.

    Raises:
        NotFound: The document is a draft.
    """
    if invoice.issued_at is None:
        raise NotFound("not_issued", "A draft has no PDF. Issue it first.", "invoice")
    return render_pdf(invoice, glyphs, load_logo(session, invoice.details))


def draft_pdf(session: Session, draft: Invoice, glyphs: Glyphs) -> bytes:
    """Return the PDF of a draft, marked as such and without a number.

    It has the names and details of today. The draft is detached from the session.
    """
    settings, customer = organisation(session), load_customers(session, [draft.customer_id])[draft.customer_id]
    details = details_to_json(make_details(load_detail_sources(session, settings), customer, draft.currency))
    values: dict[str, Any] = seller_fields(settings) | customer_fields(customer) | {"details": details}
    session.expunge(draft)
    for name, value in values.items():
        setattr(draft, name, value)
    return render_pdf(draft, glyphs, load_logo(session, details))

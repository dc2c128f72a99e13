"""The files of documents.

A file is stored when it is first downloaded, and never made again.
"""

import hashlib
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.db.transactions import Transact
from billing_admin.domain.document_details import details_from_json, details_to_json
from billing_admin.domain.errors import NotFound
from billing_admin.domain.opening_balances import refuse_opening
from billing_admin.domain.readiness import Shortcoming
from billing_admin.domain.translation import Phrase
from billing_admin.formats.factur_x import render_factur_x
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.pdf import missing_characters, print_document, render_pdf, template_version
from billing_admin.models import Invoice, Rendition
from billing_admin.operations.invoices.invoices import copied_fields
from billing_admin.queries.invoices.document_details import load_detail_sources, make_details
from billing_admin.queries.invoices.printing import load_logo
from billing_admin.queries.invoices.readiness import document_shortcomings
from billing_admin.queries.invoices.renditions import stored_rendition
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.organisation import organisation

FACTUR_X: Final = "factur-x"


def issued_pdf(transact: Transact, session: Session, invoice: Invoice, glyphs: Glyphs, now: datetime) -> bytes:
    """Return the PDF of an issued or void document in its form (`pdf_form`).

    `transact` runs work in a transaction, and ends the session's snapshot.

    Raises:
        NotFound: The document is a draft or an opening invoice.
    """
    refuse_opening(invoice, "PDF", "invoice")
    if invoice.issued_at is None:
        raise NotFound("not_issued", Phrase("A draft has no PDF. Issue it first."), "invoice")
    return stored_pdf(transact, session, invoice, pdf_form(invoice), glyphs, now)


def pdf_form(invoice: Invoice) -> str:
    """Return the form of a document's PDF: `void`, `factur-x` or `pdf`.

    It is Factur-X if that was the customer's format at the issue and the document has all that it requires. There is
    then no PDF without the e-invoice that could be sent by mistake.
    """
    if invoice.status == "void":
        return "void"
    is_factur_x = details_from_json(invoice.details).e_invoice == FACTUR_X
    return FACTUR_X if is_factur_x and not format_stops(invoice, FACTUR_X) else "pdf"


def format_stops(invoice: Invoice, format: str) -> list[Shortcoming]:
    """Return what excludes an e-invoice in a format of an issued document."""
    return [shortcoming for shortcoming in document_shortcomings(invoice, format) if shortcoming.stops]


def stored_pdf(
    transact: Transact,
    session: Session,
    invoice: Invoice,
    form: str,
    glyphs: Glyphs,
    now: datetime,
    *,
    sent: bool = False,
) -> bytes:
    """Return the PDF of an issued document in a form.

    It is stored when it is first made. The stored file is returned from then on, also when the template or the fonts
    have changed. A file in which □ is printed for a missing character is not stored, so that fonts can be added; nor is
    one without the logo or a font that the export refused. A file that is `sent` is stored in any case: the customer
    has it.
    """
    language = details_from_json(invoice.details).language
    stored = stored_rendition(session, invoice.id, form, language)
    if stored is not None:
        return stored
    render = render_factur_x if form == FACTUR_X else print_document
    printed = render(invoice, glyphs, load_logo(session, invoice.details))
    if not sent and (printed.plain or missing_characters(invoice, glyphs)):
        return printed.data
    stored_data: bytes = transact(
        store, invoice.id, form, language, printed.data, template_version(), glyphs.digest, now
    )
    return stored_data


def store(
    session: Session,
    invoice_id: UUID,
    form: str,
    language: str,
    data: bytes,
    template: str,
    fonts: str,
    now: datetime,
) -> bytes:
    """Store the file of a document, and return the stored bytes.

    These are the bytes of another process if it was faster. `template` and `fonts` name what the file was made with.
    """
    stored = stored_rendition(session, invoice_id, form, language)
    if stored is not None:
        return stored
    rendition = Rendition(
        id=new_id(now),
        invoice_id=invoice_id,
        form=form,
        language=language,
        sha256=hashlib.sha256(data).hexdigest(),
        data=data,
        template=template,
        fonts=fonts,
        created_at=now,
    )
    session.add(rendition)
    session.flush()
    return data


def draft_pdf(session: Session, draft: Invoice, glyphs: Glyphs) -> bytes:
    """Return the PDF of a draft, marked as such and without a number.

    It has the names and details of today, and is not stored. A draft of the session is detached from it.
    """
    settings, customer = organisation(session), load_customers(session, [draft.customer_id])[draft.customer_id]
    details = make_details(load_detail_sources(session, settings), customer, draft.currency)
    stored_details = details_to_json(details)
    columns = copied_fields(settings, customer) | {"details": stored_details}
    if draft in session:
        session.expunge(draft)
    for name, value in columns.items():
        setattr(draft, name, value)
    return render_pdf(draft, glyphs, load_logo(session, stored_details))

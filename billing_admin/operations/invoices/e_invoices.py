"""E-invoices of issued documents.

A file is stored when it is first downloaded, and never made again.
"""

from datetime import datetime
from importlib.metadata import version
from typing import NamedTuple

from sqlalchemy.orm import Session

from billing_admin.db.transactions import Transact
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.readiness import FORMAT_NAMES, MISSING_FACTS, NO_E_INVOICE
from billing_admin.domain.translation import Phrase, join
from billing_admin.domain.words import either
from billing_admin.formats.einvoice import check_issued, render_xml
from billing_admin.formats.glyphs import Glyphs
from billing_admin.models import Invoice
from billing_admin.operations.invoices.renditions import FACTUR_X, format_stops, store, stored_pdf
from billing_admin.queries.invoices.renditions import stored_rendition

PDF, XML = "application/pdf", "application/xml"


class EInvoice(NamedTuple):
    """The file of an e-invoice, with its name and media type."""

    content: bytes
    name: str
    media_type: str


def issued_e_invoice(
    transact: Transact, session: Session, invoice: Invoice, format: str, glyphs: Glyphs, now: datetime
) -> EInvoice:
    """Return the e-invoice of an issued document.

    Without a `format`, it is the customer's at the time of the issue. The file is stored when it is first made, and the
    stored file is returned from then on. `transact` runs work in a transaction, and ends the session's snapshot.

    Raises:
        NotFound: The document is a draft or void.
        Invalid: No format is given and the customer had none, or the document lacks what the format requires.
    """
    check_issued(invoice)
    details = details_from_json(invoice.details)
    format = format or details.e_invoice
    if format == NO_E_INVOICE:
        message = Phrase(
            "{customer_name} had no e-invoice format when {invoice_number} was issued. Choose a format.",
            customer_name=invoice.customer_name,
            invoice_number=invoice.number,
        )
        raise Invalid("format_missing", message, "syntax")
    is_pdf = format == FACTUR_X
    name, media_type = f"{invoice.number}.{'pdf' if is_pdf else 'xml'}", PDF if is_pdf else XML
    stored = stored_rendition(session, invoice.id, format, details.language)
    if stored is not None:
        return EInvoice(stored, name, media_type)
    if missing := missing_facts(invoice, format):
        raise _incomplete(invoice, format, missing)
    if is_pdf:
        return EInvoice(stored_pdf(transact, session, invoice, format, glyphs, now), name, media_type)
    content, made_with = render_xml(invoice, format), f"factur-x {version('factur-x')}"
    return EInvoice(
        transact(store, invoice.id, format, details.language, content, made_with, "", now), name, media_type
    )


def missing_facts(invoice: Invoice, format: str) -> list[Problem]:
    """Return what an issued document lacks for an e-invoice in a format.

    Each problem names the fact; it can no longer be added.
    """
    return [
        Problem(stop.code, Phrase("{fact}.", fact=MISSING_FACTS[stop.code]), stop.field)
        for stop in format_stops(invoice, format)
    ]


def _reason(invoice: Invoice, format: str) -> str:
    """Return why an issued document can lack what a format requires."""
    if invoice.details is None:
        return Phrase("The document was issued before documents stored the data of e-invoices.")
    own_format = details_from_json(invoice.details).e_invoice
    if own_format == NO_E_INVOICE:
        return Phrase("The customer had no e-invoice format when the document was issued, so this was not checked.")
    if own_format == format:
        return Phrase("Something was wrong when the document was issued.")
    return Phrase(
        "The customer's format was {own_format} when the document was issued, so the requirements of "
        "other formats were not checked.",
        own_format=FORMAT_NAMES[own_format],
    )


def _correction(invoice: Invoice, format: str) -> str:
    """Return what to do without an e-invoice in a format."""
    complete = [name for key, name in FORMAT_NAMES.items() if not format_stops(invoice, key)]
    alternative = (
        Phrase("Download {complete} instead.", complete=either(*complete))
        if complete
        else Phrase("Send its PDF instead.")
    )
    if invoice.kind == "credit_note":
        return Phrase("A credit note cannot be changed or credited. {alternative}", alternative=alternative)
    if details_from_json(invoice.details).e_invoice == format:
        return Phrase(
            "Correct this on the customer's page or in the settings, then credit the document in full and "
            "bill it again."
        )
    return Phrase(
        "{alternative} For future invoices, choose the format on the customer's page. Credit this "
        "document in full and bill it again only if the customer needs exactly this document in this "
        "format.",
        alternative=alternative,
    )


def _incomplete(invoice: Invoice, format: str, missing: list[Problem]) -> Invalid:
    facts = join(" ", [problem.message for problem in missing])
    message = Phrase(
        "There is no {format} e-invoice of {invoice_number}. {facts} {reason} {correction}",
        format=FORMAT_NAMES[format],
        invoice_number=invoice.number,
        facts=facts,
        reason=_reason(invoice, format),
        correction=_correction(invoice, format),
    )
    error = Invalid("e_invoice_incomplete", message)
    error.problems = tuple(missing)
    return error

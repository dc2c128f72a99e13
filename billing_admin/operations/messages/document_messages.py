"""The messages that send documents: their texts and attachments."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.message_texts import MessageText, render_text
from billing_admin.domain.messages import DOCUMENT, Recipient, SendingFacts, greeted_name
from billing_admin.domain.readiness import NO_E_INVOICE
from billing_admin.domain.text import file_stem
from billing_admin.formats.message_fields import document_fields
from billing_admin.models import Invoice, Message
from billing_admin.operations.invoices.renditions import FACTUR_X, pdf_form
from billing_admin.operations.messages.outbox import Attachment, NewMessage
from billing_admin.queries.listing import load_document_parts
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.texts import load_template

PDF_FORMS = frozenset({"pdf", FACTUR_X})  # the others are XML


def document_messages(session: Session, documents: Sequence[SendingFacts]) -> list[NewMessage]:
    """Return the messages that send documents, with the texts of their templates."""
    query = load_document_parts(select(Invoice)).where(is_any_of(Invoice.id, [facts.invoice_id for facts in documents]))
    invoices = {invoice.id: invoice for invoice in session.scalars(query.execution_options(populate_existing=True))}
    attach_pdf = organisation(session).attach_pdf
    templates: dict[tuple[str, str], MessageText] = {}
    messages = []
    for facts in documents:
        invoice = invoices[facts.invoice_id]
        details = details_from_json(invoice.details)
        key = invoice.kind, details.language
        template = templates.get(key) or templates.setdefault(key, load_template(session, *key))
        text = render_text(template, document_fields(invoice, greeted_name(facts.recipients)))
        messages.append(
            NewMessage(
                customer_id=facts.customer_id,
                purpose=DOCUMENT,
                currency=invoice.currency,
                language=details.language,
                recipients=facts.recipients,
                subject=text.subject,
                text=text.body,
                documents=[(facts.invoice_id, 0)],
                attachments=attachments_of(invoice, details.e_invoice, attach_pdf),
            )
        )
    return messages


def text_of_today(session: Session, message: Message, recipients: Sequence[Recipient]) -> MessageText:
    """Return subject and text of a waiting message, with the amount to pay today.

    The text of an invoice that was unpaid when its message was enqueued is rendered again. A text that a person has
    changed stays as it is.
    """
    stored = MessageText(message.subject, message.text)
    if message.purpose != DOCUMENT or not message.documents:
        return stored
    invoice = session.get_one(Invoice, message.documents[0].invoice_id, populate_existing=True)
    if not invoice.paid + invoice.credited:
        return stored
    template = load_template(session, invoice.kind, message.language)
    name = greeted_name(recipients)
    if stored != render_text(template, document_fields(invoice, name, as_unpaid=True)):
        return stored
    return render_text(template, document_fields(invoice, name))


def attachments_of(invoice: Invoice, e_invoice: str, attach_pdf: bool) -> list[Attachment]:
    """Return the files of a document that its customer gets.

    It is exactly one in the customer's format. An XML file has the PDF beside it, for people, if `attach_pdf`.
    """
    is_xml = e_invoice not in {NO_E_INVOICE, FACTUR_X}
    forms = [e_invoice, *(["pdf"] if attach_pdf else [])] if is_xml else [pdf_form(invoice)]
    stem = file_stem(str(invoice.number))
    return [Attachment(invoice.id, form, f"{stem}.{'pdf' if form in PDF_FORMS else 'xml'}") for form in forms]

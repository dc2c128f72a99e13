"""Previews of texts.

They have the values of the latest document of their kind and language, or of a sample.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.document_details import DocumentDetails
from billing_admin.domain.message_texts import MessageText, render_text
from billing_admin.domain.messages import DOCUMENT, REMINDER, STATEMENT, recipients_of
from billing_admin.domain.receivables import ZERO_POSITION, Position, make_statement
from billing_admin.formats.letter_contents import Letter, OverdueDocument
from billing_admin.formats.message_fields import FieldValues, document_fields, reminder_fields, statement_fields
from billing_admin.models import Customer, Invoice
from billing_admin.operations.invoices.letters import load_letter
from billing_admin.operations.invoices.sample import sample_document
from billing_admin.queries.master_data.contacts import contacts
from billing_admin.queries.master_data.organisation import today as today_in
from billing_admin.queries.messages.samples import latest_document, latest_overdue
from billing_admin.queries.payments.open_items import OpenItemFilter, open_items
from billing_admin.queries.payments.receivables import positions, statements


@dataclass(frozen=True, slots=True)
class TextPreview:
    """A rendered text, and the customer and document that its values are of.

    Both are empty for a sample.
    """

    text: MessageText
    customer: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True)
class _Values:
    values: FieldValues
    customer: str = ""
    document: str = ""


def preview_text(session: Session, key: str, language: str, text: MessageText, now: datetime) -> TextPreview:
    """Return a text as a customer would get it; `text` was checked."""
    load = _reminder if key.startswith("reminder") else _statement if key == "statement" else _document
    source = load(session, key, language, now)
    return TextPreview(render_text(text, source.values), source.customer, source.document)


def contact_name(session: Session, customer_id: UUID, purpose: str) -> str:
    """Return the name of the first contact that gets the messages of a purpose.

    It is empty without a contact.
    """
    recipients = recipients_of(contacts(session, customer_id), purpose)
    return recipients[0].name if recipients else ""


def _document(session: Session, key: str, language: str, now: datetime) -> _Values:
    document = latest_document(session, key, language)
    if document is None:
        return _Values(document_fields(sample_document(session, now, key, language)))
    name = contact_name(session, document.customer_id, DOCUMENT)
    return _Values(document_fields(document, name), document.customer_name, document.number or "")


def _reminder(session: Session, _key: str, language: str, now: datetime) -> _Values:
    today = today_in(session, now)
    document = latest_overdue(session, language, today)
    match = _letter(session, document, language, now)
    if match is None:
        sample = sample_document(session, now, language=language)
        return _Values(reminder_fields(_sample_letter(sample, language, today), _sample_overdue(sample, today)))
    customer, letter = match
    filters = OpenItemFilter(today, customer=customer.reference, currency=letter.currency)
    overdue = [
        OverdueDocument(row.number, row.issue_date, row.due_date, row.days_overdue, row.open_amount)
        for row in session.execute(open_items(session, filters))
        if row.days_overdue > 0
    ]
    name = contact_name(session, customer.id, REMINDER)
    return _Values(reminder_fields(letter, overdue, name), customer.name, ", ".join(row.number for row in overdue[:3]))


def _statement(session: Session, _key: str, language: str, now: datetime) -> _Values:
    last = today_in(session, now).replace(day=1) - timedelta(1)
    first = last.replace(day=1)
    match = _letter(session, latest_document(session, "invoice", language), language, now)
    if match is None:
        sample = sample_document(session, now, language=language)
        position = Position(sample.total, 0, 0, 0, (0, sample.total, 0, 0, 0))
        statement = replace(make_statement((), first), closing=sample.total)
        return _Values(statement_fields(_sample_letter(sample, language, last), statement, position, first, last))
    customer, letter = match
    statement = statements(session, customer.id, last, first, last).get(letter.currency) or make_statement((), first)
    position = positions(session, last, [customer.id]).get((customer.id, letter.currency), ZERO_POSITION)
    name = contact_name(session, customer.id, STATEMENT)
    return _Values(statement_fields(letter, statement, position, first, last, name), customer.name)


def _letter(session: Session, document: Invoice | None, language: str, now: datetime) -> tuple[Customer, Letter] | None:
    """Return the customer of a document, with a letter in the language.

    The result is None if letters to the customer are in another language today.
    """
    if document is None:
        return None
    customer = session.get_one(Customer, document.customer_id)
    letter = load_letter(session, customer, document.currency, now)
    return (customer, letter) if letter.details.language == language else None


def _sample_letter(sample: Invoice, language: str, day: date) -> Letter:
    return Letter(
        details=DocumentDetails(language=language),
        seller_name=sample.seller_name,
        seller_address=sample.seller_address,
        seller_tax_id=sample.seller_tax_id,
        customer_reference=sample.customer_reference,
        customer_name=sample.customer_name,
        customer_address=sample.customer_address,
        number_format=sample.number_format,
        currency=sample.currency,
        day=day,
    )


def _sample_overdue(sample: Invoice, today: date) -> list[OverdueDocument]:
    return [
        OverdueDocument(
            f"SAMPLE-000{place}", today - timedelta(40 + days), today - timedelta(days), days, sample.total * place
        )
        for place, days in ((1, 20), (2, 10))
    ]

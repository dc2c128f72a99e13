"""Webhook payloads of documents, charges, refunds and messages.

They are read in bulk, in the transaction that changes the objects.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.messages import DOCUMENT, was_sent
from billing_admin.domain.webhook_payloads import (
    RelatedDocuments,
    charge_payload,
    invoice_payload,
    message_payload,
    refund_payload,
)
from billing_admin.models import Customer, Invoice, Message, MessageDocument
from billing_admin.queries.charges.charges import charges_by_id
from billing_admin.queries.invoices.document_rows import load_document_rows
from billing_admin.queries.payments.refunds import parts_of_refunds, refund


def paid_documents(session: Session, invoice_ids: Collection[UUID]) -> list[DocumentRows]:
    """Return the invoices with these ids that are paid or credited in full, by number."""
    query = select(Invoice.__table__).where(
        is_any_of(Invoice.id, invoice_ids),
        Invoice.status == "issued",
        Invoice.total == Invoice.paid + Invoice.credited,
    )
    return load_document_rows(
        session, [dict(row) for row in session.execute(query.order_by(Invoice.number)).mappings()]
    )


def load_document(session: Session, invoice_id: UUID) -> DocumentRows:
    """Return one document as it is stored now."""
    row = session.execute(select(Invoice.__table__).where(Invoice.id == invoice_id)).mappings().one()
    return load_document_rows(session, [dict(row)])[0]


def invoice_payloads(
    session: Session, documents: Sequence[DocumentRows], today: date, replaced_by: UUID | None = None
) -> list[dict[str, Any]]:
    """Return the payloads of documents, with the numbers of related documents.

    `replaced_by` is the id of the draft that replaces a void invoice.
    """
    invoices = [document.invoice for document in documents]
    related_ids = {row[name] for row in invoices for name in ("corrects_id", "replaces_id") if row[name] is not None}
    numbers = _numbers(session, related_ids)
    credit_notes = _credit_note_numbers(session, [row["id"] for row in invoices if row["credited"]])
    messages = _message_states(session, [row["id"] for row in invoices])
    return [
        invoice_payload(
            document,
            RelatedDocuments(
                corrects=numbers.get(document.invoice["corrects_id"]),
                credit_notes=credit_notes.get(document.invoice["id"], ()),
                replaces=numbers.get(document.invoice["replaces_id"]),
                replaced_by=replaced_by,
                sent=was_sent(state for _, state in messages[document.invoice["id"]]),
                message_states=[state for purpose, state in messages[document.invoice["id"]] if purpose == DOCUMENT],
            ),
            today,
        )
        for document in documents
    ]


def _numbers(session: Session, ids: Collection[UUID]) -> dict[Any, Any]:
    """Return the numbers of documents by id."""
    if not ids:
        return {}
    rows = session.execute(select(Invoice.id, Invoice.number).where(is_any_of(Invoice.id, ids)))
    return {row.id: row.number for row in rows}


def _credit_note_numbers(session: Session, ids: Sequence[UUID]) -> dict[Any, list[str]]:
    """Return the numbers of credit notes by invoice, in order."""
    numbers: dict[Any, list[str]] = defaultdict(list)
    if ids:
        query = select(Invoice.corrects_id, Invoice.number).where(is_any_of(Invoice.corrects_id, ids))
        for row in session.execute(query.order_by(Invoice.issue_date, Invoice.sequence)):
            numbers[row.corrects_id].append(str(row.number))
    return numbers


def _message_states(session: Session, ids: Collection[UUID]) -> dict[Any, list[tuple[str, str]]]:
    """Return purpose and state of the messages of each document, oldest first."""
    states: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    query = (
        select(MessageDocument.invoice_id, MessageDocument.purpose, Message.state)
        .join(Message, Message.id == MessageDocument.message_id)
        .where(is_any_of(MessageDocument.invoice_id, ids))
    )
    for row in session.execute(query.order_by(Message.created_at, Message.id)):
        states[row.invoice_id].append((row.purpose, row.state))
    return states


def charge_payloads(session: Session, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return the payloads of charges, in the order of the ids."""
    charges = charges_by_id(session, ids)
    return [charge_payload(charges[id]) for id in ids]


def load_refund_payload(session: Session, id: UUID) -> dict[str, Any]:
    """Return the payload of a refund as it is stored now."""
    return refund_payload(refund(session, id), parts_of_refunds(session, [id])[id])


def load_message_payload(session: Session, id: UUID) -> dict[str, Any]:
    """Return the payload of a message as it is stored now."""
    parts = (selectinload(Message.recipients), selectinload(Message.documents))
    row = session.scalars(
        select(Message).where(Message.id == id).options(*parts).execution_options(populate_existing=True)
    ).one()
    reference = session.scalars(select(Customer.reference).where(Customer.id == row.customer_id)).one()
    numbers = _numbers(session, [document.invoice_id for document in row.documents])
    return message_payload(row, reference, numbers)

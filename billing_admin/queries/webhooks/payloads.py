"""What webhooks tell of documents and charges, read for many at once within the transaction that changes them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.webhook_payloads import RelatedDocuments, charge_payload, invoice_payload
from billing_admin.models import Invoice
from billing_admin.queries.charges.charges import charges_by_id
from billing_admin.queries.invoices.document_rows import load_document_rows


def paid_documents(session: Session, invoice_ids: Collection[UUID]) -> list[DocumentRows]:
    """Those of some invoices on which nothing is left to pay, by number."""
    query = select(Invoice.__table__).where(
        is_any_of(Invoice.id, invoice_ids),
        Invoice.status == "issued",
        Invoice.total == Invoice.paid + Invoice.credited,
    )
    return load_document_rows(
        session, [dict(row) for row in session.execute(query.order_by(Invoice.number)).mappings()]
    )


def document_rows(session: Session, invoice_id: UUID) -> DocumentRows:
    """One document as it is stored now."""
    row = session.execute(select(Invoice.__table__).where(Invoice.id == invoice_id)).mappings().one()
    return load_document_rows(session, [dict(row)])[0]


def invoice_payloads(
    session: Session, documents: Sequence[DocumentRows], today: date, replaced_by: UUID | None = None
) -> list[dict[str, Any]]:
    """Documents as they are told, with the names of those beside them; `replaced_by` is the draft in a void one's place."""
    rows = [one.invoice for one in documents]
    other = {row[name] for row in rows for name in ("corrects_id", "replaces_id") if row[name] is not None}
    numbers = _numbers(session, other)
    notes = _notes(session, [row["id"] for row in rows if row["credited"]])
    return [
        invoice_payload(
            one,
            RelatedDocuments(
                corrects=numbers.get(one.invoice["corrects_id"]),
                credit_notes=notes.get(one.invoice["id"], ()),
                replaces=numbers.get(one.invoice["replaces_id"]),
                replaced_by=replaced_by,
            ),
            today,
        )
        for one in documents
    ]


def _numbers(session: Session, ids: Collection[UUID]) -> dict[Any, str | None]:
    """The numbers of documents by their id."""
    if not ids:
        return {}
    found = session.execute(select(Invoice.id, Invoice.number).where(is_any_of(Invoice.id, ids)))
    return {row.id: row.number for row in found}


def _notes(session: Session, ids: Sequence[UUID]) -> dict[Any, list[str]]:
    """The numbers of credit notes by their invoice, in their order."""
    found: dict[Any, list[str]] = defaultdict(list)
    if ids:
        query = select(Invoice.corrects_id, Invoice.number).where(is_any_of(Invoice.corrects_id, ids))
        for row in session.execute(query.order_by(Invoice.issue_date, Invoice.sequence)):
            found[row.corrects_id].append(str(row.number))
    return found


def charge_payloads(session: Session, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Charges as they are told, in the order given."""
    found = charges_by_id(session, ids)
    return [charge_payload(found[id]) for id in ids]

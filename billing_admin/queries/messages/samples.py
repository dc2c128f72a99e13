"""Stored documents with which the preview of a text is filled in."""

from datetime import date

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.domain.document_details import details_from_json
from billing_admin.models import Invoice

# The language is in the details, which have no index: a search through all documents would take long.
MAX_SEARCHED = 200


def latest_document(session: Session, kind: str, language: str) -> Invoice | None:
    """Return the latest issued document of a kind in a language.

    Only the last `MAX_SEARCHED` documents are searched.
    """
    return _first_in(session, language, select(Invoice).where(Invoice.kind == kind))


def latest_overdue(session: Session, language: str, today: date) -> Invoice | None:
    """Return the latest overdue invoice in a language.

    Only the last `MAX_SEARCHED` overdue invoices are searched.
    """
    overdue = select(Invoice).where(
        Invoice.kind == "invoice", Invoice.due_date < today, Invoice.total != Invoice.paid + Invoice.credited
    )
    return _first_in(session, language, overdue)


def _first_in(session: Session, language: str, query: Select[Invoice]) -> Invoice | None:
    issued = query.where(Invoice.status == "issued").order_by(Invoice.created_at.desc(), Invoice.id.desc())
    documents = session.scalars(issued.limit(MAX_SEARCHED))
    return next((document for document in documents if details_from_json(document.details).language == language), None)

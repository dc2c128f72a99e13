"""Stored files of documents."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Rendition


def stored_rendition(session: Session, invoice_id: UUID, form: str, language: str) -> bytes | None:
    """Return the stored file of a document in a form and language, or None."""
    query = select(Rendition.data).where(
        Rendition.invoice_id == invoice_id, Rendition.form == form, Rendition.language == language
    )
    return session.scalar(query)

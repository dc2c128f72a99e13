"""Ids of objects that people name by a number of their own."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import has_id_or_name
from billing_admin.domain.errors import NotFound
from billing_admin.models import Invoice


def invoice_id(session: Session, name: str) -> UUID:
    """Return the id of an invoice, named by its id or number.

    Raises:
        NotFound: No invoice has this id or number.
    """
    id = session.scalar(select(Invoice.id).where(has_id_or_name(Invoice.id, Invoice.number, name)))
    if id is None:
        raise NotFound("unknown_invoice", f"There is no invoice “{name[:80]}”.", "invoice")
    return id

"""Documents as rows of their tables, to compute or check their hashes.

A hash covers the whole document. `domain.document_hash.canonical_content` chooses the columns that are
hashed; that choice is frozen.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from sqlalchemy import FromClause, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.models import InvoiceLine, InvoiceTax


def load_document_rows(session: Session, invoices: Sequence[Row]) -> list[DocumentRows]:
    """Return the rows of documents, in their order, each with its lines and taxes."""
    ids = [row["id"] for row in invoices]
    lines = _parts(session, InvoiceLine.__table__, InvoiceLine.invoice_id, InvoiceLine.position, ids)
    taxes = _parts(session, InvoiceTax.__table__, InvoiceTax.invoice_id, InvoiceTax.position, ids)
    return [DocumentRows(row, lines.get(row["id"], []), taxes.get(row["id"], [])) for row in invoices]


def _parts(
    session: Session,
    table: FromClause,
    invoice_id: InstrumentedAttribute[UUID],
    position: InstrumentedAttribute[int],
    ids: Sequence[UUID],
) -> dict[UUID, list[Row]]:
    query = select(table).where(is_any_of(invoice_id, ids)).order_by(invoice_id, position)
    rows = map(dict, session.execute(query).mappings())
    return {id: list(parts) for id, parts in groupby(rows, itemgetter("invoice_id"))}

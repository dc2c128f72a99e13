"""The texts of documents, to find characters that the PDF's fonts lack."""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import is_any_of
from billing_admin.models import Customer, Invoice, InvoiceLine, InvoiceTax, Organisation

FETCH_SIZE = 1000

_ON_DOCUMENT = (
    *(Invoice.seller_name, Invoice.seller_address, Invoice.seller_tax_id),
    *(Invoice.customer_name, Invoice.customer_address, Invoice.customer_tax_id, Invoice.customer_reference),
    *(Invoice.purchase_order, Invoice.note, Invoice.footer),
)
_CUSTOMER = (Customer.name, Customer.address, Customer.tax_id, Customer.reference)
_ORGANISATION = (Organisation.legal_name, Organisation.address, Organisation.tax_id, Organisation.invoice_footer)


class PrintedText(NamedTuple):
    """A text and its document; a draft has no number."""

    invoice_id: UUID
    number: str | None
    text: str


def texts_of_issued(session: Session) -> Iterator[PrintedText]:
    """Yield the texts of every issued document, document by document."""
    query = (
        select(Invoice.id, Invoice.number, Invoice.kind, Invoice.reason, *_ON_DOCUMENT)
        .where(Invoice.issued_at.is_not(None))
        .order_by(Invoice.issued_at, Invoice.id)
    )
    rows = session.execute(query.execution_options(yield_per=FETCH_SIZE))
    for documents in rows.partitions():
        parts = _parts(session, [row.id for row in documents])
        for row in documents:
            reason = [row.reason] if row.kind == "credit_note" else []
            for text in (*row[-len(_ON_DOCUMENT) :], *reason, *parts.get(row.id, [])):
                yield PrintedText(row.id, row.number, text)


def texts_of_drafts(session: Session, ids: Collection[UUID]) -> Iterator[str]:
    """Yield the texts that drafts would have if issued now.

    The names and addresses are today's.
    """
    drafts = is_any_of(Invoice.id, ids)
    for query in (
        select(Invoice.purchase_order, Invoice.note).where(drafts),
        select(*_CUSTOMER).where(Customer.id.in_(select(Invoice.customer_id).where(drafts))),
        select(*_ORGANISATION),
    ):
        for row in session.execute(query):
            yield from row
    for texts in _parts(session, ids).values():
        yield from texts


def _parts(session: Session, ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the descriptions of lines and the notes of taxes, by document."""

    def select_text(invoice_id: InstrumentedAttribute[UUID], text: InstrumentedAttribute[str]) -> Select[UUID, str]:
        return select(invoice_id.label("id"), text.label("text")).where(is_any_of(invoice_id, ids))

    texts = union_all(
        select_text(InvoiceLine.invoice_id, InvoiceLine.description),
        select_text(InvoiceLine.invoice_id, InvoiceLine.purchase_order),
        select_text(InvoiceTax.invoice_id, InvoiceTax.note),
    )
    rows = session.execute(texts.order_by("id"))
    return {id: [row.text for row in group] for id, group in groupby(rows, lambda row: row.id)}

"""The printed texts and logos of documents.

The texts are read to find characters that the PDF's fonts lack.
"""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.document_details import details_from_json, details_to_json
from billing_admin.models import Customer, Invoice, InvoiceLine, InvoiceTax, Logo, Organisation
from billing_admin.queries.invoices.document_details import load_detail_sources, make_details
from billing_admin.queries.master_data.organisation import organisation

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
        select(Invoice.id, Invoice.number, Invoice.status, Invoice.kind, Invoice.reason, Invoice.details, *_ON_DOCUMENT)
        .where(Invoice.issued_at.is_not(None))
        .order_by(Invoice.issued_at, Invoice.id)
    )
    rows = session.execute(query.execution_options(yield_per=FETCH_SIZE))
    for documents in rows.partitions():
        parts = _parts(session, [row.id for row in documents])
        for row in documents:
            reason = [row.reason] if row.kind == "credit_note" or row.status == "void" else []
            details = _texts_in(row.details)
            for text in (*row[-len(_ON_DOCUMENT) :], *reason, *details, *parts.get(row.id, [])):
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
    settings = organisation(session)
    sources = load_detail_sources(session, settings)
    issued_in = Invoice.currency.label("issued_in")
    customers = select(Customer.__table__, issued_in).join(Invoice, Invoice.customer_id == Customer.id)
    for row in session.execute(customers.where(drafts)):
        yield from _texts_in(details_to_json(make_details(sources, row, row.issued_in)))
    for texts in _parts(session, ids).values():
        yield from texts


def load_logo(session: Session, details: dict[str, Any] | None) -> Logo | None:
    """Return the logo that the details of a document name, if any."""
    sha256 = details_from_json(details).logo
    return session.get(Logo, sha256) if sha256 else None


def _texts_in(value: Any) -> Iterator[str]:
    """Yield each text in stored details."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(part)


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

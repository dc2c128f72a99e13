"""The condition that a document matches a search, for lists of any length."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from billing_admin.db.lookup import contains_text, is_any_of
from billing_admin.domain.text import may_be_in_number
from billing_admin.models import Customer, Invoice, InvoiceLine
from billing_admin.models.invoice import has_order
from billing_admin.queries.amounts import amount_conditions
from billing_admin.queries.master_data.customers import matches_customer

# A search with more matches reads the documents in the order of the list: few of them fill a page.
MAX_IDS = 1_000
_MATCHES = "document_matches"  # of the session


def matches(session: Session, q: str) -> ColumnElement[bool]:
    """Return the condition that a document, its customer or its total matches a text."""
    text = q.strip()
    ids = _first_matches(session, text, MAX_IDS + 1)
    return or_(*_conditions(text)) if len(ids) > MAX_IDS else is_any_of(Invoice.id, ids)


def _first_matches(session: Session, text: str, limit: int) -> Sequence[UUID]:
    """Return ids of matching documents, up to a limit.

    A page asks for rows, sums and counts of the same search. Its transaction reads one snapshot, in which the matches stay
    the same.
    """
    is_snapshot = not session.connection().get_execution_options().get("billing_write", False)
    key = (session.get_transaction(), text, limit)
    ids: Sequence[UUID]
    stored_key, ids = session.info.get(_MATCHES, (None, ()))
    if stored_key != key or not is_snapshot:
        ids = session.scalars(union_all(*matching_ids(text)).limit(limit)).all()
        session.info[_MATCHES] = (key, ids)
    return ids


def matching_ids(text: str) -> Iterator[Select[UUID]]:
    """Yield a query for each part of a search, which has an index of its own.

    The indexes of numbers and orders are small: it is quicker to read one of them whole than the documents.
    """
    if may_be_in_number(text):
        inner = aliased(Invoice)
        numbers = select(inner.number).where(contains_text(inner.number, text))
        yield select(Invoice.id).where(Invoice.number.in_(numbers))
    yield select(Invoice.id).where(_has_order(text))
    for condition in _conditions_of_relations(text):
        yield select(Invoice.id).where(condition)


def _conditions(text: str) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a search, of which a document must match one."""
    yield contains_text(Invoice.number, text)
    yield _has_order(text)
    yield from _conditions_of_relations(text)


def _has_order(text: str) -> ColumnElement[bool]:
    return and_(has_order(Invoice), contains_text(Invoice.purchase_order, text))


def _conditions_of_relations(text: str) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that other rows match, or the total."""
    yield Invoice.customer_id.in_(select(Customer.id).where(matches_customer(text)))
    is_ordered = and_(has_order(InvoiceLine), contains_text(InvoiceLine.purchase_order, text))
    yield Invoice.id.in_(select(InvoiceLine.invoice_id).where(is_ordered))
    yield from amount_conditions(text, Invoice.currency, Invoice.total)

"""The order of lists, and the parts of documents that lists load."""

from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from billing_admin.models import Customer, Invoice, Message, MessageDocument, Service

Q = TypeVar("Q", bound=Select[Any])


def newest_first(query: Q, kind: type[Customer] | type[Service]) -> Q:
    """Return the query with rows in the order of newest first.

    New rows appear before the first page and shift no other page.
    """
    return query.order_by(kind.created_at.desc(), kind.id.desc())


def load_document_parts(query: Q) -> Q:
    """Return the query so that it loads lines, taxes and related documents.

    A page of documents needs only a few queries.
    """
    parts = (
        Invoice.lines,
        Invoice.taxes,
        Invoice.corrected,
        Invoice.credit_notes,
        Invoice.replaced,
        Invoice.replacement,
    )
    return load_message_states(query.options(*map(selectinload, parts)))


def load_message_states(query: Q) -> Q:
    """Return the query so that it loads the states of documents' messages."""
    state = (Message.state, Message.created_at)
    return query.options(selectinload(Invoice.message_documents).joinedload(MessageDocument.message).load_only(*state))

"""How lists are ordered and loaded for whoever reads them page by page."""

from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from billing_admin.models import Customer, Invoice, Service

Q = TypeVar("Q", bound=Select[Any])


def newest_first(query: Q, kind: type[Customer] | type[Service]) -> Q:
    """The latest made before all others, which is stable: what comes later comes before the first page."""
    return query.order_by(kind.created_at.desc(), kind.id.desc())


def with_lines(query: Q) -> Q:
    """Invoices with their lines, taxes and the documents beside them: a few queries a page, not a few an invoice."""
    parts = (
        Invoice.lines,
        Invoice.taxes,
        Invoice.corrected,
        Invoice.credit_notes,
        Invoice.replaced,
        Invoice.replacement,
    )
    return query.options(*map(selectinload, parts))

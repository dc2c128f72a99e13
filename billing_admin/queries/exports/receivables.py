"""Export of open items, which add up to the ageing of their day."""

from datetime import date
from typing import Any, Final

from sqlalchemy.orm import Session

from billing_admin.domain.days import FIRST_DAY
from billing_admin.queries.exports.columns import Column, Export, Kind, column
from billing_admin.queries.payments.open_items import OpenItemFilter, open_item_columns, open_item_rows
from billing_admin.queries.payments.receivables import invoice_amounts

_KINDS: Final = {
    "number": Kind.TEXT,
    "customer": Kind.TEXT,
    "customer_name": Kind.TEXT,
    "currency": Kind.WORD,
    "issue_date": Kind.DAY,
    "due_date": Kind.DAY,
    "days_overdue": Kind.WHOLE,
    "bucket": Kind.WORD,
    "total": Kind.MONEY,
    "open_amount": Kind.MONEY,
    "as_of": Kind.DAY,
    "id": Kind.WORD,
}


def open_items(session: Session, filters: OpenItemFilter) -> Export:
    """Return the export of open items, oldest due first in each currency."""
    invoices, rows = open_item_rows(session, filters)
    return Export(_columns(invoices.c, filters.as_of), rows, invoices.c.currency)


def _columns(items: Any, as_of: date) -> tuple[Column, ...]:
    columns = open_item_columns(items, as_of)
    return tuple(column(name, kind, columns[name]) for name, kind in _KINDS.items())


OPEN_ITEMS: Final = _columns(invoice_amounts(None, None).c, FIRST_DAY)

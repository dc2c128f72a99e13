"""The day from which each entry counts in the figures of a day.

All figures as of a day use these conditions: balances, ageing, open items, statements and the journal. An entry counts
from its own day: an invoice or credit note from its issue date, a payment from its receipt, a refund from the day it was
paid, an allocation from the day it was made until it is withdrawn. A void never counts before its invoice, nor a reversal
before its payment. Earlier versions stored such days, and days after today; they are never changed.
"""

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.orm import Session

from billing_admin.models import Allocation, Invoice, Payment, Refund


def _later_of(day: Any, first: Any) -> ColumnElement[Any]:
    """Return the later of two days, null if `day` is null."""
    return case((day < first, first), else_=day)


def void_day() -> ColumnElement[Any]:
    """Return the column of the day from which a void counts, null if not void."""
    return _later_of(Invoice.voided_on, Invoice.issue_date)


def reversal_day() -> ColumnElement[Any]:
    """Return the column of the day from which a reversal counts, null if not reversed."""
    return _later_of(Payment.reversed_on, Payment.received_on)


def is_issued(day: date) -> ColumnElement[bool]:
    """Return the condition that a document is issued on a day, void or not."""
    return and_(Invoice.status != "draft", Invoice.issue_date <= day)


def is_not_void(day: date) -> ColumnElement[bool]:
    """Return the condition that an issued document is not void on a day."""
    return or_(Invoice.voided_on.is_(None), void_day() > day)


def is_received(day: date) -> ColumnElement[bool]:
    """Return the condition that a payment or write-off counts on a day."""
    return and_(Payment.received_on <= day, or_(Payment.reversed_on.is_(None), reversal_day() > day))


def is_allocated(day: date) -> ColumnElement[bool]:
    """Return the condition that an allocation counts on a day."""
    return and_(Allocation.made_on <= day, or_(Allocation.withdrawn_on.is_(None), Allocation.withdrawn_on > day))


def is_refunded(day: date) -> ColumnElement[bool]:
    """Return the condition that a refund counts on a day."""
    return and_(Refund.paid_on <= day, or_(Refund.reversed_on.is_(None), Refund.reversed_on > day))


_ENTRY_DAYS = (
    Invoice.issue_date,
    Invoice.voided_on,
    Payment.received_on,
    Payment.reversed_on,
    Allocation.made_on,
    Allocation.withdrawn_on,
    Refund.paid_on,
    Refund.reversed_on,
)


def has_later_entries(session: Session, day: date) -> bool:
    """Return whether any entry is dated after a day.

    If not, the sums stored with invoices and payments are those of that day. Each column has an index.
    """
    return bool(session.scalar(select(or_(*(select(column).where(column > day).exists() for column in _ENTRY_DAYS)))))

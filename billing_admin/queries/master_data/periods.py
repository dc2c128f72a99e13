"""Counts of drafts and charges that a period lock would leave unissued."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.models import Charge, Invoice
from billing_admin.models.charge import is_unbilled


@dataclass(frozen=True, slots=True)
class UnissuedCounts:
    """The number of drafts and of pending or held charges with days in the period."""

    drafts: int
    charges: int

    def __bool__(self) -> bool:
        return bool(self.drafts or self.charges)


def count_unissued(session: Session, through: date) -> UnissuedCounts:
    """Count drafts and unbilled charges up to a day.

    Their documents would be dated after the lock.
    """
    drafts = select(func.count()).where(Invoice.status == "draft", Invoice.period_from <= through)
    unbilled = select(func.count()).where(is_unbilled(), Charge.incurred_on <= through)
    return UnissuedCounts(session.scalar(drafts) or 0, session.scalar(unbilled) or 0)

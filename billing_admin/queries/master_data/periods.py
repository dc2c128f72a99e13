"""What a lock of the books would leave behind: what is still to be billed or issued from its days."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.models import Charge, Invoice
from billing_admin.models.charge import is_unbilled


@dataclass(frozen=True, slots=True)
class UnissuedCounts:
    """How many drafts have charges of these days, and how many charges are pending or held."""

    drafts: int
    charges: int

    def __bool__(self) -> bool:
        return bool(self.drafts or self.charges)


def count_unissued(session: Session, through: date) -> UnissuedCounts:
    """Count what is not on an issued invoice of charges up to a day: it could only be dated later."""
    drafts = select(func.count()).where(Invoice.status == "draft", Invoice.period_from <= through)
    unbilled = select(func.count()).where(is_unbilled(), Charge.incurred_on <= through)
    return UnissuedCounts(session.scalar(drafts) or 0, session.scalar(unbilled) or 0)

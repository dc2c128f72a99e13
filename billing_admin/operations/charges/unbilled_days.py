"""Record how much is unbilled at the start of each day.

Past totals cannot be computed from charges that were billed or cancelled since.
"""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from billing_admin.models import UnbilledDay
from billing_admin.queries.charges.unbilled import unbilled_totals
from billing_admin.queries.master_data.organisation import today


def record_unbilled_day(session: Session, now: datetime) -> bool:
    """Record the unbilled charges of today per currency; return whether they are new."""
    day = today(session, now)
    if session.scalar(select(UnbilledDay.currency).where(UnbilledDay.day == day).limit(1)) is not None:
        return False
    rows = [
        {
            "day": day,
            "currency": total.currency,
            "pending_charges": total.pending_charges,
            "pending_amount": total.pending_amount,
            "held_charges": total.held_charges,
            "held_amount": total.held_amount,
        }
        for total in unbilled_totals(session)
    ]
    if rows:
        session.execute(insert(UnbilledDay), rows)
    return bool(rows)

"""Checks of recurring charges, their postings and replacements of charges."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.recurring_charges import charge_id
from billing_admin.models import Charge, RecurringCharge, RecurringPosting
from billing_admin.queries.doctor.findings import Check, Finding

POSTED = Check(
    "recurring_posted",
    "A posting of a recurring charge is a charge of its customer, service and period, with the ID of its day.",
)
ONCE = Check(
    "recurring_once", "No day of a recurring charge is posted twice, or after the day through which it is posted."
)
REPLACED = Check("replaced", "A charge that was corrected is cancelled.")
CHECKS = (POSTED, ONCE, REPLACED)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check."""
    posted_through: dict[UUID, date] = {}
    for row in session.execute(_POSTINGS):
        if (problem := _mismatch(row)) is not None:
            yield POSTED.name, Finding("recurring_postings", str(row.charge_id), problem)
        if not row.takes_back:
            if (problem := _overlap(row, posted_through.get(row.recurring_charge_id))) is not None:
                yield ONCE.name, Finding("recurring_postings", str(row.charge_id), problem)
            posted_through[row.recurring_charge_id] = row.period_to
    for id, replaces_id in session.execute(_NOT_CANCELLED):
        yield REPLACED.name, Finding("charges", str(replaces_id), f"is replaced by {id}, but not cancelled")


_POSTINGS = (
    select(
        *RecurringPosting.__table__.c,
        RecurringCharge.posted_through,
        *(RecurringCharge.__table__.c[name].label(f"own_{name}") for name in ("customer_id", "currency", "service_id")),
        Charge.customer_id,
        Charge.currency,
        Charge.service_id,
        Charge.period_from.label("charged_from"),
        Charge.period_to.label("charged_to"),
    )
    .outerjoin(RecurringCharge, RecurringCharge.id == RecurringPosting.recurring_charge_id)
    .outerjoin(Charge, Charge.id == RecurringPosting.charge_id)
    .order_by(RecurringPosting.recurring_charge_id, RecurringPosting.period_from, RecurringPosting.period_to)
)
_Original = aliased(Charge)
_NOT_CANCELLED = (
    select(Charge.id, Charge.replaces_id)
    .join(_Original, _Original.id == Charge.replaces_id)
    .where(Charge.replaces_id.is_not(None), _Original.status != "cancelled")
)


def _mismatch(row: Any) -> str | None:
    if row.customer_id is None:
        return "its charge does not exist"
    if (row.customer_id, row.currency, row.service_id) != (row.own_customer_id, row.own_currency, row.own_service_id):
        return f"its charge does not match recurring charge {row.recurring_charge_id}"
    cut_to = row.period_to if row.takes_back else None
    if row.charge_id != charge_id(row.recurring_charge_id, row.period_from, cut_to):
        return f"its charge's id is not that of {row.period_from.isoformat()}"
    # Charges that earlier versions posted have no period.
    charged = (row.charged_from, row.charged_to)
    if not row.takes_back and charged not in {(None, None), (row.period_from, row.period_to)}:
        return f"its charge is for {charged[0]} to {charged[1]}, but it is for {row.period_from} to {row.period_to}"
    return None


def _overlap(row: Any, earlier_through: date | None) -> str | None:
    if earlier_through is not None and row.period_from <= earlier_through:
        return f"begins on {row.period_from.isoformat()}, but days through {earlier_through.isoformat()} are already posted"
    if row.posted_through is None or row.posted_through < row.period_from:
        return (
            f"begins on {row.period_from.isoformat()}, after the day through which recurring charge"
            f" {row.recurring_charge_id} is posted"
        )
    return None

"""What always holds of recurring charges and what they posted, and of charges that replace others."""

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
    "What a recurring charge posted is a charge of its customer and service, with the id of its day.",
)
ONCE = Check("recurring_once", "No day of a recurring charge is posted twice, and none after how far it got.")
REPLACED = Check("replaced", "A charge that was corrected is cancelled.")
CHECKS = (POSTED, ONCE, REPLACED)


def find(session: Session) -> Iterator[tuple[str, Finding]]:
    """Everything wrong, each with the name of its check."""
    until: dict[UUID, date] = {}
    for row in session.execute(_POSTINGS):
        if (wrong := _foreign(row)) is not None:
            yield POSTED.name, Finding("recurring_postings", str(row.charge_id), wrong)
        if not row.takes_back:
            if (again := _again(row, until.get(row.recurring_charge_id))) is not None:
                yield ONCE.name, Finding("recurring_postings", str(row.charge_id), again)
            until[row.recurring_charge_id] = row.period_to
    for id, replaces_id in session.execute(_NOT_CANCELLED):
        yield REPLACED.name, Finding("charges", str(replaces_id), f"is replaced by {id}, and not cancelled")


_POSTINGS = (
    select(
        *RecurringPosting.__table__.c,
        RecurringCharge.posted_through,
        *(RecurringCharge.__table__.c[name].label(f"own_{name}") for name in ("customer_id", "currency", "service_id")),
        Charge.customer_id,
        Charge.currency,
        Charge.service_id,
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


def _foreign(row: Any) -> str | None:
    if row.customer_id is None:
        return "its charge does not exist"
    if (row.customer_id, row.currency, row.service_id) != (row.own_customer_id, row.own_currency, row.own_service_id):
        return f"its charge is not of recurring charge {row.recurring_charge_id}"
    cut_to = row.period_to if row.takes_back else None
    if row.charge_id != charge_id(row.recurring_charge_id, row.period_from, cut_to):
        return f"its charge's id is not that of {row.period_from.isoformat()}"
    return None


def _again(row: Any, until: date | None) -> str | None:
    if until is not None and row.period_from <= until:
        return f"begins on {row.period_from.isoformat()}, posted up to {until.isoformat()} before"
    if row.posted_through is None or row.posted_through < row.period_from:
        return f"begins on {row.period_from.isoformat()}, after how far recurring charge {row.recurring_charge_id} got"
    return None

"""Start new number series in place of blocked ones.

A document dated in the future blocks its series until that day.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.models import NumberSeries
from billing_admin.queries.invoices.numbers import DOCUMENT_KINDS


def start_new_series(session: Session, changed: Collection[str], today: date, now: datetime) -> dict[str, Any]:
    """Start new series for changed number formats, and return the audit details.

    `changed` holds the names of the changed settings.
    """
    years_by_kind = {
        kind: _replace_blocked_series(session, kind, today, now)
        for kind in DOCUMENT_KINDS
        if f"{kind}_format" in changed
    }
    return {f"new_{kind}_series": ", ".join(map(str, years)) for kind, years in years_by_kind.items() if years}


def _replace_blocked_series(session: Session, kind: str, today: date, now: datetime) -> list[int]:
    """Start a new series for each blocked year of a kind, and return these years.

    A year is blocked if its last document of the kind is dated after today. The blocked series keeps its numbers and
    hashes. The changed format makes sure that the new numbers differ from them.
    """
    query = select(NumberSeries).where(NumberSeries.kind == kind).order_by(NumberSeries.year, NumberSeries.part)
    current = {series.year: series for series in session.scalars(query.with_for_update())}
    blocked = [
        series for series in current.values() if series.last_issue_date is not None and series.last_issue_date > today
    ]
    for series in blocked:
        session.add(
            NumberSeries(
                id=new_id(now),
                kind=kind,
                year=series.year,
                part=series.part + 1,
                next_sequence=1,
                last_issue_date=None,
                last_hash="",
            )
        )
    return [series.year for series in blocked]

"""Does everything hold that must always hold? Each rule is checked on the data as it is, and names the rows that break it.

Sums are made in the database; documents are read one after the other, so that memory does not grow with them.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.queries.doctor import audit, charges, corrections, dates, documents, receivables, recurring
from billing_admin.queries.doctor.audit import check_anchors
from billing_admin.queries.doctor.findings import Check, Finding, Result
from billing_admin.queries.master_data.organisation import today

__all__ = ["CHECKS", "Check", "Finding", "Result", "check_anchors", "run_checks"]

PARTS = (charges, documents, corrections, receivables, recurring, audit)
CHECKS: tuple[Check, ...] = tuple(chain.from_iterable(part.CHECKS for part in (*PARTS, dates)))
# How many rows a result carries; it counts all.
MAX_ROWS = 1000


def run_checks(session: Session, now: datetime | None = None) -> list[Result]:
    """Check every rule in one snapshot of the data; a result per rule, in their order.

    `now` decides what lies in the future; it is this moment if left out.
    """
    findings = chain.from_iterable(part.find(session) for part in PARTS)
    return results_by_check(chain(findings, dates.find(session, today(session, now or clock.now()))))


def results_by_check(found: Iterable[tuple[str, Finding]]) -> list[Result]:
    """Sort findings by their check's name."""
    rows: dict[str, list[Finding]] = {check.name: [] for check in CHECKS}
    counts = dict.fromkeys(rows, 0)
    for name, finding in found:
        counts[name] += 1
        if counts[name] <= MAX_ROWS:
            rows[name].append(finding)
    return [Result(check, counts[check.name], rows[check.name]) for check in CHECKS]

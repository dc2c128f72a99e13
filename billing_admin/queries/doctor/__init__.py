"""Checks of the rules that always hold; each names the rows that violate it.

Sums are computed in the database; documents are read one after the other, so that memory does not grow
with their number.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.queries.doctor import (
    audit,
    charges,
    corrections,
    customer_fields,
    dates,
    documents,
    logos,
    message_texts,
    messages,
    opening_balances,
    receivables,
    recurring,
    renditions,
    tax_rates,
)
from billing_admin.queries.doctor.audit import check_anchors
from billing_admin.queries.doctor.findings import Check, Finding, Result
from billing_admin.queries.master_data.organisation import today

__all__ = ["CHECKS", "Check", "Finding", "Result", "check_anchors", "run_checks"]

PARTS = (
    charges,
    documents,
    corrections,
    renditions,
    logos,
    messages,
    receivables,
    opening_balances,
    recurring,
    tax_rates,
    message_texts,
    customer_fields,
    audit,
)
CHECKS: tuple[Check, ...] = tuple(chain.from_iterable(part.CHECKS for part in (*PARTS, dates)))
# A result lists at most this many rows, but counts all.
MAX_ROWS = 1000


def run_checks(session: Session, now: datetime | None = None) -> list[Result]:
    """Check every rule in one snapshot of the data.

    Return a result per rule, in order.

    Dates after `now`, by default the current time, are in the future.
    """
    findings = chain.from_iterable(part.find_violations(session) for part in PARTS)
    return results_by_check(chain(findings, dates.find_violations(session, today(session, now or clock.now()))))


def results_by_check(findings: Iterable[tuple[str, Finding]]) -> list[Result]:
    """Return a result per check, from findings with the names of their checks."""
    rows: dict[str, list[Finding]] = {check.name: [] for check in CHECKS}
    counts = dict.fromkeys(rows, 0)
    for name, finding in findings:
        counts[name] += 1
        if counts[name] <= MAX_ROWS:
            rows[name].append(finding)
    return [Result(check, counts[check.name], rows[check.name]) for check in CHECKS]

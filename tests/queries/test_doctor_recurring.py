"""Each rule of recurring charges, and of corrections, is broken on purpose; the doctor must name the row."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.operations.charges import corrections, recurring_charges, recurring_posting
from billing_admin.queries.doctor import recurring, run_checks
from tests.making import NOW, make_customer, make_service, make_spec, post
from tests.prepared import prepared
from tests.queries.test_doctor import found, without_defences

IN_MARCH = "(SELECT charge_id FROM recurring_postings WHERE period_from = '2026-03-01')"
BREAKS = {
    "a charge that is gone": (
        "recurring_posted",
        f"DELETE FROM charges WHERE id = {IN_MARCH}",
        "its charge does not exist",
    ),
    "a charge of another service": (
        "recurring_posted",
        f"UPDATE charges SET service_id = NULL WHERE id = {IN_MARCH}",
        "its charge does not match recurring charge",
    ),
    "a charge of another day": (
        "recurring_posted",
        "UPDATE recurring_postings SET period_from = '2026-03-02' WHERE period_from = '2026-03-01'",
        "its charge's id is not that of 2026-03-02",
    ),
    "a charge for other days": (
        "recurring_posted",
        f"UPDATE charges SET period_to = '2026-03-30' WHERE id = {IN_MARCH}",
        "its charge is for 2026-03-01 to 2026-03-30, but it is for 2026-03-01 to 2026-03-31",
    ),
    "days that are posted twice": (
        "recurring_once",
        "UPDATE recurring_postings SET period_to = '2026-04-01' WHERE period_from = '2026-03-01'",
        "begins on 2026-04-01, but days through 2026-04-01 are already posted",
    ),
    "one that would be posted again": (
        "recurring_once",
        "UPDATE recurring_charges SET posted_through = '2026-03-31'",
        "begins on 2026-04-01, after the day through which",
    ),
    "a charge that was corrected and is billed as well": (
        "replaced",
        "UPDATE charges SET status = 'pending' WHERE status_reason = 'Misread'",
        "but not cancelled",
    ),
}


@pytest.fixture
@prepared
def agreed(session: Session) -> Session:
    """Two months are posted, and the second is cut short; and a charge that was corrected."""
    make_customer(reference="ACME")
    make_service()
    spec = RecurringChargeSpec("ACME", "GenericCompute", "monthly", date(2026, 3, 1))
    id = transaction(recurring_charges.create, spec, SYSTEM, NOW)[0].id
    transaction(recurring_posting.post_due_charges, [id], date(2026, 4, 1), SYSTEM, NOW)
    transaction(recurring_charges.end, id, date(2026, 4, 10), "", SYSTEM, NOW)
    wrong = post(make_spec("ACME", "5")).ids[0]
    transaction(corrections.correct_charge, wrong, {"amount": exact_decimal("6")}, None, "Misread", SYSTEM, NOW)
    return session


@pytest.fixture
def defenceless(agreed: Session) -> Iterator[Session]:
    """These data, and a database that refuses nothing."""
    with without_defences(agreed) as session:
        yield session


def test_sound_data(agreed: Session) -> None:
    agreed.rollback()
    assert [result.count for result in run_checks(agreed) if result.count] == []


@pytest.mark.parametrize(("check", "sql", "wrong"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_named(defenceless: Session, check: str, sql: str, wrong: str) -> None:
    assert defenceless.connection().execute(text(sql)).rowcount
    assert any(wrong in finding.problem for finding in found(defenceless).get(check, [])), found(defenceless)


def test_every_check_is_tried() -> None:
    assert {check for check, _, _ in BREAKS.values()} == {check.name for check in recurring.CHECKS}

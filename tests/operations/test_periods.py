"""The books are closed through a day; what is dated on or before it is refused, and opening them needs a reason."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.models import AuditEvent
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import periods
from tests.books import assert_books_balance, contents
from tests.making import MARCH_END, NOW, all_invoices, bill, make_customer, make_invoice, make_spec, post

APRIL_1, APRIL_2 = date(2026, 4, 1), date(2026, 4, 2)


def lock(through: date | None, reason: str = "") -> bool:
    return transaction(periods.set_period_lock, through, reason, SYSTEM, NOW)


def events(session: Session) -> list[tuple[str, object]]:
    session.rollback()
    found = session.scalars(select(AuditEvent).where(AuditEvent.action.startswith("period.")).order_by(AuditEvent.id))
    return [(event.action, event.details) for event in found]


def test_it_moves_forward_freely_and_back_with_a_reason(session: Session) -> None:
    assert lock(MARCH_END)
    assert not lock(MARCH_END)
    assert lock(APRIL_2)
    for day in (MARCH_END, None):
        with pytest.raises(Invalid) as refused:
            lock(day, " ")
        assert refused.value.field == ("reason",)
    assert lock(MARCH_END, "A payment was forgotten")
    assert lock(None, "Start over")
    assert events(session) == [
        ("period.locked", {"locked_through": [None, "2026-03-31"], "reason": ""}),
        ("period.locked", {"locked_through": ["2026-03-31", "2026-04-02"], "reason": ""}),
        ("period.unlocked", {"locked_through": ["2026-04-02", "2026-03-31"], "reason": "A payment was forgotten"}),
        ("period.unlocked", {"locked_through": ["2026-03-31", None], "reason": "Start over"}),
    ]


def test_a_day_to_come_is_not_locked(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        lock(APRIL_2 + timedelta(days=1))
    assert (refused.value.code, refused.value.field) == ("in_the_future", ("through",))


def test_nothing_is_issued_in_a_locked_period(session: Session) -> None:
    draft = make_invoice(issue=False)
    post(make_spec(make_customer(), "5"))
    lock(APRIL_1)
    before = contents(session)
    for act in (
        lambda: transaction(invoices.issue, draft.id, APRIL_1, SYSTEM, NOW),
        lambda: transaction(invoices.issue_many, [draft.id], APRIL_1, SYSTEM, NOW),
        lambda: bill(issue_date=APRIL_1),
        lambda: runs.resolve_scope(session, RunSpec(MARCH_END, issue=True, issue_date=APRIL_1), NOW),
    ):
        with pytest.raises(Invalid, match="locked through") as refused:
            act()
        assert (refused.value.code, refused.value.field) == ("period_locked", ("issue_date",))
        assert contents(session) == before
    assert transaction(invoices.issue, draft.id, APRIL_2, SYSTEM, NOW)


def test_a_late_charge_of_a_locked_period_is_billed_today(session: Session) -> None:
    customer = make_customer()
    make_invoice(customer)
    lock(APRIL_2)
    later = NOW + timedelta(days=10)
    post(make_spec(customer, "3", incurred_on=date(2026, 3, 20)), now=later)
    bill(now=later)
    second = all_invoices()[1]
    assert (second.issue_date, second.period_from, second.total) == (date(2026, 4, 12), date(2026, 3, 20), 300)
    assert_books_balance(session)

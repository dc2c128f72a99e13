"""Year-end: the demo's months are locked, and what comes late still comes out right, today."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import demo
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.models import Charge, Customer, Invoice
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import periods
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.payments.receivables import aged_accounts, counted_through, positions, statements
from tests.making import bill, credit, make_payment_spec, make_spec, pay, post

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
TODAY, LOCKED = NOW.date(), date(2026, 10, 31)


@pytest.mark.deep
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_comes_late_is_dated_today_and_the_locked_months_stay_as_they_were(session: Session) -> None:
    transaction(demo.fill, NOW)
    assert transaction(periods.set_period_lock, LOCKED, "", SYSTEM, NOW)
    old = session.scalars(
        select(Invoice)
        .where(
            Invoice.status == "issued", Invoice.kind == "invoice", Invoice.issue_date <= LOCKED, Invoice.credited == 0
        )
        .order_by(Invoice.number.desc())
    ).first()
    assert old is not None
    buyer = session.get_one(Customer, old.customer_id)
    ageing, statement = aged_accounts(session, LOCKED), statements(session, buyer.id, TODAY, None, LOCKED)
    assert any(statement[old.currency].rows)
    assert counted_through(session, TODAY) is None  # so that the ageing reads open items only
    assert {row.key: (row.position.open, row.position.balance) for row in aged_accounts(session, TODAY)} == {
        key: (position.open, position.balance)
        for key, position in positions(session, TODAY).items()
        if any(position.open) or position.unallocated
    }

    late = post(make_spec(buyer, "12.34", currency=old.currency, incurred_on=LOCKED - timedelta(5)), now=NOW).ids[0]
    run = bill(LOCKED, customers=[buyer], currency=old.currency, now=NOW)
    note = credit(old, "0.01" if old.currency != "JPY" else "1", now=NOW)
    session.rollback()
    session.expire_all()
    charge = session.get_one(Charge, late)
    billed = session.scalars(select(Invoice).where(Invoice.run_id == run)).one()
    assert (charge.late, charge.status) == (True, "billed")
    assert charge.invoice_line_id in {line.id for line in billed.lines}
    assert (billed.issue_date, note.issue_date, note.corrects_id) == (TODAY, TODAY, old.id)

    draft = session.scalars(select(Invoice.id).where(Invoice.status == "draft")).first()
    assert draft is not None
    for refused in (
        lambda: pay(make_payment_spec(buyer, "10", (), currency=old.currency, received_on=LOCKED), NOW),
        lambda: credit(old, "1", issue_date=LOCKED, now=NOW),
        lambda: bill(TODAY, issue_date=LOCKED, now=NOW),
        lambda: transaction(invoices.issue, draft, LOCKED, SYSTEM, NOW),
    ):
        with pytest.raises(Invalid) as refusal:
            refused()
        assert refusal.value.code in {"period_locked", "before_last_issue"}

    session.rollback()
    assert aged_accounts(session, LOCKED) == ageing
    assert statements(session, buyer.id, TODAY, None, LOCKED) == statement
    assert [row for result in run_checks(session, NOW) for row in result.rows] == []

"""Billing runs that are limited to selected charges."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import Account, BillingRunItem, Charge
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import charges, recurring_charges
from billing_admin.queries.billing.runs import run_report
from tests.books import assert_books_balance
from tests.making import MARCH, MARCH_END, NOW, all_invoices, bill, make_customer, make_service, make_spec, post

pytestmark = pytest.mark.both_databases
RUN = UUID(int=0xA)


def statuses(session: Session) -> list[str]:
    """Return the statuses of all charges, by amount."""
    session.rollback()
    rows = session.execute(select(Charge.amount, Charge.status)).all()
    return [row.status for row in sorted(rows, key=lambda row: row.amount)]


def run_selected(ids: list[UUID], through: date = MARCH_END, **fields: Any) -> UUID:
    """Run billing for some charges to its end."""
    spec = RunSpec(through=through, issue=True, charges=tuple(ids), **fields)
    return runs.run_billing(transaction, spec, SYSTEM, NOW)[0]


def test_bills_the_selected_charges_and_no_others(session: Session) -> None:
    acme, foo = make_customer(reference="acme"), make_customer(reference="foo", currency="EUR")
    service = make_service(code="hosting", prices={"USD": Decimal(2)})
    grouped = post(*(make_spec(acme, service=service, quantity=quantity) for quantity in ("1", "2", "3"))).ids
    single = post(make_spec(acme, "50"), make_spec(foo, "60"), make_spec(foo, "70")).ids
    run_id = run_selected([*grouped[:2], single[1]])
    assert statuses(session) == ["billed", "billed", "pending", "pending", "billed", "pending"]
    assert sorted((invoice.customer_reference, invoice.net) for invoice in all_invoices()) == [
        ("acme", 600),
        ("foo", 6000),
    ]
    report = run_report(session, run_id)
    assert (report.invoices, report.charges, report.left_out, report.run.selected_charges) == (2, 3, [], 3)
    assert_books_balance(session)
    bill()
    assert set(statuses(session)) == {"billed"}
    assert_books_balance(session)


def test_names_selected_charges_that_are_not_billed(session: Session) -> None:
    acme = make_customer(reference="acme")
    ids = post(make_spec(acme, "1"), make_spec(acme, "2"), make_spec(acme, "4", incurred_on=date(2026, 4, 1))).ids
    post(make_spec(acme, "8"), make_spec(acme, "16", incurred_on=date(2026, 4, 1)))
    transaction(charges.hold, ids[1:2], "", SYSTEM, NOW)
    preview = runs.preview_run(_no_roll_back, session, RunSpec(MARCH_END, charges=tuple(ids)), SYSTEM, NOW)
    session.rollback()
    report = run_report(session, run_selected(ids, confirmed=preview.digest))
    expected = [("after_cut_off", 1, Decimal(4)), ("held", 1, Decimal(2))]
    for left_out in (preview.left_out, report.left_out):
        assert sorted((row.reason, row.charges, row.amount) for row in left_out) == expected
    assert [document.document.amount for document in preview.documents] == [1]
    assert_books_balance(session)


def _no_roll_back(*_: object) -> None:
    raise AssertionError("A run of selected charges posts no recurring charges.")


def test_posts_no_recurring_charges(session: Session) -> None:
    acme = make_customer(reference="acme")
    ids = post(make_spec(acme, "1")).ids
    make_service(code="support", prices={"USD": Decimal(5)})
    transaction(recurring_charges.create, RecurringChargeSpec("acme", "support", "monthly", MARCH), SYSTEM, NOW)
    run_selected(ids)
    assert statuses(session) == ["billed"]


def test_charges_that_come_later_are_not_late(session: Session) -> None:
    acme = make_customer(reference="acme")
    run_selected(post(make_spec(acme, "1")).ids)
    assert session.scalars(select(Account.billed_through)).one() is None
    post(make_spec(acme, "2"))
    assert set(session.scalars(select(Charge.late))) == {False}


def test_a_run_that_stopped_goes_on_with_the_same_charges(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 1)
    customers = [make_customer(reference=f"c{number}") for number in range(3)]
    ids = post(*(make_spec(customer, str(amount)) for customer in customers for amount in (1, 2))).ids
    spec = RunSpec(MARCH_END, issue=True, charges=tuple(ids[::2]), id=RUN)
    transaction(runs.start, spec, SYSTEM, NOW)
    transaction(chunks.bill_chunk, RUN, SYSTEM, NOW)
    session.rollback()
    assert len(session.scalars(select(BillingRunItem).where(BillingRunItem.state == "waiting")).all()) == 2
    runs.run_billing(transaction, spec, SYSTEM, NOW)
    assert statuses(session) == ["billed"] * 3 + ["pending"] * 3
    assert_books_balance(session)


def test_the_same_request_starts_one_run(session: Session) -> None:
    acme = make_customer(reference="acme")
    ids = post(make_spec(acme, "1"), make_spec(acme, "2")).ids
    assert run_selected(ids, id=RUN) == run_selected(ids[::-1], id=RUN) == RUN
    assert len(all_invoices()) == 1
    with pytest.raises(Conflict, match="charges"):
        run_selected(ids[:1], id=RUN)


def test_refuses_unknown_and_no_charges(session: Session) -> None:
    ids = post(make_spec(make_customer(reference="acme"), "1")).ids
    with pytest.raises(Invalid) as unknown:
        run_selected([*ids, RUN])
    assert unknown.value.field == ("charges", 1)
    with pytest.raises(Invalid, match="at least one charge"):
        run_selected([])


def test_a_changed_preview_is_refused(session: Session) -> None:
    acme = make_customer(reference="acme")
    ids = post(make_spec(acme, "1"), make_spec(acme, "2")).ids
    preview = runs.preview_run(_no_roll_back, session, RunSpec(MARCH_END, charges=tuple(ids)), SYSTEM, NOW)
    session.rollback()
    transaction(charges.cancel, ids[:1], "x", SYSTEM, NOW)
    with pytest.raises(Conflict) as changed:
        run_selected(ids, confirmed=preview.digest)
    assert changed.value.code == "preview_changed"

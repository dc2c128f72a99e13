"""The open items of a day add up to its ageing, whatever was booked later."""

import random
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from billing_admin.domain.receivables import BUCKET_NAMES
from billing_admin.queries.exports import totals
from billing_admin.queries.payments.open_items import OpenItemFilter, open_items, open_sums
from billing_admin.queries.payments.receivables import positions, positions_by_currency
from billing_admin.queries.payments.unallocated import UnallocatedFilter, unallocated_items, unallocated_totals
from tests.levels import rounds
from tests.making import NOW, credit, make_customer, make_invoice, make_payment_spec, pay, void

FIRST = NOW.date()


def book(seed: int) -> None:
    """Two customers with invoices, payments, credit notes and voids on many days."""
    chance = random.Random(seed)
    customers = [make_customer(reference="ACME"), make_customer(reference="FOO", currency="EUR")]
    now = NOW
    for _ in range(10):
        now += timedelta(days=chance.randrange(1, 25))
        customer = chance.choice(customers)
        invoice = make_invoice(customer, str(chance.randrange(10, 300)), now=now)
        match chance.choice(["pay", "pay", "credit", "void", "nothing"]):
            case "pay":
                spec = make_payment_spec(customer, str(chance.randrange(1, 200)), received_on=now.date())
                pay(spec, now + timedelta(days=1))
            case "credit":
                credit(invoice, "5", now=now)
            case "void":
                void(invoice, now=now + timedelta(days=1))
            case _:
                pass


@pytest.mark.parametrize("seed", rounds(3))
def test_open_items_add_up_to_the_ageing_of_any_day(session: Session, seed: int) -> None:
    book(seed)
    for days in range(0, 400, 23):
        day = FIRST + timedelta(days=days)
        session.rollback()
        ageing = {
            currency: position.open
            for currency, position in positions_by_currency(positions(session, day).items()).items()
            if any(position.open)
        }
        rows = session.execute(open_items(session, OpenItemFilter(day))).all()
        for currency, amounts in ageing.items():
            for name, amount in zip(BUCKET_NAMES, amounts, strict=True):
                items = [row for row in rows if (row.currency, row.bucket) == (currency, name)]
                assert sum(row.open_amount for row in items) == amount
                filtered = OpenItemFilter(day, currency=currency, bucket=name)
                assert [row.id for row in session.execute(open_items(session, filtered))] == [row.id for row in items]
        assert {open_sum.currency: open_sum.amounts for open_sum in open_sums(session, OpenItemFilter(day))} == ageing
        unallocated = {
            currency: position.unallocated
            for currency, position in positions_by_currency(positions(session, day).items()).items()
            if position.unallocated
        }
        assert unallocated_totals(session, UnallocatedFilter(day)) == unallocated
        rows_of_day = session.execute(unallocated_items(session, UnallocatedFilter(day))).all()
        assert sum(row.amount for row in rows_of_day) == sum(unallocated.values())
        assert totals(session, "open-items", OpenItemFilter(day)).rows == len(rows)
        assert all(row.days_overdue == max(0, (day - row.due_date).days) for row in rows)
        assert all(row.as_of == day for row in rows)


def test_an_open_item_has_the_open_amount_of_its_day(session: Session) -> None:
    customer = make_customer(reference="ACME", name="ACME Inc")
    invoice = make_invoice(customer, "100")
    pay(make_payment_spec(customer, "30", received_on=FIRST + timedelta(days=10)), NOW + timedelta(days=10))
    credit(invoice, "7", now=NOW + timedelta(days=20))
    due = FIRST + timedelta(days=30)
    for days, open_amount, overdue, bucket in (
        (0, 10000, 0, "not_due"),
        (9, 10000, 0, "not_due"),
        (10, 7000, 0, "not_due"),
        (20, 6300, 0, "not_due"),
        (31, 6300, 1, "1_30"),
        (60, 6300, 30, "1_30"),
        (61, 6300, 31, "31_60"),
        (121, 6300, 91, "over_90"),
    ):
        day = FIRST + timedelta(days=days)
        session.rollback()
        [row] = session.execute(open_items(session, OpenItemFilter(day, customer="ACME")))
        assert (row.number, row.customer, row.customer_name, row.issue_date, row.due_date, row.total) == (
            *("INV-2026-00001", "ACME", "ACME Inc", FIRST),
            *(due, 10000),
        )
        assert (row.open_amount, row.days_overdue, row.bucket) == (open_amount, overdue, bucket)
        assert type(row.open_amount) is int
    assert session.execute(open_items(session, OpenItemFilter(FIRST - timedelta(days=1)))).all() == []

"""Trends equal the figures of the books: balances at the end of each month, and the sums of the lists."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.receivable_trends import MonthFigures, months_until
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import UnbilledDay
from billing_admin.operations.charges.unbilled_days import record_unbilled_day
from billing_admin.operations.payments import payments, refunds
from billing_admin.queries.charges.unbilled import unbilled_by_month, unbilled_totals
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoice_sums
from billing_admin.queries.payments.open_items import OpenItemFilter, open_sums
from billing_admin.queries.payments.payments import RECEIVED, PaymentFilter, payment_sums
from billing_admin.queries.payments.receivables import booked_balances
from billing_admin.queries.payments.refunds import RefundFilter, refund_sums
from billing_admin.queries.payments.trends import Debtor, month_trends, top_debtors
from tests.making import NOW, credit, make_customer, make_invoice, make_payment_spec, make_spec, pay, post, void

TODAY = NOW.date()


def days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def fill() -> None:
    """Invoices, payments, a void and a credit note of several months, in two currencies."""
    first, second = make_customer(reference="A", name="Alpha"), make_customer(reference="B", currency="EUR")
    for days, amount in ((600, "1"), (390, "900"), (150, "7")):
        make_invoice(first, amount, now=days_ago(days))
    make_invoice(second, "30", now=days_ago(70))
    voided = make_invoice(first, "11", now=days_ago(65))
    make_invoice(first, "40", now=days_ago(60))
    credited = make_invoice(first, "60", now=days_ago(40))
    pay(make_payment_spec(first, "55"), now=days_ago(33))
    reversed_id = pay(make_payment_spec(first, "5"), now=days_ago(32))
    make_invoice(first, "100", now=days_ago(30))
    credit(credited, "20", now=days_ago(5))
    void(voided, now=days_ago(3))
    transaction(payments.reverse, reversed_id, "Bounced", None, SYSTEM, NOW)
    pay(make_payment_spec(second, "45"))
    transaction(refunds.record, RefundSpec("B", Decimal(5), "cash", currency="EUR"), SYSTEM, NOW)


def trends_on(session: Session, day: date) -> dict[str, list[MonthFigures]]:
    return month_trends(session, day, open_sums(session, OpenItemFilter(day)))


@pytest.fixture
def trends(session: Session) -> dict[str, list[MonthFigures]]:
    fill()
    return trends_on(session, TODAY)


@pytest.mark.both_databases
def test_balances_are_those_of_the_books(session: Session, trends: dict[str, list[MonthFigures]]) -> None:
    for position in range(12):
        month = trends["USD"][position].month
        books: Counter[str] = Counter()
        for (_, currency), amount in booked_balances(session, month.last).items():
            books[currency] += amount
        assert {currency: rows[position].balance for currency, rows in trends.items()} == {
            "EUR": books["EUR"],
            "USD": books["USD"],
        }


def test_amounts_are_those_of_the_lists(session: Session, trends: dict[str, list[MonthFigures]]) -> None:
    for currency, rows in trends.items():
        for row in rows:
            first, last = row.month.first, row.month.last
            sums = invoice_sums(session, InvoiceFilter(TODAY, currency=currency, issued_from=first, issued_to=last))
            assert row.billed == sum(one.total if one.kind == "invoice" else -one.total for one in sums)
            received = PaymentFilter(currency=currency, method=RECEIVED, from_=first, to=last)
            assert row.received == sum(one.amount for one in payment_sums(session, received))
            refunded = RefundFilter(currency=currency, status="recorded", from_=first, to=last)
            assert row.refunded == sum(one.amount for one in refund_sums(session, refunded))
            assert row.collected == row.received - row.refunded
    assert sum(row.collected for row in trends["USD"]) == 5_500
    assert trends["EUR"][-1].balance == -1_000


def test_an_entry_after_today_does_not_count(session: Session, trends: dict[str, list[MonthFigures]]) -> None:
    make_invoice(make_customer(reference="C"), "77")
    assert trends_on(session, days_ago(1).date())["USD"][:-1] == trends["USD"][:-1]


def test_top_debtors_add_up_to_the_open_amount(session: Session) -> None:
    fill()
    make_invoice(make_customer(reference="D", name="Delta"), "2000", now=NOW)
    filters = OpenItemFilter(TODAY, currency="USD")
    debtors = top_debtors(session, filters, 10)
    assert debtors[0] == Debtor("D", "Delta", 1, 200_000, 0)
    (sums,) = open_sums(session, filters)
    assert sum(row.open for row in debtors) == sum(sums.amounts)
    assert sum(row.overdue for row in debtors) == sum(sums.amounts[1:])
    assert top_debtors(session, filters, 1) == debtors[:1]


@pytest.mark.both_databases
def test_unbilled_charges_are_recorded_once_a_day(session: Session) -> None:
    post(make_spec(make_customer(reference="A"), "5"), make_spec(make_customer(reference="B", currency="EUR"), "7"))
    (euros, dollars) = unbilled_totals(session)
    next_month = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)
    assert transaction(record_unbilled_day, next_month)
    post(make_spec("A", "6"))
    assert not transaction(record_unbilled_day, next_month + timedelta(hours=5))
    recorded = unbilled_by_month(session, months_until(datetime(2026, 5, 2, tzinfo=UTC).date(), 3))
    assert recorded.keys() == {"EUR", "USD"}

    def amounts(row: UnbilledDay | None) -> tuple[object, ...]:
        return () if row is None else (row.pending_charges, row.pending_amount, row.held_charges)

    assert [amounts(row) for row in recorded["USD"]] == [(), (1, dollars.pending_amount, 0), ()]
    assert amounts(recorded["EUR"][1]) == (1, euros.pending_amount, 0)

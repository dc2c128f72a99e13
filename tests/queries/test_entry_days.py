"""Figures of a day count the entries up to that day, also where an earlier version dated entries after today."""

from dataclasses import astuple
from datetime import date, timedelta
from unittest.mock import patch
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.journal import Transaction
from billing_admin.domain.receivables import ZERO_POSITION, Position
from billing_admin.models import Customer, Payment
from billing_admin.operations.invoices import voids
from billing_admin.operations.payments import payments
from billing_admin.queries import journal
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.journal import Period
from billing_admin.queries.payments import receivables
from billing_admin.queries.payments.customer_balances import customer_balances
from billing_admin.queries.payments.open_items import OpenItemFilter, open_sums
from tests.making import NOW, credit, make_customer, make_invoice, make_payment_spec, pay, void
from tests.prepared import prepared

TODAY, DECEMBER = NOW.date(), NOW + timedelta(days=250)
IN_DECEMBER = DECEMBER.date()


@pytest.fixture
@prepared
def acme(session: Session) -> UUID:
    """ACME owes 100 of today and paid 30; in December come an invoice of 160, a credit note, payments and a reversal."""
    customer = make_customer(reference="ACME")
    invoice = make_invoice(customer, "100")
    paid = pay(make_payment_spec(customer, "30", {str(invoice.id): "25"}))
    make_invoice(customer, "160", now=DECEMBER)
    credit(invoice, "7", now=DECEMBER)
    transaction(payments.allocate, paid, "oldest", SYSTEM, DECEMBER)
    pay(make_payment_spec(customer, "11", {str(invoice.id): "3"}, received_on=IN_DECEMBER), DECEMBER)
    transaction(payments.reverse, paid, "Bounced", None, SYSTEM, DECEMBER)
    return customer.id


def figures(session: Session, day: date) -> Position:
    session.rollback()
    positions = receivables.positions(session, day)
    return receivables.positions_by_currency(positions.items()).get("USD", ZERO_POSITION)


def test_figures_of_today_do_not_depend_on_documents_dated_later(session: Session, acme: UUID) -> None:
    today = figures(session, TODAY)
    assert astuple(today)[:5] == (10000, 0, 2500, 500, (7500, 0, 0, 0, 0))
    assert today.balance == 7000
    [balance] = customer_balances(session, [acme], TODAY)[acme]
    assert balance.position == today
    [open_sum] = open_sums(session, OpenItemFilter(TODAY))
    assert (open_sum.currency, open_sum.amounts, open_sum.invoices) == ("USD", today.open, (1, 0, 0, 0, 0))
    assert receivables.unallocated_sums(session, TODAY) == {"USD": (1, 500)}
    [account] = receivables.aged_accounts(session, TODAY)
    assert (account.position.open, account.position.unallocated) == (today.open, today.unallocated)
    assert (account.position.balance, account.position.oldest_due) == (today.balance, today.oldest_due)
    statement = receivables.statements(session, acme, TODAY)["USD"]
    assert (len(statement.rows), statement.closing) == (2, today.balance)
    assert receivables.booked_balances(session, TODAY) == {(acme, "USD"): today.balance}


def test_figures_of_the_later_day_count_everything(session: Session, acme: UUID) -> None:
    later = figures(session, IN_DECEMBER)
    assert astuple(later)[:4] == (26000, 700, 300, 800)
    assert astuple(later)[:4] == astuple(figures(session, IN_DECEMBER + timedelta(days=100)))[:4]
    assert receivables.statements(session, acme, TODAY, None, IN_DECEMBER)["USD"].closing == later.balance == 24200
    assert receivables.unallocated_sums(session, IN_DECEMBER) == {"USD": (1, 800)}


@pytest.fixture
@prepared
def early_void(session: Session) -> Customer:
    """A customer whose invoice of December an earlier version voided today."""
    customer = make_customer(reference="VOID")
    invoice = make_invoice(customer, "160", now=DECEMBER)
    with patch.object(voids, "void_date", lambda today, _issue_date: today):
        void(invoice)
    return customer


def test_a_void_counts_on_no_day_before_its_invoice(session: Session, early_void: Customer) -> None:
    days = [TODAY, IN_DECEMBER - timedelta(days=1), IN_DECEMBER, IN_DECEMBER + timedelta(days=1)]
    assert [figures(session, day).balance for day in days] == [0, 0, 0, 0]
    assert [receivables.booked_balances(session, day).get((early_void.id, "USD"), 0) for day in days] == [0, 0, 0, 0]
    assert receivables.statements(session, early_void.id, TODAY) == {}
    rows = receivables.statements(session, early_void.id, TODAY, None, IN_DECEMBER)["USD"].rows
    assert [(row.entry.on, row.entry.amount, row.balance) for row in rows] == [
        (IN_DECEMBER, 16000, 16000),
        (IN_DECEMBER, -16000, 0),
    ]


def test_the_journal_dates_a_void_not_before_its_invoice(session: Session, early_void: Customer) -> None:
    transactions: list[Transaction] = list(journal.transactions(session, Period()))
    assert [(row.on, row.kind) for row in transactions] == [(IN_DECEMBER, "invoice"), (IN_DECEMBER, "void")]


def test_doctor_names_an_early_void_and_finds_the_ageing_right(session: Session, early_void: Customer) -> None:
    findings = {result.check.name: result.count for result in run_checks(session, NOW) if result.count}
    assert findings == {"future_date": 1, "date_order": 1}


def test_a_reversal_counts_on_no_day_before_the_receipt(session: Session) -> None:
    customer = make_customer(reference="EARLY")
    paid = pay(make_payment_spec(customer, "30", (), received_on=IN_DECEMBER), DECEMBER)
    transaction(payments.reverse, paid, "Bounced", None, SYSTEM, DECEMBER)
    change = update(Payment).where(Payment.id == paid).values(reversed_on=TODAY)
    transaction(lambda session: session.execute(change))
    for days in (-1, 0, 1):
        assert figures(session, IN_DECEMBER + timedelta(days=days)).balance == 0
        assert (
            receivables.booked_balances(session, IN_DECEMBER + timedelta(days=days)).get((customer.id, "USD"), 0) == 0
        )

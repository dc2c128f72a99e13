"""Refunds: never above the customer's credit, now or on their day; reversed, replayed, refused."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import AuditEvent, Customer, Organisation, Payment, Refund, RefundPart
from billing_admin.operations.payments import payments, refunds
from billing_admin.queries import journal
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.journal import Period
from billing_admin.queries.payments.receivables import positions, statements
from tests.books import contents
from tests.making import NOW, credit, make_customer, make_invoice, make_payment_spec, pay
from tests.prepared import prepared

A, B = UUID(int=0xA), UUID(int=0xB)
TODAY = NOW.date()
LATER = NOW + timedelta(days=3)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """A customer with a credit of 30 USD since 10 days ago, and of 20 USD since 5 days ago."""
    customer = make_customer(reference="ACME")
    pay(make_payment_spec(customer, "30", (), id=A, received_on=TODAY - timedelta(10)))
    pay(make_payment_spec(customer, "20", (), id=B, received_on=TODAY - timedelta(5)))
    return customer


def spec(amount: str = "35", **fields: Any) -> RefundSpec:
    given: dict[str, Any] = {"customer": "ACME", "amount": exact_decimal(amount), "method": "bank_transfer"}
    return RefundSpec(**given | fields)


def refund(amount: str = "35", **fields: Any) -> UUID:
    return transaction(refunds.record, spec(amount, **fields), SYSTEM, NOW).id


def lefts(session: Session) -> list[int]:
    session.rollback()
    return list(session.scalars(select(Payment.amount - Payment.allocated).order_by(Payment.id)))


def assert_sound(session: Session) -> None:
    session.rollback()
    assert [result.check.name for result in run_checks(session) if result.count] == []


def test_it_takes_the_oldest_credit_first(session: Session, acme: Customer) -> None:
    id = refund("35", reference="REF 1")
    assert lefts(session) == [0, 1500]
    rows = session.execute(select(RefundPart.payment_id, RefundPart.amount).where(RefundPart.refund_id == id)).all()
    assert sorted(map(tuple, rows)) == [(A, 3000), (B, 500)]
    row = session.execute(select(Refund.__table__)).one()
    assert (row.amount, row.paid_on, row.status, row.reference) == (3500, TODAY, "recorded", "REF 1")
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "refund.recorded")).one()
    assert event.details == {
        "customer": "ACME",
        "amount": "35.00 USD",
        "paid_on": TODAY.isoformat(),
        "reference": "REF 1",
    }
    assert_sound(session)


def test_balance_statement_and_journal_know_it(session: Session, acme: Customer) -> None:
    id = refund("35", paid_on=TODAY - timedelta(1))
    transaction(refunds.reverse, id, "Returned by the bank", None, SYSTEM, NOW)
    session.rollback()
    balances = {days: positions(session, TODAY - timedelta(days))[acme.id, "USD"].balance for days in (10, 5, 2, 1, 0)}
    assert balances == {10: -3000, 5: -5000, 2: -5000, 1: -1500, 0: -5000}
    [statement] = statements(session, acme.id, TODAY).values()
    assert [(row.entry.kind, row.entry.amount, row.balance) for row in statement.rows] == [
        ("payment", -3000, -3000),
        ("payment", -2000, -5000),
        ("refund", 3500, -1500),
        ("refund_reversal", -3500, -5000),
    ]
    booked = [
        (row.kind, [(posting.account, posting.minor) for posting in row.postings])
        for row in journal.transactions(session, Period())
    ]
    credit_account = "Assets:Receivable:ACME:Unallocated"
    assert booked[2:] == [
        ("refund", [(credit_account, 3500), ("Assets:Bank", -3500)]),
        ("refund_reversal", [("Assets:Bank", 3500), (credit_account, -3500)]),
    ]
    assert_sound(session)


@pytest.mark.parametrize(
    ("fields", "code", "field", "message"),
    [
        ({"amount": "50.01"}, "above_credit", "amount", "Enter at most 50.00 USD: this is the customer's credit."),
        (
            {"amount": "1", "currency": "EUR"},
            "above_credit",
            "amount",
            "This customer has no credit in EUR to refund.",
        ),
        (
            {"amount": "35", "paid_on": TODAY - timedelta(6)},
            "before_credit",
            "paid_on",
            f"Use {TODAY - timedelta(5)} or later: before that day, the customer's credit was below this amount.",
        ),
        ({"amount": "1", "paid_on": TODAY + timedelta(1)}, "in_the_future", "paid_on", None),
        ({"amount": "1", "paid_on": TODAY - timedelta(8)}, "period_locked", "paid_on", None),
        ({"amount": "1", "customer": "NOBODY"}, "unknown_customer", "customer", None),
        ({"amount": "1.001"}, "too_precise", "amount", None),
    ],
)
def test_it_is_refused(
    session: Session, acme: Customer, fields: dict[str, Any], code: str, field: str, message: str | None
) -> None:
    locked = {"locked_through": TODAY - timedelta(7)}
    transaction(lambda session: session.execute(update(Organisation).values(locked)))
    before = contents(session)
    with pytest.raises(Invalid) as refusal:
        refund(**fields)
    [problem] = refusal.value.problems
    assert (problem.code, problem.field) == (code, (field,))
    assert message in {None, problem.message}
    assert contents(session) == before


@pytest.mark.parametrize(("name", "value"), [("amount", "0"), ("amount", "-1"), ("method", "write_off")])
def test_a_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        spec(**{name: value}) if name == "amount" else spec("1", method=value)
    assert refusal.value.problems[0].field == (name,)


def test_a_repeated_request_answers_with_the_original(session: Session, acme: Customer) -> None:
    id = UUID(int=7)
    assert refund("35", id=id) == id
    before = contents(session)
    repeated = transaction(refunds.record, spec("35", id=id), SYSTEM, LATER)
    assert (repeated.id, repeated.created) == (id, False)
    with pytest.raises(Conflict, match="amount") as refusal:
        refund("34", id=id)
    assert refusal.value.code == "id_conflict"
    assert contents(session) == before


def test_a_reversed_refund_is_credit_again(session: Session, acme: Customer) -> None:
    id = refund("50")
    assert lefts(session) == [0, 0]
    assert transaction(refunds.reverse, id, "Returned", None, SYSTEM, LATER)
    assert lefts(session) == [3000, 2000]
    assert not transaction(refunds.reverse, id, "Returned", None, SYSTEM, LATER)
    refused = "before_credit"
    with pytest.raises(DomainError) as refusal:  # on that day it was paid out
        transaction(refunds.record, spec("1", paid_on=TODAY + timedelta(1)), SYSTEM, LATER)
    assert refusal.value.code == refused
    assert_sound(session)


def test_a_reversal_is_not_before_its_refund(session: Session, acme: Customer) -> None:
    id = refund("50")
    with pytest.raises(Invalid) as refusal:
        transaction(refunds.reverse, id, "Returned", TODAY - timedelta(1), SYSTEM, NOW)
    assert refusal.value.code == "before_last_change"


def test_a_refunded_payment_is_not_reversed(session: Session, acme: Customer) -> None:
    id = refund("35")
    with pytest.raises(Conflict, match=r"5\.00 USD of this payment was refunded") as refusal:
        transaction(payments.reverse, B, "Bounced", None, SYSTEM, NOW)
    assert refusal.value.code == "payment_refunded"
    transaction(refunds.reverse, id, "Returned", None, SYSTEM, LATER)
    with pytest.raises(Invalid) as early:
        transaction(payments.reverse, B, "Bounced", TODAY, SYSTEM, LATER)
    assert early.value.code == "before_last_change"
    assert transaction(payments.reverse, B, "Bounced", None, SYSTEM, LATER)
    assert_sound(session)


def test_refunded_money_is_not_allocated(session: Session, acme: Customer) -> None:
    make_invoice(acme, "60")
    refund("35")
    assert transaction(payments.allocate, A, "oldest", SYSTEM, NOW) == 0
    assert transaction(payments.allocate, B, "oldest", SYSTEM, NOW) == 1500
    assert_sound(session)


def test_credit_of_a_credit_note_counts_from_its_day(session: Session) -> None:
    customer = make_customer(reference="ACME")
    invoice = make_invoice(customer, "100", now=NOW - timedelta(20))
    pay(make_payment_spec(customer, "100", id=A, received_on=TODAY - timedelta(15)))
    credit(invoice, "40", now=NOW)
    with pytest.raises(Invalid) as refusal:
        refund("40", paid_on=TODAY - timedelta(1))
    assert refusal.value.code == "before_credit"
    refund("40")
    assert_sound(session)


def test_a_day_of_the_credit_is_named(acme: Customer) -> None:
    refund("30", paid_on=date.fromordinal((TODAY - timedelta(10)).toordinal()))
    with pytest.raises(Invalid) as refusal:
        refund("20", paid_on=TODAY - timedelta(9))
    assert (TODAY - timedelta(5)).isoformat() in refusal.value.problems[0].message

"""Eight processes that want the same money at the same moment: never above what is there; the losers are told."""

from collections import Counter

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.money import exact_decimal
from billing_admin.domain.payments import AllocationSpec
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import Allocation, Invoice, Payment
from billing_admin.queries.doctor import run_checks
from tests.books import assert_books_balance
from tests.faults import worker
from tests.making import change_settings, make_customer, make_invoice, make_payment_spec, pay

pytestmark = pytest.mark.fault


@pytest.fixture
def url(app: Flask, session: Session) -> str:
    """Where the processes find the test's database."""
    return str(app.extensions["billing_settings"].database_url)


def assert_sound(session: Session) -> None:
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []


def test_eight_payments_of_sixty_on_an_invoice_of_a_hundred(session: Session, url: str) -> None:
    invoice = make_invoice(amount="100")
    spec = make_payment_spec(invoice.customer_reference, "60", {str(invoice.id): "60"})
    answers = worker.race(url, *[(worker.pay, spec)] * 8)
    assert Counter(answers) == {"recorded": 1, "above_balance": 7}
    session.rollback()
    assert session.scalars(select(Invoice.paid)).all() == [6000]
    assert_sound(session)


def test_eight_payments_to_the_oldest_leave_the_rest_as_credit(session: Session, url: str) -> None:
    customer = make_customer()
    for _ in range(3):
        make_invoice(customer, "100")
    answers = worker.race(url, *[(worker.pay, make_payment_spec(customer, "60"))] * 8)
    assert set(answers) == {"recorded"}
    session.rollback()
    assert session.scalars(select(Invoice.paid)).all() == [10000] * 3
    assert session.scalar(select(func.sum(Payment.amount - Payment.allocated))) == 18000
    assert_sound(session)


def test_eight_allocations_of_one_payment(session: Session, url: str) -> None:
    customer = make_customer()
    invoices = [make_invoice(customer, "100") for _ in range(8)]
    id = pay(make_payment_spec(customer, "100", ()))
    parts = [(AllocationSpec(str(invoice.id), exact_decimal("60")),) for invoice in invoices]
    answers = worker.race(url, *[(worker.allocate, id, part) for part in parts])
    assert Counter(answers) == {"allocated": 1, "above_payment": 7}
    session.rollback()
    assert session.scalar(select(func.sum(Allocation.amount))) == 6000
    assert_sound(session)


def test_eight_identical_payments_are_recorded_once(session: Session, url: str) -> None:
    invoice = make_invoice(amount="100")
    spec = make_payment_spec(invoice.customer_reference, "60", id=invoice.id)
    assert worker.race(url, *[(worker.pay, spec)] * 8) == ["recorded"] * 8
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Payment)) == 1
    assert_sound(session)


def test_eight_refunds_of_sixty_from_a_credit_of_a_hundred(session: Session, url: str) -> None:
    customer = make_customer()
    pay(make_payment_spec(customer, "100", ()))
    spec = RefundSpec(customer.reference, exact_decimal("60"), "cash")
    answers = worker.race(url, *[(worker.refund, spec)] * 8)
    assert Counter(answers) == {"refunded": 1, "above_credit": 7}
    session.rollback()
    assert session.scalars(select(Payment.allocated)).all() == [6000]
    assert_sound(session)


def test_credit_is_refunded_or_allocated_or_its_payment_reversed(session: Session, url: str) -> None:
    customer = make_customer()
    invoice = make_invoice(customer, "100")
    id = pay(make_payment_spec(customer, "100", ()))
    spec = RefundSpec(customer.reference, exact_decimal("100"), "cash")
    parts = (AllocationSpec(str(invoice.id), exact_decimal("100")),)
    tasks = [(worker.refund, spec), (worker.allocate, id, parts), (worker.reverse_payment, id)] * 2
    answers = worker.race(url, *tasks)
    won = {answer for answer in answers if answer in {"refunded", "allocated", "reversed"}}
    assert won in ({"refunded"}, {"allocated"}, {"reversed"}, {"allocated", "reversed"})
    assert set(answers) - won <= {"above_credit", "above_payment", "payment_reversed", "payment_refunded"}
    assert_sound(session)


def test_credit_pays_an_invoice_at_its_issue_or_is_spent_otherwise(session: Session, url: str) -> None:
    change_settings(applies_credit=True)
    customer = make_customer()
    opened = make_invoice(customer, "100")
    id = pay(make_payment_spec(customer, "100", ()))
    drafts = [make_invoice(customer, "100", issue=False) for _ in range(2)]
    spec = RefundSpec(customer.reference, exact_decimal("100"), "cash")
    parts = (AllocationSpec(str(opened.id), exact_decimal("100")),)
    tasks = [(worker.issue_draft, drafts[0].id), (worker.issue_draft, drafts[1].id)]
    answers = worker.race(url, *tasks, (worker.refund, spec), (worker.allocate, id, parts))
    assert answers[:2] == ["issued"] * 2
    assert set(answers[2:]) <= {"refunded", "above_credit", "allocated", "above_payment"}
    session.rollback()
    assert session.scalars(select(Payment.allocated)).all() == [10000]
    assert_sound(session)

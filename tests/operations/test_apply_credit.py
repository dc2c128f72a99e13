"""Credit that pays invoices when they are issued: the oldest first, in one currency, never above the open amount."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import AuditEvent, Customer, Invoice, Payment
from billing_admin.operations.invoices import invoices
from billing_admin.operations.payments import payments
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.payments.refunds import credit_to_apply
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_spec,
    pay,
    post,
)
from tests.prepared import prepared

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """A customer with credits of 30 and 20 USD and of 500 EUR, of an organisation that applies credit."""
    change_settings(applies_credit=True)
    customer = make_customer(reference="ACME", currency="USD")
    days = NOW.date()
    pay(make_payment_spec(customer, "20", (), id=B, received_on=days - timedelta(3)))
    pay(make_payment_spec(customer, "30", (), id=A, received_on=days - timedelta(5)))
    pay(make_payment_spec(customer, "500", (), id=C, currency="EUR"))
    return customer


def allocated(session: Session) -> dict[UUID, int]:
    session.rollback()
    return {row.id: row.allocated for row in session.execute(select(Payment.id, Payment.allocated))}


def assert_sound(session: Session) -> None:
    session.rollback()
    assert [result.check.name for result in run_checks(session) if result.count] == []


def draft(customer: Customer, amount: str) -> Invoice:
    post(make_spec(customer, amount))
    bill(issue=False, customers=[customer])
    return next(one for one in all_invoices() if one.status == "draft")


def test_a_draft_is_paid_with_the_oldest_credit_when_it_is_issued(session: Session, acme: Customer) -> None:
    invoice = draft(acme, "40")
    assert allocated(session) == {A: 0, B: 0, C: 0}
    key = acme.id, "USD"
    assert credit_to_apply(session, [(key, invoice.total)]) == {key: 4000}
    transaction(invoices.issue, invoice.id, None, SYSTEM, NOW)
    assert allocated(session) == {A: 3000, B: 1000, C: 0}
    assert [one.paid for one in all_invoices()] == [4000]
    events = session.scalars(select(AuditEvent).where(AuditEvent.action == "payment.allocated")).all()
    assert {event.object_id for event in events} == {A, B}
    assert_sound(session)


def test_a_billing_run_pays_what_it_issues(session: Session, acme: Customer) -> None:
    other = make_customer(reference="OTHER", currency="USD")
    post(make_spec(acme, "70"), make_spec(other, "10"))
    bill()
    assert {one.customer_reference: (one.total, one.paid) for one in all_invoices()} == {
        "ACME": (7000, 5000),
        "OTHER": (1000, 0),
    }
    assert_sound(session)


def test_several_drafts_share_the_credit(session: Session, acme: Customer) -> None:
    ids = [draft(acme, "40").id]
    post(make_spec(acme, "25"))
    bill(issue=False, customers=[acme])
    ids += [one.id for one in all_invoices() if one.id not in ids]
    transaction(invoices.issue_many, ids, NOW.date(), SYSTEM, NOW)
    assert sorted(one.paid for one in all_invoices()) in ([1000, 4000], [2500, 2500])
    assert sum(allocated(session).values()) == 5000
    assert_sound(session)


def test_without_the_setting_nothing_is_applied(session: Session, acme: Customer) -> None:
    change_settings(applies_credit=False)
    invoice = make_invoice(acme, "40")
    assert allocated(session) == {A: 0, B: 0, C: 0}
    assert credit_to_apply(session, [((acme.id, "USD"), invoice.total)]) == {}


def test_credit_of_a_reversed_payment_is_not_applied(session: Session, acme: Customer) -> None:
    transaction(payments.reverse, A, "Bounced", None, SYSTEM, NOW)
    make_invoice(acme, "40")
    assert allocated(session) == {A: 0, B: 2000, C: 0}
    assert_sound(session)

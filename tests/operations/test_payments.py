"""Payments: recorded once, allocated never above what is there, withdrawn, reversed; small remainders written off."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.payments import AllocationSpec, PaymentSpec
from billing_admin.models import Account, Allocation, AuditEvent, Customer, Invoice, Organisation, Payment
from billing_admin.operations.payments import payments
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.payments.refunds import credit_of
from tests.books import assert_books_balance, contents
from tests.making import NOW, all_invoices, credit, make_customer, make_invoice, make_payment_spec, pay
from tests.prepared import prepared

A, B = UUID(int=0xA), UUID(int=0xB)
TODAY = date(2026, 4, 2)
LATER = NOW + timedelta(days=3)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """A customer who owes 10, 20 and 30 USD on INV-2026-00001 to 00003, due one after the other."""
    customer = make_customer(reference="ACME")
    for days, amount in enumerate(("10", "20", "30")):
        make_invoice(customer, amount, now=NOW - timedelta(days=30 - days))
    return customer


def number(n: int) -> str:
    return f"INV-2026-0000{n}"


def payment(session: Session, id: UUID) -> Payment:
    session.rollback()
    return session.scalars(select(Payment).where(Payment.id == id).execution_options(populate_existing=True)).one()


def paid() -> list[int]:
    return [invoice.paid for invoice in all_invoices() if invoice.status == "issued"]


def allocations(session: Session) -> list[tuple[Any, ...]]:
    """Number, amount, from and until when, in the order they were made."""
    session.rollback()
    query = select(Invoice.number, Allocation.amount, Allocation.made_on, Allocation.withdrawn_on)
    return [tuple(row) for row in session.execute(query.join(Invoice).order_by(Allocation.id))]


def lock(through: date) -> None:
    transaction(lambda session: session.execute(update(Organisation).values(locked_through=through)))


def refused(session: Session, kind: type[DomainError], work: Any, *args: Any) -> DomainError:
    """The refusal; nothing is stored."""
    before = contents(session)
    with pytest.raises(kind) as caught:
        transaction(work, *args)
    assert type(caught.value) is kind
    assert contents(session) == before
    return caught.value


def test_a_payment_pays_the_oldest_first_and_the_rest_is_credit(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "25", received_on=date(2026, 3, 20), reference="R-1"))
    found = payment(session, id)
    assert (found.amount, found.allocated, found.currency, found.received_on) == (2500, 2500, "USD", date(2026, 3, 20))
    assert allocations(session) == [
        (number(1), 1000, date(2026, 3, 20), None),
        (number(2), 1500, date(2026, 3, 20), None),
    ]
    assert paid() == [1000, 1500, 0]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "payment.recorded")).one()
    assert (event.object_id, event.id) == (id, found.event_id)
    assert event.details == {
        "customer": "ACME",
        "amount": "25.00 USD",
        "received_on": "2026-03-20",
        "reference": "R-1",
        "allocated": {number(1): "10.00 USD", number(2): "15.00 USD"},
    }
    assert_books_balance(session)


def test_by_hand_over_many_invoices_named_by_number_or_id(session: Session, acme: Customer) -> None:
    third = all_invoices()[2].id
    id = pay(make_payment_spec(acme, "20", {number(2): "5", str(third).upper(): "7.50"}))
    assert paid() == [0, 500, 750]
    assert payment(session, id).allocated == 1250


def test_left_unallocated_it_is_credit(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "5", ()))
    assert (payment(session, id).allocated, paid()) == (0, [0, 0, 0])


def test_more_than_all_invoices_leaves_the_rest(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "100"))
    assert (payment(session, id).allocated, paid()) == (6000, [1000, 2000, 3000])


def test_it_is_received_today_in_the_customers_currency_if_nothing_else_is_said(session: Session) -> None:
    customer = make_customer(currency="JPY")
    found = payment(session, pay(make_payment_spec(customer, "500", ())))
    assert (found.currency, found.amount, found.received_on, found.reference) == ("JPY", 500, TODAY, "")


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "7", 7), ("BHD", "1.234", 1234), ("EUR", "1.20", 120)]
)
def test_a_first_payment_opens_the_account_in_its_currency(
    session: Session, currency: str, amount: str, minor: int
) -> None:
    found = payment(session, pay(make_payment_spec(make_customer(), amount, currency=currency)))
    assert (found.currency, found.amount) == (currency, minor)
    assert set(session.scalars(select(Account.currency))) == {"USD", currency}


def test_an_invoice_in_another_currency_is_left_alone(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "100", currency="EUR"))
    assert paid() == [0, 0, 0]


# --- the same id again ------------------------------------------------------------------------------------------------


def test_an_identical_repeat_stores_nothing(session: Session, acme: Customer) -> None:
    spec = make_payment_spec(acme, "25", received_on=TODAY, reference="R", id=A)
    assert transaction(payments.record, spec, SYSTEM, NOW) == payments.RecordedPayment(A, True)
    before = contents(session)
    shorter = make_payment_spec(str(acme.id), "25.00", id=A)
    for again in (spec, shorter):
        assert transaction(payments.record, again, SYSTEM, LATER) == payments.RecordedPayment(A, False)
    assert contents(session) == before


def test_a_repeat_by_hand_may_name_invoices_otherwise(session: Session, acme: Customer) -> None:
    first, second, _ = all_invoices()
    pay(make_payment_spec(acme, "25", {number(1): "10", number(2): "1"}, id=A))
    again = make_payment_spec(acme, "25", {str(second.id): "1.00", str(first.id): "10"}, id=A)
    assert not transaction(payments.record, again, SYSTEM, NOW).created


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"amount": "26"}, ["amount"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"received_on": date(2026, 4, 1)}, ["received_on"]),
        ({"method": "card"}, ["method"]),
        ({"reference": "S"}, ["reference"]),
        ({"allocate": ()}, ["allocate"]),
        ({"allocate": {"INV-2026-00001": "1"}, "customer": "FOO"}, ["customer", "allocate"]),
    ],
)
def test_another_payment_under_the_same_id_is_refused(
    session: Session, acme: Customer, changed: dict[str, Any], differs: list[str]
) -> None:
    make_customer(reference="FOO")
    asked: dict[str, Any] = {"customer": "ACME", "amount": "25", "received_on": TODAY, "reference": "R", "id": A}
    pay(make_payment_spec(**asked))
    refusal = refused(session, Conflict, payments.record, make_payment_spec(**asked | changed), SYSTEM, NOW)
    assert (refusal.code, refusal.extra["differs"]) == ("id_conflict", differs)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "kind", "code", "field"),
    [
        ({"customer": "NOBODY"}, Invalid, "unknown_customer", ("customer",)),
        ({"amount": "1.234"}, Invalid, "too_precise", ("amount",)),
        ({"amount": "99999999999999999"}, Invalid, "out_of_range", ()),
        ({"received_on": date(2026, 4, 3)}, Invalid, "in_the_future", ("received_on",)),
        ({"allocate": {"INV-0": "1"}}, Invalid, "unknown_invoice", ("allocate", 0, "invoice")),
        ({"allocate": {number(1): "6", number(2): "5"}}, Invalid, "above_payment", ("allocate",)),
        ({"allocate": {number(1): "-1"}}, Invalid, "out_of_range", ("allocate", 0, "amount")),
        ({"allocate": {number(1): "0.001"}}, Invalid, "too_precise", ("allocate", 0, "amount")),
        ({"allocate": {number(2): "-0.01"}}, Invalid, "out_of_range", ("allocate", 0, "amount")),
        ({"amount": "99", "allocate": {number(1): "10.01"}}, Conflict, "above_balance", ("allocate", 0, "amount")),
        ({"customer": "FOO", "allocate": {number(1): "1"}}, Invalid, "another_account", ("allocate", 0, "invoice")),
        ({"currency": "EUR", "allocate": {number(1): "1"}}, Invalid, "another_account", ("allocate", 0, "invoice")),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded(
    session: Session, acme: Customer, asked: dict[str, Any], kind: type[DomainError], code: str, field: tuple[Any, ...]
) -> None:
    make_customer(reference="FOO")
    refusal = refused(session, kind, payments.record, make_payment_spec(**{"customer": "ACME"} | asked), SYSTEM, NOW)
    assert refusal.code == code
    assert refusal.field[: len(field)] == field


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"amount": exact_decimal("0")}, "out_of_range"),
        ({"amount": exact_decimal("-1")}, "out_of_range"),
        ({"method": "write_off"}, "unknown_method"),
        ({"currency": "EURO"}, "unknown_currency"),
        ({"received_on": date(1969, 12, 31)}, "out_of_range"),
        ({"reference": "x" * 201}, "too_long"),
        ({"reference": "a\x00b"}, "unprintable"),
    ],
)
def test_what_no_payment_can_be(changed: dict[str, Any], code: str) -> None:
    asked: dict[str, Any] = {"customer": "C", "amount": exact_decimal("1"), "method": "card", "allocate": ()}
    with pytest.raises(Invalid) as caught:
        PaymentSpec(**asked | changed)
    assert caught.value.code == code


def test_an_invoice_named_twice_is_refused(session: Session, acme: Customer) -> None:
    twice = (
        AllocationSpec(number(1), exact_decimal("1")),
        AllocationSpec(str(all_invoices()[0].id), exact_decimal("1")),
    )
    refusal = refused(session, Invalid, payments.record, make_payment_spec(acme, "10", twice), SYSTEM, NOW)
    assert (refusal.code, refusal.field) == ("invoice_twice", ("allocate", 1, "invoice"))


def test_a_draft_cannot_be_paid(session: Session) -> None:
    draft = make_invoice(issue=False)
    spec = make_payment_spec(draft.customer_reference, "1", {str(draft.id): "1"})
    assert refused(session, Conflict, payments.record, spec, SYSTEM, NOW).code == "not_issued"


def test_nothing_is_dated_in_a_locked_period(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "5", received_on=date(2026, 3, 20)))
    lock(date(2026, 3, 31))
    late = make_payment_spec(acme, "1", received_on=date(2026, 3, 31))
    assert refused(session, Invalid, payments.record, late, SYSTEM, NOW).code == "period_locked"
    day = date(2026, 3, 31)
    assert refused(session, Invalid, payments.reverse, id, "Bounced", day, SYSTEM, NOW).code == "period_locked"
    pay(make_payment_spec(acme, "1", received_on=date(2026, 4, 1)))
    lock(TODAY)
    (taken,) = session.scalars(select(Allocation.id).where(Allocation.payment_id == id))
    for work, *args in (
        (payments.withdraw_allocation, id, taken, ""),
        (payments.allocate, id, "oldest"),
        (payments.write_off, all_invoices()[2].id, exact_decimal("30"), "Tiny", None),
    ):
        assert refused(session, Invalid, work, *args, SYSTEM, NOW).code == "period_locked"


# --- allocating later, and withdrawing --------------------------------------------------------------------------------


def test_what_is_left_is_allocated_later_as_of_that_day(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "25", ()))
    parts = (AllocationSpec(number(3), exact_decimal("4")),)
    assert transaction(payments.allocate, id, parts, SYSTEM, LATER) == 400
    assert transaction(payments.allocate, id, "oldest", SYSTEM, LATER) == 2100
    day = date(2026, 4, 5)
    assert allocations(session) == [
        (number(3), 400, day, None),
        (number(1), 1000, day, None),
        (number(2), 1100, day, None),
    ]
    told = select(AuditEvent.details).where(AuditEvent.action == "payment.allocated").order_by(AuditEvent.id)
    events = session.scalars(told).all()
    assert events[0] == {"allocated": {number(3): "4.00 USD"}}
    assert transaction(payments.allocate, id, "oldest", SYSTEM, LATER) == 0
    assert_books_balance(session)


def test_no_more_is_allocated_than_is_left(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "15", {number(1): "10"}))
    parts = (AllocationSpec(number(2), exact_decimal("5.01")),)
    refusal = refused(session, Conflict, payments.allocate, id, parts, SYSTEM, NOW)
    assert (refusal.code, refusal.message) == (
        "above_payment",
        "Only 5.00 USD of this payment is left: allocate no more than that.",
    )


def test_a_withdrawn_allocation_is_credit_again(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "25"))
    (first, _) = session.scalars(select(Allocation.id).order_by(Allocation.id)).all()
    assert transaction(payments.withdraw_allocation, id, first, "A mix-up", SYSTEM, LATER)
    assert allocations(session)[0] == (number(1), 1000, TODAY, date(2026, 4, 5))
    assert (payment(session, id).allocated, paid()) == (1500, [0, 1500, 0])
    before = contents(session)
    assert not transaction(payments.withdraw_allocation, id, first, "A mix-up", SYSTEM, LATER)
    assert contents(session) == before


def test_an_allocation_is_withdrawn_from_its_own_payment(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "5"))
    other = pay(make_payment_spec(acme, "5"))
    allocation = session.scalars(select(Allocation.id).where(Allocation.payment_id != other)).one()
    assert (
        refused(session, NotFound, payments.withdraw_allocation, other, allocation, "", SYSTEM, NOW).code
        == "unknown_allocation"
    )
    assert (
        refused(session, NotFound, payments.withdraw_allocation, A, allocation, "", SYSTEM, NOW).code
        == "unknown_payment"
    )


def free(number: str, amount: int, day: date, now: datetime = LATER) -> int:
    def work(session: Session) -> int:
        row = session.execute(select(Invoice.__table__).where(Invoice.number == number)).mappings().one()
        invoice = dict(row)
        freed = payments.withdraw_from_invoice(session, invoice, amount, day, SYSTEM, now)
        assert invoice["paid"] == row["paid"] - freed
        return freed

    return transaction(work)


def test_freeing_takes_the_latest_allocation_first_and_of_the_last_a_part(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "12", {number(3): "12"}, received_on=date(2026, 3, 20)))
    pay(make_payment_spec(acme, "8", {number(3): "8"}, received_on=date(2026, 3, 25)))
    day = date(2026, 4, 4)
    assert free(number(3), 1100, day) == 1100
    assert allocations(session) == [
        (number(3), 1200, date(2026, 3, 20), day),
        (number(3), 800, date(2026, 3, 25), day),
        (number(3), 900, day, None),
    ]
    assert paid() == [0, 0, 900]
    assert sorted(session.scalars(select(Payment.allocated))) == [0, 900]
    assert free(number(3), 2000, day) == 900
    assert free(number(3), 1, day) == 0


def test_freed_before_it_was_made_it_counts_on_no_day(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "12", {number(3): "12"}))
    free(number(3), 200, date(2026, 3, 25))
    assert allocations(session) == [(number(3), 1200, TODAY, TODAY), (number(3), 1000, TODAY, None)]


# --- reversing --------------------------------------------------------------------------------------------------------


def test_a_reversed_payment_pays_nothing(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "25"))
    assert transaction(payments.reverse, id, "Returned by the bank", None, SYSTEM, LATER)
    found = payment(session, id)
    assert (found.status, found.reversed_on, found.allocated) == ("reversed", date(2026, 4, 5), 0)
    assert (found.reversal_reason, paid()) == ("Returned by the bank", [0, 0, 0])
    assert {row[3] for row in allocations(session)} == {date(2026, 4, 5)}
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "payment.reversed")).one()
    assert event.details["status"] == ["recorded", "reversed"]
    before = contents(session)
    assert not transaction(payments.reverse, id, "Again", None, SYSTEM, LATER)
    assert contents(session) == before
    refusal = refused(session, Conflict, payments.allocate, id, "oldest", SYSTEM, LATER)
    assert refusal.code == "payment_reversed"
    assert_books_balance(session)


def test_a_reversal_needs_a_reason_and_a_day_after_the_receipt(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "25", received_on=date(2026, 3, 20)))
    for reason, day, code in (
        (" ", None, "blank"),
        ("Bounced", date(2026, 3, 19), "before_last_change"),
        ("Bounced", date(2026, 4, 3), "in_the_future"),
    ):
        assert refused(session, Invalid, payments.reverse, id, reason, day, SYSTEM, NOW).code == code
    assert refused(session, NotFound, payments.reverse, A, "Bounced", None, SYSTEM, NOW).code == "unknown_payment"
    assert transaction(payments.reverse, id, "Bounced", date(2026, 3, 20), SYSTEM, NOW)
    assert {row[3] for row in allocations(session)} == {date(2026, 3, 20)}


def test_a_reversal_is_not_dated_before_a_withdrawal(session: Session, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "10", received_on=date(2026, 3, 20)))
    transaction(payments.withdraw_allocation, id, session.scalars(select(Allocation.id)).one(), "", SYSTEM, NOW)
    refusal = refused(session, Invalid, payments.reverse, id, "Bounced", date(2026, 4, 1), SYSTEM, NOW)
    assert (refusal.code, refusal.message) == (
        "before_last_change",
        (
            "Use 2026-04-02 or later: on that day, the payment was received, an allocation of it was withdrawn, or a"
            " refund of it was reversed."
        ),
    )


# --- writing off ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["0", "-1", "10.01"])
def test_a_part_above_the_balance_is_not_written_off(session: Session, acme: Customer, amount: str) -> None:
    first, before = all_invoices()[0], contents(session)
    with pytest.raises(DomainError) as refusal:
        transaction(payments.write_off, first.id, exact_decimal(amount), "Fee", A, SYSTEM, LATER, part=True)
    assert refusal.value.problems[0].field == ("amount",)
    assert contents(session) == before


def test_a_part_is_written_off_and_reversed(session: Session, acme: Customer) -> None:
    first = all_invoices()[0]
    transaction(payments.write_off, first.id, exact_decimal("4"), "Half agreed", A, SYSTEM, LATER, part=True)
    assert paid() == [400, 0, 0]
    again = transaction(payments.write_off, first.id, exact_decimal("4"), "Half agreed", A, SYSTEM, LATER, part=True)
    assert again == payments.RecordedPayment(A, False)
    transaction(payments.write_off, first.id, exact_decimal("6"), "The rest", B, SYSTEM, LATER)
    assert paid() == [1000, 0, 0]
    transaction(payments.reverse, A, "Paid after all", None, SYSTEM, LATER)
    assert paid() == [600, 0, 0]
    assert_books_balance(session)


def write_off(invoice: Invoice, amount: str, id: UUID | None = None) -> payments.RecordedPayment:
    return transaction(payments.write_off, invoice.id, exact_decimal(amount), "Bank fee", id, SYSTEM, LATER)


def test_a_remainder_is_written_off_whole(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "9.98"))
    made = write_off(all_invoices()[0], "0.02", A)
    found = payment(session, made.id)
    assert (found.method, found.amount, found.allocated) == ("write_off", 2, 2)
    assert (found.reason, found.received_on) == ("Bank fee", date(2026, 4, 5))
    assert paid() == [1000, 0, 0]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "payment.written_off")).one()
    assert (event.details["reason"], event.details["allocated"]) == ("Bank fee", {number(1): "0.02 USD"})
    before = contents(session)
    assert write_off(all_invoices()[0], "0.02", A) == payments.RecordedPayment(A, False)
    assert contents(session) == before
    transaction(payments.reverse, A, "They paid after all", None, SYSTEM, LATER)
    assert paid() == [998, 0, 0]


def test_a_write_off_does_not_become_credit(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "9"))
    write_off(all_invoices()[0], "1", A)
    allocation = session.scalars(select(Allocation.id).where(Allocation.payment_id == A)).one()
    act, arguments = payments.withdraw_allocation, (A, allocation, "A mix-up", SYSTEM, LATER)
    refusal = refused(session, Conflict, act, *arguments)
    assert (refusal.code, "Reverse it instead" in refusal.message) == ("write_off", True)
    assert credit_of(session, acme.id, "USD") == 0
    transaction(payments.reverse, A, "They pay after all", None, SYSTEM, LATER)
    assert paid() == [900, 0, 0]
    assert not transaction(act, *arguments)  # it was withdrawn by the reversal
    assert_books_balance(session)


@pytest.mark.parametrize(
    ("credited", "written_off", "customer_credit"),
    [
        ("0.40", [(100, "reversed"), (60, "recorded")], 0),
        ("1", [(100, "reversed")], 0),
        ("2", [(100, "reversed")], 100),
    ],
)
def test_a_credit_note_reverses_a_write_off_before_it_frees_money(
    session: Session, acme: Customer, credited: str, written_off: list[tuple[int, str]], customer_credit: int
) -> None:
    first = all_invoices()[0]
    pay(make_payment_spec(acme, "9", {number(1): "9"}))
    write_off(first, "1", A)
    credit(first, credited, now=LATER)
    session.rollback()
    given_up = session.scalars(
        select(Payment).where(Payment.method == "write_off").order_by(Payment.created_at, Payment.amount.desc())
    )
    assert [(row.amount, row.status) for row in given_up] == written_off
    assert credit_of(session, acme.id, "USD") == customer_credit
    assert (
        session.scalar(select(func.sum(Payment.amount - Payment.allocated)).where(Payment.status == "recorded"))
        == customer_credit
    )
    assert_books_balance(session)
    assert [result.check.name for result in run_checks(session) if result.count] == []


def test_only_the_open_balance_is_written_off(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "10"))
    first, second, _ = all_invoices()

    def asked(invoice: Invoice, amount: str, reason: str = "Fee") -> tuple[Any, ...]:
        return payments.write_off, invoice.id, exact_decimal(amount), reason, None, SYSTEM, NOW

    assert refused(session, Conflict, *asked(first, "1")).code == "nothing_open"
    refusal = refused(session, Conflict, *asked(second, "19.99"))
    assert (refusal.code, refusal.message) == (
        "not_the_balance",
        f"The open balance of {number(2)} is 20.00 USD: enter exactly that amount to write it off.",
    )
    assert refused(session, Invalid, *asked(second, "20", " ")).code == "blank"
    assert refused(session, Invalid, *asked(second, "20.001")).code == "too_precise"
    unknown = (payments.write_off, A, exact_decimal("1"), "Fee", None, SYSTEM, NOW)
    assert refused(session, NotFound, *unknown).code == "unknown_invoice"
    write_off(second, "20", B)
    assert refused(
        session, Conflict, payments.write_off, second.id, exact_decimal("20"), "Other", B, SYSTEM, NOW
    ).code == ("id_conflict")

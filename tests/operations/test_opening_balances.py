"""Opening balances: they count, age and are paid like invoices, but have no number series, hash or copy here."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.payments import AllocationSpec
from billing_admin.models import AuditEvent, Customer, Invoice, Payment
from billing_admin.operations.invoices import credit_notes, voids
from billing_admin.operations.master_data.periods import set_period_lock
from billing_admin.operations.payments import payments
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.invoices.credit_notes import CreditSpec
from billing_admin.queries.invoices.invoices import InvoiceFilter, count_issued, invoice_sums, issued_ids
from billing_admin.queries.invoices.numbers import all_series
from billing_admin.queries.journal import Period, transactions
from billing_admin.queries.messages.documents import load_sending_facts, unsent_ids
from billing_admin.queries.messages.reminders import load_reminded_accounts
from billing_admin.queries.opening_totals import opening_totals
from billing_admin.queries.payments.open_items import OpenItemFilter, open_items
from billing_admin.queries.payments.opening_balances import opening_balance
from billing_admin.queries.payments.receivables import booked_balances, positions, statements
from tests.books import contents
from tests.databases import without_triggers
from tests.making import MARCH_END, NOW, make_customer, make_invoice, make_opening, make_payment_spec, pay
from tests.prepared import prepared

TODAY = NOW.date()
MARCH_10 = date(2026, 3, 10)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """A customer with 30 days of payment terms, who owes 100 and 50 USD of an earlier system and has a credit of 20."""
    customer = make_customer(reference="ACME", payment_terms_days=30)
    make_opening(customer, "4711", "100", due_date=date(2026, 3, 20), original_total="119", original_tax="19")
    make_opening(customer, "4712", "50", purchase_order="PO-7")
    make_opening(customer, "G-3", "-20")
    return customer


def refused(session: Session, kind: type[DomainError], work: Any, *args: Any, **fields: Any) -> tuple[str, Any]:
    """Code and field of the refusal; nothing is stored."""
    before = contents(session)
    with pytest.raises(kind) as caught:
        work(*args, **fields)
    assert type(caught.value) is kind
    assert contents(session) == before
    return caught.value.code, caught.value.field


def stored(session: Session, number: str) -> Invoice:
    session.rollback()
    query = select(Invoice).where(Invoice.number == number)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def credit(session: Session) -> Payment:
    session.rollback()
    query = select(Payment).where(Payment.method == "opening_credit")
    return session.scalars(query.execution_options(populate_existing=True)).one()


def assert_sound(session: Session) -> None:
    session.rollback()
    assert {result.check.name: result.rows for result in run_checks(session, NOW) if result.count} == {}


def test_an_opening_invoice_has_its_own_number_and_no_series(session: Session, acme: Customer) -> None:
    invoice = stored(session, "4711")
    assert (invoice.kind, invoice.status, invoice.issue_date, invoice.due_date) == (
        "opening_invoice",
        "issued",
        MARCH_END,
        date(2026, 3, 20),
    )
    assert (invoice.total, invoice.net, invoice.tax) == (10000, 10000, 0)
    assert (invoice.original_date, invoice.original_total, invoice.original_tax) == (MARCH_10, 11900, 1900)
    assert (invoice.series_id, invoice.sequence, invoice.hash, invoice.details) == (None, None, None, None)
    assert stored(session, "4712").due_date == MARCH_10 + timedelta(days=30)
    assert all_series(session) == []
    event = session.scalars(select(AuditEvent).where(AuditEvent.object_id == invoice.id)).one()
    assert (event.action, event.details["open_amount"], event.details["original_tax"]) == (
        "opening_balance.recorded",
        "100.00 USD",
        "19.00 USD",
    )
    assert_sound(session)


def test_it_counts_from_the_cut_over_day_and_ages_by_its_due_date(session: Session, acme: Customer) -> None:
    key = acme.id, "USD"
    assert positions(session, MARCH_END - timedelta(days=1)) == {}
    position = positions(session, MARCH_END)[key]
    assert (position.invoiced, position.unallocated, position.balance) == (15000, 2000, 13000)
    assert position.open == (5000, 10000, 0, 0, 0)
    assert positions(session, date(2026, 5, 1))[key].open == (0, 5000, 10000, 0, 0)
    assert booked_balances(session) == {key: 13000}
    items = session.execute(open_items(session, OpenItemFilter(MARCH_END))).all()
    assert [(item.number, item.issue_date, item.days_overdue, item.open_amount) for item in items] == [
        ("4711", MARCH_10, 11, 10000),
        ("4712", MARCH_10, 0, 5000),
    ]


def test_the_statement_and_the_journal_have_opening_entries(session: Session, acme: Customer) -> None:
    statement = statements(session, acme.id, TODAY)["USD"]
    assert [(row.entry.on, row.entry.kind, row.entry.number, row.entry.amount) for row in statement.rows] == [
        (MARCH_END, "opening_invoice", "4711", 10000),
        (MARCH_END, "opening_invoice", "4712", 5000),
        (MARCH_END, "opening_credit", "G-3", -2000),
    ]
    entries = list(transactions(session, Period()))
    assert {(entry.on, entry.kind, entry.number) for entry in entries} == {
        (MARCH_END, "opening_invoice", "4711"),
        (MARCH_END, "opening_invoice", "4712"),
        (MARCH_END, "opening_credit", "G-3"),
    }
    assert entries[-1].number == "G-3"
    sums: dict[str, int] = defaultdict(int)
    for entry in entries:
        for posting in entry.postings:
            sums[posting.account] += posting.minor
    assert sums == {
        "Assets:Receivable:ACME": 15000,
        "Assets:Receivable:ACME:Unallocated": -2000,
        "Equity:Opening balances": -13000,
    }


def test_control_totals_equal_the_journal(session: Session, acme: Customer) -> None:
    make_opening(make_customer(reference="GLOBEX", currency="EUR"), "9", "7.77")
    session.rollback()
    totals = [(row.reference, row.currency, row.invoiced, row.credited, row.journal) for row in opening_totals(session)]
    assert totals == [("GLOBEX", "EUR", 777, 0, 777), ("ACME", "USD", 15000, 2000, 13000)]
    assert not any(row.difference for row in opening_totals(session))


def test_it_is_paid_written_off_and_covered_by_the_credit(session: Session, acme: Customer) -> None:
    payment = make_payment_spec(acme, "60", allocate=(AllocationSpec("4711", exact_decimal("60")),), received_on=TODAY)
    pay(payment)
    transaction(payments.allocate, credit(session).id, "oldest", SYSTEM, NOW)
    invoice = stored(session, "4711")
    assert (invoice.paid, credit(session).allocated) == (8000, 2000)
    transaction(payments.write_off, invoice.id, exact_decimal("20"), "Too little to ask for", None, SYSTEM, NOW)
    assert stored(session, "4711").paid == 10000
    assert positions(session, TODAY)[acme.id, "USD"].balance == 5000
    assert_sound(session)


def test_a_payment_received_before_the_cut_over_counts_from_it(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "100", received_on=date(2026, 3, 25)))
    statement = statements(session, acme.id, TODAY)["USD"]
    assert statement.closing == 3000
    assert_sound(session)


def test_a_mistake_is_voided_with_a_reason_and_can_be_recorded_again(session: Session, acme: Customer) -> None:
    wrong = stored(session, "4712")
    for expected in ("4712 (void)", "4712 (void 2)"):
        transaction(voids.void_invoice, wrong.id, "Wrong amount", "pending", SYSTEM, NOW)
        void = session.get_one(Invoice, wrong.id, populate_existing=True)
        assert (void.status, void.number, void.reason, void.voided_on) == ("void", expected, "Wrong amount", TODAY)
        wrong = session.get_one(Invoice, make_opening(acme, "4712", "55"))
    assert booked_balances(session) == {(acme.id, "USD"): 13500}
    assert [row.invoiced for row in opening_totals(session)] == [15500]
    assert_sound(session)


def test_one_with_a_payment_is_not_voided(session: Session, acme: Customer) -> None:
    pay(make_payment_spec(acme, "1", received_on=TODAY))
    invoice = stored(session, "4711")
    void = (transaction, voids.void_invoice, invoice.id, "Wrong", "pending", SYSTEM, NOW)
    assert refused(session, Conflict, *void) == ("has_payments_or_credits", ("status",))


def test_an_opening_credit_is_taken_back_by_its_reversal(session: Session, acme: Customer) -> None:
    transaction(payments.allocate, credit(session).id, "oldest", SYSTEM, NOW)
    transaction(payments.reverse, credit(session).id, "Entered twice", None, SYSTEM, NOW)
    assert (credit(session).status, stored(session, "4711").paid) == ("reversed", 0)
    make_opening(acme, "G-3", "-25")
    assert booked_balances(session) == {(acme.id, "USD"): 12500}
    assert_sound(session)


def test_the_database_keeps_what_was_recorded(session: Session, acme: Customer) -> None:
    invoice = stored(session, "4711")
    for values in ({"number": "4799"}, {"original_date": TODAY}, {"original_total": 1}):
        with pytest.raises(DBAPIError):
            session.execute(update(Invoice).where(Invoice.id == invoice.id).values(**values))
        session.rollback()


def test_the_same_request_is_answered_with_the_original(session: Session, acme: Customer) -> None:
    id = UUID(int=7)
    fields: dict[str, Any] = {"id": id, "due_date": date(2026, 4, 1), "original_total": "12"}
    assert make_opening(acme, "4713", "10", **fields) == id
    before = contents(session)
    assert make_opening(acme, "4713", "10", **fields) == id
    assert contents(session) == before
    assert refused(session, Conflict, make_opening, acme, "4713", "11", **fields) == ("id_conflict", ("id",))
    assert refused(session, Conflict, make_opening, acme, "4713", "-10", id=id) == ("id_conflict", ("id",))
    invoice = make_invoice(make_customer(reference="OTHER"))
    assert refused(session, Conflict, make_opening, acme, "1", "10", id=invoice.id) == ("id_conflict", ("id",))


def test_a_repeat_after_the_void_finds_the_void_invoice(session: Session, acme: Customer) -> None:
    id = make_opening(acme, "4713", "10", id=UUID(int=7))
    transaction(voids.void_invoice, id, "Wrong", "pending", SYSTEM, NOW)
    assert make_opening(acme, "4713", "10", id=id) == id


def test_a_number_is_recorded_once(session: Session, acme: Customer) -> None:
    globex = make_customer(reference="GLOBEX")
    issued = make_invoice(globex)
    assert refused(session, Conflict, make_opening, acme, "4711", "1") == ("opening_recorded", ("number",))
    assert refused(session, Conflict, make_opening, acme, "G-3", "-1") == ("opening_recorded", ("number",))
    assert refused(session, Conflict, make_opening, acme, "4711", "-1") == ("opening_recorded", ("number",))
    assert refused(session, Conflict, make_opening, globex, "4711", "1") == ("number_taken", ("number",))
    assert refused(session, Conflict, make_opening, acme, issued.number, "1") == ("number_taken", ("number",))
    make_opening(globex, "G-3", "-1")  # another customer's credit


def test_a_number_that_a_document_here_will_get_is_refused(session: Session, acme: Customer) -> None:
    make_invoice(acme)
    assert refused(session, Conflict, make_opening, acme, "INV-2026-00002", "1") == ("number_reserved", ("number",))
    assert refused(session, Conflict, make_opening, acme, "CN-2027-00001", "1") == ("number_reserved", ("number",))
    make_opening(acme, "INV-26-00002", "1")
    assert make_invoice(acme).number == "INV-2026-00002"


def test_days_and_names_are_checked(session: Session, acme: Customer) -> None:
    assert refused(session, Invalid, make_opening, "NOBODY", "1", "1") == ("unknown_customer", ("customer",))
    future = TODAY + timedelta(days=1)
    assert refused(session, Invalid, make_opening, acme, "1", "1", opened_on=future) == (
        "in_the_future",
        ("opened_on",),
    )
    assert refused(session, Invalid, make_opening, acme, "1", "1", original_date=TODAY) == (
        "after_cut_over",
        ("original_date",),
    )
    assert refused(session, Invalid, make_opening, acme, "1", "1.005") == ("too_precise", ("open_amount",))
    assert refused(session, Invalid, make_opening, acme, "1", "1", currency="XAU")[1] == ("currency",)
    assert refused(session, Invalid, make_opening, acme, "1", "1", currency="CHE") == ("unit_of_account", ("currency",))
    transaction(set_period_lock, MARCH_END, "", SYSTEM, NOW)
    assert refused(session, Invalid, make_opening, acme, "1", "1") == ("period_locked", ("opened_on",))


def test_the_cut_over_day_is_asked_for_once(session: Session) -> None:
    customer = make_customer(reference="ACME")
    assert refused(session, Invalid, make_opening, customer, "1", "1", opened_on=None) == (
        "cut_over_missing",
        ("opened_on",),
    )
    make_opening(customer, "1", "1")
    make_opening(customer, "2", "1", opened_on=None)
    assert stored(session, "2").issue_date == MARCH_END


def test_it_is_no_document_of_this_application(session: Session, acme: Customer) -> None:
    invoice, filters = stored(session, "4711"), InvoiceFilter(TODAY)
    assert (issued_ids(session, filters), count_issued(session, filters), unsent_ids(session, filters)) == ([], 0, [])
    assert [facts.is_opening for facts in load_sending_facts(session, [invoice.id])] == [True]
    note = CreditSpec("Wrong", exact_decimal("1"), (), None, None)
    assert refused(session, Conflict, transaction, credit_notes.credit_invoice, invoice.id, note, SYSTEM, NOW) == (
        "is_opening",
        (),
    )
    assert [(row.kind, row.invoices, row.total, row.balance) for row in invoice_sums(session, filters)] == [
        ("opening_invoice", 2, 15000, 15000)
    ]


def test_it_is_reminded_with_the_date_of_the_earlier_system(session: Session, acme: Customer) -> None:
    accounts = load_reminded_accounts(session, TODAY)
    assert [(row.number, row.issue_date, row.open_amount) for row in accounts[0].invoices] == [
        ("4711", MARCH_10, 10000)
    ]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("opening_number", "UPDATE payments SET reference = '4711' WHERE method = 'opening_credit'"),
        ("opening_invoice", "UPDATE invoices SET original_date = '2026-04-01' WHERE number = '4711'"),
        ("opening_invoice", "UPDATE invoices SET net = 9900, tax = 100 WHERE number = '4711'"),
    ],
)
def test_doctor_names_what_contradicts_an_opening_balance(
    session: Session, acme: Customer, check: str, change: str
) -> None:
    session.rollback()
    transaction(_break, change)
    session.rollback()
    assert check in {result.check.name for result in run_checks(session, NOW) if result.count}


def _break(session: Session, change: str) -> None:
    without_triggers(session.connection())
    session.execute(text(change))


def test_doctor_compares_the_totals_with_the_journal(
    session: Session, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_sound(session)
    monkeypatch.setattr("billing_admin.queries.opening_totals.opening_balances", lambda _session: {("ACME", "USD"): 1})
    (result,) = [result for result in run_checks(session, NOW) if result.count]
    assert (result.check.name, [finding.id for finding in result.rows]) == ("opening_total", ["ACME USD"])
    assert "add up to 130.00 USD, but the journal has 0.01 USD" in result.rows[0].problem


def test_an_unknown_opening_balance_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        opening_balance(session, UUID(int=1))

"""Many processes at the same moment, and processes killed in the middle: all or nothing, each once, no gap."""

import random
import time
from collections import Counter
from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.models import Account, AuditEvent, BillingRun, BillingRunItem, Charge, Customer, Invoice
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.queries.billing.runs import left_out_of_run
from billing_admin.queries.doctor import run_checks
from tests.books import assert_books_balance
from tests.faults import worker
from tests.levels import rounds
from tests.making import MARCH_END, all_invoices, make_customer, make_invoice, make_service, make_spec, post

pytestmark = pytest.mark.fault

A = UUID(int=0xA)


@pytest.fixture
def url(app: Flask, session: Session) -> str:
    """Where the processes find the test's database."""
    return str(app.extensions["billing_settings"].database_url)


def customers_with_charges(customers: int, charges: int) -> list[Customer]:
    """Customers, each with a few charges of a shared service and one that stands alone."""
    service = make_service()
    people = [make_customer(reference=f"P-{number:03d}") for number in range(customers)]
    post(
        *(
            make_spec(person, service=service, quantity=f"{n}.001", description=f"Part {n}")
            for person in people
            for n in range(1, charges)
        ),
        *(make_spec(person, "0.005") for person in people),
    )
    return people


def assert_each_charge_is_billed_once(session: Session, customers: int) -> None:
    """Every charge on a line, one invoice a customer, numbers without a gap."""
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []
    assert set(session.scalars(select(Charge.status))) == {"billed"}
    made = all_invoices()
    assert sorted(invoice.sequence or 0 for invoice in made) == list(range(1, customers + 1))
    assert len({invoice.customer_id for invoice in made}) == customers


def test_eight_processes_post_the_same_id_and_one_stores_it(session: Session, url: str) -> None:
    spec = make_spec(make_customer(), "2.50", id=A)
    answers = worker.race(url, *[(worker.post, [spec])] * 8)
    assert Counter(answers) == {(1, 0): 1, (0, 1): 7}
    assert session.scalars(select(Charge.id)).all() == [A]
    posted = select(func.count()).where(AuditEvent.action == "charge.posted")
    assert session.scalar(posted) == 1
    assert_books_balance(session)


def test_eight_processes_post_overlapping_batches_and_each_charge_is_stored_once(session: Session, url: str) -> None:
    customer, service = make_customer(), make_service()
    specs = [make_spec(customer, service=service, quantity=str(n + 1), id=UUID(int=n + 1)) for n in range(100)]
    shuffled = [random.Random(n).sample(specs, 60) for n in range(8)]
    answers = worker.race(url, *[(worker.post, batch) for batch in shuffled])
    sent = {spec.id for batch in shuffled for spec in batch}
    assert sum(created for created, _ in answers) == len(sent)
    assert set(session.scalars(select(Charge.id))) == sent
    assert_books_balance(session)


def test_of_eight_look_alikes_posted_at_once_seven_are_marked(session: Session, url: str) -> None:
    spec = make_spec(make_customer(), "2.50")
    assert worker.race(url, *[(worker.post, [spec])] * 8) == [(1, 0)] * 8
    originals = session.scalars(select(Charge.id).where(Charge.duplicate_of_id.is_(None))).all()
    assert len(originals) == 1


def test_eight_first_charges_in_a_currency_open_one_account(session: Session, url: str) -> None:
    customer = make_customer(currency="USD")
    specs = [make_spec(customer, str(n + 1), currency="EUR") for n in range(8)]
    assert worker.race(url, *[(worker.post, [spec]) for spec in specs]) == [(1, 0)] * 8
    account = session.scalars(select(Account).where(Account.currency == "EUR")).one()
    assert (account.pending_charges, account.pending_amount) == (8, Decimal(36))
    assert_books_balance(session)


def test_four_billing_runs_at_once_bill_each_charge_once(session: Session, url: str) -> None:
    customers_with_charges(20, 5)
    worker.race(url, *[(worker.bill, RunSpec(MARCH_END, issue=True), 3)] * 4)
    assert_each_charge_is_billed_once(session, 20)
    assert set(session.scalars(select(BillingRun.state))) == {"done"}
    assert set(session.scalars(select(BillingRunItem.state))) == {"billed"}


def test_four_workers_share_one_billing_run(session: Session, url: str) -> None:
    customers_with_charges(20, 5)
    assert worker.race(url, *[(worker.bill, RunSpec(MARCH_END, issue=True, id=A), 3)] * 4) == [A] * 4
    assert_each_charge_is_billed_once(session, 20)
    assert session.execute(select(BillingRun.id, BillingRun.state)).all() == [(A, "done")]


def test_two_processes_share_a_run_and_each_bills_a_part_of_it(session: Session, url: str, backend: str) -> None:
    customers_with_charges(60, 3)
    spec = RunSpec(MARCH_END, issue=True, id=A)
    first, second = worker.race(url, *[(worker.bill_and_count, spec, 1)] * 2)
    assert first + second == 60
    assert backend == "sqlite" or min(first, second) > 0
    assert_each_charge_is_billed_once(session, 60)
    assert session.execute(select(BillingRun.id, BillingRun.state)).all() == [(A, "done")]


def test_processes_that_share_a_run_leave_out_reverse_charge_without_a_tax_id(session: Session, url: str) -> None:
    for number in range(30):
        tax_id = f"66-{number}" if number % 3 else " "
        post(make_spec(make_customer(reference=f"P-{number:02d}", tax_treatment="reverse_charge", tax_id=tax_id), "5"))
    worker.race(url, *[(worker.bill, RunSpec(MARCH_END, issue=True, id=A), 2)] * 2)
    session.rollback()
    assert [(row.reference, row.reason) for row in left_out_of_run(session, A)] == [
        (f"P-{number:02d}", "customer_tax_id_missing") for number in range(0, 30, 3)
    ]
    billed = sorted(invoice.customer_reference for invoice in all_invoices())
    assert billed == [f"P-{number:02d}" for number in range(30) if number % 3]
    assert session.get_one(BillingRun, A).state == "done"
    assert_books_balance(session)


@pytest.mark.deep
@pytest.mark.quick_cases("postgresql")
def test_a_process_that_is_killed_again_and_again_leaves_its_accounts_to_the_other(session: Session, url: str) -> None:
    customers_with_charges(200, 3)
    chance = random.Random(11)
    spec = RunSpec(MARCH_END, issue=True, id=A)
    survivor = worker.start(url, worker.bill, spec, 1)
    killed = 0
    while survivor.is_alive():
        killed += worker.kill_during(url, lambda: time.sleep(chance.uniform(0, 0.2)), worker.bill, spec, 1)
    assert survivor.exitcode == 0
    assert killed >= 3, "the run was over too soon to be killed often enough"
    assert_each_charge_is_billed_once(session, 200)
    assert session.execute(select(BillingRun.id, BillingRun.state)).all() == [(A, "done")]


def test_charges_posted_while_billing_runs_are_billed_or_pending(session: Session, url: str) -> None:
    people = customers_with_charges(4, 5)
    specs = [
        [make_spec(random.Random(n).choice(people), f"{n + 1}.{poster}") for n in range(25)] for poster in range(3)
    ]
    runs = [RunSpec(MARCH_END, issue=True), RunSpec(MARCH_END, issue=True)]
    answers = worker.race(
        url, *[(worker.post_one_by_one, batch) for batch in specs], *[(worker.bill, spec, 1) for spec in runs]
    )
    assert answers[:3] == [25] * 3
    assert session.scalar(select(func.count()).select_from(Charge)) == 4 * 5 + 75
    assert_books_balance(session)


@pytest.mark.deep
def test_a_run_killed_twenty_times_bills_each_charge_once(session: Session, url: str) -> None:
    customers_with_charges(100, 4)
    chance = random.Random(7)
    spec = RunSpec(MARCH_END, issue=True, id=A)
    killed = [
        worker.kill_during(url, lambda: time.sleep(chance.uniform(0, 0.04)), worker.bill, spec, 1) for _ in range(20)
    ]
    assert sum(killed) >= 5, "the run was over too soon to be killed often enough"
    assert_books_balance(session)
    assert worker.race(url, (worker.bill, spec, 50)) == [A]
    assert_each_charge_is_billed_once(session, 100)
    assert session.execute(select(BillingRun.id, BillingRun.state)).all() == [(A, "done")]


@pytest.mark.deep
def test_a_posting_killed_at_random_is_stored_whole_or_not_at_all(session: Session, url: str) -> None:
    customer = make_customer()
    chance = random.Random(8)
    for round_number in range(10):
        specs = [
            make_spec(customer, str(n + 1), id=UUID(int=round_number * 1000 + n + 1), description=f"{round_number}")
            for n in range(500)
        ]
        worker.kill_during(url, lambda: time.sleep(chance.uniform(0, 0.06)), worker.post, specs)
        session.rollback()
        assert session.scalar(select(func.count()).select_from(Charge)) in {
            round_number * 500,
            (round_number + 1) * 500,
        }
        assert sum(worker.race(url, (worker.post, specs))[0]) == 500
    assert_books_balance(session)


def test_eight_processes_issue_one_draft_and_it_gets_one_number(session: Session, url: str) -> None:
    draft = make_invoice(issue=False)
    assert Counter(worker.race(url, *[(worker.issue, draft.id)] * 8)) == {True: 1, False: 7}
    assert [invoice.number for invoice in all_invoices()] == ["INV-2026-00001"]
    assert_books_balance(session)


def test_eight_drafts_issued_at_once_in_a_new_year_count_without_a_gap(session: Session, url: str) -> None:
    drafts = [make_invoice(issue=False).id for _ in range(8)]
    assert worker.race(url, *[(worker.issue, draft) for draft in drafts]) == [True] * 8
    assert [invoice.sequence for invoice in all_invoices()] == list(range(1, 9))
    assert_books_balance(session)


def test_transactions_that_deadlock_are_tried_again_and_both_end_well(session: Session, url: str, backend: str) -> None:
    one, two = make_customer(), make_customer()
    meeting = worker.PROCESSES.Barrier(2)
    attempts = worker.race(url, (worker.cross, one.id, two.id, meeting), (worker.cross, two.id, one.id, meeting))
    assert sorted(attempts) == ([1, 2] if backend == "postgresql" else [1, 1])
    session.rollback()
    assert session.scalars(select(Account.held_charges)).all() == [2, 2]
    transaction(lambda work: work.connection().execute(update(Account).values(held_charges=0)))
    assert session.scalars(select(Invoice)).all() == []


ROUNDS = 5


@pytest.mark.parametrize("round", rounds(ROUNDS))
def test_eight_credits_at_once_never_exceed_the_invoice(session: Session, url: str, round: int) -> None:
    invoice = make_invoice(amount="10")
    answers = worker.race(url, *[(worker.correct, invoice.id, "credit", "3")] * 8)
    assert Counter(answers) == {"done": 3, "above_remaining": 5}
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []


@pytest.mark.parametrize("round", rounds(ROUNDS))
def test_of_racing_voids_credits_and_payments_one_kind_wins(session: Session, url: str, round: int) -> None:
    invoice = make_invoice(amount="10")
    acts = ["void", "credit", "pay", "issue"] * 2
    answers = dict(
        zip(range(8), worker.race(url, *[(worker.correct, invoice.id, act, "4") for act in acts]), strict=True)
    )
    [after] = [one for one in all_invoices() if one.id == invoice.id]
    done = {acts[place] for place, answer in answers.items() if answer == "done"}
    if after.status == "void":
        assert done == {"void"}
        assert (after.paid, after.credited) == (0, 0)
    else:
        assert done
        assert done <= {"credit", "pay"}
        assert 0 < after.paid + after.credited <= after.total
    known = {
        "done",
        "nothing",
        "already_void",
        "has_payments_or_credits",
        "above_remaining",
        "above_balance",
        "not_issued",
    }
    assert set(answers.values()) <= known
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []


def test_a_draft_is_issued_once_and_credited_only_afterwards(session: Session, url: str) -> None:
    draft = make_invoice(amount="10", issue=False)
    answers = worker.race(url, *[(worker.correct, draft.id, act, "1") for act in ["issue", "credit"] * 4])
    assert Counter(answers[::2])["done"] == 1
    assert set(answers[1::2]) <= {"is_draft", "done"}
    assert_books_balance(session)

"""Due recurring charges in billing runs: previewed, confirmed, posted once, by a run, by workers, or by both."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.background.recurring_charges import post_due
from billing_admin.db.engine import db
from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.domain.money import exact_decimal, plain_decimal
from billing_admin.domain.prices import PriceSpec
from billing_admin.domain.recurring_charges import RecurringChargeSpec, charge_id
from billing_admin.models import AuditEvent, Charge, Invoice, RecurringPosting
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import recurring_charges, recurring_posting
from billing_admin.operations.master_data import services
from billing_admin.queries.billing.preview import Preview
from billing_admin.queries.billing.runs import left_out_of_run, run_report
from billing_admin.queries.charges.recurring_charges import posting_backlog
from tests.books import assert_books_balance, contents
from tests.making import (
    MARCH,
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_customer,
    make_service,
    make_spec,
    post,
)
from tests.prepared import prepared

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)
MARCH_FIRST, APRIL_FIRST = date(2026, 3, 1), date(2026, 4, 1)
RUN = RunSpec(MARCH_END, issue=True)


@pytest.fixture
@prepared
def hosting(session: Session) -> Session:
    """ACME in USD, FOO in EUR, and Hosting at 31 a month in both."""
    make_customer(reference="ACME")
    make_customer(reference="FOO", currency="EUR")
    make_service(code="Hosting", prices={code: exact_decimal("31") for code in ("USD", "EUR")})
    return session


def agree(id: UUID = A, **fields: Any) -> None:
    given: dict[str, Any] = {"customer": "ACME", "service": "Hosting", "interval": "monthly", "starts_on": MARCH_FIRST}
    transaction(recurring_charges.create, RecurringChargeSpec(**(given | fields), id=id), SYSTEM, NOW)


def shown(spec: RunSpec = RUN) -> Preview:
    db.session.rollback()
    return runs.preview_run(dry_run, db.session(), spec, SYSTEM, NOW)


def due(preview: Preview) -> list[tuple[str, date, str]]:
    return [
        (row.charge.customer_reference, row.charge.incurred_on, plain_decimal(row.charge.amount)) for row in preview.due
    ]


def billed() -> list[tuple[str, int, int]]:
    """The invoices: customer, number of charges, total."""
    return [
        (invoice.customer_reference, sum(line.charges for line in invoice.lines), invoice.total)
        for invoice in all_invoices()
    ]


def posted(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(RecurringPosting)) or 0


def test_the_preview_includes_due_charges_and_writes_nothing(hosting: Session) -> None:
    post(make_spec("ACME", "10"))
    agree()
    agree(B, customer="FOO", starts_on=date(2026, 3, 16))
    before = contents(hosting)
    preview = shown()
    assert due(preview) == [("ACME", MARCH_FIRST, "31"), ("FOO", date(2026, 3, 16), "31")]
    assert [(one.reference, one.document.charges, one.document.total) for one in preview.documents] == [
        ("ACME", 2, 4100),
        ("FOO", 1, 3100),
    ]
    assert [(sum.currency, sum.charges) for sum in preview.due_sums] == [("EUR", 1), ("USD", 1)]
    assert contents(hosting) == before


def test_a_confirmed_run_posts_and_bills_exactly_the_due_charges_of_its_preview(hosting: Session) -> None:
    post(make_spec("ACME", "10"))
    agree()
    agree(B, customer="FOO")
    preview = shown()
    run_id = bill(confirmed=preview.digest)
    assert billed() == [("ACME", 2, 4100), ("FOO", 1, 3100)]
    report = run_report(hosting, run_id)
    assert (report.run.state, report.invoices, report.charges) == ("done", 2, preview.charges)
    assert (report.totals, left_out_of_run(hosting, run_id)) == (preview.totals, preview.left_out)
    assert due(shown()) == []
    assert_books_balance(hosting)


def test_a_run_without_a_preview_posts_due_charges_too(hosting: Session) -> None:
    agree()
    bill()
    assert billed() == [("ACME", 1, 3100)]
    bill()
    assert (len(all_invoices()), posted(hosting)) == (1, 1)


def test_a_preview_stays_confirmed_when_a_worker_posts_its_due_charges_first(hosting: Session) -> None:
    agree()
    preview = shown(RunSpec(NOW.date(), issue=True))
    transaction(recurring_posting.post_due_charges, [A], NOW.date(), SYSTEM, NOW)
    bill(NOW.date(), confirmed=preview.digest)
    assert billed() == [("ACME", 2, 6200)]


def test_a_recurring_charge_that_changes_after_the_preview_shows_it_again(hosting: Session) -> None:
    agree()
    preview = shown()
    agree(B, description="Backup")
    with pytest.raises(Conflict, match="Review the new preview") as refusal:
        bill(confirmed=preview.digest)
    assert refusal.value.code == "preview_changed"
    assert (billed(), posted(hosting)) == ([], 0)


def test_a_refused_run_posts_nothing(hosting: Session) -> None:
    agree()
    with pytest.raises(Conflict):
        bill(confirmed="0" * 64)
    assert posted(hosting) == 0


def test_only_due_charges_of_the_runs_customers_and_currency_are_posted(hosting: Session) -> None:
    agree()
    agree(B, customer="FOO")
    agree(C, currency="EUR")
    for spec, expected in (
        (RunSpec(MARCH_END, currency="EUR"), ["ACME", "FOO"]),
        (RunSpec(MARCH_END, customers=("ACME",)), ["ACME", "ACME"]),
        (RunSpec(MARCH_END, customers=("FOO",), currency="USD"), []),
    ):
        assert [row.charge.customer_reference for row in shown(spec).due] == expected
    transaction(runs.start, RunSpec(MARCH_END, customers=("ACME",), currency="USD"), SYSTEM, NOW)
    assert posted(hosting) == 1


@pytest.mark.parametrize(
    ("through", "days"),
    [
        (date(2026, 2, 28), []),
        (MARCH_END, [MARCH_FIRST]),
        (APRIL_FIRST, [MARCH_FIRST, APRIL_FIRST]),
        (date(2026, 12, 31), [MARCH_FIRST, APRIL_FIRST]),
    ],
)
def test_a_period_is_due_up_to_the_cut_off_day_and_not_after_today(
    hosting: Session, through: date, days: Sequence[date]
) -> None:
    agree()
    assert [row.charge.incurred_on for row in shown(RunSpec(through)).due] == days


def test_a_killed_run_goes_on_with_the_charges_that_it_posted(
    hosting: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 1)
    agree()
    agree(B, customer="FOO")
    spec = RunSpec(MARCH_END, issue=True, confirmed=shown().digest, id=C)
    transaction(runs.start, spec, SYSTEM, NOW)
    transaction(chunks.bill_chunk, C, SYSTEM, NOW)
    assert (len(billed()), posted(hosting)) == (1, 2)
    runs.run_billing(transaction, spec, SYSTEM, NOW + timedelta(days=40))
    assert billed() == [("ACME", 1, 3100), ("FOO", 1, 3100)]
    assert_books_balance(hosting)


def test_a_refused_recurring_charge_is_named_with_the_reason_and_stops_no_other(hosting: Session) -> None:
    backup = make_service(code="Backup", prices={"USD": exact_decimal("1")})
    agree()
    agree(B, service="Backup", description="Backup plan")
    transaction(services.archive, backup.id, SYSTEM, NOW)
    preview = shown()
    assert due(preview) == [("ACME", MARCH_FIRST, "31")]
    [(row, reason)] = preview.refused
    assert (row.id, row.description) == (B, "Backup plan")
    assert reason == "Service “Backup” is archived: restore it first."
    bill(confirmed=preview.digest)
    assert billed() == [("ACME", 1, 3100)]


def test_a_partial_period_whose_amount_is_too_large_is_named_and_stops_no_other(hosting: Session) -> None:
    backup = make_service(code="Backup", prices={"USD": exact_decimal("1")})
    agree()
    agree(B, service="Backup", quantity=exact_decimal("1" + "0" * 17), ends_on=date(2026, 3, 20))
    transaction(services.set_price, backup.id, PriceSpec("USD", exact_decimal("100"), MARCH_FIRST), None, SYSTEM, NOW)
    preview = shown()
    assert due(preview) == [("ACME", MARCH_FIRST, "31")]
    assert [(row.id, reason) for row, reason in preview.refused] == [
        (B, "Quantity times price has more than 18 digits before the point.")
    ]


def test_due_charges_that_make_no_invoice_are_posted_and_left_out(hosting: Session) -> None:
    post(make_spec("ACME", "-40"))
    agree()
    preview = shown()
    run_id = bill(confirmed=preview.digest)
    assert left_out_of_run(hosting, run_id) == preview.left_out
    assert [(row.charges, plain_decimal(row.amount), row.reason) for row in preview.left_out] == [
        (2, "-9", "negative_total")
    ]
    assert posted(hosting) == 1


def test_due_charges_that_look_alike_are_held_with_the_others(hosting: Session) -> None:
    post(make_spec("ACME", "5"), make_spec("ACME", "5"))
    agree()
    agree(B)
    [account] = shown().duplicates
    assert account.ids[-1] == charge_id(B, MARCH_FIRST)
    assert transaction(runs.hold_duplicates, RUN, SYSTEM, NOW) == 2
    assert (shown().duplicates, [one.document.charges for one in shown().documents]) == ([], [2])


def test_alike_due_charges_are_held_where_the_organisation_chose_that(hosting: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    agree()
    agree(B)
    preview = shown()
    assert sorted(row.charge.status for row in preview.due) == ["held", "pending"]
    assert [(row.charges, row.reason) for row in preview.left_out] == [(1, "held")]
    run_id = bill(confirmed=preview.digest)
    assert (billed(), left_out_of_run(hosting, run_id)) == ([("ACME", 1, 3100)], preview.left_out)


def test_the_posting_is_in_the_audit_log_of_the_person_who_confirmed(hosting: Session) -> None:
    agree()
    bill()
    hosting.rollback()
    [event] = hosting.scalars(select(AuditEvent).where(AuditEvent.action == "charge.posted"))
    assert (event.object_id, event.actor_name) == (charge_id(A, MARCH_FIRST), SYSTEM.name)


def test_posting_is_behind_if_a_period_of_an_earlier_day_is_not_posted(hosting: Session) -> None:
    agree(starts_on=MARCH)
    agree(B, starts_on=NOW.date())
    assert posting_backlog(hosting, MARCH) is None
    backlog = posting_backlog(hosting, NOW.date())
    assert backlog is not None
    assert (backlog.recurring_charges, backlog.since) == (1, MARCH)
    bill()
    assert posting_backlog(hosting, NOW.date()) is None


def test_workers_post_what_is_due_once_whatever_their_number(
    app: Flask, hosting: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    for number in range(1, 6):
        agree(UUID(int=number), description=f"Plan {number}")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(post_due, [app] * 3))
    assert posted(hosting) == 10
    post_due(app)
    assert (posted(hosting), hosting.scalar(select(func.count()).select_from(Charge))) == (10, 10)
    assert_books_balance(hosting)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schedules=st.lists(
        st.tuples(
            st.sampled_from(["ACME", "FOO"]),
            st.sampled_from(["USD", "EUR"]),
            st.sampled_from(["1", "0.333", "-2"]),
            st.sampled_from([None, "9.99", "0.0000008"]),
            st.dates(date(2026, 1, 1), date(2026, 4, 2)),
        ),
        max_size=4,
    )
)
def test_a_run_makes_what_its_preview_shows_of_any_schedules(hosting: Session, schedules: Sequence[Any]) -> None:
    for customer, currency, quantity, price, day in schedules:
        spec = RecurringChargeSpec(
            customer, "Hosting", "monthly", day, quantity=exact_decimal(quantity), currency=currency,
            unit_price=None if price is None else exact_decimal(price), anchor_on=date(2026, 1, 1),
        )  # fmt: skip
        transaction(recurring_charges.create, spec, SYSTEM, NOW)
    preview = shown(RunSpec(NOW.date()))
    run_id = bill(NOW.date(), confirmed=preview.digest)
    hosting.rollback()
    documents = hosting.scalars(select(Invoice).where(Invoice.run_id == run_id))
    assert sorted((invoice.customer_reference, invoice.currency, invoice.total) for invoice in documents) == [
        (one.reference, one.document.currency, one.document.total) for one in preview.documents
    ]
    assert left_out_of_run(hosting, run_id) == preview.left_out

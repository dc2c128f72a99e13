"""No document is dated after today, where the organisation is; and what is dated there already does not stop billing for good."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.models import AuditEvent, BillingRun, Invoice, NumberSeries
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.invoices import credit_notes, invoices
from billing_admin.operations.master_data import periods
from billing_admin.operations.payments import payments
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.invoices.invoices import invoice as find_invoice
from billing_admin.queries.invoices.numbers import all_series, next_number
from billing_admin.queries.payments.receivables import booked_balances
from tests.books import assert_books_balance, contents
from tests.making import (
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_spec,
    pay,
    post,
    void,
)

TODAY, TOMORROW = date(2026, 4, 2), date(2026, 4, 3)
LATER = NOW + timedelta(days=240)  # a clock that was wrong, or a day that was mistyped before this was refused
MISTYPED = LATER.date()


def stored(invoice: Invoice) -> Invoice:
    return next(one for one in all_invoices() if one.id == invoice.id)


def findings(session: Session, now: datetime = NOW) -> list[tuple[str, str]]:
    session.rollback()
    session.expire_all()
    return [(result.check.name, row.problem) for result in run_checks(session, now) for row in result.rows]


@pytest.mark.parametrize("day", [TOMORROW, date(2026, 5, 2), date(2199, 4, 2)])
def test_a_document_dated_in_the_future_is_refused_by_every_operation(session: Session, day: date) -> None:
    customer = make_customer()
    draft, issued = make_invoice(customer, issue=False), make_invoice(customer)
    paid = pay(make_payment_spec(customer, "1"))
    post(make_spec(customer, "5"))
    run = RunSpec(MARCH_END, issue=True, issue_date=day)
    acts: dict[str, Callable[[], object]] = {
        "run": lambda: runs.run_billing(transaction, run, SYSTEM, NOW),
        "background run": lambda: transaction(runs.start_in_background, run, SYSTEM, NOW),
        "preview": lambda: runs.resolve_scope(session, run, NOW),
        "run of drafts": lambda: bill(issue=False, issue_date=day),
        "issue": lambda: transaction(invoices.issue, draft.id, day, SYSTEM, NOW),
        "issue many": lambda: transaction(invoices.issue_many, [draft.id], day, SYSTEM, NOW),
        "credit": lambda: credit(issued, "1", issue_date=day),
        "credit preview": lambda: credit_notes.resolve_credit_note_date(session, str(issued.number), TODAY, day, NOW),
    }
    before = contents(session)
    for name, act in acts.items():
        with pytest.raises(Invalid) as refused:
            act()
        assert (refused.value.code, refused.value.field) == ("in_the_future", ("issue_date",)), name
        assert "2026-04-02 (today)" in refused.value.message
        assert contents(session) == before, name
    money: dict[str, Callable[[], object]] = {
        "received_on": lambda: pay(make_payment_spec(customer, "1", received_on=day)),
        "reversed_on": lambda: transaction(payments.reverse, paid, "Bounced", day, SYSTEM, NOW),
    }
    for field, act in money.items():
        with pytest.raises(Invalid) as refused:
            act()
        assert (refused.value.code, refused.value.field) == ("in_the_future", (field,))
        assert contents(session) == before, field


def test_today_itself_is_accepted_by_every_operation(session: Session) -> None:
    customer = make_customer()
    drafts = [make_invoice(customer, issue=False) for _ in range(2)]
    transaction(invoices.issue, drafts[0].id, TODAY, SYSTEM, NOW)
    transaction(invoices.issue_many, [drafts[1].id], TODAY, SYSTEM, NOW)
    post(make_spec(customer, "5"))
    bill(issue_date=TODAY)
    credit(stored(drafts[0]), "1", issue_date=TODAY)
    assert {one.issue_date for one in all_invoices()} == {TODAY}
    assert_books_balance(session)


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("UTC", "2026-04-02T23:59:59+00:00", TODAY),
        ("UTC", "2026-04-03T00:00:00+00:00", TOMORROW),
        ("Pacific/Kiritimati", "2026-04-02T09:59:59+00:00", TODAY),
        ("Pacific/Kiritimati", "2026-04-02T10:00:00+00:00", TOMORROW),
        ("Pacific/Pago_Pago", "2026-04-03T10:59:59+00:00", TODAY),
        ("Pacific/Pago_Pago", "2026-04-03T11:00:00+00:00", TOMORROW),
    ],
)
def test_today_is_the_organisations_day_around_midnight(session: Session, zone: str, now: str, today: date) -> None:
    change_settings(time_zone=zone)
    at = datetime.fromisoformat(now)
    first, second = (make_invoice(make_customer(), issue=False) for _ in range(2))
    with pytest.raises(Invalid, match=today.isoformat()) as refused:
        transaction(invoices.issue, first.id, today + timedelta(days=1), SYSTEM, at)
    assert refused.value.code == "in_the_future"
    assert transaction(invoices.issue, first.id, None, SYSTEM, at)
    assert transaction(invoices.issue, second.id, today, SYSTEM, at)
    assert {one.issue_date for one in all_invoices()} == {today}
    assert findings(session, at) == []


def test_a_day_is_accepted_by_preview_and_issue_alike(session: Session) -> None:
    """After the lock, up to today, and not before the last document of its series: each day is tried."""
    make_invoice(now=NOW - timedelta(days=4))
    transaction(periods.set_period_lock, TODAY - timedelta(days=6), "", SYSTEM, NOW)
    accepted = []
    for days in range(-9, 4):
        day, draft = TODAY + timedelta(days), make_invoice(make_customer(), issue=False)
        outcomes = []
        for act in (
            lambda day=day: runs.resolve_scope(session, RunSpec(MARCH_END, issue=True, issue_date=day), NOW),
            lambda day=day, draft=draft: transaction(invoices.issue, draft.id, day, SYSTEM, NOW),
        ):
            session.rollback()
            try:
                act()
                outcomes.append("")
            except Invalid as refusal:
                outcomes.append(refusal.code)
        assert len(set(outcomes)) == 1, (day, outcomes)
        if not outcomes[0]:
            accepted.append(days)
    assert accepted == [-4, -3, -2, -1, 0]


# --- a database that holds documents dated in the future -------------------------------------------------------------


def test_a_void_of_an_invoice_dated_in_the_future_counts_from_its_own_issue_date(session: Session) -> None:
    ahead, usual = make_invoice(now=LATER), make_invoice(make_customer(), now=LATER)
    void(ahead)
    void(usual, now=LATER + timedelta(days=1))
    assert stored(ahead).voided_on == MISTYPED
    assert stored(usual).voided_on == MISTYPED + timedelta(days=1)
    for days in (-1, 0, 1):
        session.rollback()
        assert booked_balances(session, MISTYPED + timedelta(days)).get((ahead.customer_id, "USD"), 0) == 0
    assert_books_balance(session)


def test_a_void_dated_in_the_future_is_possible_while_today_is_locked(session: Session) -> None:
    ahead, usual = make_invoice(now=LATER), make_invoice(make_customer(), issue=False)
    transaction(periods.set_period_lock, TODAY, "", SYSTEM, NOW)
    void(ahead)
    assert stored(ahead).voided_on == MISTYPED
    transaction(periods.set_period_lock, None, "Go on", SYSTEM, NOW)
    assert stored(usual).status == "draft"


def test_an_invoice_dated_in_the_future_is_neither_credited_nor_written_off_before_its_day(session: Session) -> None:
    ahead = make_invoice(now=LATER)
    acts: dict[str, Callable[[], object]] = {
        "issue_date": lambda: credit(ahead, "1"),
        "amount": lambda: transaction(payments.write_off, ahead.id, Decimal(10), "Bad debt", None, SYSTEM, NOW),
    }
    for field, act in acts.items():
        with pytest.raises(Invalid) as refused:
            act()
        assert (refused.value.code, refused.value.field) == ("before_invoice", (field,))
        assert "Void it instead" in refused.value.message
    assert credit(ahead, "1", now=LATER).issue_date == MISTYPED


def test_a_paid_invoice_dated_in_the_future_is_void_once_the_payment_is_taken_back(session: Session) -> None:
    ahead = make_invoice(now=LATER)
    paid = pay(make_payment_spec(session.get_one(Invoice, ahead.id).customer_reference, "10"))
    with pytest.raises(Conflict):
        void(ahead)
    transaction(payments.reverse, paid, "Void the invoice", None, SYSTEM, NOW)
    void(ahead)
    assert stored(ahead).status == "void"
    assert_books_balance(session)


def test_what_a_document_dated_in_the_future_blocks_says_so_and_voiding_it_does_not_help(session: Session) -> None:
    ahead, draft = make_invoice(now=LATER), make_invoice(make_customer(), issue=False)
    void(ahead)
    for act in (
        lambda: transaction(invoices.issue, draft.id, None, SYSTEM, NOW),
        bill,
        lambda: runs.resolve_scope(session, RunSpec(MARCH_END, issue=True), NOW),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert (refused.value.code, refused.value.field) == ("before_last_issue", ("issue_date",))
        for words in (str(ahead.number), MISTYPED.isoformat(), "today (2026-04-02)", "begin a new number series"):
            assert words in refused.value.message
    assert findings(session) == [
        ("future_date", f"{ahead.number}, void: is dated 2026-11-28, after today (2026-04-02)"),
    ]


def test_another_number_format_begins_a_new_series_where_one_is_blocked(session: Session) -> None:
    ahead, draft = make_invoice(now=LATER), make_invoice(make_customer(), issue=False)
    change_settings(invoice_format="INVB-{year}-{number:5}")
    session.rollback()
    assert next_number(session, TODAY) == "INVB-2026-00001"
    assert transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    second = make_invoice(make_customer())
    assert [stored(one).number for one in (ahead, draft, second)] == [
        "INV-2026-00001",
        "INVB-2026-00001",
        "INVB-2026-00002",
    ]
    after = make_invoice(make_customer(), now=LATER + timedelta(days=2))
    next_year = make_invoice(make_customer(), now=datetime(2027, 1, 2, 9, tzinfo=UTC))
    assert (after.number, next_year.number) == ("INVB-2026-00003", "INVB-2027-00001")
    session.rollback()
    assert [(one.year, one.part, one.given, one.next_number) for one in all_series(session)] == [
        (2027, 1, 1, "INVB-2027-00002"),
        (2026, 2, 3, "INVB-2026-00004"),
        (2026, 1, 1, "INVB-2026-00004"),
    ]
    assert findings(session, datetime(2027, 1, 3, tzinfo=UTC)) == []
    assert_books_balance(session)
    event = session.scalars(
        select(AuditEvent).where(AuditEvent.action == "organisation.changed").order_by(AuditEvent.id.desc()).limit(1)
    ).one()
    assert event.details["new_invoice_series"] == "2026"


def test_credit_notes_have_a_way_out_of_their_own(session: Session) -> None:
    invoice = make_invoice(amount="100")
    credit(invoice, "1", now=LATER)
    with pytest.raises(Invalid, match="CN-2026-00001 is dated 2026-11-28") as refused:
        credit(invoice, "1")
    assert refused.value.code == "before_last_issue"
    change_settings(credit_note_format="CNB-{year}-{number:5}")
    assert credit(invoice, "1").number == "CNB-2026-00001"
    assert make_invoice(make_customer()).number == "INV-2026-00002"
    assert [check for check, _ in findings(session)] == ["future_date"]


def test_another_number_format_changes_no_series_that_can_go_on(session: Session) -> None:
    make_invoice()
    change_settings(invoice_format="RE-{year}-{number:5}", credit_note_format="GS-{year}-{number:5}")
    assert make_invoice(make_customer()).number == "RE-2026-00002"
    assert [(one.year, one.part) for one in session.scalars(select(NumberSeries))] == [(2026, 1)]


def test_a_number_that_the_ended_series_gave_out_is_not_given_out_again(session: Session) -> None:
    make_invoice(now=LATER)
    change_settings(invoice_format="X-{year}-{number:5}")
    change_settings(invoice_format="INV-{year}-{number:5}")
    draft = make_invoice(make_customer(), issue=False)
    with pytest.raises(Conflict) as refused:
        transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert refused.value.code == "number_taken"
    change_settings(invoice_format="INVC-{year}-{number:5}")
    assert transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert stored(draft).number == "INVC-2026-00001"


def test_a_stored_run_dated_in_the_future_fails_with_the_reason(session: Session) -> None:
    post(make_spec(make_customer(), "5"))
    run_id, _ = transaction(runs.start, RunSpec(MARCH_END, issue=True, issue_date=MISTYPED), SYSTEM, LATER)
    runs.bill_chunks(transaction, run_id, SYSTEM, NOW)
    session.rollback()
    run = session.get_one(BillingRun, run_id)
    assert (run.state, run.failure) == (
        "failed",
        "Use 2026-04-02 (today) or earlier: this day is in the future.",
    )
    assert all_invoices() == []
    bill()
    assert [one.issue_date for one in all_invoices()] == [TODAY]


def test_an_invoice_of_another_year_blocks_nothing_of_this_one(session: Session) -> None:
    far = datetime(2199, 11, 29, 9, tzinfo=UTC)
    ahead = make_invoice(now=far)
    assert make_invoice(make_customer()).number == "INV-2026-00001"
    void(ahead)
    session.rollback()
    assert find_invoice(session, str(ahead.id)).voided_on == far.date()
    with pytest.raises(DomainError):
        credit(ahead, "1")

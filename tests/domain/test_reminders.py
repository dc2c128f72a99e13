"""Reminders: levels, pauses, and the plan of a run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.messages import Recipient
from billing_admin.domain.reminders import (
    DEFAULT_LEVELS,
    REASONS,
    OverdueInvoice,
    Pause,
    RemindedAccount,
    ReminderLevel,
    ReminderPlan,
    check_levels,
    check_pause,
    count_by_level,
    daily_run_id,
    describe_reason,
    levels_from_json,
    levels_to_json,
    next_reminder,
    plan_reminders,
    skip_invoices,
)

DUE = date(2026, 3, 1)
DAY = timedelta(days=1)
ACCOUNTING = (Recipient("Accounting", "accounting@acme.example"),)


def make_invoice(
    due: date = DUE, amount: int = 100_00, number: str = "INV-2026-00001", **columns: Any
) -> OverdueInvoice:
    return OverdueInvoice(uuid4(), number, due - 30 * DAY, due, amount, **columns)


def make_account(*invoices: OverdueInvoice, **columns: Any) -> RemindedAccount:
    values = {"customer_id": uuid4(), "reference": "ACME", "name": "ACME Inc.", "currency": "EUR"}
    return RemindedAccount(**{**values, "invoices": invoices, "recipients": ACCOUNTING, **columns})


def plan(*accounts: RemindedAccount, days: int = 3, **options: Any) -> ReminderPlan:
    """Return the plan a number of days after `DUE`."""
    return plan_reminders(accounts, DEFAULT_LEVELS, DUE + days * DAY, **options)


def levels_of(plan: ReminderPlan) -> list[tuple[str, int]]:
    return [(item.invoice.number, item.level) for reminder in plan.reminders for item in reminder.items]


def reasons_of(plan: ReminderPlan) -> list[str]:
    return [row.reason for row in plan.left_out]


@pytest.mark.parametrize(
    ("level", "days", "expected"),
    [
        (0, 2, None),
        (0, 3, 1),
        (0, 60, 1),
        (1, 13, None),
        (1, 14, 2),
        (1, 60, 2),
        (2, 27, None),
        (2, 28, 3),
        (3, 99, None),
    ],
)
def test_a_level_is_due_some_days_after_the_due_date_and_none_is_skipped(
    level: int, days: int, expected: int | None
) -> None:
    planned = plan(make_account(make_invoice(level=level)), days=days)
    assert [item for _, item in levels_of(planned)] == ([] if expected is None else [expected])
    assert planned.left_out == ()


def test_a_customer_gets_one_message_for_each_currency() -> None:
    first, second = make_invoice(level=1), make_invoice(DUE + 5 * DAY, 50_00, "INV-2026-00002")
    young = make_invoice(DUE + 13 * DAY, 10_00, "INV-2026-00003")
    euros = make_account(first, second, young)
    dollars = replace(euros, currency="USD", invoices=[make_invoice(number="INV-2026-00004")])
    reminders = plan(dollars, euros, days=14).reminders
    assert [(reminder.account.currency, reminder.level, reminder.open_amount) for reminder in reminders] == [
        ("EUR", 2, 150_00),
        ("USD", 1, 100_00),
    ]
    assert levels_of(plan(euros, days=14)) == [("INV-2026-00001", 2), ("INV-2026-00002", 1)]
    assert [item.days_overdue for item in reminders[0].items] == [14, 9]
    assert reminders[0].days_overdue == 14
    assert count_by_level(plan(dollars, euros, days=14)) == {
        ("EUR", 1): (1, 50_00),
        ("EUR", 2): (1, 100_00),
        ("USD", 1): (1, 100_00),
    }


def test_the_letter_attaches_what_its_level_says() -> None:
    [reminder] = plan(make_account(make_invoice(level=2), make_invoice(number="B")), days=28).reminders
    assert reminder.settings is DEFAULT_LEVELS[2]
    assert reminder.settings.attaches_statement


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"is_archived": True}, "archived"),
        ({"pause": Pause(DUE + 3 * DAY, "Disputed")}, "customer_paused"),
        ({"has_unfinished": True}, "message_waiting"),
        ({"reminded_on": DUE - 3 * DAY}, "reminded_recently"),
        ({"recipients": ()}, "no_recipient"),
        ({"credit": 100_00}, "covered_by_credit"),
    ],
)
def test_an_account_is_left_out_with_the_reason(columns: dict[str, Any], reason: str) -> None:
    planned = plan(make_account(make_invoice(), **columns))
    assert (planned.reminders, reasons_of(planned)) == ((), [reason])
    assert plan(make_account(make_invoice(), **columns), days=2).left_out == ()


@pytest.mark.parametrize(
    "columns",
    [{"pause": Pause(DUE + 2 * DAY, "Disputed")}, {"reminded_on": DUE - 4 * DAY}, {"credit": 99_99}],
)
def test_a_reason_that_no_longer_holds_leaves_nothing_out(columns: dict[str, Any]) -> None:
    assert levels_of(plan(make_account(make_invoice(), **columns))) == [("INV-2026-00001", 1)]


def test_an_invoice_is_left_out_alone() -> None:
    paused = make_invoice(number="A", pause=Pause(DUE + 3 * DAY, "Delivery disputed"))
    failed, due = make_invoice(number="B", held="message_failed"), make_invoice(number="C")
    planned = plan(make_account(paused, failed, due))
    assert levels_of(planned) == [("C", 1)]
    assert reasons_of(planned) == ["invoice_paused", "message_failed"]
    assert [(row.day, row.note) for row in planned.left_out] == [(DUE + 3 * DAY, "Delivery disputed"), (None, "")]


def test_credit_covers_the_oldest_invoices_in_full() -> None:
    invoices = [make_invoice(DUE - days * DAY, 40_00, number) for number, days in (("B", 1), ("A", 2), ("C", 0))]
    planned = plan(make_account(*invoices, credit=79_99))
    assert reasons_of(planned) == ["covered_by_credit"]
    assert levels_of(planned) == [("B", 1), ("C", 1)]
    assert levels_of(plan(make_account(*invoices, credit=80_00))) == [("C", 1)]


def test_a_person_leaves_invoices_out() -> None:
    first, second = make_invoice(number="A", level=1), make_invoice(number="B")
    planned = plan(make_account(first, second), days=14)
    skipped = skip_invoices(planned, [first.id])
    assert levels_of(skipped) == [("B", 1)]
    assert [reminder.level for reminder in skipped.reminders] == [1]
    assert reasons_of(skipped) == ["skipped"]
    assert skip_invoices(planned, [first.id, second.id]).reminders == ()
    assert skip_invoices(planned, []) == planned


def test_a_full_run_leaves_the_others_for_the_next() -> None:
    accounts = [make_account(make_invoice(number=reference), reference=reference) for reference in ("C", "A", "B")]
    planned = plan(*accounts, most=2)
    assert levels_of(planned) == [("A", 1), ("B", 1)]
    assert [(row.account.reference, row.reason) for row in planned.left_out] == [("C", "next_run")]


def test_the_digest_changes_with_all_that_is_confirmed() -> None:
    invoice = make_invoice()
    account = make_account(invoice)
    digest = plan(account).digest()
    assert plan(replace(account, reference="Other"), days=4).digest() == digest
    changed = [
        replace(account, invoices=[replace(invoice, open_amount=99_99)]),
        replace(account, invoices=[replace(invoice, level=1)]),
        replace(account, invoices=[]),
        replace(account, recipients=[Recipient("", "other@acme.example")]),
        replace(account, customer_id=UUID(int=7)),
        replace(account, currency="USD"),
    ]
    assert digest not in {plan(account, days=14).digest() for account in changed}
    attaching = [replace(level, attaches_documents=False) for level in DEFAULT_LEVELS]
    assert plan_reminders([account], attaching, DUE + 3 * DAY).digest() != digest


def test_the_ids_of_daily_runs_never_change() -> None:
    assert str(daily_run_id(DUE, 0)) == "f16a05b3-7b81-5e0b-a010-d0bc5a437350"
    assert daily_run_id(DUE, 1) != daily_run_id(DUE, 0) != daily_run_id(DUE + DAY, 0)


@pytest.mark.parametrize(
    ("reason", "day", "note", "text"),
    [
        ("invoice_paused", DUE, "Disputed", "Reminders of the invoice are paused through 1 Mar 2026: Disputed"),
        ("customer_paused", DUE, "", "Reminders of the customer are paused through 1 Mar 2026"),
        ("reminded_recently", DUE, "", "The customer was reminded on 1 Mar 2026"),
        ("no_recipient", None, "", "No contact gets reminders"),
    ],
)
def test_a_reason_is_described(reason: str, day: date | None, note: str, text: str) -> None:
    assert describe_reason(reason, day, note) == text
    assert reason in REASONS


def test_levels_are_stored_and_read() -> None:
    assert levels_from_json(levels_to_json(DEFAULT_LEVELS)) == DEFAULT_LEVELS
    assert check_levels(DEFAULT_LEVELS) == DEFAULT_LEVELS


@pytest.mark.parametrize(
    ("levels", "field"),
    [
        ([(3, 7), (14, 7)], ("levels",)),
        ([(0, 7), (14, 7), (28, 7)], ("levels", 0, "days_after_due")),
        ([(3, 7), (14, 0), (28, 7)], ("levels", 1, "least_days")),
        ([(3, 7), (14, 7), (366, 7)], ("levels", 2, "days_after_due")),
        ([(3, 7), (3, 7), (28, 7)], ("levels", 1, "days_after_due")),
    ],
)
def test_wrong_levels_are_refused_at_their_field(levels: Sequence[tuple[int, int]], field: tuple[Any, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        check_levels([ReminderLevel(*level) for level in levels])
    assert [problem.field for problem in refused.value.problems] == [field]


def test_a_pause_ends_in_the_future_and_has_a_reason() -> None:
    assert check_pause(Pause(DUE, "Disputed"), DUE) == Pause(DUE, "Disputed")
    for pause, field in ((Pause(DUE - DAY, "Disputed"), "through"), (Pause(DUE, " "), "reason")):
        with pytest.raises(Invalid) as refused:
            check_pause(pause, DUE)
        assert refused.value.field == (field,)


LEVELS = st.lists(st.integers(1, 60), min_size=3, max_size=3, unique=True).flatmap(
    lambda days: st.tuples(*(st.builds(ReminderLevel, st.just(day), st.integers(1, 20)) for day in sorted(days)))
)


@given(
    LEVELS,
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40),
)
def test_each_level_comes_once_and_in_order_in_any_rhythm(
    levels: Sequence[ReminderLevel], due_days: list[int], runs: list[tuple[int, bool]]
) -> None:
    """The clock moves by any number of days; each run's messages are sent, or withdrawn before they are."""
    invoices = [make_invoice(DUE + days * DAY, number=str(index)) for index, days in enumerate(due_days)]
    sent: list[tuple[date, str, int]] = []
    day, reminded_on = DUE, None
    for pause, is_sent in [*runs, *[(60, True)] * 3 * len(invoices)]:
        day += pause * DAY
        account = make_account(*(invoice for invoice in invoices if invoice.due_date < day), reminded_on=reminded_on)
        planned = plan_reminders([account], levels, day)
        assert len(planned.reminders) <= 1
        due = {invoice.number: next_reminder(invoice, reminded_on, levels) for invoice in account.invoices}
        assert dict(levels_of(planned)) == {
            number: expected.level for number, expected in due.items() if expected is not None and expected.day <= day
        }
        if is_sent and planned.reminders:
            reached = dict(levels_of(planned))
            sent += [(day, number, level) for number, level in reached.items()]
            invoices = [replace(row, level=reached.get(row.number, row.level)) for row in invoices]
            reminded_on = day
    for invoice in invoices:
        days = [day for day, number, _ in sent if number == invoice.number]
        assert [level for _, number, level in sent if number == invoice.number] == [1, 2, 3]
        for settings, reminded_day in zip(levels, days, strict=True):
            assert (reminded_day - invoice.due_date).days >= settings.days_after_due
    previous: date | None = None
    for reminded_day, _, level in sorted(sent):
        if previous is not None and previous != reminded_day:
            assert (reminded_day - previous).days >= levels[level - 1].least_days
        previous = reminded_day

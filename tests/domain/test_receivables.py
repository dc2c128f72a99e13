"""Receivables: ageing buckets, positions and statements. Operations check the worked cases of the docs."""

from datetime import date
from uuid import UUID

import pytest

from billing_admin.domain.receivables import (
    BUCKET_NAMES,
    ZERO_POSITION,
    Bucket,
    Position,
    StatementEntry,
    ageing_buckets,
    make_statement,
)

TODAY = date(2026, 6, 1)


def test_buckets_of_a_day() -> None:
    assert ageing_buckets(TODAY) == (
        Bucket("not_due", date(2026, 6, 1), None),
        Bucket("1_30", date(2026, 5, 2), date(2026, 5, 31)),
        Bucket("31_60", date(2026, 4, 2), date(2026, 5, 1)),
        Bucket("61_90", date(2026, 3, 3), date(2026, 4, 1)),
        Bucket("over_90", None, date(2026, 3, 2)),
    )


@pytest.mark.parametrize(
    ("days_overdue", "name"),
    [
        (-1, "not_due"),
        (0, "not_due"),
        (1, "1_30"),
        (30, "1_30"),
        (31, "31_60"),
        (60, "31_60"),
        (61, "61_90"),
        (90, "61_90"),
        (91, "over_90"),
        (20_000, "over_90"),
    ],
)
def test_each_due_date_is_in_one_bucket(days_overdue: int, name: str) -> None:
    due = date.fromordinal(TODAY.toordinal() - days_overdue)
    buckets = [
        bucket.name
        for bucket in ageing_buckets(TODAY)
        if (bucket.first or date.min) <= due <= (bucket.last or date.max)
    ]
    assert buckets == [name]


MARCH, APRIL = date(2026, 3, 31), date(2026, 4, 30)
# Invoiced 300.00, credited 20.00, paid 80.00: 200.00 are open, 150.00 of them overdue; 30.00 are unallocated.
ACME = Position(30000, 2000, 8000, 3000, (5000, 10000, 0, 4000, 1000), MARCH)


def test_the_balance_is_open_less_unallocated() -> None:
    assert (ACME.balance, ACME.overdue) == (17000, 15000)
    assert ACME.balance == sum(ACME.open) - ACME.unallocated


def test_a_balance_below_zero_is_owed_to_the_customer() -> None:
    position = Position(10000, 0, 10000, 500, (0,) * 5)
    assert (position.balance, position.overdue) == (-500, 0)


def test_positions_add_up_by_bucket() -> None:
    addend = Position(100, 10, 20, 30, (1, 2, 3, 4, 60), APRIL)
    total = ACME + addend
    assert total == addend + ACME
    assert total == Position(30100, 2010, 8020, 3030, (5001, 10002, 3, 4004, 1060), MARCH)
    assert total.balance == ACME.balance + addend.balance


def test_the_zero_position_changes_nothing() -> None:
    assert ZERO_POSITION + ACME == ACME + ZERO_POSITION == ACME
    assert (ZERO_POSITION + ZERO_POSITION).oldest_due is None
    assert len(ZERO_POSITION.open) == len(BUCKET_NAMES)


def entry(day: int, kind: str, number: str, amount: int, id: int = 0) -> StatementEntry:
    return StatementEntry(date(2026, 3, day), kind, UUID(int=id), number, "", amount)


# In the order of the statement.
ENTRIES = [
    entry(1, "invoice", "INV-1", 10000),
    entry(2, "invoice", "INV-2", 5000),
    entry(2, "credit_note", "CN-1", -1000),
    entry(2, "payment", "", -4000, id=1),
    entry(2, "payment", "", -100, id=2),
    entry(3, "write_off", "INV-2", -900),
]


def test_a_statement_runs_from_its_opening_to_its_closing_balance() -> None:
    statement = make_statement(reversed(ENTRIES), date(2026, 3, 2))
    assert statement.opening == 10000
    assert [row.entry for row in statement.rows] == ENTRIES[1:]
    assert [row.balance for row in statement.rows] == [15000, 14000, 10000, 9900, 9000]
    assert statement.closing == 9000


@pytest.mark.parametrize(
    ("first", "opening", "count"), [(None, 0, 6), (date(2026, 3, 1), 0, 6), (date(2026, 4, 1), 9000, 0)]
)
def test_earlier_entries_make_the_opening_balance(first: date | None, opening: int, count: int) -> None:
    statement = make_statement(ENTRIES, first)
    assert (statement.opening, len(statement.rows), statement.closing) == (opening, count, 9000)


def test_a_statement_without_entries() -> None:
    statement = make_statement([], TODAY)
    assert (statement.opening, statement.rows, statement.closing) == (0, (), 0)

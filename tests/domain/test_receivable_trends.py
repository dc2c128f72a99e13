"""Trends by month: balances that follow from the movements, and days sales outstanding."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis.strategies import dates, integers, lists, tuples

from billing_admin.domain.receivable_trends import (
    TREND_MONTHS,
    Month,
    days_outstanding,
    month_figures,
    months_until,
    trend_months,
)

TODAY = date(2026, 3, 17)


def test_months_end_with_today() -> None:
    assert months_until(TODAY, 3) == [
        Month(date(2026, 1, 1), date(2026, 1, 31)),
        Month(date(2026, 2, 1), date(2026, 2, 28)),
        Month(date(2026, 3, 1), TODAY),
    ]


@given(dates(date(1971, 1, 1), date(2199, 12, 31)))
def test_months_follow_each_other(today: date) -> None:
    months = trend_months(today)
    assert len(months) == 14
    assert months[-1].last == today
    assert all(later.first - earlier.last == timedelta(1) for earlier, later in pairwise(months))


MOVEMENTS = lists(tuples(dates(trend_months(TODAY)[0].first, TODAY), integers(-(10**12), 10**12)), max_size=40)


@given(integers(-(10**12), 10**12), MOVEMENTS)
def test_each_balance_is_that_of_today_without_later_movements(balance: int, movements: list[tuple[date, int]]) -> None:
    figures = month_figures(TODAY, balance, movements, movements, [], [])
    assert len(figures) == TREND_MONTHS
    for row in figures:
        assert row.balance == balance - sum(amount for day, amount in movements if day > row.month.last)
        assert row.billed == sum(amount for day, amount in movements if row.month.first <= day <= row.month.last)
        assert row.collected == 0


@pytest.mark.parametrize(
    ("balance", "billed", "days", "outstanding"),
    [
        (3_000, 9_000, 90, 30),
        (1, 9_000, 90, 0),
        (50, 9_000, 90, 1),  # half a day is rounded up
        (0, 9_000, 90, 0),
        (-5_000, 9_000, 90, 0),  # customers are owed money
        (3_000, 0, 90, None),
        (3_000, -1, 90, None),  # more was credited than billed
    ],
)
def test_days_outstanding(balance: int, billed: int, days: int, outstanding: int | None) -> None:
    assert days_outstanding(balance, billed, days) == outstanding


def test_days_outstanding_compare_with_three_months() -> None:
    billed = [(date(2026, 1, 1), 3_000), (date(2026, 2, 1), 3_000), (date(2025, 12, 31), 1_000_000)]
    last = month_figures(TODAY, 6_000, [], billed, [], [])[-1]
    assert last.days_outstanding == (TODAY - date(2026, 1, 1)).days + 1

"""Trends of receivables: figures by month, and days sales outstanding.

Amounts are in minor units of one currency. `docs/dashboard.md` explains the figures.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from billing_admin.domain.money import rounded_quotient

TREND_MONTHS: Final = 12
OUTSTANDING_MONTHS: Final = 3  # days sales outstanding compare a balance with what was billed in these months


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a trend, from its first day to its last day, or to today."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class MonthFigures:
    """The figures of a month.

    `received` is the money of payments, `refunded` that of refunds. `balance` is that at the end of the last day.
    `days_outstanding` is None if nothing was billed.
    """

    month: Month
    billed: int
    received: int
    refunded: int
    balance: int
    days_outstanding: int | None

    @property
    def collected(self) -> int:
        """The money received less the money paid back."""
        return self.received - self.refunded


def months_until(today: date, count: int) -> list[Month]:
    """Return the last months, oldest first; the current month ends today."""
    months = [Month(today.replace(day=1), today)]
    while len(months) < count:
        last = months[-1].first - timedelta(1)
        months.append(Month(last.replace(day=1), last))
    return months[::-1]


def trend_months(today: date) -> list[Month]:
    """Return the months whose entries a trend needs, oldest first.

    The first of them are needed for days sales outstanding only.
    """
    return months_until(today, TREND_MONTHS + OUTSTANDING_MONTHS - 1)


def month_figures(
    today: date,
    balance: int,
    entries: Iterable[tuple[date, int]],
    billed: Iterable[tuple[date, int]],
    received: Iterable[tuple[date, int]],
    refunded: Iterable[tuple[date, int]],
) -> list[MonthFigures]:
    """Return the figures of the last twelve months, oldest first.

    `balance` is that of today. `entries` are all movements of the balance since the first of `trend_months`, `billed`,
    `received` and `refunded` the amounts by day.
    """
    months = trend_months(today)
    moved, billed_sums, received_sums, refunded_sums = (
        _sum_by_month(months, rows) for rows in (entries, billed, received, refunded)
    )
    figures = []
    for position in range(len(months) - 1, OUTSTANDING_MONTHS - 2, -1):
        recent = slice(position - OUTSTANDING_MONTHS + 1, position + 1)
        days = (months[position].last - months[recent.start].first).days + 1
        outstanding = days_outstanding(balance, sum(billed_sums[recent]), days)
        sums = billed_sums[position], received_sums[position], refunded_sums[position]
        figures.append(MonthFigures(months[position], *sums, balance, outstanding))
        balance -= moved[position]  # the balance at the end of the month before
    return figures[::-1]


def days_outstanding(balance: int, billed: int, days: int) -> int | None:
    """Return a balance in whole days of what was billed in some days.

    The result is None unless an amount was billed.
    """
    if billed <= 0:
        return None
    return rounded_quotient(max(balance, 0) * days, billed)


def _sum_by_month(months: Sequence[Month], rows: Iterable[tuple[date, int]]) -> list[int]:
    sums, ends = [0] * len(months), [month.last for month in months]
    for day, amount in rows:
        sums[bisect_left(ends, day)] += amount
    return sums

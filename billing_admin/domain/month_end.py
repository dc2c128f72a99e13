"""The month end: steps from the arrival of charges to locked books.

Each step is done or not by its figures.
"""

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from billing_admin.domain.days import FIRST_DAY, LAST_DAY
from billing_admin.domain.errors import Invalid
from billing_admin.domain.receivable_trends import Month
from billing_admin.domain.translation import Phrase

StepName = Literal[
    "sources",
    "likely_duplicates",
    "held",
    "recurring",
    "unbilled",
    "runs",
    "drafts",
    "unsent",
    "unallocated",
    "journal",
    "lock",
]
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


def whole_month(day: date) -> Month:
    """Return the month of a day, from its first to its last day."""
    return Month(day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))


def month_before(month: Month) -> Month:
    """Return the month before a month."""
    return whole_month(month.first - timedelta(1))


def month_after(month: Month) -> Month:
    """Return the month after a month."""
    return whole_month(month.last + timedelta(1))


def parse_month(text: str, today: date, field: str = "month") -> Month:
    """Return the month of a text such as 2026-10, by default the last whole month.

    Raises:
        Invalid: The text is no month, or the month begins after today.
    """
    if not text:
        return month_before(whole_month(today))
    match = _MONTH.fullmatch(text)
    year, number = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= 12 or not FIRST_DAY.year < year <= LAST_DAY.year:
        raise Invalid("not_a_month", Phrase("Enter a month as year and month, such as 2026-10."), field)
    month = whole_month(date(year, number, 1))
    if month.first > today:
        raise Invalid("in_the_future", Phrase("Use this month or an earlier one."), field)
    return month


@dataclass(frozen=True, slots=True)
class Source:
    """A source of charges, with its last arrival as a day of the organisation.

    `kind` is token, import or recurring; `id` that of the token or import. `ended_at` is set for a source from which no
    further charges are expected.
    """

    kind: str
    name: str
    last: date | None
    at: datetime | None = None
    charges: int | None = None
    id: UUID | None = None
    ended_at: datetime | None = None

    @property
    def is_expected(self) -> bool:
        """Whether further charges are expected: it was not ended, or has delivered since."""
        return self.ended_at is None or (self.at is not None and self.at > self.ended_at)

    def has_delivered(self, month: Month) -> bool:
        """Return whether charges arrived on the last day of the month or later."""
        return self.last is not None and self.last >= month.last


@dataclass(frozen=True, slots=True)
class StepSum:
    """Count and sum of a step in one currency."""

    currency: str
    count: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the month end.

    `count` is the number of its rows, with sums per currency if they have amounts.
    """

    name: StepName
    done: bool
    count: int
    sums: Sequence[StepSum] = ()


def runs_are_done(states: Sequence[str], documents: int) -> bool:
    """Return whether the billing of a month is done.

    No run is unfinished, and a run was made unless there is nothing to bill.
    """
    return all(state == "done" for state in states) and (bool(states) or documents == 0)


def covers_month(first: str | None, last: str | None, month: Month) -> bool:
    """Return whether an exported period, as ISO days or None, holds the whole month."""
    return (first is None or first <= month.first.isoformat()) and (last is None or last >= month.last.isoformat())

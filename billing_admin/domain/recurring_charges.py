"""Charges that come again: which periods there are, which of them are due, and what a started period costs.

The rules and worked numbers stand in `docs/recurring.md`; a test reads its tables and checks each row.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import count, takewhile
from uuid import UUID, uuid5

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import DECIMAL_PLACES, EXACT, ROUNDING, ZERO, currency_code, exact_decimal
from billing_admin.domain.text import check_not_blank

MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
INTERVALS = tuple(MONTHS)
DAY = timedelta(days=1)
# A charge's description holds 1,000 characters, and the period's days stand behind it.
LONGEST_DESCRIPTION = 900
_STEP = Decimal(1).scaleb(-DECIMAL_PLACES)


@dataclass(frozen=True, slots=True)
class RecurringChargeSpec:
    """What comes again, as the caller asks for it; None means left out. Raises Invalid where it makes no sense.

    Without a unit price the list price of the day of posting counts. Periods begin on the anchor's day; without an anchor, on
    that of the start. The last day is included.
    """

    customer: str
    service: str
    interval: str
    starts_on: date
    description: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    currency: str | None = None
    anchor_on: date | None = None
    ends_on: date | None = None
    id: UUID | None = None

    def __post_init__(self) -> None:
        if self.interval not in MONTHS:
            raise Invalid("unknown_interval", f"Use one of {', '.join(INTERVALS)}.", "interval")
        if self.quantity is not None and not exact_decimal(self.quantity, "quantity"):
            raise Invalid("out_of_range", "Use a quantity other than zero.", "quantity")
        if self.unit_price is not None:
            exact_decimal(self.unit_price, "unit_price")
        if self.description is not None:
            check_not_blank(self.description, "description", longest=LONGEST_DESCRIPTION, stored=True)
        if self.currency is not None:
            currency_code(self.currency)
        self._check_days()

    def _check_days(self) -> None:
        for field in ("starts_on", "anchor_on", "ends_on"):
            day = getattr(self, field)
            if day is not None:
                check_calendar_day(day, field)
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise Invalid("out_of_range", "Let it end on the day it starts, or later.", "ends_on")


def add_months(anchor: date, months: int) -> date:
    """The anchor's day, months later; the last day of the month where that month is too short.

    Counted from the anchor each time: 31 January, 29 February, 31 March.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def prorate(amount: Decimal, days: int, of_days: int) -> Decimal:
    """Return amount × days ÷ of_days, rounded once, half up, to 12 places.

    `amount` is not rounded before: it may be the exact product of a quantity and a price, of up to 24 places.
    """
    share = ROUNDING.divide(EXACT.multiply(amount, Decimal(days)), Decimal(of_days))
    return exact_decimal(ROUNDING.quantize(share, _STEP) or ZERO, "quantity")


@dataclass(frozen=True, slots=True)
class Period:
    """One period: its first day, the first day of the next, and the days of it that are owed, both included."""

    starts_on: date
    next_on: date
    owed_from: date
    owed_to: date

    @property
    def days(self) -> int:
        """How many days are owed."""
        return count_days(self.owed_from, self.owed_to)

    @property
    def of_days(self) -> int:
        """How many days the whole period has."""
        return (self.next_on - self.starts_on).days

    @property
    def is_partial(self) -> bool:
        """Whether only some of its days are owed: it is charged as a plain amount then, without a unit price."""
        return self.days < self.of_days

    def partial_amount(self, quantity: Decimal, unit_price: Decimal) -> Decimal:
        """Return the amount for the days that are owed."""
        return prorate(EXACT.multiply(quantity, unit_price), self.days, self.of_days)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a charge comes again, and how far it got.

    Periods that begin on or before `posted_through` are done: posted, or skipped while paused. While it is paused, only those
    that began before `paused_on` are still due.
    """

    interval: str
    anchor_on: date
    starts_on: date
    ends_on: date | None = None
    posted_through: date | None = None
    paused_on: date | None = None

    def periods(self) -> Iterator[Period]:
        """Every period that is not done, whether due or to come; without end, if the schedule has none."""
        begin = self.starts_on if self.posted_through is None else max(self.starts_on, self.posted_through + DAY)
        step = MONTHS[self.interval]
        for number in count(self._number(begin, step)):
            starts_on, next_on = self._bounds(number, step)
            owed_from, owed_to = max(starts_on, self.starts_on), next_on - DAY
            if self.ends_on is not None:
                if owed_from > self.ends_on:
                    return
                owed_to = min(owed_to, self.ends_on)
            if owed_from >= begin:
                yield Period(starts_on, next_on, owed_from, owed_to)

    def period_length(self, day: date) -> int:
        """Return how many days the whole period has in which a day lies."""
        step = MONTHS[self.interval]
        starts_on, next_on = self._bounds(self._number(day, step), step)
        return (next_on - starts_on).days

    def _bounds(self, number: int, step: int) -> tuple[date, date]:
        """Return the first day of a period and the first day of the next one."""
        return add_months(self.anchor_on, number * step), add_months(self.anchor_on, (number + 1) * step)

    def _number(self, day: date, step: int) -> int:
        """Which period, counted from the anchor's, a day lies in."""
        months = (day.year - self.anchor_on.year) * 12 + day.month - self.anchor_on.month
        number = months // step
        return number if add_months(self.anchor_on, number * step) <= day else number - 1

    def due(self, through: date) -> list[Period]:
        """The periods to post: begun up to a day, and not while it is paused."""
        last = through if self.paused_on is None else min(through, self.paused_on - DAY)
        return list(takewhile(lambda period: period.owed_from <= last, self.periods()))

    def state(self, today: date) -> str:
        """Active, paused or ended."""
        if self.ends_on is not None and self.ends_on < today:
            return "ended"
        return "paused" if self.paused_on else "active"


def count_days(first: date, last: date) -> int:
    """How many days, both included; none where the last comes before the first."""
    return max(0, (last - first).days + 1)


def charge_id(schedule_id: UUID, first: date, cut_to: date | None = None) -> UUID:
    """The id of a period's charge, or of the one that takes back its days after `cut_to`: the same however often it is posted."""
    return uuid5(
        schedule_id, first.isoformat() if cut_to is None else f"{first.isoformat()} cut to {cut_to.isoformat()}"
    )


def charge_description(
    description: str, first: date, last: date, of_days: int | None = None, taken_back: bool = False
) -> str:
    """Return a charge's description: `Support, 6 Nov 2026 to 30 Nov 2026, 25 of 30 days`.

    `of_days` is the length of the whole period where the charge is for some of its days, or takes days back.
    """
    text = f"{description}, {_written(first)} to {_written(last)}"
    if of_days is not None:
        text += f", {count_days(first, last)} of {of_days} days"
    return f"{text} taken back" if taken_back else text


def _written(day: date) -> str:
    return f"{day.day} {calendar.month_abbr[day.month]} {day.year}"

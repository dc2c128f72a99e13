"""Recurring charges: their periods, due periods, and prices of partial periods.

`docs/recurring.md` has the rules and worked numbers; a test checks each row of its tables.
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
# A charge's description has up to 1,000 characters, and words may be appended to it.
LONGEST_DESCRIPTION = 900
_STEP = Decimal(1).scaleb(-DECIMAL_PLACES)


@dataclass(frozen=True, slots=True)
class RecurringChargeSpec:
    """A request to create a recurring charge; None means not given.

    Without a unit price, each charge has the list price of its day of posting. Periods begin on the
    day of the month of `anchor_on`, or of `starts_on` without it. `ends_on` is included.

    Raises:
        Invalid: A value is out of range, or the values contradict each other.
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
            raise Invalid("out_of_range", "Enter a last day that is not before the first day.", "ends_on")


def add_months(anchor: date, months: int) -> date:
    """Return the anchor's day some months later, or the last day of a shorter month.

    Always add to the anchor, not to the result: 31 January, 29 February, 31 March.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def prorate(amount: Decimal, days: int, of_days: int) -> Decimal:
    """Return amount × days ÷ of_days, rounded once, half up, to 12 places.

    `amount` may be the unrounded product of quantity and price, with up to 24 places.
    """
    share = ROUNDING.divide(EXACT.multiply(amount, Decimal(days)), Decimal(of_days))
    return exact_decimal(ROUNDING.quantize(share, _STEP) or ZERO, "quantity")


@dataclass(frozen=True, slots=True)
class Period:
    """A period of a recurring charge, with the days that are owed.

    `next_on` is the first day of the next period; the first and last owed day are included.
    """

    starts_on: date
    next_on: date
    owed_from: date
    owed_to: date

    @property
    def days(self) -> int:
        """The number of owed days."""
        return count_days(self.owed_from, self.owed_to)

    @property
    def of_days(self) -> int:
        """The number of days of the whole period."""
        return (self.next_on - self.starts_on).days

    @property
    def is_partial(self) -> bool:
        """Whether only some of the period's days are owed.

        The charge of such a period is an amount without a unit price.
        """
        return self.days < self.of_days

    def partial_amount(self, quantity: Decimal, unit_price: Decimal) -> Decimal:
        """Return the amount for the owed days."""
        return prorate(EXACT.multiply(quantity, unit_price), self.days, self.of_days)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of a recurring charge and its progress.

    Periods that begin on or before `posted_through` are done: posted, or skipped while paused. While
    paused, only periods that began before `paused_on` are due.
    """

    interval: str
    anchor_on: date
    starts_on: date
    ends_on: date | None = None
    posted_through: date | None = None
    paused_on: date | None = None

    def periods(self) -> Iterator[Period]:
        """Yield the periods that are not done, due or in the future.

        The periods are endless if the schedule has no end.
        """
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
        """Return the number of days of the period that contains a day."""
        step = MONTHS[self.interval]
        starts_on, next_on = self._bounds(self._number(day, step), step)
        return (next_on - starts_on).days

    def _bounds(self, number: int, step: int) -> tuple[date, date]:
        """Return the first day of a period and the first day of the next one."""
        return add_months(self.anchor_on, number * step), add_months(self.anchor_on, (number + 1) * step)

    def _number(self, day: date, step: int) -> int:
        """Return the number of the period that contains a day.

        Periods are counted from the one that contains the anchor.
        """
        months = (day.year - self.anchor_on.year) * 12 + day.month - self.anchor_on.month
        number = months // step
        return number if add_months(self.anchor_on, number * step) <= day else number - 1

    def due(self, through: date) -> list[Period]:
        """Return the periods to post: they begin on or before a day, and before a pause."""
        last = through if self.paused_on is None else min(through, self.paused_on - DAY)
        return list(takewhile(lambda period: period.owed_from <= last, self.periods()))

    def state(self, today: date) -> str:
        """Return `active`, `paused` or `ended`."""
        if self.ends_on is not None and self.ends_on < today:
            return "ended"
        return "paused" if self.paused_on else "active"


def count_days(first: date, last: date) -> int:
    """Return the number of days from first to last, both included.

    The number is 0 if the last day is before the first.
    """
    return max(0, (last - first).days + 1)


def charge_id(schedule_id: UUID, first: date, cut_to: date | None = None) -> UUID:
    """Return the id of a period's charge.

    With `cut_to`, it is the id of the charge that takes back the days after `cut_to`. The id depends on
    nothing else, so that posting a period again changes nothing. Frozen: stored charges have these ids.
    """
    return uuid5(
        schedule_id, first.isoformat() if cut_to is None else f"{first.isoformat()} cut to {cut_to.isoformat()}"
    )


def adjustment_description(description: str) -> str:
    """Return the description of a charge that takes back posted days.

    The charge's period has the days.
    """
    return f"{description}, taken back"

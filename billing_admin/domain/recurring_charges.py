"""Recurring charges: their periods, due periods, and prices of partial periods.

`docs/recurring.md` has the rules and worked numbers; a test checks each row of its tables.
"""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import count, takewhile
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from billing_admin.domain.charges import MAX_PERIOD_YEARS
from billing_admin.domain.days import check_calendar_day, count_days
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import DECIMAL_PLACES, EXACT, ROUNDING, ZERO, currency_code, exact_decimal
from billing_admin.domain.text import check_not_blank, check_text
from billing_admin.domain.translation import Phrase

DAY = timedelta(days=1)
# A period has at most ten years, as the period of a charge.
MAX_WEEKS, MAX_MONTHS = 520, 12 * MAX_PERIOD_YEARS


class Interval(NamedTuple):
    """A length of time: days, or months of the calendar."""

    days: int = 0
    months: int = 0

    @property
    def max_count(self) -> int:
        """The largest number of these intervals that is allowed as a period."""
        return MAX_WEEKS * 7 // self.days if self.days else MAX_MONTHS // self.months


INTERVALS: Final[Mapping[str, Interval]] = {
    "weekly": Interval(days=7),
    "monthly": Interval(months=1),
    "quarterly": Interval(months=3),
    "half_yearly": Interval(months=6),
    "yearly": Interval(months=12),
}
IN_ADVANCE, IN_ARREARS = TIMINGS = ("in_advance", "in_arrears")
# A charge's description has up to 1,000 characters, and words may be appended to it.
LONGEST_DESCRIPTION = 900
_STEP = Decimal(1).scaleb(-DECIMAL_PLACES)


@dataclass(frozen=True, slots=True)
class RecurringChargeSpec:
    """A request to create a recurring charge; None means not given.

    Without a unit price, each charge has the list price of its day. Periods count from
    `anchor_on`, or from `starts_on` without it, and have `interval_count` intervals, by default one. A
    charge is posted on the first day of its period, or on the last one if `timing` is IN_ARREARS.
    `ends_on` is included. Each charge has the `purchase_order`.

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
    interval_count: int | None = None
    timing: str | None = None
    id: UUID | None = None
    purchase_order: str | None = None

    def __post_init__(self) -> None:
        if self.interval not in INTERVALS:
            raise Invalid(
                "unknown_interval", Phrase("Use one of {intervals}.", intervals=", ".join(INTERVALS)), "interval"
            )
        max_count = INTERVALS[self.interval].max_count
        if self.interval_count is not None and not 1 <= self.interval_count <= max_count:
            message = Phrase(
                "Use a number from 1 to {max_count}: a period has at most {max_period_years} years.",
                max_count=max_count,
                max_period_years=MAX_PERIOD_YEARS,
            )
            raise Invalid("out_of_range", message, "interval_count")
        if self.timing not in {None, *TIMINGS}:
            raise Invalid("not_a_choice", Phrase("Use one of {timings}.", timings=", ".join(TIMINGS)), "timing")
        if self.quantity is not None and not exact_decimal(self.quantity, "quantity"):
            raise Invalid("out_of_range", Phrase("Use a quantity other than zero."), "quantity")
        if self.unit_price is not None:
            exact_decimal(self.unit_price, "unit_price")
        check_text(self.purchase_order or "", "purchase_order", stored=True)
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
            raise Invalid("out_of_range", Phrase("Enter a last day that is not before the first day."), "ends_on")

    def schedule(self) -> "Schedule":
        """Return the schedule that the request asks for, with defaults filled in."""
        return Schedule(
            self.interval,
            self.anchor_on or self.starts_on,
            self.starts_on,
            self.ends_on,
            interval_count=self.interval_count or 1,
            timing=self.timing or IN_ADVANCE,
        )


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

    `next_on` is the first day of the next period; the first and last owed day are included. The charge
    is incurred on the first of them, or on the last one if it is posted in arrears.
    """

    starts_on: date
    next_on: date
    owed_from: date
    owed_to: date
    in_arrears: bool = False

    @property
    def incurred_on(self) -> date:
        """The day of the charge, on which it is posted."""
        return self.owed_to if self.in_arrears else self.owed_from

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
    paused, only periods that began before `paused_on` are due. A period has `interval_count` intervals.
    """

    interval: str
    anchor_on: date
    starts_on: date
    ends_on: date | None = None
    posted_through: date | None = None
    paused_on: date | None = None
    interval_count: int = 1
    timing: str = IN_ADVANCE

    def periods(self) -> Iterator[Period]:
        """Yield the periods that are not done, due or in the future.

        The periods are endless if the schedule has no end. A pause does not skip any of them.
        """
        begin = self.starts_on if self.posted_through is None else max(self.starts_on, self.posted_through + DAY)
        for number in count(self._number(begin)):
            starts_on, next_on = self._first_day(number), self._first_day(number + 1)
            owed_from, owed_to = max(starts_on, self.starts_on), next_on - DAY
            if self.ends_on is not None:
                if owed_from > self.ends_on:
                    return
                owed_to = min(owed_to, self.ends_on)
            if owed_from >= begin:
                yield Period(starts_on, next_on, owed_from, owed_to, self.timing == IN_ARREARS)

    def period_length(self, day: date) -> int:
        """Return the number of days of the period that contains a day."""
        number = self._number(day)
        return (self._first_day(number + 1) - self._first_day(number)).days

    def _first_day(self, number: int) -> date:
        """Return the first day of a period; the anchor is that of period 0."""
        days, months = (length * self.interval_count for length in INTERVALS[self.interval])
        return self.anchor_on + timedelta(number * days) if days else add_months(self.anchor_on, number * months)

    def _number(self, day: date) -> int:
        """Return the number of the period that contains a day."""
        days, months = (length * self.interval_count for length in INTERVALS[self.interval])
        if days:
            return (day - self.anchor_on).days // days
        number = ((day.year - self.anchor_on.year) * 12 + day.month - self.anchor_on.month) // months
        return number if self._first_day(number) <= day else number - 1

    def upcoming(self) -> Iterator[Period]:
        """Yield the periods that will be posted.

        While paused, these are only periods that began before the pause.
        """
        paused_on = self.paused_on
        return takewhile(lambda period: paused_on is None or period.owed_from < paused_on, self.periods())

    def due(self, through: date) -> list[Period]:
        """Return the periods whose charge is to be posted up to a day."""
        return list(takewhile(lambda period: period.incurred_on <= through, self.upcoming()))

    def resumed_through(self, day: date) -> date | None:
        """Return `posted_through` after a pause that ends on a day.

        The due periods are posted already. Periods that began during the pause are skipped. None began if a
        period from before the pause, posted in arrears, has not ended yet.
        """
        if next(self.upcoming(), None) is not None:
            return self.posted_through
        return max(self.posted_through or date.min, day - DAY)

    def state(self, today: date) -> str:
        """Return `active`, `paused` or `ended`."""
        if self.ends_on is not None and self.ends_on < today:
            return "ended"
        return "paused" if self.paused_on else "active"


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

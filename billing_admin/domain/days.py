"""The days that can be entered, and for which figures are computed: 1970 to 2199.

Dates of Python and the databases reach from year 1 to 9999. Near those ends, a due date, a period or
the start of a day in another time zone cannot be computed. Between 1970 and 2199 they always can:
payment terms are at most 365 days and periods at most ten years.

Filters that only compare days accept every date: scripts write `to=9999-12-31` for "no end".
"""

from datetime import date, timedelta
from enum import StrEnum

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)


class DateOrder(StrEnum):
    """The order of day, month and year in typed days such as `05/06/2025`."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"
    YEAR_FIRST = "year_first"

    @property
    def label(self) -> str:
        """The order as a sample and in words."""
        return _ORDER_LABELS[self]

    @property
    def placeholder(self) -> str:
        """The order as the hint in an empty field."""
        return {"day_first": "DD/MM/YYYY", "month_first": "MM/DD/YYYY"}.get(self.value, "YYYY-MM-DD")

    def type(self, day: date) -> str:
        """Return a day as it is typed in this order."""
        if self is DateOrder.DAY_FIRST:
            return f"{day.day:02}/{day.month:02}/{day.year:04}"
        return f"{day.month:02}/{day.day:02}/{day.year:04}" if self is DateOrder.MONTH_FIRST else day.isoformat()


_ORDER_LABELS = {
    DateOrder.DAY_FIRST: Phrase("31/12/2026 (day first)"),
    DateOrder.MONTH_FIRST: Phrase("12/31/2026 (month first)"),
    DateOrder.YEAR_FIRST: Phrase("2026-12-31 (year first)"),
}


def count_days(first: date, last: date) -> int:
    """Return the number of days from first to last, both included.

    The number is 0 if the last day is before the first.
    """
    return max(0, (last - first).days + 1)


def check_day_range(first: date | None, last: date | None, *field: str | int) -> None:
    """Check that a range of days is in order; a day that is None sets no limit.

    Raises:
        Invalid: The first day is after the last; the error names `field`.
    """
    if first is not None and last is not None and first > last:
        raise Invalid("out_of_order", Phrase("The first day must not be after the last day."), *field)


def check_calendar_day(day: date, *field: str | int) -> date:
    """Return `day` if it is between 1970 and 2199.

    Raises:
        Invalid: The day is out of range; the error names `field`.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Invalid(
            "out_of_range",
            Phrase("Use a day between {year} and {year2}.", year=FIRST_DAY.year, year2=LAST_DAY.year),
            *field,
        )
    return day


def month_of(day: date, months: int = 0, length: int = 1) -> tuple[date, date]:
    """Return the first and the last day of some months.

    They begin `months` after the month of the day, and are `length` in number.
    """
    first = day.year * 12 + day.month - 1 + months
    after = first + length
    return date(first // 12, first % 12 + 1, 1), date(after // 12, after % 12 + 1, 1) - timedelta(days=1)


def day_ranges(today: date) -> dict[str, tuple[date, date]]:
    """Return the ranges of days that lists are often filtered by, by name."""
    into_quarter = (today.month - 1) % 3
    return {
        Phrase("This month"): month_of(today),
        Phrase("Last month"): month_of(today, -1),
        Phrase("This quarter"): month_of(today, -into_quarter, 3),
        Phrase("Last quarter"): month_of(today, -into_quarter - 3, 3),
        Phrase("Year to date"): (date(today.year, 1, 1), today),
    }

"""The calendar of the product: the days that can be entered, and that figures are given for.

Python's dates end with the years 1 and 9999, and so do the databases'. Near those ends a later day, a period, a due date or the
start of a day in another time zone cannot be computed. From 1970 to 2199 none of these leaves the calendar: payment terms are
365 days at most, and periods a year.

A filter that only compares days takes every day there is: `to=9999-12-31` is how scripts write "no end".
"""

from datetime import date

from billing_admin.domain.errors import Invalid

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)


def check_calendar_day(day: date, *field: str | int) -> date:
    """Return `day` if it is in the calendar. Raises Invalid, at `field`, if not."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Invalid("out_of_range", f"Use a day between {FIRST_DAY.year} and {LAST_DAY.year}.", *field)
    return day

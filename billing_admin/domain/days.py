"""The days that can be entered, and for which figures are computed: 1970 to 2199.

Dates of Python and the databases reach from year 1 to 9999. Near those ends, a due date, a period or
the start of a day in another time zone cannot be computed. Between 1970 and 2199 they always can:
payment terms are at most 365 days and periods at most a year.

Filters that only compare days accept every date: scripts write `to=9999-12-31` for "no end".
"""

from datetime import date

from billing_admin.domain.errors import Invalid

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2199, 12, 31)


def check_calendar_day(day: date, *field: str | int) -> date:
    """Return `day` if it is between 1970 and 2199.

    Raises:
        Invalid: The day is out of range; the error names `field`.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Invalid("out_of_range", f"Use a day between {FIRST_DAY.year} and {LAST_DAY.year}.", *field)
    return day

"""The calendar: each of its days can be computed with, and other days are refused."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis.strategies import dates

from billing_admin.domain.days import FIRST_DAY, LAST_DAY, check_calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.lifecycle import default_cut_off, due_date
from billing_admin.domain.receivables import ageing_buckets
from billing_admin.domain.recurring_charges import INTERVALS, add_months


@given(dates(FIRST_DAY, LAST_DAY))
def test_every_day_of_the_calendar_can_be_computed_with(day: date) -> None:
    assert check_calendar_day(day) == day
    assert due_date(day, 365) - day == timedelta(365)
    assert default_cut_off(day) <= day + timedelta(3)
    assert ageing_buckets(day)[0].first == day
    assert all(
        add_months(day, months) > day
        for months in (interval.months for interval in INTERVALS.values() if interval.months)
    )
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        begins = datetime.combine(day, time(), ZoneInfo(zone))
        assert begins.astimezone(UTC).astimezone(ZoneInfo(zone)) == begins


@given(dates().filter(lambda day: not FIRST_DAY <= day <= LAST_DAY))
def test_any_other_day_is_refused_at_its_field(day: date) -> None:
    with pytest.raises(Invalid, match="between 1970 and 2199") as refused:
        check_calendar_day(day, "rows", 3, "day")
    assert refused.value.problems[0].field == ("rows", 3, "day")

"""Recurring charges: periods, due periods, partial amounts, and the frozen ids of their charges."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.charges import MAX_PERIOD_DAYS
from billing_admin.domain.days import count_days
from billing_admin.domain.errors import Invalid
from billing_admin.domain.recurring_charges import (
    DAY,
    IN_ADVANCE,
    IN_ARREARS,
    INTERVALS,
    TIMINGS,
    Period,
    RecurringChargeSpec,
    Schedule,
    add_months,
    adjustment_description,
    charge_id,
    prorate,
)

JAN_31 = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        (JAN_31, 0, JAN_31),
        (JAN_31, 1, date(2026, 2, 28)),
        (JAN_31, 2, date(2026, 3, 31)),
        (JAN_31, 3, date(2026, 4, 30)),
        (JAN_31, 11, date(2026, 12, 31)),
        (JAN_31, 25, date(2028, 2, 29)),
        (JAN_31, -1, date(2025, 12, 31)),
        (JAN_31, -2, date(2025, 11, 30)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
    ],
)
def test_shorter_months_have_the_last_day(anchor: date, months: int, expected: date) -> None:
    assert add_months(anchor, months) == expected


@pytest.mark.parametrize(
    ("amount", "days", "of_days", "expected"),
    [
        ("9.99", 25, 30, "8.325"),
        ("10", 10, 30, "3.333333333333"),
        ("20", 10, 30, "6.666666666667"),
        ("-20", 10, 30, "-6.666666666667"),
        ("0.000000000001", 1, 2, "0.000000000001"),
        ("0.000000000001", 1, 3, "0"),
        ("-0.000000000001", 1, 3, "0"),
        ("100", 0, 30, "0"),
        ("100", 31, 31, "100"),
    ],
)
def test_a_share_is_rounded_once_half_up_to_12_places(amount: str, days: int, of_days: int, expected: str) -> None:
    share = prorate(Decimal(amount), days, of_days)
    assert str(share) == str(Decimal(expected))


def periods(schedule: Schedule, number: int) -> list[tuple[date, date]]:
    return [(period.owed_from, period.owed_to) for period in islice(schedule.periods(), number)]


def days(text: str) -> tuple[date, date]:
    first, _, last = text.partition(" ")
    return date.fromisoformat(first), date.fromisoformat(last)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule("monthly", JAN_31, JAN_31), ["2026-01-31 2026-02-27", "2026-02-28 2026-03-30", "2026-03-31 2026-04-29"]),
        (Schedule("quarterly", JAN_31, JAN_31), ["2026-01-31 2026-04-29", "2026-04-30 2026-07-30"]),
        (Schedule("yearly", date(2024, 2, 29), date(2024, 2, 29)), ["2024-02-29 2025-02-27", "2025-02-28 2026-02-27"]),
        (
            Schedule("half_yearly", date(2025, 8, 31), date(2025, 8, 31)),
            ["2025-08-31 2026-02-27", "2026-02-28 2026-08-30", "2026-08-31 2027-02-27"],
        ),
        (
            Schedule("monthly", JAN_31, JAN_31, interval_count=2),
            ["2026-01-31 2026-03-30", "2026-03-31 2026-05-30"],
        ),
        (
            Schedule("yearly", date(2024, 2, 29), date(2024, 2, 29), interval_count=4),
            ["2024-02-29 2028-02-28", "2028-02-29 2032-02-28"],
        ),
        (Schedule("weekly", JAN_31, JAN_31), ["2026-01-31 2026-02-06", "2026-02-07 2026-02-13"]),
        (
            Schedule("weekly", JAN_31, date(2026, 1, 20), interval_count=2),
            ["2026-01-20 2026-01-30", "2026-01-31 2026-02-13"],
        ),
        # It starts within a period, whose first days are not owed, and ends within another.
        (
            Schedule("monthly", date(2026, 1, 1), date(2026, 3, 16), date(2026, 4, 10)),
            ["2026-03-16 2026-03-31", "2026-04-01 2026-04-10"],
        ),
        # The anchor is in the future: periods are counted back from it.
        (Schedule("monthly", date(2026, 5, 15), date(2026, 3, 1)), ["2026-03-01 2026-03-14", "2026-03-15 2026-04-14"]),
        # Posted through a day within a period: the next one is the first that begins later.
        (Schedule("monthly", JAN_31, JAN_31, posted_through=date(2026, 3, 1)), ["2026-03-31 2026-04-29"]),
        (Schedule("monthly", JAN_31, JAN_31, posted_through=date(2026, 3, 31)), ["2026-04-30 2026-05-30"]),
    ],
)  # fmt: skip
def test_periods_follow_the_anchor(schedule: Schedule, expected: list[str]) -> None:
    assert periods(schedule, len(expected)) == list(map(days, expected))


def test_periods_stop_at_the_end() -> None:
    schedule = Schedule("monthly", date(2026, 1, 1), date(2026, 1, 1), date(2026, 2, 28))
    assert [period.is_partial for period in schedule.periods()] == [False, False]
    assert list(Schedule("monthly", JAN_31, JAN_31, JAN_31, posted_through=JAN_31).periods()) == []


def test_only_periods_that_began_before_a_pause_are_due() -> None:
    first = date(2026, 1, 1)
    begun = [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    for paused_on, number in ((None, 3), (date(2026, 3, 2), 3), (date(2026, 3, 1), 2), (first, 0)):
        schedule = Schedule("monthly", first, first, paused_on=paused_on)
        assert [period.owed_from for period in schedule.due(date(2026, 3, 1))] == begun[:number]
    assert Schedule("monthly", first, first).due(date(2025, 12, 31)) == []


def test_a_partial_period_is_charged_by_day() -> None:
    period = Period(date(2026, 11, 1), date(2026, 12, 1), date(2026, 11, 6), date(2026, 11, 30))
    assert (period.days, period.of_days, period.is_partial) == (25, 30, True)
    assert period.partial_amount(Decimal(3), Decimal("9.99")) == Decimal("24.975")
    whole = Period(date(2026, 11, 1), date(2026, 12, 1), date(2026, 11, 1), date(2026, 11, 30))
    assert (whole.days, whole.is_partial) == (30, False)


@pytest.mark.parametrize(
    ("day", "length"), [(date(2026, 2, 27), 28), (date(2026, 2, 28), 31), (date(2026, 1, 30), 31), (JAN_31, 28)]
)
def test_the_length_of_the_period_that_contains_a_day(day: date, length: int) -> None:
    """With the anchor 31 January: 31 January to 27 February are 28 days, 28 February to 30 March 31."""
    assert Schedule("monthly", JAN_31, JAN_31).period_length(day) == length


@pytest.mark.parametrize(
    ("ends_on", "paused_on", "state"),
    [
        (None, None, "active"),
        (date(2026, 6, 1), None, "active"),
        (date(2026, 5, 31), None, "ended"),
        (None, date(2026, 5, 1), "paused"),
        (date(2026, 5, 31), date(2026, 5, 1), "ended"),
    ],
)
def test_the_state_on_a_day(ends_on: date | None, paused_on: date | None, state: str) -> None:
    schedule = Schedule("monthly", JAN_31, JAN_31, ends_on, paused_on=paused_on)
    assert schedule.state(date(2026, 6, 1)) == state


@pytest.mark.parametrize(("last", "number"), [(date(2026, 1, 31), 1), (date(2026, 3, 1), 30), (date(2026, 1, 30), 0)])
def test_both_days_count(last: date, number: int) -> None:
    assert count_days(JAN_31, last) == number
    assert count_days(JAN_31, date(2025, 1, 1)) == 0


def test_the_ids_of_charges_are_frozen() -> None:
    """UUIDv5: the SHA-1 of the schedule's 16 bytes and of the text `2026-03-01`, checked with sha1sum."""
    schedule_id = UUID(int=1)
    assert charge_id(schedule_id, date(2026, 3, 1)) == UUID("9b7c9941-9410-56ac-95d3-c4c76e53a3be")
    assert charge_id(schedule_id, date(2026, 3, 1), date(2026, 3, 20)) == UUID("7d9d1ab8-5ab2-5f93-9e36-2d78dcebd542")


def test_an_adjustment_says_so_in_its_description() -> None:
    assert adjustment_description("Support") == "Support, taken back"


def spec(**fields: Any) -> RecurringChargeSpec:
    values: dict[str, Any] = {
        "customer": "ACME",
        "service": "hosting",
        "interval": "monthly",
        "starts_on": JAN_31,
    } | fields
    return RecurringChargeSpec(**values)


def test_a_request_may_end_on_its_first_day() -> None:
    assert spec(ends_on=JAN_31, description="x" * 900, quantity=Decimal(-1)).ends_on == JAN_31


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"interval": "daily"}, "unknown_interval", "interval"),
        ({"interval_count": 0}, "out_of_range", "interval_count"),
        ({"interval_count": 121}, "out_of_range", "interval_count"),
        ({"interval": "weekly", "interval_count": 521}, "out_of_range", "interval_count"),
        ({"interval": "half_yearly", "interval_count": 21}, "out_of_range", "interval_count"),
        ({"timing": "later"}, "not_a_choice", "timing"),
        ({"quantity": Decimal(0)}, "out_of_range", "quantity"),
        ({"quantity": Decimal("NaN")}, "not_a_number", "quantity"),
        ({"unit_price": Decimal("0.0000000000001")}, "out_of_range", "unit_price"),
        ({"description": " "}, "blank", "description"),
        ({"description": "x" * 901}, "too_long", "description"),
        ({"currency": "XXX"}, "unknown_currency", "currency"),
        ({"starts_on": date(2200, 1, 1)}, "out_of_range", "starts_on"),
        ({"anchor_on": date(1969, 12, 31)}, "out_of_range", "anchor_on"),
        ({"ends_on": date(2026, 1, 30)}, "out_of_range", "ends_on"),
    ],
)
def test_wrong_requests_are_refused(fields: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        spec(**fields)
    assert (refused.value.code, refused.value.field) == (code, (field,))


def test_in_arrears_a_charge_is_due_on_the_last_day_of_its_period() -> None:
    november = Schedule("monthly", date(2026, 11, 1), date(2026, 11, 10), timing=IN_ARREARS)
    assert november.due(date(2026, 11, 29)) == []
    [period] = november.due(date(2026, 11, 30))
    assert (period.incurred_on, period.owed_from, period.owed_to) == (
        date(2026, 11, 30),
        date(2026, 11, 10),
        date(2026, 11, 30),
    )
    ended = replace(november, ends_on=date(2026, 11, 19))
    assert [period.incurred_on for period in ended.due(date(2026, 12, 31))] == [date(2026, 11, 19)]


def test_in_arrears_a_period_that_began_before_a_pause_is_posted_when_it_is_over() -> None:
    paused_on, resumed_on = date(2026, 11, 10), date(2026, 11, 20)
    november = Schedule("monthly", date(2026, 11, 1), date(2026, 11, 1), paused_on=paused_on, timing=IN_ARREARS)
    assert [period.incurred_on for period in november.upcoming()] == [date(2026, 11, 30)]
    assert november.resumed_through(resumed_on) is None
    posted = replace(november, posted_through=date(2026, 11, 1))
    assert list(posted.upcoming()) == []
    assert posted.resumed_through(date(2027, 1, 15)) == date(2027, 1, 14)
    in_advance = replace(november, timing=IN_ADVANCE, posted_through=date(2026, 11, 1))
    assert in_advance.resumed_through(resumed_on) == date(2026, 11, 19)


@given(
    interval=st.sampled_from(list(INTERVALS)),
    data=st.data(),
    anchor=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    starts_on=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    timing=st.sampled_from(TIMINGS),
)
def test_periods_cover_each_day_once_whatever_the_interval(
    interval: str, data: st.DataObject, anchor: date, starts_on: date, timing: str
) -> None:
    count = data.draw(st.integers(1, INTERVALS[interval].max_count))
    schedule = Schedule(interval, anchor, starts_on, interval_count=count, timing=timing)
    first, *others = periods = list(islice(schedule.periods(), 5))
    assert first.owed_from == starts_on
    assert [period.owed_from for period in others] == [period.owed_to + DAY for period in periods[:-1]]
    assert not any(period.is_partial for period in others)
    for period in periods:
        assert period.of_days == schedule.period_length(period.owed_from) == schedule.period_length(period.owed_to)
        assert period.of_days <= MAX_PERIOD_DAYS
        assert period.incurred_on == (period.owed_to if timing == IN_ARREARS else period.owed_from)
    assert schedule.due(periods[-1].incurred_on) == periods
    done = replace(schedule, posted_through=others[0].owed_from)
    assert next(done.periods()) == others[1]
    assert (INTERVALS[interval].days > 0) == (interval == "weekly")

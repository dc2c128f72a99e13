"""The month end: the month in the URL, and the steps that figures decide."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis.strategies import dates, text

from billing_admin.domain.errors import Invalid
from billing_admin.domain.month_end import (
    Source,
    covers_month,
    month_after,
    month_before,
    parse_month,
    runs_are_done,
    whole_month,
)
from billing_admin.domain.receivable_trends import Month

TODAY = date(2026, 3, 17)
FEBRUARY = Month(date(2026, 2, 1), date(2026, 2, 28))


def test_the_month_is_the_last_whole_one_by_default() -> None:
    assert parse_month("", TODAY) == FEBRUARY
    assert parse_month("2026-02", TODAY) == FEBRUARY
    assert parse_month("2026-03", TODAY) == Month(date(2026, 3, 1), date(2026, 3, 31))


@pytest.mark.parametrize(
    "content", ["2026-04", "2026-13", "2026-00", "0000-01", "9999-01", "2026-2", "x", "2026-02-01"]
)
def test_no_other_month_is_read(content: str) -> None:
    with pytest.raises(Invalid):
        parse_month(content, TODAY)


@given(text())
def test_any_text_is_a_month_or_refused(content: str) -> None:
    try:
        month = parse_month(content, TODAY)
    except Invalid:
        return
    assert month.first <= TODAY


@given(dates(date(1971, 1, 1), date(2198, 12, 31)))
def test_months_follow_each_other(day: date) -> None:
    month = whole_month(day)
    assert month.first <= day <= month.last
    assert month_before(month_after(month)) == month
    assert (month_after(month).first - month.last).days == 1


@pytest.mark.parametrize(("last", "delivered"), [(None, False), (date(2026, 2, 27), False), (date(2026, 2, 28), True)])
def test_a_source_delivers_at_the_end_of_the_month(last: date | None, delivered: bool) -> None:
    assert Source("token", "nightly", last).has_delivered(FEBRUARY) is delivered


@pytest.mark.parametrize(
    ("states", "documents", "done"),
    [([], 0, True), ([], 3, False), (["done"], 3, True), (["done", "failed"], 0, False), (["running"], 0, False)],
)
def test_billing_is_done_when_no_run_is_unfinished(states: list[str], documents: int, done: bool) -> None:
    assert runs_are_done(states, documents) is done


@pytest.mark.parametrize(
    ("first", "last", "covered"),
    [
        (None, None, True),
        ("2026-02-01", "2026-02-28", True),
        ("2026-01-01", "2026-12-31", True),
        ("2026-02-02", None, False),
        (None, "2026-02-27", False),
    ],
)
def test_an_export_covers_the_whole_month(first: str | None, last: str | None, covered: bool) -> None:
    assert covers_month(first, last, FEBRUARY) is covered

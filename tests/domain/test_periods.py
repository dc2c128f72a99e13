"""On which days a document may be dated: not after today, not in the locked period, not before the last of its series."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.periods import LastDocument, check_document_date

TODAY = date(2026, 11, 29)
ANY_DAY = st.dates() | st.integers(-40, 40).map(lambda days: TODAY + timedelta(days))


def last(day: date) -> LastDocument:
    return LastDocument("invoice", "INV-2026-00042", day)


def refusal_of(day: date, today: date, locked: date | None, before: LastDocument | None) -> Invalid | None:
    try:
        check_document_date(day, today, locked, before, "issue_date")
    except Invalid as refusal:
        return refusal
    return None


@given(day=ANY_DAY, today=ANY_DAY, locked=st.none() | ANY_DAY, last_day=st.none() | ANY_DAY)
@example(date(2026, 12, 29), TODAY, None, None)
@example(date(2199, 11, 29), TODAY, None, None)
@example(TODAY, TODAY, None, TODAY)
@example(TODAY, TODAY, TODAY, None)
@example(TODAY, TODAY, None, date(2026, 12, 29))
@example(date.min, TODAY, None, None)
@example(date.max, TODAY, None, None)
def test_a_day_is_accepted_after_the_lock_up_to_today_and_not_before_the_last_document(
    day: date, today: date, locked: date | None, last_day: date | None
) -> None:
    may = (locked is None or locked < day) and day <= today and (last_day is None or last_day <= day)
    codes = {"in_the_future"} if day > today else set()
    codes |= {"period_locked"} if locked is not None and day <= locked else set()
    codes |= {"before_last_issue"} if last_day is not None and day < last_day else set()
    refusal = refusal_of(day, today, locked, None if last_day is None else last(last_day))
    assert (refusal is None) == may
    if refusal is not None:
        assert (refusal.field, refusal.code in codes) == (("issue_date",), True)


def test_a_date_in_the_future_is_refused_with_the_day_today() -> None:
    with pytest.raises(Invalid) as refused:
        check_document_date(date(2026, 12, 29), TODAY, None, None, "issue_date")
    assert refused.value.code == "in_the_future"
    assert refused.value.message == "Use 2026-11-29 (today) or earlier: this day is in the future."


def test_a_series_that_a_future_document_blocks_is_named_with_what_can_be_done() -> None:
    with pytest.raises(Invalid) as refused:
        check_document_date(TODAY, TODAY, None, last(date(2026, 12, 29)), "issue_date")
    assert refused.value.code == "before_last_issue"
    for words in ("INV-2026-00042", "2026-12-29", "2026-11-29", "Change the format of these numbers in the settings"):
        assert words in refused.value.message


def test_the_last_document_of_today_or_before_says_which_day_to_use() -> None:
    with pytest.raises(Invalid) as refused:
        check_document_date(date(2026, 11, 1), TODAY, None, LastDocument("credit_note", "CN-1", TODAY), "issue_date")
    assert refused.value.message == "Use 2026-11-29 or later: a credit note with this date has already been issued."

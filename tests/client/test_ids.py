"""Ids derived from the caller's events: always the same, and different for different events."""

import time
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from billing_client import charge_id, new_id
from hypothesis import given, strategies as st

PARTS = st.one_of(st.text(), st.integers(), st.dates(), st.decimals(allow_nan=False, allow_infinity=False), st.uuids())


def test_an_id_is_what_it_was_when_the_first_version_came_out() -> None:
    """A change of these ids would charge customers again when a script is restarted."""
    event = "meter-7", date(2026, 11, 22), 4711, Decimal("2.50"), UUID(int=1)
    assert charge_id(*event) == UUID("b2940873-2ffd-55b8-baf3-e19f4df30039")
    assert charge_id("é") == UUID("50f4110a-6414-521b-8915-20a2ce2c58a1")


@given(st.lists(PARTS, min_size=1))
def test_an_id_is_the_same_each_time(parts: list[Any]) -> None:
    parts.append("event")
    assert charge_id(*parts) == charge_id(*parts)
    assert charge_id(*parts).version == 5


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_two_events_have_two_ids(first: list[str], second: list[str]) -> None:
    assert (charge_id("x", *first) == charge_id("x", *second)) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((7,), ("7",)),
        ((date(2026, 11, 22),), ("2026-11-22",)),
        ((Decimal("2.50"),), (Decimal("2.5"),)),
        ((Decimal("1E+2"),), (100,)),
        ((Decimal("-0"),), (0,)),
        ((UUID(int=1),), (str(UUID(int=1)),)),
        (
            (datetime(2026, 11, 22, 12, tzinfo=UTC),),
            (datetime(2026, 11, 22, 13, tzinfo=timezone(timedelta(hours=1))),),
        ),
    ],
)
def test_what_is_written_alike_is_alike(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    assert charge_id(*first) == charge_id(*second)


@pytest.mark.parametrize(
    ("first", "second"), [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), (("1:a",), ("a",)), ((1, 23), (12, 3))]
)
def test_where_a_part_ends_counts(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    assert charge_id(*first) != charge_id(*second)


@pytest.mark.parametrize(
    ("parts", "kind", "message"),
    [
        ((), ValueError, "at least one part"),
        (("", ""), ValueError, "at least one part"),
        (("a", 0.1), TypeError, "part 2: 0.1 is a float"),
        (("a", None), TypeError, "part 2: None is not allowed"),
        ((True,), TypeError, "a bool"),
        ((b"a",), TypeError, "a bytes"),
        ((Decimal("NaN"),), ValueError, "not a number"),
        ((datetime(2026, 11, 22),), ValueError, "without a time zone"),  # noqa: DTZ001 - the test needs one without a time zone
    ],
)
def test_what_names_no_event_is_refused(parts: tuple[Any, ...], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        charge_id(*parts)


def test_fresh_ids_sort_by_time_and_differ() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}
    moments = [id.int >> 80 for id in ids]
    assert all(first <= second for first, second in pairwise(moments))
    assert abs(moments[0] / 1000 - time.time()) < 60

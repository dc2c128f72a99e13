"""Prices over time: which one is valid on a day."""

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.dated_values import effective_on
from billing_admin.domain.prices import ListPrice, change_in_percent, price_history, prices_on

DAY = date(2026, 3, 15)


class Price(NamedTuple):
    currency: str
    valid_from: date
    unit_price: Decimal | None
    includes_tax: bool = False


offsets = st.integers(-5, 5).map(lambda days: DAY + timedelta(days=days))
prices = st.builds(Price, st.sampled_from(["EUR", "JPY", "USD"]), offsets, st.none() | st.integers(0, 9).map(Decimal))
histories = st.lists(prices, max_size=12, unique_by=lambda price: (price.currency, price.valid_from))


@given(histories)
def test_the_last_price_that_has_begun_is_valid_unless_it_ends_the_prices(history: list[Price]) -> None:
    expected = {}
    for price in sorted(history):
        if price.valid_from <= DAY:
            expected[price.currency] = price
    assert prices_on(DAY, history) == {
        currency: price for currency, price in expected.items() if price.unit_price is not None
    }


@given(histories)
def test_the_history_has_each_price_once_and_one_current_price_a_currency(history: list[Price]) -> None:
    listed = price_history(DAY, history)
    assert [price for price, _ in listed] == sorted(history, key=lambda price: (price.currency, price.valid_from))
    current = {price.currency: price for price, state in listed if state == "current"}
    assert len(current) == sum(state == "current" for _, state in listed)
    assert {name for name, price in current.items() if price.unit_price is not None} == prices_on(DAY, history).keys()
    for price, state in listed:
        assert (state == "future") == (price.valid_from > DAY)


def test_nothing_is_valid_before_the_first_value_begins() -> None:
    assert effective_on(DAY, [Price("EUR", DAY + timedelta(days=1), Decimal(1))]) is None
    assert effective_on(DAY, list[Price]()) is None


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [
        ("20", "25", "25"),
        ("25", "20", "20"),
        ("0.0000008", "0.0000009", "12.5"),
        ("3", "3.3000001", "10.01"),  # rounded up: it is above 10 %
        ("3", "3", "0"),
        ("3", "0", "100"),
        ("3", None, "100"),
        (None, "3", "0"),
        ("0", "0", "0"),
        ("0", "3", None),
        ("0.000000000001", "999999999999999999", None),
    ],
)
def test_a_change_is_measured_in_percent_of_the_price_before(
    before: str | None, after: str | None, percent: str | None
) -> None:
    prices = [None if price is None else ListPrice(DAY, Decimal(price)) for price in (before, after)]
    assert change_in_percent(prices[0], prices[1]) == (None if percent is None else Decimal(percent))


def test_a_price_that_begins_to_include_tax_has_no_percentage() -> None:
    assert change_in_percent(ListPrice(DAY, Decimal(3)), ListPrice(DAY, Decimal(3), includes_tax=True)) is None

"""Prices and quantities of e-invoice lines: they give the line's net, whatever was rounded."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.einvoice_lines import LinePrice, period_within, state_price
from billing_admin.domain.money import EXACT, MINOR_DIGITS, Money, included_tax, minor_units, multiply

MARCH = date(2026, 3, 1), date(2026, 3, 31)


@dataclass(frozen=True)
class Line:
    """The figures of a line."""

    net: int
    currency: str
    quantity: Decimal
    unit_price: Decimal | None
    included_percent: Decimal | None = None


@pytest.mark.parametrize(
    ("net", "currency", "quantity", "unit_price", "included", "stated"),
    [
        # The unit price gives the net: it is stated with all its digits.
        (2500, "EUR", "10", "2.50", None, ("10", "2.5", None, True)),
        (1, "EUR", "600", "0.0000166667", None, ("600", "0.0000166667", None, True)),
        (0, "EUR", "0", "2.50", None, ("0", "2.5", None, True)),
        (-500, "EUR", "-2", "2.50", None, ("-2", "2.5", None, True)),
        (1000, "JPY", "8", "125", None, ("8", "125", None, True)),
        # A price is never negative: the quantity is.
        (-500, "EUR", "2", "-2.50", None, ("-2", "2.5", None, True)),
        (500, "EUR", "-2", "-2.50", None, ("2", "2.5", None, True)),
        # A plain amount, a price with tax, a net rounded to whole yen: the net is for the whole quantity.
        (10000, "EUR", "1", None, None, ("1", "100", None, False)),
        (10000, "EUR", "3", None, None, ("3", "100", "3", False)),
        (-10000, "EUR", "3", None, None, ("-3", "100", "3", False)),
        (840, "EUR", "1", "10", "19", ("1", "8.4", None, False)),
        (4202, "EUR", "5", "10", "19", ("5", "42.02", "5", False)),
        (37, "JPY", "3", "12.345", None, ("3", "37", "3", False)),
        # A base quantity is above zero, and not too large for the division of validators.
        (10000, "EUR", "0", None, None, ("1", "100", None, False)),
        (10000, "EUR", "1000000000000000", None, None, ("1", "100", None, False)),
    ],
)
def test_stated_price(
    net: int,
    currency: str,
    quantity: str,
    unit_price: str | None,
    included: str | None,
    stated: tuple[str, str, str | None, bool],
) -> None:
    line = Line(
        net,
        currency,
        Decimal(quantity),
        None if unit_price is None else Decimal(unit_price),
        None if included is None else Decimal(included),
    )
    amount, price, base, is_unit_price = stated
    expected = LinePrice(Decimal(amount), Decimal(price), None if base is None else Decimal(base), is_unit_price)
    assert state_price(line) == expected


exact = st.decimals(-(10**12), 10**12, places=12, allow_nan=False) | st.decimals(-100, 100, places=2, allow_nan=False)


@given(
    st.sampled_from(["EUR", "JPY"]), exact, exact | st.none(), st.sampled_from([None, Decimal(0), Decimal(19)]), exact
)
def test_stated_price_gives_the_net(
    currency: str, quantity: Decimal, unit_price: Decimal | None, included: Decimal | None, plain: Decimal
) -> None:
    amount = plain if unit_price is None else EXACT.multiply(quantity, unit_price)
    if abs(amount) >= 10**15:
        amount = plain % 1000
        unit_price = None
    if unit_price is not None:
        amount = multiply(quantity, unit_price)
    net = minor_units(amount, currency)
    if included is not None:
        net -= included_tax(net, included)
    stated = state_price(Line(net, currency, quantity, unit_price, included))
    assert stated.price >= 0
    assert stated.base_quantity is None or stated.base_quantity > 0
    # With the precision of the validators: 18 decimal places.
    each = Decimal(stated.price) if stated.base_quantity is None else _divide(stated.price, stated.base_quantity)
    difference = EXACT.multiply(stated.quantity, each) - Money(net, currency).decimal
    assert abs(difference) <= Decimal("0.02"), (MINOR_DIGITS[currency], stated)


def _divide(price: Decimal, base: Decimal) -> Decimal:
    return Decimal(int(price * 10**30) * 10**18 // int(base * 10**30)) / 10**18


@pytest.mark.parametrize(
    ("first", "last", "within"),
    [
        (None, None, None),
        (date(2026, 3, 5), date(2026, 3, 9), (date(2026, 3, 5), date(2026, 3, 9))),
        (date(2026, 2, 5), date(2026, 4, 9), MARCH),
        (date(2026, 4, 1), date(2026, 4, 30), None),
        (date(2026, 3, 31), date(2026, 3, 31), (date(2026, 3, 31), date(2026, 3, 31))),
    ],
)
def test_period_is_within_that_of_the_document(
    first: date | None, last: date | None, within: tuple[date, date] | None
) -> None:
    assert period_within(first, last, MARCH) == within

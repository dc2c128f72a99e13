"""The prices of services, each valid from a day.

The day of a charge decides which of them applies, as it does for tax rates.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_UP, Context, Decimal
from itertools import groupby
from typing import NamedTuple, Protocol, TypeVar

from billing_admin.domain.dated_values import DatedValue, effective_on
from billing_admin.domain.days import FIRST_DAY
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import EXACT, ZERO, exact_decimal
from billing_admin.domain.translation import Phrase

# The first day of the first price of a service in a currency, unless a day is given.
PRICES_START = FIRST_DAY
_MAX_PERCENT = Decimal(10) ** 9
_ROUNDING_UP = Context(prec=100, rounding=ROUND_UP)


class ListPrice(NamedTuple):
    """A unit price from a day on; None ends the prices on that day."""

    valid_from: date
    unit_price: Decimal | None
    includes_tax: bool = False


class PriceSpec(NamedTuple):
    """A request to set a price in a currency from a day on; None means not given."""

    currency: str
    unit_price: Decimal
    valid_from: date | None = None
    includes_tax: bool | None = None


def change_in_percent(before: ListPrice | None, after: ListPrice | None) -> Decimal | None:
    """Return by how much a price rises or falls, in percent of the price before.

    It is rounded up to two places. A first price is no change, and an end is one of 100 %. A price after an end is compared
    with the one before the end: give that as `before`. None means that it cannot be said: the price was zero or almost,
    or only one of the two includes tax.
    """
    if before is None or before.unit_price is None:
        return ZERO
    if after is None or after.unit_price is None:
        return Decimal(100)
    if before.includes_tax != after.includes_tax:
        return None
    difference = abs(EXACT.subtract(after.unit_price, before.unit_price))
    if not difference:
        return ZERO
    if not before.unit_price:
        return None
    share = _ROUNDING_UP.divide(EXACT.multiply(difference, Decimal(100)), before.unit_price)
    return _ROUNDING_UP.quantize(share, Decimal("0.01")) if share < _MAX_PERCENT else None


def check_unit_price(unit_price: Decimal, *field: str | int) -> Decimal:
    """Return a unit price.

    Raises:
        Invalid: It is negative or not exact; the error names `field`.
    """
    if exact_decimal(unit_price, *field) < 0:
        raise Invalid("out_of_range", Phrase("Enter a price of zero or more."), *field)
    return unit_price


class CurrencyPrice(DatedValue, Protocol):
    """A stored price of a service in a currency."""

    @property
    def currency(self) -> str:
        """The currency."""

    @property
    def unit_price(self) -> Decimal | None:
        """The price of one unit, or None where it ends."""

    @property
    def includes_tax(self) -> bool:
        """Whether tax is part of the price."""


Price = TypeVar("Price", bound=CurrencyPrice)
PRICE_STATES = ("past", "current", "future")


def terms_of(price: CurrencyPrice | None) -> ListPrice | None:
    """Return the terms of a stored price as they are now."""
    return None if price is None else ListPrice(price.valid_from, price.unit_price, price.includes_tax)


def prices_on(day: date, prices: Iterable[Price]) -> dict[str, Price]:
    """Return the prices of a service that are valid on a day, by currency."""
    by_currency: dict[str, list[Price]] = defaultdict(list)
    for price in prices:
        by_currency[price.currency].append(price)
    effective = {currency: effective_on(day, dated) for currency, dated in sorted(by_currency.items())}
    return {
        currency: price for currency, price in effective.items() if price is not None and price.unit_price is not None
    }


def price_history(day: date, prices: Iterable[Price]) -> list[tuple[Price, str]]:
    """Return all prices, by currency and first day, each with its state on a day."""
    ordered = sorted(prices, key=lambda price: (price.currency, price.valid_from))
    current = {currency: effective_on(day, dated) for currency, dated in groupby(ordered, lambda price: price.currency)}
    return [(price, _state(day, price, current[price.currency])) for price in ordered]


def _state(day: date, price: CurrencyPrice, current: CurrencyPrice | None) -> str:
    if price.valid_from > day:
        return "future"
    return "current" if price is current else "past"

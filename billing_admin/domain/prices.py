"""The prices of services, each valid from a day.

The day of a charge decides which of them applies, as it does for tax rates.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple, Protocol, TypeVar

from billing_admin.domain.dated_values import DatedValue, effective_on
from billing_admin.domain.days import FIRST_DAY
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.translation import Phrase

# The first day of the first price of a service in a currency, unless a day is given.
PRICES_START = FIRST_DAY


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


Price = TypeVar("Price", bound=CurrencyPrice)
PRICE_STATES = ("past", "current", "future")


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

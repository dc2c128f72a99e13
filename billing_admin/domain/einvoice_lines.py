"""Prices of the lines of an e-invoice, by EN 16931.

The net of a line is rounded once from exact charges, so price and quantity are stated such that they give it: validators
recompute each line. Prices and base quantities are never negative; the sign of an amount is that of its quantity.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

from billing_admin.domain.money import EXACT, ZERO, Money

# The difference between quantity × price and the net that a stated price may have. Validators allow 0.02.
TOLERANCE = Decimal("0.01")
ONE = Decimal(1)
# Validators divide to 18 decimal places: by a larger base quantity, they lose the cents.
LARGEST_BASE_QUANTITY = Decimal(10) ** 15


class PricedLine(Protocol):
    """The figures of a stored line; the net is in minor units of the currency."""

    @property
    def net(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def unit_price(self) -> Decimal | None: ...
    @property
    def included_percent(self) -> Decimal | None: ...


class LinePrice(NamedTuple):
    """Quantity (BT-129), net price (BT-146) and base quantity (BT-149) of a line.

    `base_quantity` is the quantity that `price` is for; it is None if it is one unit. `is_unit_price` tells whether the
    price is the one of the charges.
    """

    quantity: Decimal
    price: Decimal
    base_quantity: Decimal | None
    is_unit_price: bool


def state_price(line: PricedLine) -> LinePrice:
    """Return the price of a line as an e-invoice states it.

    It is the unit price, if that gives the net. Otherwise it is the net for the whole quantity.
    """
    net = Money(line.net, line.currency).decimal
    if line.unit_price is not None and line.included_percent is None:
        product = EXACT.multiply(line.quantity, line.unit_price)
        if abs(EXACT.subtract(product, net)) <= TOLERANCE:
            if line.unit_price < ZERO:
                return LinePrice(line.quantity.copy_negate(), line.unit_price.copy_negate(), None, is_unit_price=True)
            return LinePrice(line.quantity, line.unit_price, None, is_unit_price=True)
    quantity = line.quantity.copy_abs()  # unlike `abs`, it keeps all digits
    if not ZERO < quantity < LARGEST_BASE_QUANTITY:
        quantity = ONE
    base_quantity = None if quantity == ONE else quantity
    return LinePrice(quantity.copy_sign(net), net.copy_abs(), base_quantity, is_unit_price=False)


def period_within(first: date | None, last: date | None, document: tuple[date, date]) -> tuple[date, date] | None:
    """Return the part of a line's period within the document's, None without one."""
    if first is None or last is None:
        return None
    within = max(first, document[0]), min(last, document[1])
    return within if within[0] <= within[1] else None

"""The tax breakdown of a document, with a row for each category and percentage.

EN 16931 asks for it. Stored taxes have a row of their own for prices that include tax. On a document, they are added up and never
rounded again.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import EXACT, MINOR_DIGITS
from billing_admin.domain.tax import DEFAULT_TAX_NOTES

# For these categories, EN 16931 forbids a reason: they are taxed, if only at 0 %.
CATEGORIES_WITHOUT_REASON = frozenset({"S", "Z"})
# Validators round a lower percentage to 0.
LEAST_PERCENT = Decimal("0.5")


class DocumentTax(Protocol):
    """The stored tax of a document at one rate, in minor units."""

    @property
    def category(self) -> str: ...
    @property
    def percent(self) -> Decimal: ...
    @property
    def base(self) -> int: ...
    @property
    def tax(self) -> int: ...
    @property
    def note(self) -> str: ...
    @property
    def vatex(self) -> str: ...


class TaxSubtotal(NamedTuple):
    """A row of the breakdown (BG-23), in minor units.

    `reason` (BT-120) says why no tax is charged, and `vatex` (BT-121) is its code, if all taxes of the row have the same.
    """

    category: str
    percent: Decimal
    base: int
    tax: int
    reason: str
    vatex: str


def tax_breakdown(taxes: Iterable[DocumentTax]) -> tuple[TaxSubtotal, ...]:
    """Return the taxes of a document by category and percentage, in their order."""
    rows: dict[tuple[str, Decimal], list[DocumentTax]] = {}
    for tax in taxes:
        rows.setdefault((tax.category, tax.percent), []).append(tax)
    return tuple(_subtotal(category, percent, row) for (category, percent), row in rows.items())


def _subtotal(category: str, percent: Decimal, row: list[DocumentTax]) -> TaxSubtotal:
    base, tax = sum(tax.base for tax in row), sum(tax.tax for tax in row)
    if category in CATEGORIES_WITHOUT_REASON:
        return TaxSubtotal(category, percent, base, tax, "", "")
    codes = {tax.vatex for tax in row}
    vatex = codes.pop() if len(codes) == 1 else ""
    reason = "; ".join(dict.fromkeys(tax.note for tax in row if tax.note))
    # EN 16931 requires a reason or its code; documents that were issued before may have neither.
    return TaxSubtotal(category, percent, base, tax, reason or ("" if vatex else DEFAULT_TAX_NOTES[category]), vatex)


def is_tax_recomputable(taxes: Iterable[tuple[TaxRate, int, int]], currency: str) -> bool:
    """Return whether the tax at each rate differs from base × percent by less than 1.

    Validators check it (BR-CO-17). `taxes` are rates with their bases and taxes, in minor units. The difference is
    larger only in currencies without decimals, where prices with and without tax of one rate were rounded apart.
    """
    if MINOR_DIGITS[currency]:
        return True
    sums = _sums_by_rate(taxes).items()
    hundredths = (abs(EXACT.multiply(rate.percent, Decimal(base)) - 100 * tax) for rate, (base, tax) in sums)
    return all(difference < 100 for difference in hundredths)


def is_low_rate_refused(taxes: Iterable[tuple[TaxRate, int, int]], currency: str) -> bool:
    """Return whether a rate below 0.5 % has a tax that validators refuse.

    They round the percentage and the tax to whole numbers: where the first is 0, the second must be as well (BR-CO-17).
    """
    unit = 10 ** MINOR_DIGITS[currency]
    return any(
        rate.percent < LEAST_PERCENT and not -unit <= 2 * tax < unit for rate, (_, tax) in _sums_by_rate(taxes).items()
    )


def _sums_by_rate(taxes: Iterable[tuple[TaxRate, int, int]]) -> dict[TaxRate, tuple[int, int]]:
    """Return base and tax of each rate."""
    sums: dict[TaxRate, tuple[int, int]] = {}
    for rate, base, tax in taxes:
        earlier_base, earlier_tax = sums.get(rate, (0, 0))
        sums[rate] = earlier_base + base, earlier_tax + tax
    return sums

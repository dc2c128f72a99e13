"""The rounding of a credit's tax in currencies without decimals.

Validators of e-invoices recompute the tax of each document (BR-CO-17): at each rate, it differs from base × percent by
less than one whole unit. In a currency without decimals, one minor unit is a whole unit. Taxes that are right for all credits
together can then be wrong for one of them. So a credit is chosen such that its own tax and the tax of the remainder both match:
the remainder can then be credited as well.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, Self

from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.tax_breakdown import is_tax_recomputable

# In the order in which they are tried: the tax as it was rounded, one unit more, one unit less.
_SHIFTS = (0, 1, -1)


class CreditedPart(NamedTuple):
    """The base and tax that a credit takes at one rate of an invoice.

    With what was left of both before. Amounts are in minor units.
    """

    rate: TaxRate
    left_base: int
    left_tax: int
    base: int
    tax: int

    @property
    def is_within_left(self) -> bool:
        """Whether no more than the remainder is credited."""
        return all(
            min(remainder, 0) <= credited <= max(remainder, 0)
            for credited, remainder in ((self.base, self.left_base), (self.tax, self.left_tax))
        )

    def with_tax(self, units: int, *, keeps_total: bool) -> Self:
        """Return the part with more tax; `keeps_total` takes it off the base."""
        return self._replace(base=self.base - units if keeps_total else self.base, tax=self.tax + units)


def with_recomputable_tax(
    parts: Sequence[CreditedPart], currency: str, *, keeps_total: bool
) -> Sequence[CreditedPart] | None:
    """Return the parts of a credit with taxes that match their bases, or None.

    `parts` are those of each rate of the invoice, also of rates of which nothing is credited. They are returned unchanged if
    they match already, and if the remainder of the invoice does not match before.
    """
    if MINOR_DIGITS[currency]:
        return parts
    chosen: dict[int, CreditedPart] = {}
    for rate in {part.rate for part in parts}:
        places = [place for place, part in enumerate(parts) if part.rate == rate]
        choice = _first_that_matches([parts[place] for place in places], currency, keeps_total)
        if choice is None:
            return None
        chosen |= dict(zip(places, choice, strict=True))
    return [chosen[place] for place in range(len(parts))]


def _first_that_matches(
    parts: Sequence[CreditedPart], currency: str, keeps_total: bool
) -> Sequence[CreditedPart] | None:
    """Return the parts of one rate, changed as little as possible."""
    if not _is_creditable([(part.rate, part.left_base, part.left_tax) for part in parts], currency):
        return parts
    for choice in _choices(parts, keeps_total):
        credited = [(part.rate, part.base, part.tax) for part in choice]
        remainder = [(part.rate, part.left_base - part.base, part.left_tax - part.tax) for part in choice]
        if (
            all(part.is_within_left for part in choice)
            and is_tax_recomputable(credited, currency)
            and _is_creditable(remainder, currency)
        ):
            return choice
    return None


def _choices(parts: Sequence[CreditedPart], keeps_total: bool) -> Iterator[Sequence[CreditedPart]]:
    """Yield the parts as they are, then with the fewest changes."""
    shifts = [_SHIFTS if part.base or part.tax else (0,) for part in parts]
    for units in sorted(product(*shifts), key=lambda choice: sum(map(abs, choice))):
        yield [part.with_tax(unit, keeps_total=keeps_total) for part, unit in zip(parts, units, strict=True)]


def _is_creditable(remainder: Sequence[tuple[TaxRate, int, int]], currency: str) -> bool:
    """Return whether the remainder can be credited, at once and each part alone."""
    return is_tax_recomputable(remainder, currency) and all(is_tax_recomputable([part], currency) for part in remainder)

"""Sums of documents per currency."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """Sums of documents in one currency, in minor units."""

    currency: str
    invoices: int
    net: int
    tax: int
    total: int


def sum_by_currency(amounts: Iterable[tuple[str, int, int, int]]) -> list[CurrencyTotal]:
    """Add up documents, each given as currency, net, tax and total, per currency."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for currency, net, tax, total in amounts:
        for position, value in enumerate((1, net, tax, total)):
            sums[currency][position] += value
    return [CurrencyTotal(currency, *sums[currency]) for currency in sorted(sums)]

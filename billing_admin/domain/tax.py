"""Which tax a charge bears: the rate of its service on its day, unless its customer's treatment charges none."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Protocol

from billing_admin.domain.invoices import ChargeGroup, TaxRate

ZERO_PERCENT = Decimal(0)

# How a customer is taxed, in words; and for those who are charged no tax the rate that stands on their documents.
TREATMENTS = {
    "standard": "Taxed as the services say",
    "exempt": "Exempt from tax",
    "reverse_charge": "Reverse charge",
    "export": "Export outside the EU",
}
UNTAXED_RATES = {
    "exempt": TaxRate("E", ZERO_PERCENT),
    "reverse_charge": TaxRate("AE", ZERO_PERCENT),
    "export": TaxRate("G", ZERO_PERCENT),
}

# The reasons that EN 16931 wants printed where no tax is charged; a zero rate (Z) needs none.
DEFAULT_TAX_NOTES = {
    "E": "Exempt from tax",
    "AE": "Reverse charge: the customer accounts for the tax",
    "O": "Not subject to tax",
    "G": "Export: no tax is charged",
    "K": "Intra-community supply: no tax is charged",
}
# Who is outside of the scope of tax altogether may say so or not.
CATEGORIES_WITHOUT_NOTE = frozenset({"S", "Z", "O"})


class RateChange(Protocol):
    """The percentage of a rate from a day on."""

    @property
    def valid_from(self) -> date: ...
    @property
    def percent(self) -> Decimal: ...


def percent_on(day: date, first: Decimal, changes: Iterable[RateChange]) -> Decimal:
    """The percentage of a rate on a day: that of the last change up to it, else its first one."""
    begun = [change for change in changes if change.valid_from <= day]
    return max(begun, key=lambda change: change.valid_from).percent if begun else first


def with_untaxed_rate(group: ChargeGroup, rate: TaxRate, note: str) -> ChargeGroup:
    """The same charges of a customer who is charged no tax, and the reason to print."""
    return group._replace(tax=rate, tax_note=note)

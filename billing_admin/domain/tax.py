"""The tax of a charge: its service's rate on its day.

A customer's tax treatment can exempt the charge from tax.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

from billing_admin.domain.dated_values import DatedValue, effective_on
from billing_admin.domain.invoices import ChargeGroup, TaxRate
from billing_admin.domain.translation import Phrase
from billing_admin.domain.vatex import VATEX_BY_CATEGORY

ZERO_PERCENT = Decimal(0)

# Tax treatments of customers, with their labels.
TREATMENTS = {
    "standard": Phrase("Taxed at the services' rates"),
    "exempt": Phrase("Exempt from tax"),
    "reverse_charge": Phrase("Reverse charge"),
    "export": Phrase("Export outside the EU"),
    "intra_community": Phrase("Intra-community supply"),
}
# The rate on the documents of customers who are charged no tax, by treatment.
UNTAXED_RATES: Mapping[str, TaxRate] = {
    "exempt": TaxRate("E", ZERO_PERCENT),
    "reverse_charge": TaxRate("AE", ZERO_PERCENT),
    "export": TaxRate("G", ZERO_PERCENT),
    "intra_community": TaxRate("K", ZERO_PERCENT),
}

# The first letters of VAT numbers of the EU: Greece is EL, and Northern Ireland (XI) belongs to it for goods.
EU_VAT_PREFIXES = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "XI",
})  # fmt: skip

# EN 16931 requires a printed reason where no tax is charged; a zero rate (Z) needs none.
DEFAULT_TAX_NOTES = {
    "E": Phrase("Exempt from tax"),
    "AE": Phrase("Reverse charge: the customer accounts for the tax"),
    "O": Phrase("Not subject to tax"),
    "G": Phrase("Export: no tax is charged"),
    "K": Phrase("Intra-community supply: no tax is charged"),
}
# Categories whose reason may be left empty; for "not subject to tax" (O) it is optional.
CATEGORIES_WITHOUT_NOTE = frozenset({"S", "Z", "O"})


class UntaxedTerms(NamedTuple):
    """The rate, the printed reason and the VATEX code of a treatment without tax."""

    rate: TaxRate
    note: str
    vatex: str


def untaxed_terms(notes: Mapping[str, str], exempt_vatex: str) -> dict[str, UntaxedTerms]:
    """Return the terms of each treatment without tax, from its reasons by treatment."""
    return {
        treatment: UntaxedTerms(rate, notes[treatment], VATEX_BY_CATEGORY.get(rate.category, exempt_vatex))
        for treatment, rate in UNTAXED_RATES.items()
    }


class RateChange(DatedValue, Protocol):
    """A tax rate's percentage from a day on."""

    @property
    def percent(self) -> Decimal: ...


def percent_on(day: date, first: Decimal, changes: Iterable[RateChange]) -> Decimal:
    """Return a rate's percentage on a day.

    It is that of the last change up to that day, or else the first percentage.
    """
    change = effective_on(day, changes)
    return first if change is None else change.percent


def with_untaxed_rate(group: ChargeGroup, terms: UntaxedTerms) -> ChargeGroup:
    """Return a group at the rate of a customer who is charged no tax."""
    return group._replace(tax=terms.rate, tax_note=terms.note, vatex=terms.vatex)

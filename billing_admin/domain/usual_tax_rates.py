"""The usual tax rates of countries, which the set-up proposes.

`docs/organisation.md` names their sources. People check and change them before they are saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing_admin.domain.money import plain_decimal

# Country → percentages, the standard rate first. Checked on 2026-01-01.
_VAT: Final[Mapping[str, str]] = {
    "AT": "20 13 10",
    "BE": "21 12 6",
    "BG": "20 9",
    "CH": "8.1 3.8 2.6",
    "CY": "19 9 5",
    "CZ": "21 12",
    "DE": "19 7",
    "DK": "25",
    "EE": "24 13 9",
    "ES": "21 10 4",
    "FI": "25.5 13.5 10",
    "FR": "20 10 5.5 2.1",
    "GB": "20 5 0",
    "GR": "24 13 6",
    "HR": "25 13 5",
    "HU": "27 18 5",
    "IE": "23 13.5 9",
    "IS": "24 11",
    "IT": "22 10 5 4",
    "LI": "8.1 3.8 2.6",
    "LT": "21 12 5",
    "LU": "17 14 8 3",
    "LV": "21 12 5",
    "MT": "18 12 7 5",
    "NL": "21 9",
    "NO": "25 15 12",
    "PL": "23 8 5",
    "PT": "23 13 6",
    "RO": "21 11",
    "SE": "25 12 6",
    "SI": "22 9.5 5",
    "SK": "23 19 5",
    "ZA": "15",
}
_GST: Final[Mapping[str, str]] = {"AU": "10", "NZ": "15", "SG": "9"}
COUNTRIES: Final = frozenset({*_VAT, *_GST})


@dataclass(frozen=True, slots=True)
class UsualRate:
    """A tax rate as the set-up proposes it."""

    name: str
    percent: Decimal


def usual_rates(country: str) -> list[UsualRate]:
    """Return the usual tax rates of a country, if they are known.

    The standard rate comes first.
    """
    tax, percents = ("GST", _GST[country]) if country in _GST else ("VAT", _VAT.get(country, ""))
    return [UsualRate(rate_name(Decimal(percent), tax), Decimal(percent)) for percent in percents.split()]


def rate_name(percent: Decimal, tax: str = "VAT") -> str:
    """Return the usual name of a tax rate, such as `VAT 19%`."""
    return f"{tax} {plain_decimal(percent)}%"


def rate_code(percent: Decimal) -> str:
    """Return the code under which the set-up stores a tax rate, such as `vat-19`."""
    return f"vat-{plain_decimal(percent)}"

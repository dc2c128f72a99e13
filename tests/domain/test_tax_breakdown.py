"""The tax breakdown: one row for each category and percentage, nothing rounded again."""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.tax_breakdown import TaxSubtotal, is_low_rate_refused, is_tax_recomputable, tax_breakdown


@dataclass(frozen=True)
class Tax:
    """A stored tax."""

    category: str
    percent: Decimal
    base: int
    tax: int
    note: str = ""
    vatex: str = ""


def test_taxes_in_and_on_prices_are_added_up() -> None:
    taxes = [
        Tax("S", Decimal(19), 10000, 1900),
        Tax("S", Decimal(7), 100, 7),
        Tax("S", Decimal("19.0"), 841, 159),
        Tax("Z", Decimal(0), 500, 0),
    ]
    assert tax_breakdown(taxes) == (
        TaxSubtotal("S", Decimal(19), 10841, 2059, "", ""),
        TaxSubtotal("S", Decimal(7), 100, 7, "", ""),
        TaxSubtotal("Z", Decimal(0), 500, 0, "", ""),
    )
    assert tax_breakdown([]) == ()


@pytest.mark.parametrize(
    ("parts", "reason", "vatex"),
    [
        ([("Education", "VATEX-EU-132-1I")], "Education", "VATEX-EU-132-1I"),
        ([("Education", "VATEX-EU-132-1I")] * 2, "Education", "VATEX-EU-132-1I"),
        ([("Education", "VATEX-EU-132-1I"), ("Health", "VATEX-EU-132-1B")], "Education; Health", ""),
        ([("Education", "VATEX-EU-132-1I"), ("Other", "")], "Education; Other", ""),
        ([("", "VATEX-EU-132-1I")], "", "VATEX-EU-132-1I"),
        ([("", "")], "Exempt from tax", ""),
    ],
)
def test_reasons_are_joined_and_the_code_is_kept_if_all_agree(
    parts: list[tuple[str, str]], reason: str, vatex: str
) -> None:
    taxes = [Tax("E", Decimal(0), 100, 0, *part) for part in parts]
    (row,) = tax_breakdown(taxes)
    assert (row.base, row.reason, row.vatex) == (100 * len(parts), reason, vatex)


@pytest.mark.parametrize("category", ["S", "Z"])
def test_taxed_rows_have_no_reason(category: str) -> None:
    (row,) = tax_breakdown([Tax(category, Decimal(0), 100, 0, "An old note", "VATEX-EU-O")])
    assert (row.reason, row.vatex) == ("", "")


@pytest.mark.parametrize(
    ("currency", "taxes", "recomputable"),
    [
        ("EUR", [(10841, 2059)], True),
        ("EUR", [(5, 1), (5, 1)], True),
        ("JPY", [(5, 1)], True),
        ("JPY", [(5, 1), (5, 1)], False),  # 2 yen, where 10 % of 10 yen are 1
        ("JPY", [(1000, 100), (5, 1)], True),
        ("JPY", [(-5, -1), (-5, -1)], False),
    ],
)
def test_taxes_that_were_rounded_apart_can_differ(
    currency: str, taxes: list[tuple[int, int]], recomputable: bool
) -> None:
    rate = TaxRate("S", Decimal(19 if currency == "EUR" else 10))
    assert is_tax_recomputable([(rate, base, tax) for base, tax in taxes], currency) is recomputable


def test_taxes_of_different_rates_are_not_added_up() -> None:
    taxes = [(TaxRate("S", Decimal(percent)), 5, 1) for percent in (8, 10)]
    assert is_tax_recomputable(taxes, "JPY")


@pytest.mark.parametrize(
    ("percent", "currency", "taxes", "refused"),
    [
        ("0.49", "EUR", [49], False),
        ("0.49", "EUR", [50], True),
        ("0.49", "EUR", [25, 25], True),
        ("0.49", "EUR", [-50], False),  # XPath rounds -0.5 to 0
        ("0.49", "EUR", [-51], True),
        ("0.49", "JPY", [1], True),
        ("0.5", "EUR", [1000], False),
        ("0", "EUR", [0], False),
    ],
)
def test_a_percentage_that_is_rounded_to_0_has_no_whole_tax(
    percent: str, currency: str, taxes: list[int], refused: bool
) -> None:
    rate = TaxRate("S", Decimal(percent))
    assert is_low_rate_refused([(rate, 10000, tax) for tax in taxes], currency) is refused

"""The tax rate of a charge on its day, and the rates of customers who are charged no tax."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import pytest

from billing_admin.domain.invoices import ChargeGroup, TaxRate
from billing_admin.domain.tax import (
    CATEGORIES_WITHOUT_NOTE,
    DEFAULT_TAX_NOTES,
    TREATMENTS,
    UNTAXED_RATES,
    UntaxedTerms,
    percent_on,
    untaxed_terms,
    with_untaxed_rate,
)


class Change(NamedTuple):
    valid_from: date
    percent: Decimal


LOWERED, RAISED = Change(date(2026, 7, 1), Decimal(16)), Change(date(2027, 1, 1), Decimal(19))


@pytest.mark.parametrize(
    ("day", "percent"),
    [
        (date(2026, 6, 30), 20),
        (date(2026, 7, 1), 16),
        (date(2026, 12, 31), 16),
        (date(2027, 1, 1), 19),
        (date(2199, 12, 31), 19),
    ],
)
@pytest.mark.parametrize("changes", [[LOWERED, RAISED], [RAISED, LOWERED]])
def test_the_last_change_up_to_the_day_counts(day: date, percent: int, changes: list[Change]) -> None:
    assert percent_on(day, Decimal(20), changes) == percent


def test_without_changes_the_first_percentage_counts() -> None:
    assert percent_on(date(1970, 1, 1), Decimal("7.5"), []) == Decimal("7.5")


def test_every_untaxed_treatment_has_a_rate_of_zero_and_a_reason() -> None:
    assert UNTAXED_RATES.keys() == TREATMENTS.keys() - {"standard"}
    for rate in UNTAXED_RATES.values():
        assert rate.percent == 0
        assert rate.category in DEFAULT_TAX_NOTES.keys() - CATEGORIES_WITHOUT_NOTE


def test_an_untaxed_group_keeps_its_charges() -> None:
    day = date(2026, 11, 1)
    group = ChargeGroup(
        None, "A", Decimal(2), None, "Work", Decimal(3), Decimal(6), 1, day, day, TaxRate("S", Decimal(19)), Decimal(19)
    )
    untaxed = with_untaxed_rate(group, UntaxedTerms(UNTAXED_RATES["export"], "Export", "VATEX-EU-G"))
    assert (untaxed.tax, untaxed.tax_note, untaxed.vatex) == (TaxRate("G", Decimal(0)), "Export", "VATEX-EU-G")
    assert untaxed._replace(tax=group.tax, tax_note="", vatex="") == group


def test_a_treatment_has_the_code_of_its_category_and_an_exempt_one_the_chosen_code() -> None:
    notes = {treatment: treatment.upper() for treatment in UNTAXED_RATES}
    terms = untaxed_terms(notes, "VATEX-EU-132")
    assert {treatment: (term.rate.category, term.note, term.vatex) for treatment, term in terms.items()} == {
        "exempt": ("E", "EXEMPT", "VATEX-EU-132"),
        "reverse_charge": ("AE", "REVERSE_CHARGE", "VATEX-EU-AE"),
        "export": ("G", "EXPORT", "VATEX-EU-G"),
        "intra_community": ("K", "INTRA_COMMUNITY", "VATEX-EU-IC"),
    }
    assert untaxed_terms(notes, "")["exempt"].vatex == ""

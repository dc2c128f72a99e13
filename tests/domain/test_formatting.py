"""Amounts, days and taxes as people read them."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest

from billing_admin.domain.formatting import (
    format_day,
    format_exact,
    format_money,
    format_money_or_units,
    format_number,
    format_padded,
    format_percent,
    format_period,
    format_tax,
    tax_note,
)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1000000, "EUR", "10,000.00 EUR"),
        (-5, "EUR", "−0.05 EUR"),
        (0, "EUR", "0.00 EUR"),
        (1234, "JPY", "1,234 JPY"),
        (1234, "BHD", "1.234 BHD"),
    ],
)
def test_minor_units(minor: int, currency: str, text: str) -> None:
    assert format_money(minor, currency) == format_money_or_units(minor, currency) == text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(5, None, "5 minor units"), (5, "XXX", "5 minor units"), ("5", "EUR", "5"), (True, "EUR", "True")],
)
def test_amounts_that_have_no_currency(minor: object, currency: object, text: str) -> None:
    assert format_money_or_units(minor, currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0.0000008", "USD", "0.0000008 USD"),
        ("1234.5", "EUR", "1,234.50 EUR"),
        ("-1234", "EUR", "−1,234.00 EUR"),
        ("1234.0", "JPY", "1,234 JPY"),
        ("0.5", "JPY", "0.5 JPY"),
    ],
)
def test_exact_amounts_are_never_rounded(amount: str, currency: str, text: str) -> None:
    assert format_exact(Decimal(amount), currency) == text


@pytest.mark.parametrize(("amount", "text"), [("1500.50", "1,500.5"), ("1E+3", "1,000"), ("-2.0", "−2")])
def test_numbers_have_no_trailing_zeros(amount: str, text: str) -> None:
    assert format_number(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("amount", "digits", "text"), [("34.9", 2, "34.90"), ("34", 0, "34"), ("0.005", 2, "0.005"), ("-1", 3, "-1.000")]
)
def test_padded_numbers_have_at_least_the_digits(amount: str, digits: int, text: str) -> None:
    assert format_padded(Decimal(amount), digits) == text


def test_days_and_percentages() -> None:
    assert format_day(date(2026, 11, 2)) == "2 Nov 2026"
    assert format_percent(Decimal("7.50")) == "7.5 %"


@pytest.mark.parametrize(
    ("category", "rate", "included", "text"),
    [
        ("S", "7", False, "Tax 7 % (S)"),
        ("S", "19.0", True, "Tax 19 % (S), included"),
        ("AE", "0", False, "Reverse charge, 0 % (AE)"),
        ("X", "0", False, "X, 0 % (X)"),
    ],
)
def test_taxes_name_their_category(category: str, rate: str, included: bool, text: str) -> None:
    assert format_tax(category, Decimal(rate), included) == text


@pytest.mark.parametrize(
    ("category", "stored", "printed"),
    [
        ("E", "Small business", "Small business"),
        ("E", "", ""),
        ("AE", "", "Reverse charge: the customer accounts for the tax."),
    ],
)
def test_old_documents_have_the_usual_reason_for_reverse_charge(category: str, stored: str, printed: str) -> None:
    assert tax_note(SimpleNamespace(category=category, note=stored)) == printed


@pytest.mark.parametrize(
    ("first", "last", "of_days", "text"),
    [
        (date(2026, 11, 10), date(2026, 11, 19), 30, "10 – 19 Nov 2026 (10 of 30 days)"),
        (date(2026, 11, 1), date(2026, 11, 30), None, "1 – 30 Nov 2026"),
        (date(2026, 11, 30), date(2026, 12, 1), None, "30 Nov – 1 Dec 2026"),
        (date(2025, 12, 15), date(2026, 1, 14), None, "15 Dec 2025 – 14 Jan 2026"),
        (date(2025, 11, 1), date(2026, 11, 1), None, "1 Nov 2025 – 1 Nov 2026"),
        (date(2026, 11, 10), date(2026, 11, 10), 7, "10 Nov 2026 (1 of 7 days)"),
    ],
)
def test_a_period_names_each_month_and_year_once(first: date, last: date, of_days: int | None, text: str) -> None:
    assert format_period(first, last, of_days) == text

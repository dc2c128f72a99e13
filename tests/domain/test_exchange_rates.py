"""Exchange rates: their limits, the days on which they count, and the tax in the base currency.

The worked table is in `docs/money.md`.
"""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.document_details import BaseCurrencyRate
from billing_admin.domain.errors import Invalid
from billing_admin.domain.exchange_rates import RateSpec, check_foreign, convert_to_base, credited_in_base, oldest_day
from billing_admin.domain.money import MINOR_DIGITS, Money, exact_decimal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "money.md"
HEADER = "| What it shows | Tax | Rate | Exact | Tax in the base currency |"
DAY = date(2026, 11, 28)

currencies = st.sampled_from(["EUR", "USD", "JPY", "BHD", "CLF"])
rates = st.decimals(Decimal("0.01"), Decimal(10**6), places=12).map(lambda rate: f"{rate:f}")
taxes = st.integers(-(10**11), 10**11)


def _rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = lines.index(HEADER) + 2
    last = next(place for place in range(first, len(lines)) if not lines[place].startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:last]]


@pytest.mark.parametrize(
    ("tax", "rate", "exact", "in_base"), [row[1:] for row in _rows()], ids=[row[0] for row in _rows()]
)
def test_a_row_of_the_table_holds(tax: str, rate: str, exact: str, in_base: str) -> None:
    amount, currency = tax.split()
    one, base, equals, price, priced_in = rate.split()
    assert (one, equals, priced_in) == ("1", "=", currency)
    base_rate = BaseCurrencyRate(base, price, DAY.isoformat())
    money = Money.exactly(exact_decimal(amount), currency)
    converted = Money(convert_to_base(money.minor, currency, base_rate), base)
    assert f"{converted} {base}" == in_base
    quotient, shown = Fraction(amount) / Fraction(price), exact.rstrip("…")
    scale = 10 ** len(shown.partition(".")[2])
    assert int(quotient * scale) == int(Fraction(shown) * scale)
    assert (quotient == Fraction(shown)) == (exact == shown)


def test_the_table_has_rows() -> None:
    assert len(_rows()) >= 6


@given(taxes, currencies, currencies, rates)
def test_the_tax_is_rounded_once_from_the_exact_quotient(tax: int, currency: str, base: str, rate: str) -> None:
    exact = Fraction(tax, 10 ** MINOR_DIGITS[currency]) / Fraction(rate) * 10 ** MINOR_DIGITS[base]
    away_from_zero = int(abs(exact) + Fraction(1, 2)) * (-1 if exact < 0 else 1)
    assert convert_to_base(tax, currency, BaseCurrencyRate(base, rate, "")) == away_from_zero


def test_a_rate_that_makes_the_tax_too_large_is_named() -> None:
    with pytest.raises(Invalid, match=r"on 2026-11-28 1 EUR costs only 0.000000000001 USD. Correct this exchange rate"):
        convert_to_base(10**8, "USD", BaseCurrencyRate("EUR", "0.000000000001", DAY.isoformat()))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), currencies, rates)
def test_credits_add_up_to_the_tax_of_the_invoice(parts: list[int], currency: str, rate: str) -> None:
    base_rate = BaseCurrencyRate("EUR", rate, "")
    before = [sum(parts[:place]) for place in range(len(parts))]
    credits = [credited_in_base(tax, earlier, currency, base_rate) for tax, earlier in zip(parts, before, strict=True)]
    assert sum(credits) == convert_to_base(sum(parts), currency, base_rate)


def test_a_rate_counts_for_seven_days() -> None:
    assert oldest_day(date(2026, 11, 28)) == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("currency", "rate", "source", "code", "field"),
    [
        ("XXX", "1", "", "unknown_currency", "currency"),
        ("USD", "0", "", "out_of_range", "rate"),
        ("USD", "-1", "", "out_of_range", "rate"),
        ("USD", "NaN", "", "not_a_number", "rate"),
        ("USD", "1.0000000000001", "", "out_of_range", "rate"),
        ("USD", "1", "x" * 61, "too_long", "source"),
        ("USD", "1", "a\nb", "unprintable", "source"),
    ],
)
def test_values_beyond_the_limits_are_refused(currency: str, rate: str, source: str, code: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        RateSpec(currency, DAY, Decimal(rate), source)
    assert (refused.value.code, refused.value.field) == (code, (field,))


def test_the_base_currency_has_no_rate() -> None:
    check_foreign("USD", "EUR")
    with pytest.raises(Invalid, match="EUR is your base currency"):
        check_foreign("EUR", "EUR")

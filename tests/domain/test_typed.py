"""Amounts as people type them: read exactly, or refused; never guessed at."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import plain
from billing_admin.domain.typed import typed_amount
from billing_admin.web import filters


@pytest.mark.parametrize(
    ("typed", "amount", "currency"),
    [
        ("1234.50", "1234.5", None),
        ("1,234.50", "1234.5", None),
        ("12,345,678", "12345678", None),
        ("1 234.50", "1234.5", None),
        ("1\u202f234\u00a0567.5", "1234567.5", None),
        ("1'234.50", "1234.5", None),
        ("EUR 12", "12", "EUR"),
        ("12eur", "12", "EUR"),
        ("€ 1,000", "1000", "EUR"),
        ("-€5", "-5", "EUR"),
        ("€-5", "-5", "EUR"),
        ("−12.5 £", "-12.5", "GBP"),
        ("$3", "3", None),
        (".5", "0.5", None),
        ("007", "7", None),
        ("0.000000000001", "0.000000000001", None),
        ("1.234", "1.234", None),
        ("-0", "0", None),
    ],
)
def test_amounts_as_people_type_them(typed: str, amount: str, currency: str | None) -> None:
    found = typed_amount(typed)
    assert (plain(found.amount), found.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("1.234,50", "write 1234.50"),
        ("12,5", "write 12.5"),
        ("0,123", "write 0.123"),
        ("1 234,50", "write 1234.50"),
        ("1,23,456", "not a number"),
        ("1.234.567", "not a number"),
        ("abc", "not a currency"),
        ("hello", "not a number"),
        ("12 34", "write 12.34"),
        ("5 XYZ", "not a currency"),
        ("EUR 5 EUR", "not a number"),
        ("€5 USD", "not a number"),
        ("--5", "not a number"),
        ("5.", "not a number"),
        ("1e5", "not a number"),
        ("NaN", "not a currency"),
        ("١٢", "not a number"),
        ("1_000", "not a number"),
        ("1" * 19, "at most 18 digits"),
        ("0." + "1" * 13, "12 after the point"),
        ("€", "not a number"),
    ],
)
def test_refuses_what_could_mean_something_else(typed: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        typed_amount(typed)


EXACT = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=12)


@given(EXACT)
def test_what_pages_write_can_be_typed_again(amount: Decimal) -> None:
    for written in (plain(amount), filters.exact(amount, "USD")):
        assert typed_amount(written).amount == amount


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(typed: str) -> None:
    with suppress(Invalid):
        assert typed_amount(typed).amount.is_finite()

"""Amounts as people type them: read exactly, or refused; never guessed at."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain import formatting
from billing_admin.domain.amount_input import AmountInput, parse_amount as parse_typed, possible_amounts
from billing_admin.domain.currency_signs import SIGNS
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import MINOR_DIGITS, plain_decimal
from billing_admin.domain.number_format import NumberFormat


def parse_amount(typed: str) -> AmountInput:
    """Read an amount in the default number format."""
    return parse_typed(typed, NumberFormat.COMMA_POINT)


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
        ("€ 1,000.00", "1000", "EUR"),
        ("US$ 1,000.00", "1000", None),
        ("-€5", "-5", "EUR"),
        ("€-5", "-5", "EUR"),
        ("−12.5 €", "-12.5", "EUR"),
        ("$3", "3", None),
        (".5", "0.5", None),
        ("007", "7", None),
        ("0.000000000001", "0.000000000001", None),
        ("1.234", "1.234", None),
    ],
)
def test_amounts_as_people_type_them(typed: str, amount: str, currency: str | None) -> None:
    found = parse_amount(typed)
    assert found.currency == currency
    possible = found.currencies or {"EUR"}
    assert {plain_decimal(found.in_currency(one)) for one in possible} == {amount}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("1.234,50", "can mean 1234.50 or 1.23450"),
        ("12,5", "can mean 12.5 or 125"),
        ("0,123", "Enter 0.123"),
        ("1 234,50", "can mean 1234.50 or 123450"),
        ("1,23,456", "not a number"),
        ("1.234.567", "Enter 1234567"),
        ("abc", "“abc” is not a number"),
        ("EUR", "“EUR” is not a number"),
        ("abc 5", "not a currency"),
        ("hello", "not a number"),
        ("12 34", "enter 12.34"),
        ("5 XYZ", "not a currency"),
        ("EUR 5 EUR", "not a number"),
        ("€5 USD", "not a number"),
        ("--5", "not a number"),
        ("5.", "not a number"),
        ("-0", "Enter 0, not −0."),
        ("−0E-3", "Enter 0, not −0."),
        ("1e5", "may be rounded"),
        ("NaN", "“NaN” is not a number"),
        ("١٢", "not a number"),
        ("1_000", "not a number"),
        ("1" * 19, "at most 18 digits"),
        ("0." + "1" * 13, "12 after the point"),
        ("€", "not a number"),
    ],
)
def test_refuses_what_could_mean_something_else(typed: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse_amount(typed)


EXACT = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=12)


@given(EXACT)
def test_what_pages_write_can_be_typed_again(amount: Decimal) -> None:
    for written in (plain_decimal(amount), formatting.format_exact(amount, "USD")):
        assert parse_amount(written).in_currency("USD") == amount


@given(st.text(max_size=70) | st.text("0123456789.,'’ -−€$kr¥", max_size=70))
def test_any_text_is_read_or_refused(typed: str) -> None:
    with suppress(Invalid):
        found = parse_amount(typed)
        assert all(found.in_currency(one).is_finite() for one in found.currencies or {"EUR"})


def test_no_digit_of_a_long_negative_number_is_lost() -> None:
    longest = "-123456789012345678.123456789012"
    assert plain_decimal(parse_amount(longest).without_currency()) == longest
    assert parse_amount("−123,456,789,012,345,678.123456789012").without_currency() == Decimal(longest)


@pytest.mark.parametrize(
    ("typed", "readings"),
    [
        ("1,125", ["1.125", "1125"]),
        ("1,000", ["1", "1000"]),
        ("999,999", ["999.999", "999999"]),
        ("-1,125 EUR", ["-1.125", "-1125"]),
        ("$12,500", ["12.5", "12500"]),
        ("¥ 100,000", ["100", "100000"]),
        ("1 234,567", ["1234.567", "1234567"]),
        ("1'234,567", ["1234.567", "1234567"]),
        ("1,234 567", ["1.234567", "1234567"]),
        ("12 34", ["12.34", "1234"]),
        ("0 125", ["0.125", "125"]),
        ("Rs.5", ["0.5", "5"]),
        ("kr.12", ["0.12", "12"]),
    ],
)
def test_two_readings_are_refused_and_both_are_named(typed: str, readings: list[str]) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_amount(typed)
    first, second = readings
    said = f"“{typed}” can mean {first} or {second}: enter {first} or {second}."
    assert (refusal.value.code, refusal.value.message) == ("two_readings", said)
    possible = {
        plain_decimal(one.in_currency(next(iter(one.currencies or {"EUR"})))) for one in possible_amounts(typed)
    }
    assert possible == set(readings)
    for reading in readings:
        assert plain_decimal(parse_amount(reading).without_currency()) == reading


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("1.125", "1.125"),
        ("1,125.00", "1125"),
        ("1,125.5", "1125.5"),
        ("1,234.567", "1234.567"),
        ("1,234,567", "1234567"),
        ("1 125", "1125"),
        ("1'125", "1125"),
        ("1’125.50", "1125.5"),
        ("1 234 567.5", "1234567.5"),
        ("12.", None),
        ("1.234.567", None),
        ("1.234 567", None),
        ("1,5", None),
        ("12,34", None),
        ("1,2345", None),
        ("1234,567", None),
        ("0,125", None),
        ("1.234,50", None),
        ("1.234.567,89", None),
        ("1 234,5", None),
        ("1,234'567.5", None),
        ("1,23,456.00", None),
        ("1,2345,678", None),
        ("1,234,56", None),
        (",5", None),
        ("1,", None),
        ("1,,000.00", None),
        ("1  125", None),
        ("1\t125", None),
        ("1\n125", None),
    ],
)
def test_separators(typed: str, amount: str | None) -> None:
    if amount is not None:
        assert plain_decimal(parse_amount(typed).without_currency()) == amount
    else:
        with pytest.raises(Invalid):
            parse_amount(typed)


@given(st.integers(1, 10**18 - 1), st.text("0123456789", max_size=12))
def test_a_comma_is_read_as_a_separator_of_thousands_or_not_at_all(whole: int, decimals: str) -> None:
    meant = Decimal(f"{whole}.{decimals}" if decimals else whole)
    written = f"{whole:,}.{decimals}" if decimals else f"{whole:,}"
    if written.count(",") == 1 and not decimals:
        with pytest.raises(Invalid, match=f"or {whole}: "):
            parse_amount(written)
    else:
        assert parse_amount(written).without_currency() == meant
    if decimals:
        with pytest.raises(Invalid):
            parse_amount(written.translate(str.maketrans(",.", ".,")))


@pytest.mark.parametrize(
    ("mark", "currencies", "others"),
    [
        ("€", "EUR", "USD JPY"),
        ("$", "USD CAD AUD NZD HKD SGD MXN TWD BRL", "EUR GBP JPY INR"),
        ("＄", "USD CAD", "EUR"),
        ("US$", "USD", "CAD EUR"),
        ("C$", "CAD", "USD"),
        ("£", "GBP EGP", "EUR USD"),
        ("¥", "JPY CNY", "EUR KRW"),
        ("￥", "JPY CNY", "EUR"),
        ("₹", "INR", "EUR PKR"),
        ("₩", "KRW", "EUR JPY"),
        ("kr", "SEK NOK DKK ISK", "EUR"),
        ("Kr.", "DKK", "EUR"),
        ("Kč", "CZK", "EUR PLN"),
        ("zł", "PLN", "EUR"),
        ("Fr.", "CHF", "EUR"),
        ("chf", "CHF", "EUR"),
        ("₿", "", "EUR"),
        ("¢", "", "USD"),
        ("¤", "", "EUR"),
        ("XBT", "", "EUR"),
    ],
)
def test_a_sign_is_taken_for_its_currencies_only(mark: str, currencies: str, others: str) -> None:
    for typed in (f"{mark} 100.00", f"100.00 {mark}", f"-{mark} 100.00", f"{mark} -100.00"):
        for currency in currencies.split():
            assert abs(parse_amount(typed).in_currency(currency)) == 100
        for currency in others.split():
            with pytest.raises(Invalid, match=f"{currency}|not a known currency sign|not a currency"):
                parse_amount(typed).in_currency(currency)
        with pytest.raises(Invalid):
            parse_amount(typed).without_currency()


def test_every_sign_stands_for_currencies_that_exist_and_can_be_typed() -> None:
    for sign, currencies in SIGNS.items():
        assert currencies
        assert currencies <= MINOR_DIGITS.keys()
        for typed in (f"{sign} 5", f"5 {sign}"):
            assert parse_amount(typed).currencies == currencies

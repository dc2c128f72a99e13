"""Exact decimals, the one rounding, and money in minor units."""

import ast
import random
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import iso4217
import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import (
    MINOR_DIGITS,
    UNITS_OF_ACCOUNT,
    Money,
    currency_code,
    exact_decimal,
    exact_sum,
    multiply,
    percentage,
    plain_decimal,
    refuse_unit_of_account,
    rounded_quotient,
)

PACKAGE = Path(__file__).resolve().parents[2] / "billing_admin"
BIGGEST = "9" * 18 + "." + "9" * 12

exact_decimals = st.integers(-(10**30) + 1, 10**30 - 1).map(lambda steps: exact_decimal(Decimal(f"{steps}E-12")))
small_decimals = st.integers(-(10**15), 10**15).map(lambda steps: exact_decimal(Decimal(f"{steps}E-12")))
currencies = st.sampled_from(sorted(MINOR_DIGITS))
minors = st.integers(-(10**15), 10**15)


def half_up(value: Fraction) -> int:
    """The rule itself, in whole numbers: to the nearest, and a half away from zero."""
    rounded = (abs(value) * 2 + 1) // 2
    return int(-rounded if value < 0 else rounded)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0", "0"),
        ("0.00", "0"),
        ("2.50", "2.5"),
        ("007", "7"),
        ("-0.000000000001", "-0.000000000001"),
        ("1000", "1000"),
        (BIGGEST, BIGGEST),
        (f"-{BIGGEST}", f"-{BIGGEST}"),
    ],
)
def test_a_plain_number_is_read_exactly(written: str, number: str) -> None:
    assert plain_decimal(exact_decimal(written)) == number


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "-", ".", "-.", "abc", "NaN", "nan", "sNaN", "-NaN", "NaN123", "Infinity", "-Infinity", "inf"),
        *("١٢", "１２", "1²", "½", "1_000", "1,000", "1 000", "1'000", " 12 ", "12 ", "\t12", "12\n", "\u200b12"),
        *("1e3", "1E3", "1e-3", "1e999", "-1e999", "0x10", "0b1", "+1", "--1", "−1", "1-", "1.2.3", ".5", "5.", "-.5"),
        *("1" * 19, "0." + "1" * 13, "0." + "1" * 31, "1.0000000000000", "1" * 5000, "12\0"),
    ],
)
def test_text_that_is_no_plain_number_is_refused(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        exact_decimal(written, "quantity")
    assert refused.value.code == "not_a_number"
    assert refused.value.field == ("quantity",)
    assert len(refused.value.message) < 120


@pytest.mark.parametrize("written", ["-0", "-0.0", "-0.000000000000"])
def test_minus_zero_is_refused(written: str) -> None:
    for value in (written, Decimal(written)):
        with pytest.raises(Invalid, match="Enter 0"):
            exact_decimal(value)


@pytest.mark.parametrize("value", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        exact_decimal(Decimal(value))
    assert refused.value.code == "not_a_number"


@pytest.mark.parametrize(
    "value", ["1E18", "-1E18", "1E+999999", "1E-13", "1E-999999", "0.0000000000001", "1234567890123456789"]
)
def test_a_decimal_out_of_range_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        exact_decimal(Decimal(value))
    assert refused.value.code == "out_of_range"


@pytest.mark.parametrize(
    ("value", "number"), [(Decimal("1E3"), "1000"), (Decimal("1E-12"), "0.000000000001"), (7, "7")]
)
def test_a_decimal_in_range_is_spelled_plainly(value: Decimal | int, number: str) -> None:
    assert plain_decimal(exact_decimal(value)) == number


@given(st.text(max_size=40))
def test_any_text_is_read_as_it_stands_or_refused(written: str) -> None:
    try:
        value = exact_decimal(written)
    except Invalid:
        return
    assert written.isascii()
    assert value == Decimal(written)


@given(exact_decimals)
def test_writing_and_reading_is_a_round_trip(value: Decimal) -> None:
    assert exact_decimal(plain_decimal(value)) == value
    assert plain_decimal(exact_decimal(plain_decimal(value))) == plain_decimal(value)


@given(exact_decimals, st.integers(0, 12))
def test_equal_numbers_are_written_alike(value: Decimal, zeros: int) -> None:
    padded = plain_decimal(value) + ("" if "." in plain_decimal(value) else ".") + "0" * zeros
    assert plain_decimal(Decimal(padded.rstrip("."))) == plain_decimal(value)


@given(small_decimals, small_decimals)
def test_a_product_is_kept_to_twelve_places(quantity: Decimal, unit_price: Decimal) -> None:
    steps = half_up(Fraction(quantity) * Fraction(unit_price) * 10**12)
    assert Fraction(multiply(quantity, unit_price)) == Fraction(steps, 10**12)


@given(small_decimals, small_decimals)
def test_a_product_does_not_depend_on_the_order(quantity: Decimal, unit_price: Decimal) -> None:
    assert multiply(quantity, unit_price) == multiply(unit_price, quantity)
    assert multiply(quantity, exact_decimal("1")) == quantity


@given(exact_decimals, exact_decimals)
def test_a_product_is_an_exact_number_or_refused(quantity: Decimal, unit_price: Decimal) -> None:
    steps = half_up(Fraction(quantity) * Fraction(unit_price) * 10**12)
    if abs(steps) < 10**30:
        assert Fraction(exact_decimal(multiply(quantity, unit_price))) == Fraction(steps, 10**12)
    else:
        with pytest.raises(Invalid, match="more than 18 digits"):
            multiply(quantity, unit_price)


def test_a_product_too_small_to_keep_is_zero_without_a_sign() -> None:
    assert str(multiply(exact_decimal("-0.000000000001"), exact_decimal("0.1"))) == "0"


@given(st.lists(exact_decimals, max_size=30), st.randoms(use_true_random=False), st.integers(0, 30))
def test_a_sum_depends_neither_on_order_nor_on_partition(
    values: list[Decimal], shuffler: random.Random, cut: int
) -> None:
    shuffled = values[:]
    shuffler.shuffle(shuffled)
    parts = [exact_sum(shuffled[:cut]), exact_sum(shuffled[cut:])]
    assert exact_sum(values) == exact_sum(parts)
    assert Fraction(exact_sum(values)) == sum(map(Fraction, values))


def test_the_sum_of_nothing_and_of_opposites_is_zero_without_a_sign() -> None:
    assert str(exact_sum([])) == "0"
    assert str(exact_sum([exact_decimal("-0.1"), exact_decimal("0.1")])) == "0"


def test_a_million_small_amounts_lose_nothing() -> None:
    assert plain_decimal(exact_sum([exact_decimal("0.000000000001")] * 1_000_000)) == "0.000001"


@given(exact_decimals, currencies)
def test_an_amount_is_rounded_half_away_from_zero_to_the_minor_unit(amount: Decimal, currency: str) -> None:
    assert Money.rounded(amount, currency).minor == half_up(Fraction(amount) * 10 ** MINOR_DIGITS[currency])


@given(small_decimals, currencies)
def test_rounding_is_symmetric_and_rounding_again_changes_nothing(amount: Decimal, currency: str) -> None:
    money = Money.rounded(amount, currency)
    assert Money.rounded(-amount, currency).minor == -money.minor
    assert Money.rounded(money.decimal, currency) == money
    assert Money.exactly(money.decimal, currency) == money


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("0.004999999999", "USD", "0.00"),
        ("-0.004999999999", "USD", "0.00"),
        ("2.675", "EUR", "2.68"),
        ("0.125", "EUR", "0.13"),
        ("0.135", "EUR", "0.14"),
        ("100.5", "JPY", "101"),
        ("-100.5", "JPY", "-101"),
        ("0.0005", "BHD", "0.001"),
        ("1.23455", "CLF", "1.2346"),
        ("12", "EUR", "12.00"),
    ],
)
def test_rounding_by_example(amount: str, currency: str, shown: str) -> None:
    assert str(Money.rounded(exact_decimal(amount), currency)) == shown


@given(minors, st.integers(0, 100 * 10**6))
def test_a_percentage_is_rounded_once_half_away_from_zero(base: int, millionths: int) -> None:
    percent = Decimal(millionths).scaleb(-6)
    assert percentage(base, percent) == half_up(Fraction(base) * Fraction(percent) / 100)
    assert percentage(-base, percent) == -percentage(base, percent)


@pytest.mark.parametrize(
    ("base", "percent", "tax"),
    [(50, "5", 3), (-50, "5", -3), (10, "5", 1), (9, "5", 0), (4995, "8.1", 405), (100, "0", 0), (1, "100", 1)],
)
def test_a_percentage_by_example(base: int, percent: str, tax: int) -> None:
    assert percentage(base, Decimal(percent)) == tax


def test_money_with_more_digits_than_its_currency_is_refused_where_it_must_be_whole() -> None:
    with pytest.raises(Invalid) as refused:
        Money.exactly(exact_decimal("1.005"), "EUR", "amount")
    assert (refused.value.code, refused.value.field) == ("too_precise", ("amount",))
    assert Money.exactly(exact_decimal("1.5"), "EUR").minor == 150


@given(minors, minors, currencies)
def test_money_of_one_currency_adds_and_subtracts(left: int, right: int, currency: str) -> None:
    together = Money(left, currency) + Money(right, currency)
    assert together.minor == left + right
    assert together - Money(right, currency) == Money(left, currency)


def test_amounts_of_two_currencies_never_meet() -> None:
    euro, dollar = Money(1, "EUR"), Money(1, "USD")
    for meet in (euro.__add__, euro.__sub__):
        with pytest.raises(Invalid) as refused:
            meet(dollar)
        assert refused.value.code == "mixed_currencies"


def test_an_amount_for_a_document_is_one_that_every_database_holds() -> None:
    with pytest.raises(Invalid) as refused:
        Money.exactly(exact_decimal("99999999999999999"), "EUR", "amount")
    assert (refused.value.code, refused.value.field) == ("out_of_range", ("amount",))


@pytest.mark.parametrize("minor", [True, "1", 1.0, Decimal(1)])
def test_money_is_a_whole_number(minor: object) -> None:
    with pytest.raises(Invalid):
        Money(minor, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "XAU", "DEM", "€", "EUR "])
def test_an_unknown_currency_is_refused(code: str) -> None:
    for make in (lambda: currency_code(code), lambda: Money(1, code), lambda: Money.rounded(exact_decimal("1"), code)):
        with pytest.raises(Invalid) as refused:
            make()
        assert refused.value.code == "unknown_currency"


@pytest.mark.parametrize("code", ["XAU", "XDR", "XXX", "XTS"])
def test_metals_and_codes_for_tests_say_why_they_are_refused(code: str) -> None:
    with pytest.raises(Invalid, match=f"{code} is a fund, a metal or another unit"):
        currency_code(code)


def test_units_of_account_are_codes_of_no_money() -> None:
    """Old rows may have those with a minor unit; new rows may not."""
    assert {code for code in UNITS_OF_ACCOUNT if code in MINOR_DIGITS} == {
        *("BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "XAD"),
    }
    without_minor_unit = {currency.code for currency in iso4217.Currency if currency.exponent is None}
    assert UNITS_OF_ACCOUNT - MINOR_DIGITS.keys() <= without_minor_unit
    refuse_unit_of_account("EUR", "currency")
    with pytest.raises(Invalid) as refused:
        refuse_unit_of_account("CHE", "prices", "CHE")
    assert (refused.value.code, refused.value.field) == ("unit_of_account", ("prices", "CHE"))


def test_the_currency_table_is_the_published_one() -> None:
    published = {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}
    assert published == MINOR_DIGITS


def test_the_callers_decimal_context_changes_nothing() -> None:
    long, tiny = exact_decimal(BIGGEST), exact_decimal("0.000000000001")
    with localcontext(prec=3, rounding="ROUND_DOWN"):
        assert plain_decimal(exact_sum([long, -tiny])) == "9" * 18 + "." + "9" * 11 + "8"
        assert plain_decimal(multiply(exact_decimal("123456.789"), exact_decimal("1.000001"))) == "123456.912456789"
        assert str(Money.rounded(exact_decimal("1234.565"), "EUR")) == "1234.57"
        assert percentage(123456, Decimal(19)) == 23457


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**10))
def test_a_quotient_is_rounded_half_up(dividend: int, divisor: int) -> None:
    assert rounded_quotient(dividend, divisor) == half_up(Fraction(dividend, divisor))


@given(small_decimals, currencies)
def test_the_rounding_agrees_with_decimals_own(amount: Decimal, currency: str) -> None:
    step = Decimal(1).scaleb(-MINOR_DIGITS[currency])
    assert Money.rounded(amount, currency).decimal == amount.quantize(step, ROUND_HALF_UP)


MONEY_CODE = sorted(
    path
    for room in ("domain", "operations", "queries", "models", "documents")
    for path in (PACKAGE / room).rglob("*.py")
    if path.name != "colours.py"  # the contrast of two colours is no amount
)


# The database sorts exact decimals, and finds the sign of an exact difference, as floats. No amount comes out of either.
ORDER_ONLY = {"queries/list_sorts.py": {"float", "Float"}, "queries/charges/unbilled.py": {"Float"}}


@pytest.mark.parametrize("path", MONEY_CODE, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_float_stands_where_money_is_worked_with(path: Path) -> None:
    allowed = ORDER_ONLY.get(path.relative_to(PACKAGE).as_posix(), set())
    found = [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Name) and node.id in {"float", "Float", "Double"} - allowed)
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    ]
    assert found == []

"""Numbers and days that people type, in each number format and date order; the tables of `docs/typed-values.md`."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.amount_input import parse_amount, possible_amounts
from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.number_format import NumberFormat

PAGE = Path(__file__).resolve().parents[2] / "docs" / "typed-values.md"
FORMATS = [
    (NumberFormat.COMMA_POINT, NumberFormat.APOSTROPHE_POINT),
    (NumberFormat.POINT_COMMA, NumberFormat.SPACE_COMMA),
]
EXACT = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=12
) | st.integers(-(10**8), 10**8).map(Decimal)
DAYS = st.dates(date(1970, 1, 1), date(2199, 12, 31))


def _rows(columns: int) -> Iterator[tuple[str, list[str]]]:
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return ((cells[0].strip("`"), cells[1:]) for cells in lines if len(cells) == columns)


def _check(parse: Callable[[str], object], typed: str, expected: str, written: Callable[[str], str] = str) -> None:
    if not expected.startswith("refused"):
        assert str(parse(typed)) == expected, typed
        return
    with pytest.raises(Invalid) as refusal:
        parse(typed)
    _, _, readings = expected.partition(": ")
    for reading in readings.split(" ? ") if readings else ():
        assert written(reading) in refusal.value.message, (typed, refusal.value.message)


def _number(typed: str, number_format: NumberFormat) -> str:
    return plain_decimal(parse_amount(typed, number_format).without_currency())


def test_numbers_of_the_documented_table() -> None:
    rows = list(_rows(3))
    assert len(rows) > 35
    for typed, cells in rows:
        for expected, formats in zip(cells, FORMATS, strict=True):
            for number_format in formats:
                _check(partial(_number, number_format=number_format), typed, expected, number_format.type)


def test_days_of_the_documented_table() -> None:
    rows = list(_rows(4))
    assert len(rows) > 25
    for typed, cells in rows:
        for expected, order in zip(cells, DateOrder, strict=True):
            _check(partial(parse_day, order=order), typed, expected)


@given(EXACT, st.sampled_from(NumberFormat))
def test_what_a_field_shows_is_read_back(amount: Decimal, number_format: NumberFormat) -> None:
    assert parse_amount(number_format.type(plain_decimal(amount)), number_format).without_currency() == amount


@given(EXACT, st.sampled_from(NumberFormat))
def test_what_a_page_shows_is_read_back_or_refused_with_its_value(amount: Decimal, number_format: NumberFormat) -> None:
    shown = number_format.group(Decimal(plain_decimal(amount)))
    has_one_group = number_format.group_sign in ",." and shown.count(number_format.group_sign) == 1
    if has_one_group and number_format.decimal_sign not in shown:
        with pytest.raises(Invalid, match=rf" or {plain_decimal(amount)}\.$") as refusal:
            parse_amount(shown, number_format)
        assert refusal.value.code == "two_readings"
    else:
        assert parse_amount(shown, number_format).without_currency() == amount
    assert amount in [reading.without_currency() for reading in possible_amounts(shown)]


@given(EXACT, st.sampled_from(NumberFormat), st.sampled_from(NumberFormat))
def test_a_number_in_another_format_is_never_read_as_another_value(
    amount: Decimal, written: NumberFormat, number_format: NumberFormat
) -> None:
    """A single group of three digits after the decimal sign can be thousands or decimals."""
    shown = written.group(Decimal(plain_decimal(amount)))
    if written.group_sign == number_format.decimal_sign and shown.count(written.group_sign) == 1:
        shown += f"{written.decimal_sign}00" if written.decimal_sign not in shown else ""
    with suppress(Invalid):
        assert parse_amount(shown, number_format).without_currency() == amount


@pytest.mark.parametrize("number_format", NumberFormat)
@pytest.mark.parametrize("gap", [" ", "\u00a0", "\u2009", "\u202f", "'", "’"])
def test_every_space_and_apostrophe_separates_thousands(gap: str, number_format: NumberFormat) -> None:
    typed = f"1{gap}234{gap}567{number_format.decimal_sign}8"
    assert parse_amount(typed, number_format).without_currency() == Decimal("1234567.8")


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("(1.00)", "-1"), ("1-", "-1"), ("1.50 −", "-1.5"), ("(1,234.50)", "-1234.5"), ("2.5", "2.5"), ("-2.5", "-2.5")],
)
def test_accounting_negatives_are_read_on_request(typed: str, amount: str) -> None:
    parsed = parse_amount(typed, NumberFormat.COMMA_POINT, accounting=True)
    assert plain_decimal(parsed.without_currency()) == amount


@pytest.mark.parametrize("typed", ["(-1)", "-1-", "(1", "1)", "((1))", "()", "-", "(1)-"])
def test_two_signs_are_no_accounting_negative(typed: str) -> None:
    with pytest.raises(Invalid):
        parse_amount(typed, NumberFormat.COMMA_POINT, accounting=True)


@given(DAYS, st.sampled_from(DateOrder), st.sampled_from(DateOrder))
def test_a_typed_day_is_read_in_its_order_and_never_as_another_day_without_order(
    day: date, written: DateOrder, order: DateOrder
) -> None:
    typed = written.type(day)
    if order is DateOrder.YEAR_FIRST and written is not order and day.day <= 12 and day.day != day.month:
        with pytest.raises(Invalid, match=f"{format_day(day)}.*{day.isoformat()}") as refusal:
            parse_day(typed, order)
        assert refusal.value.code == "two_readings"
    elif order in (written, DateOrder.YEAR_FIRST) or written is DateOrder.YEAR_FIRST:
        assert parse_day(typed, order) == day
    elif day.day > 12:
        with pytest.raises(Invalid, match=format_day(day)):
            parse_day(typed, order)
    assert parse_day(format_day(day), order) == day


@given(st.text(max_size=50) | st.text("0123456789./- Decmaijun,", max_size=20), st.sampled_from(DateOrder))
def test_any_text_is_a_day_or_refused(typed: str, order: DateOrder) -> None:
    with suppress(Invalid):
        assert isinstance(parse_day(typed, order), date)


def test_each_refused_day_has_a_code() -> None:
    for typed, order, code in [
        ("05/06/2025", DateOrder.YEAR_FIRST, "two_readings"),
        ("31/12/2025", DateOrder.MONTH_FIRST, "other_order"),
        ("31/12/25", DateOrder.DAY_FIRST, "not_a_day"),
        ("tomorrow", DateOrder.DAY_FIRST, "not_a_day"),
        ("1" * 50, DateOrder.DAY_FIRST, "too_long"),
    ]:
        with pytest.raises(Invalid) as refusal:
            parse_day(typed, order)
        assert refusal.value.code == code, typed

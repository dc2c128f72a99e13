"""Opening balances: which requests are refused, and which numbers documents of this application would get."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.document_hash import document_number
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.opening_balances import (
    OpeningSpec,
    check_original_date,
    read_own_number,
    refuse_opening,
    void_number,
    without_void_suffix,
)

VALID: dict[str, Any] = {
    "customer": "ACME",
    "number": "RE 4711",
    "original_date": date(2026, 3, 10),
    "open_amount": Decimal("119.00"),
}


def refused(**values: Any) -> list[tuple[str, Any]]:
    with pytest.raises(Invalid) as caught:
        OpeningSpec(**VALID | values)
    return [(problem.code, problem.field[0]) for problem in caught.value.problems]


def test_an_invoice_and_a_credit_are_told_apart_by_their_sign() -> None:
    assert not OpeningSpec(**VALID).is_credit
    assert OpeningSpec(**VALID | {"open_amount": Decimal(-5)}).is_credit


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"number": ""}, ("blank", "number")),
        ({"number": " 4711"}, ("space_at_end", "number")),
        ({"number": "4711 (void)"}, ("void_number", "number")),
        ({"number": '47"11'}, ("quotation_mark", "number")),
        ({"number": "9" * 61}, ("too_long", "number")),
        ({"original_date": date(1969, 12, 31)}, ("out_of_range", "original_date")),
        ({"due_date": date(2026, 3, 9)}, ("due_before_date", "due_date")),
        ({"open_amount": Decimal(0)}, ("out_of_range", "open_amount")),
        ({"currency": "XXY"}, ("unknown_currency", "currency")),
        ({"original_total": Decimal(100)}, ("below_open_amount", "original_total")),
        ({"original_total": Decimal(-200)}, ("below_open_amount", "original_total")),
        ({"open_amount": Decimal(-5), "original_total": Decimal(5)}, ("below_open_amount", "original_total")),
        ({"original_tax": Decimal(19)}, ("total_missing", "original_total")),
        ({"original_total": Decimal(119), "original_tax": Decimal(120)}, ("above_total", "original_tax")),
        ({"original_total": Decimal(119), "original_tax": Decimal(-1)}, ("above_total", "original_tax")),
        ({"opened_on": date(2200, 1, 1)}, ("out_of_range", "opened_on")),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(values: dict[str, Any], problem: tuple[str, str]) -> None:
    assert refused(**values) == [problem]


def test_all_wrong_values_of_a_request_are_named_at_once() -> None:
    problems = refused(number="", due_date=date(2026, 1, 1), open_amount=Decimal(0))
    assert [field for _, field in problems] == ["number", "due_date", "open_amount"]


def test_a_document_after_the_cut_over_day_is_not_of_the_earlier_system() -> None:
    check_original_date(date(2026, 3, 31), date(2026, 3, 31))
    with pytest.raises(Invalid) as caught:
        check_original_date(date(2026, 4, 1), date(2026, 3, 31))
    assert (caught.value.code, caught.value.field) == ("after_cut_over", ("original_date",))


def test_the_number_of_a_void_invoice_is_free_again_however_often() -> None:
    first = void_number("4711", ())
    second = void_number("4711", [first, "47110 (void)"])
    third = void_number("4711", [first, second])
    assert [first, second, third] == ["4711 (void)", "4711 (void 2)", "4711 (void 3)"]
    assert {without_void_suffix(name) for name in (first, second, third, "4711")} == {"4711"}


@given(
    st.sampled_from(
        ["INV-{year}-{number:5}", "{year}/{month}/{number}", "R{number:3}-{year}", "{number:9}.{year}_{month}"]
    ),
    st.dates(date(1970, 1, 1), date(2199, 12, 31)),
    st.integers(1, 10**8),
)
def test_a_number_of_this_application_is_recognised(format: str, day: date, sequence: int) -> None:
    assert read_own_number(format, document_number(format, day, sequence)) == (day.year, sequence)


@pytest.mark.parametrize("number", ["INV-2026-0042", "INV-2026-00042x", "INV-26-00042", "4711", "inv-2026-00042"])
def test_another_number_is_not_taken_for_one(number: str) -> None:
    assert read_own_number("INV-{year}-{number:5}", number) is None


def test_an_opening_invoice_has_no_copy_here() -> None:
    class Document:
        kind, number = "opening_invoice", "4711"

    with pytest.raises(NotFound, match="4711 was issued by an earlier system, so there is no PDF of it here"):
        refuse_opening(Document(), "PDF", "invoice")

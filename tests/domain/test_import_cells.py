"""Cells: read by rules that were chosen; what could be meant in two ways is refused with what to do."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import Cell, Format, guarded, read, shown, unguarded

POINT, COMMA, DAY_FIRST = Format(), Format(decimal_comma=True), Format(day_first=True)


@pytest.mark.parametrize(
    ("what", "cell", "written", "value"),
    [
        (Cell.TEXT, " a ", POINT, " a "),
        (Cell.TEXT, "'=1+1", POINT, "=1+1"),
        (Cell.TEXT, "''=1+1", POINT, "'=1+1"),
        (Cell.TEXT, "'quoted'", POINT, "'quoted'"),
        (Cell.TEXT, "'", POINT, "'"),
        (Cell.LINES, "a\r\nb\rc\nd", POINT, "a\nb\nc\nd"),
        (Cell.NAME, " ACME ", POINT, "ACME"),
        (Cell.NAME, "'+49", POINT, "+49"),
        (Cell.WORD, " Pending", POINT, "pending"),
        (Cell.CODE, "eur", POINT, "EUR"),
        (Cell.NUMBER, " -1234.50 ", POINT, Decimal("-1234.5")),
        (Cell.NUMBER, "1234,50", COMMA, Decimal("1234.5")),
        (Cell.NUMBER, "12", COMMA, Decimal(12)),
        (Cell.WHOLE, "30", POINT, 30),
        (Cell.DAY, "2026-12-31", POINT, date(2026, 12, 31)),
        (Cell.DAY, "31.12.2026", DAY_FIRST, date(2026, 12, 31)),
        (Cell.DAY, "1/2/2026", DAY_FIRST, date(2026, 2, 1)),
        (Cell.FLAG, "Yes", POINT, True),
        (Cell.FLAG, "0", POINT, False),
        (Cell.ENTRIES, '{"a": "1"}', POINT, {"a": "1"}),
        (Cell.NUMBER, "  ", POINT, None),
        (Cell.TEXT, "", POINT, None),
    ],
)
def test_is_read(what: Cell, cell: str, written: Format, value: Any) -> None:
    assert read(what, cell, written) == value


@pytest.mark.parametrize(
    ("what", "cell", "written", "said"),
    [
        (Cell.NUMBER, "1,234", POINT, "choose the decimal comma"),
        (Cell.NUMBER, "1.234,50", COMMA, "choose the decimal point"),
        (Cell.NUMBER, "1,2,3", COMMA, "not a plain decimal"),
        (Cell.NUMBER, "12 EUR", POINT, "not a plain decimal"),
        (Cell.NUMBER, "1e3", POINT, "not a plain decimal"),
        (Cell.NUMBER, "٣", POINT, "not a plain decimal"),
        (Cell.NUMBER, "NaN", POINT, "not a plain decimal"),
        (Cell.WHOLE, "1.5", POINT, "whole number"),
        (Cell.DAY, "31.12.2026", POINT, "such as 2026-12-31"),
        (Cell.DAY, "20261231", POINT, "such as 2026-12-31"),
        (Cell.DAY, "2026-02-30", POINT, "such as 2026-12-31"),
        (Cell.DAY, "2026-12-31", DAY_FIRST, "such as 31.12.2026"),
        (Cell.DAY, "12/31/2026", DAY_FIRST, "such as 31.12.2026"),
        (Cell.FLAG, "maybe", POINT, "true or false"),
        (Cell.KEY, "7", POINT, "goes into the key"),
        (Cell.ENTRIES, '{"a": 1}', POINT, "JSON object of texts"),
        (Cell.ENTRIES, '{"a": "1", "a": "2"}', POINT, "JSON object of texts"),
        (Cell.ENTRIES, "[" * 100_000, POINT, "JSON object of texts"),
    ],
)
def test_is_refused_with_what_to_do(what: Cell, cell: str, written: Format, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read(what, cell, written)


@given(st.text(st.sampled_from("'=+-@\t\rab"), min_size=1, max_size=6))
def test_the_guard_of_a_formula_is_taken_off_exactly(text: str) -> None:
    assert unguarded(guarded(text)) == text


def test_long_cells_are_quoted_in_part() -> None:
    assert shown("x" * 50) == "x" * 40 + "…"

"""Cells: read by rules that were chosen; what could be meant in two ways is refused with what to do."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import (
    CellFormat,
    CellType,
    escape_formula,
    read_cell,
    shorten,
    unescape_formula,
)

POINT, COMMA, DAY_FIRST = CellFormat(), CellFormat(decimal_comma=True), CellFormat(day_first=True)


@pytest.mark.parametrize(
    ("what", "cell", "written", "value"),
    [
        (CellType.TEXT, " a ", POINT, " a "),
        (CellType.TEXT, "'=1+1", POINT, "=1+1"),
        (CellType.TEXT, "''=1+1", POINT, "'=1+1"),
        (CellType.TEXT, "'quoted'", POINT, "'quoted'"),
        (CellType.TEXT, "'", POINT, "'"),
        (CellType.LINES, "a\r\nb\rc\nd", POINT, "a\nb\nc\nd"),
        (CellType.NAME, " ACME ", POINT, "ACME"),
        (CellType.NAME, "'+49", POINT, "+49"),
        (CellType.NAME, "1E+1", POINT, "1E+1"),
        (CellType.NAME, "#1", POINT, "#1"),
        (CellType.TEXT, "1.23457E+11", POINT, "1.23457E+11"),
        (CellType.IDENTIFIER, " a ", POINT, " a "),
        (CellType.WORD, " Pending", POINT, "pending"),
        (CellType.CODE, "eur", POINT, "EUR"),
        (CellType.NUMBER, " -1234.50 ", POINT, Decimal("-1234.5")),
        (CellType.NUMBER, "1234,50", COMMA, Decimal("1234.5")),
        (CellType.NUMBER, "12", COMMA, Decimal(12)),
        (CellType.WHOLE, "30", POINT, 30),
        (CellType.DAY, "2026-12-31", POINT, date(2026, 12, 31)),
        (CellType.DAY, "31.12.2026", DAY_FIRST, date(2026, 12, 31)),
        (CellType.DAY, "1/2/2026", DAY_FIRST, date(2026, 2, 1)),
        (CellType.FLAG, "Yes", POINT, True),
        (CellType.FLAG, "0", POINT, False),
        (CellType.ENTRIES, '{"a": "1"}', POINT, {"a": "1"}),
        (CellType.NUMBER, "  ", POINT, None),
        (CellType.TEXT, "", POINT, None),
    ],
)
def test_is_read(what: CellType, cell: str, written: CellFormat, value: Any) -> None:
    assert read_cell(what, cell, written) == value


@pytest.mark.parametrize(
    ("what", "cell", "written", "said"),
    [
        (CellType.NUMBER, "1,234", POINT, "choose the decimal comma"),
        (CellType.NUMBER, "1.234,50", COMMA, "choose the decimal point"),
        (CellType.NUMBER, "1,2,3", COMMA, "not a plain decimal"),
        (CellType.NUMBER, "12 EUR", POINT, "not a plain decimal"),
        (CellType.NUMBER, "1e3", POINT, "not a plain decimal"),
        (CellType.NUMBER, "٣", POINT, "not a plain decimal"),
        (CellType.NUMBER, "NaN", POINT, "not a plain decimal"),
        (CellType.NAME, "1.23457E+11", POINT, "its last digits are lost"),
        (CellType.NAME, " 1,23457E+11", POINT, "its last digits are lost"),
        (CellType.IDENTIFIER, "1E+15", POINT, "its last digits are lost"),
        (CellType.TEXT, "#N/A", POINT, "the error #N/A"),
        (CellType.NUMBER, "#DIV/0!", POINT, "the error #DIV/0!"),
        (CellType.DAY, "########", POINT, "too narrow"),
        (CellType.WHOLE, "1.5", POINT, "whole number"),
        (CellType.DAY, "31.12.2026", POINT, "such as 2026-12-31"),
        (CellType.DAY, "20261231", POINT, "such as 2026-12-31"),
        (CellType.DAY, "2026-02-30", POINT, "such as 2026-12-31"),
        (CellType.DAY, "2026-12-31", DAY_FIRST, "such as 31.12.2026"),
        (CellType.DAY, "12/31/2026", DAY_FIRST, "such as 31.12.2026"),
        (CellType.FLAG, "maybe", POINT, "true or false"),
        (CellType.KEY, "7", POINT, "map the key instead"),
        (CellType.ENTRIES, '{"a": 1}', POINT, "JSON object of texts"),
        (CellType.ENTRIES, '{"a": "1", "a": "2"}', POINT, "JSON object of texts"),
        (CellType.ENTRIES, "[" * 100_000, POINT, "JSON object of texts"),
    ],
)
def test_is_refused_with_what_to_do(what: CellType, cell: str, written: CellFormat, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read_cell(what, cell, written)


@given(st.text(st.sampled_from("'=+-@\t\rab"), min_size=1, max_size=6))
def test_the_guard_of_a_formula_is_taken_off_exactly(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


def test_long_cells_are_quoted_in_part() -> None:
    assert shorten("x" * 50) == "x" * 40 + "…"

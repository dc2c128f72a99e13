"""Cells: read by rules that were chosen; what could be meant in two ways is refused with what to do."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import (
    FORMULA_CHARACTERS,
    FORMULA_RULE,
    UNCALCULATED,
    CellFormat,
    CellType,
    NumberCell,
    NumberCell1904,
    escape_formula,
    read_cell,
    shorten,
    unescape_formula,
)
from billing_admin.domain.number_format import NumberFormat

POINT, COMMA = CellFormat(), CellFormat(NumberFormat.POINT_COMMA)
DAY_FIRST, MONTH_FIRST = CellFormat(date_order=DateOrder.DAY_FIRST), CellFormat(date_order=DateOrder.MONTH_FIRST)
ACCOUNTING = CellFormat(NumberFormat.POINT_COMMA, accounting=True)
DAY = date(2026, 5, 1)


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
        (CellType.NUMBER, "1.234,50", COMMA, Decimal("1234.5")),
        (CellType.NUMBER, "1,234.50", POINT, Decimal("1234.5")),
        (CellType.NUMBER, "8E-07", POINT, Decimal("0.0000008")),
        (CellType.NUMBER, "8E-07", COMMA, Decimal("0.0000008")),
        (CellType.NUMBER, "2.000000000000000", POINT, Decimal(2)),
        (CellType.NUMBER, "(1,00)", ACCOUNTING, Decimal(-1)),
        (CellType.NUMBER, "1-", ACCOUNTING, Decimal(-1)),
        (CellType.NUMBER, NumberCell("1.234"), COMMA, Decimal("1.234")),
        (CellType.NUMBER, NumberCell("0.1250000000000"), COMMA, Decimal("0.125")),
        (CellType.DAY, "2026-05-01T00:00:00Z", POINT, DAY),
        (CellType.DAY, "2026-05-01 22:00:00", MONTH_FIRST, DAY),
        (CellType.DAY, "2026-05-01T23:59:59.999+02:00", DAY_FIRST, DAY),
        (CellType.DAY, "1/5/2026 9:30", DAY_FIRST, DAY),
        (CellType.DAY, "5/1/2026, 9:30 AM", MONTH_FIRST, DAY),
        (CellType.DAY, "01 May 2026 09:30 UTC", POINT, DAY),
        (CellType.DAY, "1 May 2026", POINT, DAY),
        (CellType.DAY, "31/12/2025", POINT, date(2025, 12, 31)),
        (CellType.DAY, "31.12.2025", POINT, date(2025, 12, 31)),
        (CellType.DAY, "46143", POINT, DAY),
        (CellType.DAY, "46143.9166666667", DAY_FIRST, DAY),
        (CellType.DAY, NumberCell("46143"), DAY_FIRST, DAY),
        (CellType.DAY, NumberCell1904("44681"), DAY_FIRST, DAY),
        (CellType.DAY, "2026-12-31", DAY_FIRST, date(2026, 12, 31)),
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
        (CellType.NUMBER, "1,234", POINT, "can mean 1.234 or 1234: enter 1.234 or 1234"),
        (CellType.NUMBER, "1.234", COMMA, "can mean 1,234 or 1234: enter 1,234 or 1234"),
        (CellType.NUMBER, "1,2,3", COMMA, "is not a number"),
        (CellType.NUMBER, "-0", POINT, "Enter 0, not −0."),
        (CellType.NUMBER, "-0", COMMA, "Enter 0, not −0."),
        (CellType.NUMBER, "−0,00", COMMA, "Enter 0, not −0."),
        (CellType.NUMBER, "(0)", ACCOUNTING, "Enter 0, not −0."),
        (CellType.WHOLE, "-0", POINT, "Enter 0, not −0."),
        (CellType.NUMBER, "12 EUR", POINT, "Remove the currency sign"),
        (CellType.NUMBER, "€12", POINT, "Remove the currency sign"),
        (CellType.NUMBER, "1e3", POINT, "Enter all digits"),
        (CellType.NUMBER, "٣", POINT, "is not a number"),
        (CellType.NUMBER, "NaN", POINT, "is not a"),
        (CellType.NUMBER, "(1.00)", POINT, r"“\(1.00\)” may mean -1. If it does, choose to read"),
        (CellType.NUMBER, "1-", POINT, "“1-” may mean -1"),
        (CellType.NUMBER, "(-1,00)", ACCOUNTING, "is not a number"),
        (CellType.NUMBER, "1.23457E+11", POINT, "Enter all digits"),
        (CellType.NUMBER, "0.1234567890123", POINT, "12 after the point"),
        (CellType.NUMBER, NumberCell("0.1234567890123"), COMMA, "12 after the point"),
        (CellType.NAME, "1.23457E+11", POINT, "its last digits are lost"),
        (CellType.NAME, " 1,23457E+11", POINT, "its last digits are lost"),
        (CellType.NAME, "1.23457e+11", POINT, "its last digits are lost"),
        (CellType.IDENTIFIER, "1E+15", POINT, "its last digits are lost"),
        (CellType.TEXT, "#N/A", POINT, "the error #N/A"),
        (CellType.TEXT, UNCALCULATED, POINT, "no stored value"),
        (CellType.NUMBER, "#DIV/0!", POINT, "the error #DIV/0!"),
        (CellType.DAY, "########", POINT, "too narrow"),
        (CellType.WHOLE, "1.5", POINT, "whole number"),
        (CellType.DAY, "05/06/2026", POINT, "can mean 5 Jun 2026 or 6 May 2026"),
        (CellType.DAY, "05/06/2026 10:00", POINT, "can mean 5 Jun 2026 or 6 May 2026"),
        (CellType.DAY, "20261231", POINT, "such as 2026-11-22"),
        (CellType.DAY, "2026-02-30", POINT, "such as 2026-11-22"),
        (CellType.DAY, "2026-05-01T25", POINT, "such as 2026-11-22"),
        (CellType.DAY, NumberCell("9" * 12), POINT, "such as 2026-11-22"),
        (CellType.DAY, "12/31/2026", DAY_FIRST, "does not fit the date order"),
        (CellType.FLAG, "maybe", POINT, "true or false"),
        (CellType.KEY, "7", POINT, "map the column to “Your own key”"),
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


TEXTS = st.text(st.sampled_from("'=+-@\t\r\n＝＋－＠ab"), max_size=6) | st.text(max_size=6)


@pytest.mark.parametrize("rule", FORMULA_CHARACTERS)
@given(text=TEXTS)
def test_each_escaped_text_is_read_back_under_each_rule(rule: int, text: str) -> None:
    risky = text.lstrip("'")[:1]
    cell = f"'{text}" if risky and risky in FORMULA_CHARACTERS[rule] else text
    assert unescape_formula(cell, rule) == text
    for cell_type in (CellType.TEXT, CellType.IDENTIFIER):
        if text.strip() and not text.startswith("#"):
            assert read_cell(cell_type, cell, CellFormat(formula_rule=rule)) == text


@given(text=TEXTS)
def test_no_escaped_text_begins_like_a_formula(text: str) -> None:
    assert not escape_formula(text).startswith(tuple(FORMULA_CHARACTERS[FORMULA_RULE]))


def test_a_file_of_the_earlier_rule_keeps_its_apostrophes() -> None:
    """Version 1 wrote these texts as they were."""
    assert [unescape_formula(text, 1) for text in ("'\nfoo", "'＝1", "'=1")] == ["'\nfoo", "'＝1", "=1"]
    assert [unescape_formula(text) for text in ("'\nfoo", "'＝1", "'=1")] == ["\nfoo", "＝1", "=1"]


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        ("Cost centre: 4711\r\n\nProject: A: B", [("Cost centre", "4711"), ("Project", "A: B")]),
        ('[{"label": "Cost centre", "value": "4711"}]', [("Cost centre", "4711")]),
        ("[]", []),
    ],
)
def test_lines_have_labels(cell: str, lines: list[tuple[str, str]]) -> None:
    labelled = [{"label": label, "value": value} for label, value in lines]
    assert read_cell(CellType.LABELS, cell, CellFormat()) == labelled


@pytest.mark.parametrize(
    "cell", ["Cost centre", "a: 1\nb", "[1]", '[{"label": 1, "value": "2"}]', '[{"label": "x"}]', "[" * 9999, "['a']"]
)
def test_other_texts_are_no_lines_with_labels(cell: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_cell(CellType.LABELS, cell, CellFormat())
    assert refusal.value.code == "not_labels"

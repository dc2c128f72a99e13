"""Cells that are copied from a spreadsheet arrive as they were."""

import time
from itertools import pairwise

import pytest
from hypothesis import assume, given, strategies as st

from billing_admin.domain.clipboard import parse_rows
from tests.clipboard import COPIED, as_excel_writes, as_google_sheets_writes, as_libreoffice_writes

QUOTED_ALL_OVER = st.text('"" a24', max_size=8)
IN_LINES = st.lists(QUOTED_ALL_OVER, min_size=2, max_size=3).map("\n".join)
WITH_TAB = st.tuples(QUOTED_ALL_OVER, QUOTED_ALL_OVER).map("\t".join)


def tables(*cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    """Rectangles, as a selection in a spreadsheet is one."""
    sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))
    return sizes.flatmap(
        lambda size: st.lists(
            st.lists(st.one_of(*cells), min_size=size[0], max_size=size[0]), min_size=size[1], max_size=size[1]
        )
    )


def is_ambiguous(rows: list[list[str]]) -> bool:
    """Tell whether a cell that begins with a quote and a later one can look like a single cell in quotes."""
    cells = [cell for row in rows for cell in row]
    return any(
        _is_bare(cell) and cell.startswith('"') and any(map(_closes, cells[place + 1 :]))
        for place, cell in enumerate(cells)
    )


def _is_bare(cell: str) -> bool:
    return "\n" not in cell and "\t" not in cell


def _closes(cell: str) -> bool:
    return cell.endswith('"') if _is_bare(cell) else cell.lstrip('"').startswith(("\n", "\t"))


@pytest.mark.parametrize(("copied", "rows"), COPIED)
def test_copied_cells(copied: str, rows: list[list[str]]) -> None:
    assert parse_rows(copied) == rows


def test_no_text_has_no_rows() -> None:
    assert parse_rows("") == []
    assert parse_rows("\r\n") == [[""]]


@given(tables(QUOTED_ALL_OVER, IN_LINES, st.text(max_size=5).filter(lambda cell: not set(cell) & set("\r\n\t"))))
def test_cells_from_excel(rows: list[list[str]]) -> None:
    """With a line break in any cell, a text from Excel has two kinds, and is read in one way only."""
    rows[0][0] += "\n"
    for row in rows:  # a row of `"a` and `b"` looks like a cell that holds a tab
        assume(not is_ambiguous([row]))
    assert parse_rows(as_excel_writes(rows)) == rows


@given(tables(QUOTED_ALL_OVER, IN_LINES, WITH_TAB))
def test_cells_from_each_spreadsheet(rows: list[list[str]]) -> None:
    assume(not is_ambiguous(rows) and rows[-1] != [""])
    for write in (as_excel_writes, as_libreoffice_writes, as_google_sheets_writes):
        assert parse_rows(write(rows)) == rows
        sent_by_a_browser = write(rows).replace("\r\n", "\n").replace("\n", "\r\n")
        assert parse_rows(sent_by_a_browser) == rows


@given(tables(QUOTED_ALL_OVER))
def test_every_quote_stays_and_no_row_is_swallowed(rows: list[list[str]]) -> None:
    """Left out is what one cell of two lines looks like: `"19` at the end of a row and `24"` at the beginning of the next."""
    assume(len(rows[0]) > 1 and not any(is_ambiguous([row]) for row in rows))
    assume(not any(row[-1].startswith('"') and following[0].endswith('"') for row, following in pairwise(rows)))
    for write in (as_excel_writes, as_libreoffice_writes):
        assert parse_rows(write(rows)) == rows


@given(st.text(st.sampled_from('"\t\r\na'), max_size=60))
def test_any_text_is_read(text: str) -> None:
    cells = [cell for row in parse_rows(text) for cell in row]
    assert "".join(cells).count("a") == text.count("a")


@pytest.mark.parametrize("unit", ['"', '"\t', '"a\n', '"x\ty\n"\n', '""a\t', '"a""\t', "\t", '"a\t""b\n'])
def test_a_long_text_is_read_at_once(unit: str) -> None:
    start = time.process_time()
    parse_rows(unit * (200_000 // len(unit)))
    assert time.process_time() - start < 2

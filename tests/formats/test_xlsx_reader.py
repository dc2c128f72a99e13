"""Workbooks: cells as a spreadsheet shows them; hostile files are refused with a message that says how to go on."""

import io
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import example, given, strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import UNCALCULATED, CellFormat, CellType, NumberCell, read_cell
from billing_admin.domain.imports.layouts import Layout
from billing_admin.domain.number_format import NumberFormat
from billing_admin.formats.table_reader import LayoutChoice, Preview, Table, preview

COMMA = CellFormat(NumberFormat.POINT_COMMA)


def workbook(*rows: list[Any], **sheets: list[list[Any]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, content in sheets.items():
        sheet = book.create_sheet(title)
        for row in content:
            sheet.append(row)
    return book


def saved(book: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def shared(*rows: list[str]) -> bytes:
    """A workbook whose texts are shared, as Excel saves it."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file.getvalue()


def rows(content: bytes, header_line: int = 1, sheet: str = "") -> list[tuple[int, list[str]]]:
    table = Table(io.BytesIO(content), Layout(header_line=header_line, sheet=sheet))
    try:
        return [(0, list(table.header)), *((row.line, list(row.cells)) for row in table)]
    finally:
        table.close()


def changed(content: bytes, part: str, change: Any) -> bytes:
    """The workbook with one part changed, as a hostile program would write it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()) if name == part else data)
    return file.getvalue()


def test_cells_come_as_a_spreadsheet_shows_them() -> None:
    book = workbook(
        ["day", "moment", "number", "text", "flag", "error"],
        [date(2026, 5, 1), datetime.fromisoformat("2024-09-18T22:00:00"), 0.1 + 0.2, "1,5", True, "#N/A"],
    )
    book.active["F2"].data_type = "e"
    book.active.append([None, None, 8e-07, "", False])
    book.active.append([])
    book.active.append([None, None, -1234567.891, " x "])
    assert rows(saved(book)) == [
        (0, ["day", "moment", "number", "text", "flag", "error"]),
        (2, ["2026-05-01", "2024-09-18T22:00:00", "0.3", "1,5", "true", "#N/A"]),
        (3, ["", "", "0.0000008", "", "false"]),
        (5, ["", "", "-1234567.891", " x "]),
    ]


def test_numbers_do_not_depend_on_the_number_format_and_texts_do() -> None:
    cells = dict(rows(saved(workbook(["a", "b"], [1.125, "1.125"]))))[2]
    assert isinstance(cells[0], NumberCell)
    assert str(read_cell(CellType.NUMBER, cells[0], COMMA)) == "1.125"
    with pytest.raises(Invalid, match="can mean"):
        read_cell(CellType.NUMBER, cells[1], COMMA)


@pytest.mark.parametrize(
    ("code", "is_day"),
    [
        ("dd/mm/yyyy", True),
        ("[$-407]d. mmmm yyyy", True),
        ("yyyy-mm-dd hh:mm", True),
        ("m/d/yy", True),
        ("0.00", False),
        ('0 "days"', False),
        ("[Red]0.00", False),
        ("#,##0\\d", False),
        ("[h]:mm", False),
        ("General", False),
    ],
)
def test_the_style_of_a_cell_tells_a_day_from_a_number(code: str, is_day: bool) -> None:
    book = workbook(["a"], [46143])
    book.active["A2"].number_format = code
    assert rows(saved(book))[1][1] == ["2026-05-01" if is_day else "46143"]


def test_days_of_the_1904_system_are_the_same_days() -> None:
    book = workbook(["a", "b"], [date(2026, 5, 1), 44681])
    book.epoch = CALENDAR_MAC_1904
    cells = rows(saved(book))[1][1]
    assert cells == ["2026-05-01", "44681"]
    assert read_cell(CellType.DAY, cells[1], CellFormat()) == date(2026, 5, 1)


def test_long_numbers_are_no_references() -> None:
    cells = rows(saved(workbook(["a", "b"], [123456789012345678, 123456789012345])))[1][1]
    assert cells[1] == "123456789012345"
    for cell_type in (CellType.NAME, CellType.NUMBER):
        with pytest.raises(Invalid) as refused:
            read_cell(cell_type, cells[0], CellFormat())
        assert refused.value.code == "shortened"


def test_a_formula_has_its_stored_value_or_is_an_error() -> None:
    content = saved(workbook(["a", "b", "c"], ["=1+1", "=A1", 5]))
    assert rows(content)[1][1] == [UNCALCULATED, UNCALCULATED, "5"]
    part = "xl/worksheets/sheet1.xml"
    content = changed(
        content, part, lambda xml: re.sub(r"<f>1\+1</f><v ?/>|<f>1\+1</f><v></v>", "<f>1+1</f><v>2</v>", xml)
    )
    assert rows(content)[1][1] == ["2", UNCALCULATED, "5"]


def test_merged_cells_below_the_header_are_refused() -> None:
    book = workbook(["Report", None], ["a", "b"], ["1", "2"], ["", "3"])
    book.active.merge_cells("A1:B1")
    assert rows(saved(book), header_line=2)[1:] == [(3, ["1", "2"]), (4, ["", "3"])]
    book.active.merge_cells("A3:A4")
    with pytest.raises(Invalid, match=r"The cells A3:A4 are merged\. Unmerge them"):
        rows(saved(book), header_line=2)


def score(header_rows: Any) -> list[int]:
    return [sum(cell in {"customer", "amount"} for cell in cells) for cells in header_rows]


def looked_at(content: bytes, **choice: Any) -> Preview:
    return preview(lambda: io.BytesIO(content), score, LayoutChoice(**choice))


def test_sheets_and_title_rows_are_found_or_chosen() -> None:
    book = workbook(Usage=[["Report"], [], ["customer", "amount"], ["acme", 5]], Other=[["a"], ["1"]], Secret=[["s"]])
    book["Secret"].sheet_state = "hidden"
    beginning = looked_at(saved(book))
    assert beginning.layout == Layout(header_line=3, sheet="Usage")
    assert beginning.sheets == ["Sheet", "Usage", "Other"]
    assert (beginning.header, [row.cells for row in beginning.rows]) == (("customer", "amount"), [["acme", "5"]])
    assert looked_at(saved(book), sheet="Other").header == ("a",)
    for sheet in ("Secret", "Nope"):
        with pytest.raises(Invalid, match=f"There is no sheet “{sheet}”. Use one of Sheet, Usage, Other."):
            looked_at(saved(book), sheet=sheet)
    with pytest.raises(Invalid, match="There is no row with column names"):
        looked_at(saved(book), sheet="Sheet")


def test_texts_of_several_runs_and_without_phonetic_hints_are_whole() -> None:
    content = shared(["a"], ["x"])
    runs = "<si><r><t>東</t></r><r><t xml:space='preserve'> 京</t></r><rPh sb='0' eb='1'><t>トウ</t></rPh></si>"
    content = changed(content, "xl/sharedStrings.xml", lambda xml: re.sub(r"<si><t>x</t></si>", runs, xml))
    assert rows(content)[1][1] == ["東 京"]


SHEET = "xl/worksheets/sheet1.xml"


DAMAGE: dict[str, tuple[str, Callable[[str], str]]] = {
    "cut": (SHEET, lambda xml: xml[:-30]),
    "doctype": (
        SHEET,
        lambda xml: '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + xml[xml.index("<worksheet") :],
    ),
    "encoding": (SHEET, lambda xml: xml.replace('encoding="UTF-8"', 'encoding="UZF-8"')),
    "column": (SHEET, lambda xml: xml.replace('r="A2"', 'r="ZZZ2"')),
    "row": (SHEET, lambda xml: xml.replace('r="2"', 'r="two"')),
    "text_number": (SHEET, lambda xml: xml.replace("<v>1</v>", "<v>999</v>")),
    "negative_text": (SHEET, lambda xml: xml.replace("<v>1</v>", "<v>-5</v>")),
    "no_number": (SHEET, lambda xml: xml.replace("<v>1</v>", "<v>x</v>")),
    "relation": ("xl/workbook.xml", lambda xml: xml.replace("r:id", "r:other")),
    "empty": ("xl/workbook.xml", lambda xml: xml[:0]),
    "no_workbook": ("_rels/.rels", lambda xml: xml.replace("officeDocument", "nothing")),
    "no_sheet": ("xl/_rels/workbook.xml.rels", lambda xml: xml.replace("worksheets/sheet1", "worksheets/gone")),
    "long_text": ("xl/sharedStrings.xml", lambda xml: xml.replace("<t>b</t>", f"<t>{'x' * 40_000}</t>")),
    "style": ("xl/styles.xml", lambda xml: xml.replace('numFmtId="0"', 'numFmtId="x"')),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_hostile_workbooks_are_refused(damage: str) -> None:
    part, change = DAMAGE[damage]
    content = shared(["a"], ["b"])
    assert rows(content)[1][1] == ["b"]
    with pytest.raises(Invalid, match="The workbook is damaged, has a password, or is no"):
        rows(changed(content, part, change))


def test_a_workbook_that_expands_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_admin.formats.xlsx_reader.SMALL_BYTES", 100_000)
    content = shared(["a"], ["b"])
    for part in (SHEET, "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"):
        with pytest.raises(Invalid, match="too large when extracted"):
            rows(changed(content, part, lambda xml: xml + " " * 5_000_000))


def test_a_row_that_is_too_long_is_refused() -> None:
    content = shared(["a"], ["b" * 30_000])
    cells = "".join(
        f'<c r="{letter}2" t="s"><v>1</v></c>' for letter in [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *("AA", "AB", "AC")]
    )
    cells += "".join(f'<c r="A{letter}2" t="s"><v>1</v></c>' for letter in "DEFGHIJKLMNOPQRSTUVWXYZ")
    long = changed(content, SHEET, lambda xml: re.sub(r'<c r="A2".*?</c>', cells, xml))
    with pytest.raises(Invalid, match="Row 2 is longer than 1,048,576 characters"):
        rows(long)


BOOK = shared(["a", "b"], ["1", "x"], ["2", "y"])


@given(st.lists(st.tuples(st.integers(0, len(BOOK) - 1), st.binary(max_size=4)), min_size=1, max_size=8))
@example([(BOOK.index(b"PK\x05\x06") + 16, b"\xff\xff\xff\x00")])
def test_any_bytes_are_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(BOOK)
    for place, data in changes:
        content[place : place + len(data)] = data
    try:
        assert len(rows(b"PK\x03\x04" + bytes(content[4:]))) <= 3
    except Invalid as refused:
        assert refused.message  # noqa: PT017 - either is fine


@pytest.mark.deep
def test_memory_does_not_grow_with_the_rows() -> None:
    peaks = []
    for count in (2_000, 40_000):
        file = io.BytesIO(shared(["a", "b"], *(["x" * 50, f"text {number}"] for number in range(count))))
        tracemalloc.start()
        table = Table(file, Layout())
        assert sum(1 for _ in table) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        table.close()
    assert peaks[1] < peaks[0] + 2_000_000


@pytest.mark.parametrize("name", ["content.xml", "word/document.xml"])
def test_other_zip_files_are_no_workbooks(name: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as book:
        book.writestr(name, "<a/>")
    with pytest.raises(Invalid, match="save the sheet as CSV"):
        rows(file.getvalue())

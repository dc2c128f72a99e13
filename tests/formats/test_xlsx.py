"""Workbooks: Excel's own numbers and days where it holds them exactly, text where not, and never a formula."""

import io
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given, strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.utils.escape import unescape
from sqlalchemy import update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.formats import xlsx
from billing_admin.formats.export import ExportRequest, write_export
from billing_admin.formats.xlsx import CUT, EXCEL_TEXT, cell_text, fits_double
from billing_admin.models import Charge
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.master_data.customers import CustomerFilter
from tests.making import MARCH, make_customer, make_spec, post
from tests.prepared import prepared

SPACE = UUID("5f9ad4b5-9b0b-4f14-9c4a-5c80a0e5a3b1")
EVERY = ExportRequest("charges", ChargeFilter(), "xlsx")
TEXTS = [
    "=1+1",
    "'quoted'",
    "-5",
    "http://a.example/",
    "<r>x</r>",
    "<b>&amp;",
    " spaces ",
    "über 漢 🙂",
    "_x0041_",
    "007",
    "TRUE",
]


def opened(session: Session, wanted: ExportRequest = EVERY) -> Workbook:
    """The file, as another program reads it."""
    session.rollback()
    sink = io.BytesIO()
    write_export(session, wanted, sink)
    return load_workbook(sink)


def rows(book: Workbook) -> Iterator[dict[str, Any]]:
    """The cells under their headers."""
    for sheet in book.worksheets:
        header, *others = sheet.iter_rows()
        for row in others:
            yield {str(name.value): cell for name, cell in zip(header, row, strict=True)}


@pytest.fixture
@prepared
def charged(session: Session) -> Session:
    """A charge for each text, and some with numbers of all sizes."""
    acme = make_customer(reference="=acme", name="Acme")
    post(*(make_spec(acme, "12.30", description=text, id=uuid5(SPACE, text)) for text in TEXTS))
    post(
        make_spec(acme, "0.0000008", id=uuid5(SPACE, "small"), metadata={"a": "b"}),
        make_spec(acme, "123456789012345678.123456789012", id=uuid5(SPACE, "long")),
        make_spec(acme, "-9.95", id=uuid5(SPACE, "minus")),
    )
    session.rollback()
    return session


def test_cells_are_what_they_are(charged: Session) -> None:
    book = opened(charged)
    by_id = {row["id"].value: row for row in rows(book)}
    for text in TEXTS:
        cell = by_id[str(uuid5(SPACE, text))]["description"]
        assert (unescape(cell.value), cell.data_type) in {(text, "s"), (text, "inlineStr")}
    small, long, minus = (by_id[str(uuid5(SPACE, name))] for name in ("small", "long", "minus"))
    assert (small["amount"].value, small["amount"].number_format) == (8e-07, "#,##0.0000000")
    assert long["amount"].value == "123456789012345678.123456789012"
    assert (minus["amount"].value, minus["amount"].number_format) == (-9.95, "#,##0.00")
    assert minus["unit_price"].value is None
    assert minus["incurred_on"].value == datetime.combine(MARCH, datetime.min.time())
    assert minus["created_at"].value == datetime(2026, 4, 2, 9, 30)  # noqa: DTZ001 - as Excel has it, in UTC
    assert minus["late"].value is False
    assert small["metadata"].value == '{"a": "b"}'
    assert {row["customer"].value for row in by_id.values()} == {"=acme"}


def test_the_header_stays_and_columns_are_wide(charged: Session) -> None:
    [sheet] = opened(charged).worksheets
    assert (sheet.title, sheet.freeze_panes) == ("charges", "A2")
    header = next(sheet.iter_rows(max_row=1))
    assert all(cell.font.bold for cell in header)
    for cell in header:
        width = sheet.column_dimensions[cell.column_letter].width
        assert width >= len(str(cell.value))
    assert sheet.column_dimensions["A"].width > len(str(UUID(int=0)))


def test_the_same_data_make_the_same_bytes(charged: Session) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    assert write_export(charged, EVERY, first) == write_export(charged, EVERY, second)
    assert first.getvalue() == second.getvalue()


def test_what_does_not_fit_goes_on_to_another_sheet(charged: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "EXCEL_ROWS", 6)
    book = opened(charged)
    assert [sheet.title for sheet in book.worksheets] == ["charges", "charges 2", "charges 3"]
    assert [sheet.max_row for sheet in book.worksheets] == [6, 6, 5]
    assert len({row["id"].value for row in rows(book)}) == len(TEXTS) + 3


def test_nothing_is_a_header(session: Session) -> None:
    [sheet] = opened(session, ExportRequest("customers", CustomerFilter(), "xlsx")).worksheets
    assert (sheet.max_row, sheet["A1"].value) == (1, "reference")


def test_a_text_that_is_too_long_says_so(charged: Session) -> None:
    def lengthen(session: Session) -> None:
        session.execute(update(Charge).values(description="x" * 40_000))

    transaction(lengthen)
    [text] = {row["description"].value for row in rows(opened(charged))}
    assert text.endswith(CUT)
    assert len(text) < EXCEL_TEXT
    assert cell_text("\ufffe") == "\ufffd"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9) + 1, max_value=10**9 - 1))
def test_what_fits_comes_back_exactly(number: Decimal) -> None:
    """XlsxWriter writes 16 digits: of a decimal of 15, the same double, hence the same decimal, is read again."""
    text = f"{number:f}"
    if fits_double(text):
        assert Decimal(f"{float(f'{float(text):.16G}'):.15G}") == number
    assert fits_double("0.000000000001")
    assert not fits_double("1234567890123456")


def test_days_reach_far(session: Session) -> None:
    post(make_spec(make_customer(), "1", incurred_on=date(1970, 1, 1)))
    post(make_spec(make_customer(reference="x"), "1", incurred_on=date(2199, 12, 31)))
    years = {row["incurred_on"].value.year for row in rows(opened(session))}
    assert years == {1970, 2199}

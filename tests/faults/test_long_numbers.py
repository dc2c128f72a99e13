"""Numbers, days, cursors and cells of any length are read or refused at once: nothing takes quadratic time, or is kept.

A text of 60,000 characters took half a minute where a regular expression could match it in many ways.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from billing_admin.api.frame import fields, strict_json
from billing_admin.db.paging import page
from billing_admin.domain.amount_input import parse_amount, possible_amounts
from billing_admin.domain.clipboard import parse_rows
from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import DomainError, Invalid
from billing_admin.domain.imports import cells
from billing_admin.domain.imports.cells import CellFormat, CellType
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.domain.imports.rows import Record, RowReader
from billing_admin.domain.money import currency_code, exact_decimal, refuse_inexact
from billing_admin.domain.number_format import NumberFormat
from billing_admin.formats.exported_csv import read_content
from billing_admin.queries.exports import FILE_KINDS
from billing_admin.queries.master_data.customers import CustomerFilter, customers_by_name
from billing_admin.web.frame.forms import AmountField, WholeNumberField
from tests.making import make_customer, make_service
from tests.people import send, signed_in

LONG = 60_000
FORMATS = (
    CellFormat(),
    CellFormat(NumberFormat.POINT_COMMA, accounting=True),
    CellFormat(date_order=DateOrder.DAY_FIRST),
)


def _json_number(text: str) -> None:
    """Read a text as a number in a body, and let the domain judge it as an operation does."""
    number = strict_json.read_json(text.encode())
    if not isinstance(number, str | dict | list | bool | None):
        exact_decimal(number, "amount")


def _cell_reader(kind: CellType, written: CellFormat) -> Callable[[str], Any]:
    return lambda text: cells.read_cell(kind, text, written)


PARSERS: dict[str, Callable[[str], Any]] = {
    "exact": exact_decimal,
    **{f"typed_amount {form}": partial(parse_amount, number_format=form) for form in NumberFormat},
    **{f"typed_day {order}": partial(parse_day, order=order) for order in DateOrder},
    "possible_amounts": possible_amounts,
    "currency_code": currency_code,
    "clipboard": parse_rows,
    "json": _json_number,
    "amount field": lambda text: object.__new__(AmountField).parse(text),
    "whole field": lambda text: object.__new__(WholeNumberField).parse(text),
    "api cursor": fields._decode_cursor,
    **{
        f"api {name}": TypeAdapter(kind).validate_python
        for name, kind in (
            ("number", fields.Number),
            ("day", fields.Day),
            ("key", fields.Key),
            ("currency", fields.Currency),
            ("limit", fields.Limit),
            ("flag", fields.Flag),
        )
    },
    **{
        f"cell {kind.name} {number}": _cell_reader(kind, written)
        for kind in CellType
        for number, written in enumerate(FORMATS)
        if kind in {CellType.NUMBER, CellType.DAY} or not number
    },
}
UNITS = [
    "1",
    "0",
    "9",
    "-",
    "−",
    " ",
    "\u00a0",
    "'",
    "’",
    ",",
    ".",
    "$",
    "€",
    "kr.",
    "a",
    "E",
    "e1",
    '"',
    '""',
    "\t",
    "\n",
]
UNITS += [
    "1,",
    "1,111",
    ",111",
    "1.",
    "1 ",
    "1'",
    ".1,1",
    "111,111.",
    "1e",
    "-1",
    "$1",
    '"\t',
    '"a\n"',
    "=",
    "A",
    "%",
    "{",
    "[",
]


@contextmanager
def at_once(case: str, seconds: float = 1) -> Iterator[None]:
    """Measure the processor time of this process, which other work on the machine does not change much.

    Garbage is not collected meanwhile: the objects of all earlier tests of the process would be looked through.
    """
    gc.disable()
    start = time.process_time()
    try:
        yield
    finally:
        gc.enable()
    assert time.process_time() - start < seconds, case


@pytest.mark.parametrize("name", PARSERS)
def test_a_long_text_is_read_or_refused_at_once(name: str) -> None:
    for unit in UNITS:
        for end in ("", "x", ",5"):
            text = unit * (LONG // len(unit)) + end
            with at_once(f"{name} {unit!r} {end!r}"), suppress(DomainError, ValidationError, ValueError):
                PARSERS[name](text)


@settings(max_examples=30)
@given(st.sampled_from(UNITS), st.text("01,.-x ", max_size=5), st.sampled_from(UNITS), st.text("1,.x$", max_size=3))
def test_no_mixture_is_slow(first: str, middle: str, second: str, end: str) -> None:
    text = first * (LONG // 2 // len(first)) + middle + second * (LONG // 2 // len(second)) + end
    for name, parse in PARSERS.items():
        with at_once(name), suppress(DomainError, ValidationError, ValueError):
            parse(text)


@pytest.mark.parametrize("text", ["1" * LONG, "1" * LONG + "x", "$" * LONG, "1," * LONG, "x" * LONG])
def test_a_refusal_quotes_the_beginning_only(text: str) -> None:
    for name in (
        "exact",
        "typed_amount 1,234.56",
        "currency_code",
        "cell NUMBER 0",
        "cell NUMBER 1",
        "cell DAY 0",
        "cell WHOLE 0",
    ):
        with pytest.raises(Invalid) as refusal:
            PARSERS[name](text)
        assert len(refusal.value.message) < 250


@pytest.mark.parametrize("text", ["1e999999999999999999", "-1e999999999999999999", "1e-999999999999999999", "0e999999"])
def test_a_giant_exponent_costs_nothing(text: str) -> None:
    with at_once(text), suppress(Invalid):
        refuse_inexact(strict_json.read_json(text.encode()))
        assert exact_decimal(strict_json.read_json(text.encode())) == 0


def test_long_cells_are_not_kept() -> None:
    """Values are kept by their cells, so a padded number must not be kept with its 100,000 spaces."""
    plan = ImportPlan(("quantity", "incurred_on"), {"quantity": 0, "incurred_on": 1})
    reader = RowReader("charges", plan, "f" * 64)
    short = ["1.25", "2026-11-22"]
    for number in range(50):
        padded = [" " * LONG + cell + " " * LONG for cell in short]
        wrong = [f"{'0' * LONG}{number}"] * 2
        values = [reader._read_row(Record(2, 0, cells)).values for cells in (short, padded, wrong)]
        assert values[0] == values[1]
        assert set(values[2].values()) == {None}
    assert [list(column.cached_values) for column in reader._columns] == [["1.25"], ["2026-11-22"]]


def test_a_file_to_verify_with_a_long_number_is_a_problem_and_no_crash() -> None:
    header = [column.name for column in FILE_KINDS["charges"].columns]
    row = dict.fromkeys(header, "") | {"currency": "EUR", "amount": "1" * 200_000 + ".5"}
    content = "\r\n".join([",".join(header), ",".join(row[name] for name in header), ""]).encode()
    with at_once("verify"):
        content_read = read_content(BytesIO(content))
    assert content_read is not None
    assert content_read.problems[0].startswith("The amount “1111")
    assert len(content_read.problems[0]) < 150


def test_a_long_cursor_is_refused(session: Session) -> None:
    for unit in (">s:a~", "1", "~", "\\n", '"'):
        with at_once(unit), pytest.raises(Invalid, match="cursor is not valid"):
            page(session, customers_by_name(CustomerFilter()), 10, f">i:{unit * LONG}")


def test_the_pages_refuse_long_numbers_at_once(session: Session, client: FlaskClient) -> None:
    make_customer(reference="acme", name="ACME Inc")
    make_service()
    browser = signed_in(client.application)
    for text in ("1" * LONG + "x", "1," * (LONG // 2), "1" * LONG + ",5", " " * LONG + "1" * 61):
        charge = {"customer": "acme", "day": "2026-03-15", "description": "x"}
        with at_once("form", 3):
            assert send(browser, "/charges/new", **charge, quantity=text, unit_price=text).status_code == 422
        with at_once("search", 3):
            assert browser.get("/search", query_string={"q": text}).status_code < 400
        with at_once("list", 3):
            assert browser.get("/customers", query_string={"after": text}).status_code == 200

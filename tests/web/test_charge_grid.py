"""The grid of many charges: all rows are saved, or none; what is wrong stands at its row."""

import html
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.models import AuditEvent, Charge
from billing_admin.web.charges import grid
from billing_admin.web.charges.grid import MAX_ROWS
from tests.books import assert_books_balance
from tests.clipboard import COPIED
from tests.making import change_settings, make_customer, make_service
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, statements, words

COLUMNS = ("customer", "service", "quantity", "unit_price", "day", "description")


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin; ACME in USD, Foo in EUR, and a service of 2.50 USD."""
    make_customer(reference="acme", name="ACME Inc")
    make_customer(reference="foo", name="Foo Ltd", currency="EUR")
    make_service()
    return signed_in(app)


def stored(session: Session) -> list[Charge]:
    session.rollback()
    return sorted(session.scalars(select(Charge)), key=lambda charge: charge.amount)


def shown(page: TestResponse, row: int, column: str) -> str:
    return field(page, f"rows-{row - 1}-{column}")


def enter(browser: FlaskClient, *lines: str, page: TestResponse | None = None, **fields: str) -> TestResponse:
    """Fill in the rows as the page shows them; a line has the columns from the left, with commas between."""
    page = page or browser.get("/charges/many")
    given = {"customer": "acme", "day": "2026-03-15"}
    for number, line in enumerate(lines):
        given[f"rows-{number}-id"] = shown(page, number + 1, "id")
        given |= {f"rows-{number}-{name}": cell.strip() for name, cell in zip(COLUMNS, line.split(","), strict=False)}
    return send(browser, "/charges/many", **(given | fields))


def test_saves_every_row_with_what_it_says_or_what_stands_above(browser: FlaskClient, session: Session) -> None:
    response = enter(
        browser, ",genericcompute,3", "", "foo,,2,7.25,2026-03-01,Work", ",GenericCompute,,1.50,,Own", tax_included="y"
    )
    assert response.status_code == 303
    assert response.location == "/charges?customer=acme"
    assert "3 charges of 14.50 EUR, 9.00 USD saved." in words(browser.get(response.location))
    found = [
        (one.currency, one.amount, one.incurred_on.isoformat(), one.description, one.tax_included)
        for one in stored(session)
    ]
    assert found == [
        ("USD", Decimal("1.5"), "2026-03-15", "Own", True),
        ("USD", Decimal("7.5"), "2026-03-15", "GenericCompute", False),
        ("EUR", Decimal("14.5"), "2026-03-01", "Work", True),
    ]
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "charge.posted"))
    assert (event.actor_name, event.details) == ("admin@example.com", {"charges": 3})
    assert_books_balance(session)


def test_all_rows_have_the_period_and_order_above_them(browser: FlaskClient, session: Session) -> None:
    above: dict[str, Any] = {"period_from": "2026-03-01", "period_to": "2026-03-31", "purchase_order": "PO-4711"}
    assert enter(browser, ",GenericCompute,3", "foo,,2,7.25,2026-03-01,Work", **above).status_code == 303
    found = {
        (charge.currency, str(charge.period_from), str(charge.period_to), charge.purchase_order)
        for charge in stored(session)
    }
    assert found == {(currency, "2026-03-01", "2026-03-31", "PO-4711") for currency in ("USD", "EUR")}


@pytest.mark.parametrize(
    ("above", "column", "sentence"),
    [
        (
            {"period_from": "2026-03-01"},
            "period_to",
            "Enter the first and the last day of the period, or leave both blank.",
        ),
        (
            {"period_from": "2026-03-31", "period_to": "2026-03-01"},
            "period_to",
            "Use 2026-03-31, the first day of the period, or a later day.",
        ),
        ({"period_from": "soon", "period_to": "2026-03-01"}, "period_from", "Enter a date such as 2026-11-22."),
        ({"purchase_order": "x" * 201}, "purchase_order", "Use at most 200 characters."),
    ],
)
def test_a_wrong_period_or_order_is_refused_once_above_the_rows(
    browser: FlaskClient, session: Session, above: dict[str, Any], column: str, sentence: str
) -> None:
    refused = enter(browser, ",GenericCompute,3", ",GenericCompute,4", **above)
    assert refused.status_code == 422
    assert f'href="#{column}"' in refused.text
    assert sentence in words(refused)
    assert {name: field(refused, name) for name in above} == above
    assert "Row 1: " not in words(refused)
    assert stored(session) == []


@pytest.mark.parametrize(
    ("line", "column", "sentence"),
    [
        (",GenericCompute,1 or 2", "quantity", "Row 2: “1 or 2” is not a number such as 1,234.50."),
        (",Unheard of,1", "service", "Row 2: No service matches “Unheard of”. Choose one from the list."),
        ("nobody,GenericCompute,1", "customer", "Row 2: No customer matches “nobody”."),
        (
            "foo,GenericCompute,1",
            "unit_price",
            "Row 2: Enter a unit price or an amount: GenericCompute has no price in EUR",
        ),
        (
            ",GenericCompute,1,EUR 5",
            "unit_price",
            "Row 2: Enter the amount in USD: “EUR 5” is in EUR. If you mean 5 USD, enter 5.",
        ),
        (
            ",GenericCompute,1,€5",
            "unit_price",
            "Row 2: Enter the amount in USD: “€5” is in EUR. If you mean 5 USD, enter 5.",
        ),
        (
            "foo,GenericCompute,1,$5",
            "unit_price",
            "Row 2: Enter the amount in EUR: “$5” is in another currency. If you mean 5 EUR, enter 5.",
        ),
        (",GenericCompute,1,-0", "unit_price", "Row 2: Enter 0, not −0."),
        (",GenericCompute,5 EUR", "quantity", "Row 2: Remove EUR: a quantity has no currency."),
        (",GenericCompute,1,,tomorrow", "day", "Row 2: Enter a date such as 2026-11-22."),
        (",,1,,,Work", "unit_price", "Row 2: Enter a unit price or an amount"),
        (",,3", "service", "Row 2: Enter a service, or a description with a price."),
    ],
)
def test_one_wrong_row_is_named_and_nothing_is_saved(
    browser: FlaskClient, session: Session, line: str, column: str, sentence: str
) -> None:
    response = enter(browser, ",GenericCompute,3", line, ",GenericCompute,4")
    assert response.status_code == 422
    assert sentence in words(response)
    assert f'href="#rows-1-{column}"' in response.text
    assert stored(session) == []
    for number, typed in enumerate((",GenericCompute,3", line, ",GenericCompute,4"), 1):
        for name, cell in zip(COLUMNS, typed.split(","), strict=False):
            assert shown(response, number, name) == cell
    mended = enter(browser, ",GenericCompute,3", ",GenericCompute,1", ",GenericCompute,4", page=response)
    assert mended.status_code == 303
    assert len(stored(session)) == 3


def test_says_what_is_missing_above(browser: FlaskClient, session: Session) -> None:
    assert "Row 1: Enter a customer here or above the rows." in words(enter(browser, ",GenericCompute,3", customer=""))
    assert "No customer matches “nobody”." in words(enter(browser, ",GenericCompute,3", customer="nobody"))
    assert "Enter the day of the charges" in words(enter(browser, ",GenericCompute,3", day=""))
    assert "Enter at least one charge, with a service and quantity" in words(enter(browser))
    assert stored(session) == []


def test_sent_twice_each_charge_is_stored_once(browser: FlaskClient, session: Session) -> None:
    page = browser.get("/charges/many")
    lines = (",GenericCompute,3", ",GenericCompute,4")
    enter(browser, *lines, page=page)
    again = enter(browser, *lines, page=page)
    assert "These charges were already saved. They were not added again." in words(browser.get(again.location))
    assert len(stored(session)) == 2
    other = enter(browser, lines[0], ",GenericCompute,5", page=page)
    assert "Row 2: This row was already saved with a different quantity" in words(other)
    assert (shown(other, 1, "id"), shown(other, 2, "id")) == (shown(page, 1, "id"), field(other, "rows-1-id"))
    assert shown(other, 2, "id") != shown(page, 2, "id")
    assert enter(browser, lines[0], ",GenericCompute,5", page=other).status_code == 303
    assert len(stored(session)) == 3


def test_a_check_says_count_and_sums_and_saves_nothing(browser: FlaskClient, session: Session) -> None:
    response = enter(browser, ",GenericCompute,3", "foo,,1,0.001,,Work", then="check")
    assert response.status_code == 200
    assert "2 charges of 0.001 EUR, 7.50 USD can be saved. Nothing has been saved yet." in words(response)
    assert stored(session) == []
    assert "Row 1: “x” is not a number" in words(enter(browser, ",GenericCompute,x", then="check"))
    assert len(stored(session)) == 0


def test_lines_of_a_spreadsheet_go_into_blank_rows_and_more_rows_are_made(browser: FlaskClient) -> None:
    pasted = "\r\n".join(f"\tGenericCompute\t{number}\t\t\tNo. {number}" for number in range(1, 16))
    page = enter(browser, ",GenericCompute,99", pasted=pasted, then="rows")
    assert page.status_code == 200
    assert (shown(page, 1, "quantity"), shown(page, 2, "quantity"), shown(page, 16, "description")) == (
        "99",
        "1",
        "No. 15",
    )
    assert 'name="rows-16-id"' not in page.text
    more = enter(browser, ",GenericCompute,99", then="rows")
    assert shown(more, 20, "quantity") == ""


def test_lines_that_find_no_room_stay_where_they_were_pasted(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "MAX_ROWS", 12)
    page = enter(browser, pasted="\n".join(f"\tGenericCompute\t{number}" for number in range(14)), then="rows")
    assert shown(page, 12, "quantity") == "11"
    assert 'name="rows-12-id"' not in page.text
    assert "\tGenericCompute\t12\n\tGenericCompute\t13</textarea>" in page.text
    assert "The grid has at most 12 rows. Cut these 2 lines" in words(page)


def test_a_service_is_the_one_that_is_meant_or_asked_for(browser: FlaskClient, session: Session) -> None:
    for code, name, price in (
        ("db", "Base", "1"),
        ("DB", "Base two", "100"),
        ("h1", "Hosting", "3"),
        ("h2", "Hosting", "4"),
    ):
        make_service(code=code, name=name, prices={"USD": Decimal(price)})
    assert "Row 1: Several services match: h1, h2." in words(enter(browser, ",hosting,1"))
    assert "Row 1: Several services match: DB, db." in words(enter(browser, ",Db,1"))
    assert stored(session) == []
    enter(browser, ",db,1", ",DB,1", ",base,2", ",H2,1", ",BASE TWO,2")
    assert [one.amount for one in stored(session)] == [1, 2, 4, 100, 200]


def test_an_unknown_button_saves_nothing(browser: FlaskClient, session: Session) -> None:
    assert enter(browser, ",GenericCompute,1", then="Check").status_code == 200
    assert stored(session) == []


def test_rows_beyond_the_last_are_not_left_out_in_silence(browser: FlaskClient, session: Session) -> None:
    more: dict[str, Any] = {f"rows-{MAX_ROWS}-id": str(uuid4()), f"rows-{MAX_ROWS}-service": "GenericCompute"}
    assert "Use at most 300 rows." in words(enter(browser, ",GenericCompute,1", **more))
    assert stored(session) == []


def test_cells_in_quotes_stay_whole(browser: FlaskClient) -> None:
    page = enter(browser, pasted='\tGenericCompute\t1\t\t\t"Two\r\nlines, ""so"""\r\n\tGenericCompute\t2', then="rows")
    assert shown(page, 1, "description") == 'Two lines, "so"'
    assert (shown(page, 2, "quantity"), shown(page, 3, "quantity")) == ("2", "")


@pytest.mark.parametrize(("copied", "rows"), COPIED)
def test_quotes_are_read_as_spreadsheets_write_them(browser: FlaskClient, copied: str, rows: list[list[str]]) -> None:
    """A cell that begins with a quote swallowed the next row, and others lost their quotes."""
    page = enter(browser, pasted=copied, then="rows")
    for number, row in enumerate([*rows, [""]], 1):
        cells = [" ".join(cell.split()) for cell in row]
        assert [shown(page, number, name) for name in COLUMNS] == cells + [""] * (len(COLUMNS) - len(cells))


def test_nineteen_inch_racks_are_two_charges(browser: FlaskClient, session: Session) -> None:
    pasted = '\tGenericCompute\t1\t\t\t"19 inch rack\r\n\tGenericCompute\t2\t\t\t"Gold" support\r\n'
    page = enter(browser, pasted=pasted, then="rows")
    fields = {f"rows-{n}-{name}": shown(page, n + 1, name) for n in range(10) for name in ("id", *COLUMNS)}
    saved = send(browser, "/charges/many", customer="acme", day="2026-03-15", **fields)
    assert saved.status_code == 303
    assert [one.description for one in stored(session)] == ['"19 inch rack', '"Gold" support']


def test_lines_without_room_keep_their_quotes(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MAX_ROWS", 10)
    lines = [f'\tGenericCompute\t{number}\t\t\t"Gold" support' for number in range(12)]
    page = enter(browser, pasted="\r\n".join(lines), then="rows")
    assert "\n".join(lines[10:]) + "</textarea>" in html.unescape(page.text)


def test_a_customer_who_is_named_in_each_row_is_looked_up_once(app: Flask, browser: FlaskClient) -> None:
    with statements(app) as few:
        enter(browser, "ACME,GenericCompute,1", then="check")
    with statements(app) as many:
        enter(browser, *["ACME,GenericCompute,1"] * 9, then="check")
    assert len(many) <= len(few) + 2


def test_pasted_lines_are_not_forgotten_when_saving(browser: FlaskClient, session: Session) -> None:
    response = enter(browser, ",GenericCompute,1", pasted="\tGenericCompute\t2")
    assert "These lines are not in the grid yet" in words(response)
    assert stored(session) == []
    wide = enter(browser, pasted="acme\tGenericCompute\t2\t\t\tOf\tmany\tcells", then="rows")
    assert shown(wide, 1, "description") == "Of many cells"


def test_likely_duplicates_are_named(browser: FlaskClient, session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    response = enter(browser, ",GenericCompute,3", ",GenericCompute,3", ",GenericCompute,4")
    told = "3 charges of 25.00 USD saved. Review 1 likely duplicate."
    assert told in words(browser.get(response.location))
    assert [one.status for one in stored(session)].count("held") == 1


def test_who_may_not_write_may_not_come_here(app: Flask, browser: FlaskClient) -> None:
    viewer = signed_in(app, "viewer")
    assert viewer.get("/charges/many").status_code == 403
    assert "/charges/many" not in viewer.get("/charges").text
    assert "/charges/many" in browser.get("/charges").text


def add_rows(browser: FlaskClient, *lines: str) -> TestResponse:
    return send(browser, "/charges/many", then="rows", customer="acme", day="2026-03-15", pasted="\n".join(lines))


def test_a_header_row_of_pasted_lines_arranges_the_columns(browser: FlaskClient) -> None:
    page = add_rows(browser, "Datum\tMenge\tBeschreibung\tKunde", "2026-03-01\t3\tWork\tfoo", "\t4")
    rows = [[shown(page, row, column) for column in COLUMNS] for row in (1, 2, 3)]
    assert rows == [["foo", "", "3", "", "2026-03-01", "Work"], ["", "", "4", "", "", ""], [""] * 6]
    as_before = add_rows(browser, "acme\tGenericCompute\t3")
    assert [shown(as_before, 1, column) for column in COLUMNS[:3]] == ["acme", "GenericCompute", "3"]


def test_a_pasted_column_that_the_grid_lacks_is_named(browser: FlaskClient) -> None:
    page = add_rows(browser, "Customer\tAmount\tColour\tCustomer", "foo\t3\tred\tacme")
    assert "The grid has no column for “Amount”, “Colour”, “Customer”. Delete these columns" in words(page)
    assert "foo\t3\tred" in html.unescape(page.text)
    assert shown(page, 1, "customer") == ""


@pytest.mark.parametrize("day", ["2026-03-01T22:00:00Z", "2026-03-01 22:00", "46082", "46082.75", "1 Mar 2026"])
def test_days_are_read_as_spreadsheets_and_programs_write_them(
    browser: FlaskClient, session: Session, day: str
) -> None:
    assert enter(browser, f",GenericCompute,8E-07,,{day}").status_code == 303
    [charge] = stored(session)
    assert (charge.incurred_on.isoformat(), charge.quantity) == ("2026-03-01", Decimal("0.0000008"))


def test_bracketed_numbers_are_negative_by_choice(browser: FlaskClient, session: Session) -> None:
    refused = enter(browser, ",GenericCompute,(1.00)", ",,2,1.50-,,Back")
    assert refused.status_code == 422
    assert "Row 1: “(1.00)” is not a number" in words(refused)
    assert enter(browser, ",GenericCompute,(1.00)", ",,2,1.50-,,Back", accounting="y").status_code == 303
    assert [charge.amount for charge in stored(session)] == [Decimal(-3), Decimal("-2.5")]

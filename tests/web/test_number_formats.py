"""Pages read and show numbers and days in the organisation's formats; documents keep theirs; scripts get plain values."""

import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.domain.days import DateOrder
from billing_admin.domain.formatting import format_money
from billing_admin.domain.number_format import NumberFormat, format_in_use
from billing_admin.formats.document_contents import document_contents
from billing_admin.models import Charge, Customer, Invoice, Payment
from tests.clocks import stopped_clock
from tests.making import NOW, change_settings, make_customer, make_invoice, make_service
from tests.people import csrf_token, signed_in
from tests.prepared import prepared
from tests.web.pages import field, words
from tests.web.reading import fresh

# 1234.56 and 1250 (a number of one group) as each format writes them on a page.
WRITTEN = {
    NumberFormat.COMMA_POINT: ("1,234.56", "1,250"),
    NumberFormat.POINT_COMMA: ("1.234,56", "1.250"),
    NumberFormat.SPACE_COMMA: ("1\u00a0234,56", "1\u00a0250"),
    NumberFormat.APOSTROPHE_POINT: ("1'234.56", "1'250"),
}


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    make_customer(reference="acme", name="ACME Inc", currency="EUR")
    make_service(code="Work", name="Work", prices={"EUR": Decimal("1234.567")})
    return signed_in(app)


def acme(session: Session) -> Customer:
    return fresh(session, select(Customer))[0]


def post(browser: FlaskClient, url: str, **values: Any) -> TestResponse:
    return browser.post(url, data=values | {"csrf_token": csrf_token(browser)})


def add_charge(browser: FlaskClient, **values: Any) -> TestResponse:
    charge = {"id": uuid4(), "customer": "acme", "day": "2026-03-15", "description": "Work"}
    return post(browser, "/charges/new", **charge | values)


@pytest.mark.parametrize("number_format", NumberFormat)
def test_a_page_shows_what_a_form_reads(browser: FlaskClient, session: Session, number_format: NumberFormat) -> None:
    change_settings(number_format=number_format.value)
    shown, thousand = WRITTEN[number_format]
    assert add_charge(browser, amount=shown, quantity=number_format.type("1250.5")).status_code == 303
    (charge,) = fresh(session, select(Charge))
    assert (charge.amount, charge.quantity) == (Decimal("1234.56"), Decimal("1250.5"))
    text = words(browser.get(f"/charges/{charge.id}")).replace(" ", "\u00a0")
    assert shown in text
    assert f"{thousand}{number_format.decimal_sign}5" in text
    assert f'data-number-format="{escape(number_format)}"' in browser.get("/charges").text


@pytest.mark.parametrize(
    ("number_format", "typed", "readings"),
    [
        ("1,234.56", "1,250", "1.25 or 1250"),
        ("1.234,56", "1.250", "1,25 or 1250"),
        ("1 234,56", "1.250", "1,25 or 1250"),
        ("1'234.56", "1,250", "1.25 or 1250"),
        ("1.234,56", "1,234.56", "1234,56 or 1,23456"),
        ("1,234.56", "1.234,56", "1234.56 or 1.23456"),
        ("1 234,56", "1'234.56", "1234,56 or 123456"),
    ],
)
def test_what_contradicts_the_format_is_refused_with_both_readings(
    browser: FlaskClient, session: Session, number_format: str, typed: str, readings: str
) -> None:
    change_settings(number_format=number_format)
    page = add_charge(browser, amount=typed)
    assert page.status_code == 422
    assert f"can mean {readings}: enter" in words(page)
    assert field(page, "amount") == typed
    row = {"rows-0-id": uuid4(), "rows-0-description": "Work", "rows-0-quantity": "1", "rows-0-unit_price": typed}
    page = post(browser, "/charges/many", customer="acme", day="2026-03-15", then="save", **row)
    assert f"can mean {readings}: enter" in words(page)
    assert fresh(session, select(Charge)) == []


def test_the_list_price_is_filled_in_as_it_is_read(browser: FlaskClient, session: Session) -> None:
    """A plain 1234.567 would be refused or misread where the point separates thousands."""
    change_settings(number_format="1.234,56")
    assert "1234,567" in browser.get("/charges/new?customer=acme").text
    assert "1234.567" not in browser.get("/charges/many?customer=acme").text


def test_a_payment_is_read_and_suggested_in_the_format(browser: FlaskClient, session: Session) -> None:
    change_settings(number_format="1.234,56")
    invoice = make_invoice(acme(session), "2500")
    page = browser.get(f"/payments/new?customer=acme&invoice={invoice.id}")
    assert field(page, "amount") == "2500"
    payment: dict[str, Any] = {"id": uuid4(), "received_on": "2026-04-01", "method": "card", "reference": ""}
    page = post(browser, "/payments/new?customer=acme", **payment, amount="1.234,56")
    part = f"part_{invoice.id.hex}"
    assert field(page, part) == "1234,56"
    assert "1.234,56 EUR" in words(page)
    response = post(browser, "/payments/new?customer=acme", **payment, **{"amount": "1.234,56", part: "1234,56"})
    assert response.status_code == 303
    assert [payment.amount for payment in fresh(session, select(Payment))] == [123456]


def test_an_issued_document_keeps_its_number_format(browser: FlaskClient, session: Session) -> None:
    before = make_invoice(acme(session), "1234.56")
    change_settings(number_format="1.234,56")
    after = make_invoice(acme(session), "1234.56")
    texts = {
        invoice.id: str(document_contents(invoice))
        for invoice in fresh(session, select(Invoice).order_by(Invoice.number))
    }
    assert "1,234.56 EUR" in texts[before.id]
    assert "1.234,56 EUR" in texts[after.id]
    assert "1.234,56 EUR" in words(browser.get(f"/invoices/{before.id}"))


def test_files_stay_plain_and_no_format_outlives_its_page(browser: FlaskClient, session: Session) -> None:
    make_invoice(acme(session), "1234.56")
    change_settings(number_format="1.234,56")
    assert "1.234,56 EUR" in words(browser.get("/invoices"))
    assert format_in_use() is NumberFormat.COMMA_POINT
    assert format_money(123456, "EUR") == "1,234.56 EUR"
    text = browser.get("/exports/invoices.csv").text
    assert ",1234.56" in text
    assert "1.234,56" not in text


@pytest.mark.parametrize(
    ("order", "typed"),
    [
        (DateOrder.DAY_FIRST, "05/03/2026"),
        (DateOrder.MONTH_FIRST, "03/05/2026"),
        (DateOrder.YEAR_FIRST, "2026/03/05"),
        (DateOrder.YEAR_FIRST, "5 March 2026"),
    ],
)
def test_a_day_is_read_and_shown_in_the_date_order(
    browser: FlaskClient, session: Session, order: DateOrder, typed: str
) -> None:
    change_settings(date_order=order.value)
    assert field(browser.get("/charges/new?customer=acme&day=2026-03-05"), "day") == "5 Mar 2026"
    assert add_charge(browser, amount="5", day=typed).status_code == 303
    assert add_charge(browser, amount="6", day="2026-03-05").status_code == 303
    assert {charge.incurred_on for charge in fresh(session, select(Charge))} == {date(2026, 3, 5)}


def test_a_refused_day_stays_in_its_field(browser: FlaskClient, session: Session) -> None:
    """A date input of the browser shows nothing for a text that is no ISO day."""
    page = add_charge(browser, amount="5", day="05/03/2026")
    assert "can mean 5 Mar 2026 or 3 May 2026: enter 2026-03-05 or 2026-05-03." in words(page)
    assert field(page, "day") == "05/03/2026"
    assert re.search(r'<input[^>]* name="day"[^>]* type="text"', page.text)

"""Exchange rates: the list, a new rate, the import of a file, and removal."""

from datetime import date
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.money import plain_decimal
from billing_admin.models import ExchangeRate
from tests.clocks import stopped_clock
from tests.making import NOW, all_invoices, bill, make_customer, make_service, make_spec, make_tax_rate, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, words
from tests.web.reading import fresh

LIST = "/settings/exchange-rates"
GOOD = {"currency": "USD", "day": "2026-04-01", "rate": "1.0832", "source": "ECB"}


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def stored(session: Session) -> list[tuple[str, str, str]]:
    rows = fresh(session, select(ExchangeRate).order_by(ExchangeRate.day, ExchangeRate.currency))
    return [(row.currency, row.day.isoformat(), plain_decimal(row.rate)) for row in rows]


def test_a_rate_is_added_and_replaced(admin: FlaskClient, session: Session) -> None:
    page = words(admin.get(LIST).text)
    assert "No exchange rates yet" in page
    assert "also show their tax in EUR" in page
    assert send(admin, f"{LIST}/new", **GOOD).location == LIST
    text = words(admin.get(LIST).text)
    assert "The rate of USD on 1 Apr 2026 was saved." in text
    assert "1 Apr 2026 1.0832 USD ECB Remove" in text
    send(admin, f"{LIST}/new", **GOOD | {"rate": "1.1"})
    assert stored(session) == [("USD", "2026-04-01", "1.1")]


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"currency": ""}, "currency", "Choose the currency of the rate."),
        ({"currency": "EUR"}, "currency", "Choose one from the list."),
        ({"day": "x"}, "day", "Enter a date such as 2026-11-22."),
        ({"rate": "0"}, "rate", "Enter a rate above 0, such as 1.0832."),
        ({"rate": "1.08 USD"}, "rate", "USD"),
        ({"rate": ""}, "rate", "Enter the rate, such as 1.0832."),
        ({"source": "x" * 61}, "source", "Use at most 60 characters."),
    ],
)
def test_a_wrong_rate_is_refused_at_its_field(
    admin: FlaskClient, session: Session, wrong: dict[str, str], field: str, sentence: str
) -> None:
    response = send(admin, f"{LIST}/new", **GOOD | wrong)
    assert (response.status_code, stored(session)) == (422, [])
    assert f'href="#{field}"' in response.text
    assert sentence in words(response.text)


def test_a_file_is_imported_whole(admin: FlaskClient, session: Session) -> None:
    send(admin, f"{LIST}/new", **GOOD)
    text = "Date,USD,JPY\n2026-04-02,1.09,163.05\n2026-04-01,1.0832,N/A\n"
    response = send(admin, f"{LIST}/import", file=(BytesIO(text.encode()), "eurofxref.csv"))
    assert (response.status_code, response.location) == (303, LIST)
    assert "2 rates added, 0 rates changed, 1 rate already stored." in words(admin.get(LIST).text)
    assert stored(session) == [
        ("USD", "2026-04-01", "1.0832"),
        ("JPY", "2026-04-02", "163.05"),
        ("USD", "2026-04-02", "1.09"),
    ]


def test_a_rate_of_a_day_after_today_has_a_warning(admin: FlaskClient, session: Session) -> None:
    warning = "1 rate is for a day after today, 2 Apr 2026."
    send(admin, f"{LIST}/new", **GOOD | {"day": "2026-04-02"})
    assert warning not in words(admin.get(LIST))
    send(admin, f"{LIST}/new", **GOOD | {"day": "2026-04-03"})
    assert warning in words(admin.get(LIST))
    text = "currency,day,rate\nUSD,2026-04-01,1.08\nUSD,2062-04-01,1.08\n"
    send(admin, f"{LIST}/import", file=(BytesIO(text.encode()), "rates.csv"))
    assert warning in words(admin.get(LIST))


def test_a_wrong_file_stores_nothing_and_names_its_lines(admin: FlaskClient, session: Session) -> None:
    text = "currency,day,rate\nUSD,2026-04-01,1.08\nUSD,x,1\nUSD,2026-04-02,0\n"
    response = send(admin, f"{LIST}/import", file=(BytesIO(text.encode()), "rates.csv"))
    assert (response.status_code, stored(session)) == (422, [])
    page = words(response.text)
    assert "Line 3: “x” is not a date. Use a date such as 2026-11-28." in page
    assert "Line 4: Enter a rate above 0, such as 1.0832." in page
    assert "No rate was stored." in page
    assert "Choose the file to import." in send(admin, f"{LIST}/import").text


def test_rates_are_filtered_exported_and_removed(admin: FlaskClient, session: Session) -> None:
    text = "Date,USD,JPY\n2026-04-02,1.09,163.05\n2026-04-01,1.0832,\n"
    send(admin, f"{LIST}/import", file=(BytesIO(text.encode()), "eurofxref.csv"))
    page = words(admin.get(f"{LIST}?currency=USD&to=2026-04-01").text)
    assert "1.0832 USD" in page
    assert "163.05" not in page
    assert "1 rate. Latest first." in page
    file = admin.get("/exports/exchange-rates.csv?currency=USD").text
    assert file.split() == [
        "currency,day,rate,source,base_currency",
        "USD,2026-04-02,1.09,ECB,EUR",
        "USD,2026-04-01,1.0832,ECB,EUR",
    ]
    asked = admin.get(f"{LIST}/remove?currency=JPY&day=2026-04-02")
    assert "Remove the rate of JPY? 2 Apr 2026" in words(asked)
    assert len(stored(session)) == 3
    fields = {name: field(asked, name) for name in ("currency", "day")}
    assert send(admin, f"{LIST}/remove", **fields).status_code == 303
    assert send(admin, f"{LIST}/remove", currency="JPY", day="2026-04-02").status_code == 404
    assert [currency for currency, _, _ in stored(session)] == ["USD", "USD"]


def test_the_page_of_an_invoice_states_the_tax_in_the_base_currency(admin: FlaskClient, session: Session) -> None:
    send(admin, f"{LIST}/new", **GOOD)
    make_tax_rate()
    post(make_spec(make_customer(currency="USD"), "100", service=make_service(tax_rate="VAT19")))
    bill()
    [invoice] = all_invoices()
    text = words(admin.get(f"/invoices/{invoice.id}").text)
    assert "Tax in EUR: 17.54 EUR (1 EUR = 1.0832 USD, 1 Apr 2026, ECB)" in text


def test_a_viewer_sees_rates_and_changes_none(app: Flask, admin: FlaskClient, session: Session) -> None:
    send(admin, f"{LIST}/new", **GOOD)
    viewer = signed_in(app, "viewer")
    page = viewer.get(LIST).text
    assert "1.0832 USD" in words(page)
    assert "Remove" not in page
    assert send(viewer, f"{LIST}/new", **GOOD | {"rate": "2"}).status_code == 403
    assert stored(session) == [("USD", date(2026, 4, 1).isoformat(), "1.0832")]

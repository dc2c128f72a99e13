"""Settings: the organisation and the tax rates."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, Organisation, TaxRate
from tests.making import NOW, change_settings, make_invoice
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, words
from tests.web.reading import fresh

EDIT = "/settings/organisation"
GOOD = {
    "legal_name": "Nimbus",
    "address": "1\r\n2",
    "time_zone": "Europe/Berlin",
    "base_currency": "USD",
    "payment_terms_days": "14",
    "invoice_format": "NB-{year}-{number:4}",
    "credit_note_format": "NC-{year}-{number:4}",
    "default_tax_rate": "none",
    "exempt_note": "Exempt",
    "reverse_charge_note": "Reverse charge",
    "export_note": "Export",
    "number_format": "1.234,56",
    "date_order": "day_first",
    "hold_likely_duplicates": "y",
    "version": "1",
}
RATE = {"code": "vat", "name": "VAT", "category": "S", "percent": "19"}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def house(session: Session) -> Organisation:
    return fresh(session, select(Organisation))[0]


def test_shows_the_next_number(admin: FlaskClient, session: Session) -> None:
    assert "Next invoice number INV-2026-00001" in words(admin.get("/settings").text)
    make_invoice()
    text = words(admin.get("/settings").text)
    assert "Next invoice number INV-2026-00002" in text
    assert "Changes apply to future invoices." in text
    assert "Next number: INV-2026-00002" in words(admin.get(EDIT).text)


def test_saves(admin: FlaskClient, session: Session) -> None:
    response = send(admin, EDIT, **GOOD)
    assert (response.status_code, response.location) == (303, "/settings")
    now = house(session)
    assert (now.legal_name, now.address, now.time_zone, now.base_currency) == ("Nimbus", "1\n2", "Europe/Berlin", "USD")
    assert (now.payment_terms_days, now.invoice_format, now.hold_likely_duplicates) == (
        14,
        "NB-{year}-{number:4}",
        True,
    )
    text = words(admin.get("/settings").text)
    assert "The settings were saved. They apply to future invoices." in text
    assert "Next invoice number NB-2026-0001" in text
    assert "Likely duplicates Held for review" in text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"legal_name": ""}, "Enter the legal name of your organisation."),
        ({"email": "nobody"}, "Enter an e-mail address such as billing@example.com."),
        ({"time_zone": "Mars/Base"}, "Choose one from the list."),
        ({"payment_terms_days": ""}, "Enter the days that customers have to pay, such as 30."),
        ({"payment_terms_days": "999"}, "Use 0 to 365 days."),
        ({"invoice_format": "A-{number}"}, "Use letters, digits and - . / _ with {year} and {number:5}"),
        ({"credit_note_format": "{year}{number}"}, "Put a character, such as a hyphen, between"),
        ({"exempt_note": ""}, "Enter the reason to print on invoices."),
        ({"export_note": "x" * 201}, "Use at most 200 characters."),
        ({"default_tax_rate": "x"}, "Choose one from the list."),
        ({"version": "x"}, "Enter a whole number such as 30."),
    ],
)
def test_refuses(admin: FlaskClient, session: Session, wrong: dict[str, Any], sentence: str) -> None:
    response = send(admin, EDIT, **GOOD | {"tax_id": "kept"} | wrong)
    assert response.status_code == 422
    assert sentence in response.text
    assert "kept" in response.text
    assert house(session).legal_name == "Your company"


def test_stale_shows_both_values(admin: FlaskClient, session: Session) -> None:
    change_settings(legal_name="Theirs")
    response = send(admin, EDIT, **GOOD)
    assert response.status_code == 422
    text = words(response.text)
    assert "The settings have been changed by someone else. Review the change, then try again." in text
    assert "Legal name Theirs Nimbus" in text
    assert "Hold likely duplicates for review no yes" in text
    assert send(admin, EDIT, **GOOD | {"version": hidden(response.text, "version")}).status_code == 303
    assert house(session).legal_name == "Nimbus"


def test_currency_is_locked_once_an_invoice_exists(admin: FlaskClient, session: Session) -> None:
    assert 'name="base_currency"' in admin.get(EDIT).text
    make_invoice()
    page = admin.get(EDIT).text
    assert 'name="base_currency"' not in page
    assert "EUR (cannot be changed because invoices exist)" in words(page)
    assert send(admin, EDIT, **GOOD).status_code == 303
    assert (house(session).legal_name, house(session).base_currency) == ("Nimbus", "EUR")


def test_adds_a_tax_rate_once(admin: FlaskClient, session: Session) -> None:
    assert send(admin, "/settings/tax-rates/new", **RATE).location == "/settings"
    again = send(admin, "/settings/tax-rates/new", **RATE)
    assert again.status_code == 422
    assert "Tax rate “vat” already exists." in again.text
    rates = fresh(session, select(TaxRate).order_by(TaxRate.code))
    assert [(rate.code, rate.category, rate.percent) for rate in rates] == [
        ("none", "E", Decimal(0)),
        ("vat", "S", Decimal(19)),
    ]
    assert "vat VAT Taxed (S) 19 %" in words(admin.get("/settings").text)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"code": ""}, "Enter a code, such as vat-19."),
        ({"name": ""}, "Enter a name, such as VAT 19%."),
        ({"percent": "101"}, "Use 0 to 100 percent."),
        ({"percent": "lots"}, "is not a number such as"),
        ({"category": "Q"}, "Choose one from the list."),
    ],
)
def test_refuses_a_tax_rate(admin: FlaskClient, session: Session, wrong: dict[str, str], sentence: str) -> None:
    response = send(admin, "/settings/tax-rates/new", **RATE | wrong)
    assert response.status_code == 422
    assert sentence in response.text
    assert len(fresh(session, select(TaxRate))) == 1


def test_viewer_reads_and_writes_nothing(app: Flask, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get("/settings").text
    for path in (EDIT, "/settings/tax-rates/new"):
        assert path not in page
        for response in (viewer.get(path), send(viewer, path, **GOOD)):
            assert response.status_code == 403
            assert "settings:write" in response.text
    assert house(session).version == 1


def test_number_format_and_date_order_are_saved_shown_and_recorded(admin: FlaskClient, session: Session) -> None:
    assert (house(session).number_format, house(session).date_order) == ("1,234.56", "year_first")
    assert send(admin, EDIT, **GOOD).status_code == 303
    assert (house(session).number_format, house(session).date_order) == ("1.234,56", "day_first")
    text = words(admin.get("/settings").text)
    assert "Number format 1.234,56" in text
    assert "Date order 31/12/2026 (day first)" in text
    details = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "organisation.changed")).one()
    assert details["number_format"] == ["1,234.56", "1.234,56"]
    assert details["date_order"] == ["year_first", "day_first"]
    assert send(admin, EDIT, **GOOD | {"number_format": "1234"}).status_code == 422

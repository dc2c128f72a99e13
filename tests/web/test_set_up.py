"""The set-up in six steps, from an empty installation to an issued invoice."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.models import AuditEvent, BankAccount, Customer, Invoice, Service, TaxRate
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.master_data.setup import setup
from tests.logos import make_png
from tests.making import change_settings, make_service
from tests.people import send, signed_in
from tests.web.pages import field, fields, parse, words

COMPANY = {
    "legal_name": "Adler Beratung GmbH",
    "country": "DE",
    "street": "Hauptstr. 5",
    "postcode": "10115",
    "city": "Berlin",
    "tax_id": "DE136695976",
    "tax_number": "12/345/67890",
    "base_currency": "EUR",
    "time_zone": "Europe/Berlin",
}
BANK = {"holder": "Adler Beratung GmbH", "currency": "EUR", "iban": "DE89 3704 0044 0532 0130 00"}
SERVICE = {"code": "CONSULTING", "name": "Consulting", "unit": "hour", "unit_price": "95", "tax_rate": "vat-19"}
CUSTOMER = {"name": "Muster AG", "currency": "EUR", "country": "DE", "tax_treatment": "standard"}
RATES = {
    "rates-0-percent": "19",
    "rates-0-name": "VAT 19%",
    "rates-0-selected": "y",
    "rates-1-percent": "7",
    "rates-1-name": "VAT 7%",
    "rates-2-percent": "",
    "rates-2-name": "",
    "rates-2-selected": "y",
}


@pytest.fixture
def admin(app: Flask, session: Session) -> FlaskClient:
    change_settings(legal_name="Your company", address="")  # as the migrations leave it
    return signed_in(app)


def save(admin: FlaskClient, step: str, **typed: Any) -> Any:
    """Fill in the page of a step, as it is shown."""
    page = admin.get(f"/set-up/{step}").text
    hidden = {name: field(page, name) for name in ("id", "version") if fields(page, name)}
    return send(admin, f"/set-up/{step}", **{**hidden, **typed})


@pytest.mark.both_databases
def test_from_an_empty_installation_to_the_first_charge(admin: FlaskClient, session: Session) -> None:
    assert "Set up in six steps" in admin.get("/").text
    assert 'href="/set-up/organisation"' in admin.get("/").text
    assert save(admin, "organisation", **COMPANY).location == "/set-up/tax"
    assert save(admin, "tax", **RATES).location == "/set-up/bank-account"
    assert save(admin, "bank-account", **BANK).location == "/set-up/look"
    look = {"number_format": "1.234,56", "date_order": "day_first"}
    assert save(admin, "look", **look, file=(io.BytesIO(make_png(4, 4)), "logo.png")).location == "/set-up/service"
    assert save(admin, "service", **SERVICE).location == "/set-up/customer"
    assert save(admin, "customer", **CUSTOMER).location == "/charges/new?customer=C-0001"
    assert "Set up in six steps" not in admin.get("/").text
    session.rollback()
    settings = organisation(session)
    assert {name: getattr(settings, name) for name in COMPANY} == COMPANY
    assert (settings.default_tax_rate.code, settings.number_format, settings.logo is not None) == (
        "vat-19",
        "1.234,56",
        True,
    )
    service = session.scalars(select(Service)).one()
    assert [(price.currency, price.unit_price) for price in service.prices] == [("EUR", Decimal(95))]
    assert service.tax_rate.code == "vat-19"
    assert session.scalars(select(BankAccount.is_default)).all() == [True]
    assert session.scalars(select(TaxRate.code).order_by(TaxRate.code)).all() == ["none", "vat-19"]


def test_a_charge_is_billed_from_its_page(admin: FlaskClient, session: Session) -> None:
    for step, typed in (
        ("organisation", COMPANY),
        ("tax", RATES),
        ("bank-account", BANK),
        ("look", {"skip": "yes"}),
        ("service", SERVICE),
        ("customer", CUSTOMER),
    ):
        save(admin, step, **typed)
    page = admin.get("/charges/new?customer=C-0001").text
    typed = {"customer": "C-0001", "service": "CONSULTING", "quantity": "3", "day": field(page, "day")}
    charge = send(admin, "/charges/new", **typed, id=field(page, "id"), currency="").location
    url = next(part for part in admin.get(charge).text.split('"') if part.startswith("/billing-runs/preview?"))
    preview = admin.get(url.replace("&amp;", "&")).text
    assert "Before you issue" not in words(preview)
    send(admin, url.replace("&amp;", "&"), id=field(preview, "id"), digest=field(preview, "digest"))
    session.rollback()
    invoice = session.scalars(select(Invoice)).one()
    assert (invoice.status, invoice.total, invoice.customer_name) == ("issued", 339_15, "Muster AG")


def test_a_skipped_step_is_done_and_can_be_taken_up_again(admin: FlaskClient, session: Session) -> None:
    save(admin, "organisation", **COMPANY)
    for step, following in (("tax", "bank-account"), ("bank-account", "look"), ("look", "service")):
        assert send(admin, f"/set-up/{step}", skip="yes").location == f"/set-up/{following}"
        assert send(admin, f"/set-up/{step}", skip="yes").location == f"/set-up/{following}"
    assert words(admin.get("/").text).count("Done") == 4
    session.rollback()
    closed = select(AuditEvent.details).where(AuditEvent.action == "organisation.set_up_step_closed")
    assert [details["step"] for details in session.scalars(closed.order_by(AuditEvent.id))] == [
        "tax",
        "bank_account",
        "look",
    ]
    assert save(admin, "bank-account", **BANK).location == "/set-up/service"
    for step in ("organisation", "service", "customer"):
        assert send(admin, f"/set-up/{step}", skip="yes").status_code == 422


def test_usual_rates_of_the_country_are_proposed(admin: FlaskClient) -> None:
    page = admin.get("/set-up/tax").text
    assert "Enter the rates that you charge." in words(page)
    assert field(page, "rates-0-percent") == ""
    save(admin, "organisation", **COMPANY | {"country": "CH", "base_currency": "CHF", "tax_id": ""})
    page = admin.get("/set-up/tax").text
    assert "The usual rates of Switzerland." in words(page)
    assert [field(page, f"rates-{index}-percent") for index in range(4)] == ["8.1", "3.8", "2.6", ""]
    assert '<option selected value="CHF">' in admin.get("/set-up/bank-account").text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"rates-0-percent": "x"}, "“x” is not a number such as 1,234.50."),
        ({"rates-0-percent": ""}, "Enter the percentage, such as 19, or clear the box."),
        ({"rates-0-percent": "101"}, "Use 0 to 100 percent."),
        ({"rates-0-selected": ""}, "Add at least one tax rate."),
    ],
)
def test_wrong_rates_are_explained_and_kept(
    admin: FlaskClient, session: Session, typed: dict[str, str], sentence: str
) -> None:
    entered = {name: value for name, value in (RATES | typed).items() if value or not name.endswith("selected")}
    answer = save(admin, "tax", **entered)
    assert answer.status_code == 422
    assert sentence in words(answer.text) or sentence in answer.text
    assert field(answer.text, "rates-1-name") == "VAT 7%"
    session.rollback()
    assert session.scalars(select(TaxRate.code)).all() == ["none"]


def test_a_repeat_adds_nothing(admin: FlaskClient, session: Session) -> None:
    """A double click, or a page that was open in two tabs."""
    for step, typed in (("organisation", COMPANY), ("tax", RATES), ("tax", RATES)):
        assert save(admin, step, **typed).status_code == 303
    for step, typed in (("bank-account", BANK), ("service", SERVICE), ("customer", CUSTOMER)):
        page = admin.get(f"/set-up/{step}").text
        for _ in range(2):
            assert send(admin, f"/set-up/{step}", **typed, id=field(page, "id")).status_code == 303
    session.rollback()
    assert [len(session.scalars(select(model.id)).all()) for model in (BankAccount, Service, Customer)] == [1, 1, 1]


def test_a_done_step_leads_on_and_to_its_list(admin: FlaskClient) -> None:
    make_service()
    page = admin.get("/set-up/service").text
    assert "This step is done." in words(page)
    assert 'href="/services"' in page
    assert 'href="/set-up/customer"' in page


@pytest.mark.parametrize(
    ("step", "typed", "sentences"),
    [
        ("organisation", {}, ["Enter the legal name", "Choose the country", "Enter the street", "Enter the city"]),
        ("organisation", COMPANY | {"tax_id": "DE123"}, ["VAT number"]),
        ("bank-account", {"currency": "EUR"}, ["Enter the name in which the account is held."]),
        ("bank-account", BANK | {"iban": "DE00 1234"}, ["IBAN"]),
        ("look", {"file": (io.BytesIO(b"x"), "x.png")}, ["PNG"]),
        ("service", {"code": "X", "name": "X", "unit_price": "5 USD"}, ["EUR"]),
        ("customer", {}, ["Enter the customer's name."]),
    ],
)
def test_wrong_input_stays_on_its_page(
    admin: FlaskClient, session: Session, step: str, typed: dict[str, Any], sentences: list[str]
) -> None:
    before = setup(session)
    defaults = {
        "number_format": "1,234.56",
        "date_order": "year_first",
        "tax_rate": "none",
        "tax_treatment": "standard",
    }
    currencies = {"base_currency": "EUR", "time_zone": "UTC", "currency": "EUR"}
    answer = save(admin, step, **defaults | currencies | typed)
    assert answer.status_code == 422
    assert all(sentence in words(answer.text) for sentence in sentences), words(answer.text)
    session.rollback()
    session.expire_all()
    assert setup(session) == before


def test_a_viewer_sees_the_steps_without_links(app: Flask) -> None:
    page = signed_in(app, "viewer").get("/").text
    assert "Set up in six steps" in page
    assert "/set-up/" not in page


def test_the_formats_of_the_country_are_proposed_until_they_are_saved(admin: FlaskClient) -> None:
    change_settings(country="DE")
    page = admin.get("/set-up/look")
    assert selected(page, "number_format") == "1.234,56"
    assert selected(page, "date_order") == "day_first"
    formats = {"number_format": "1,234.56", "date_order": "year_first", "version": field(page, "version")}
    assert send(admin, "/set-up/look", **formats).status_code == 303
    page = admin.get("/set-up/look")
    assert (selected(page, "number_format"), selected(page, "date_order")) == ("1,234.56", "year_first")


def selected(page: TestResponse, name: str) -> str:
    """Return the selected value of a choice."""
    choice = next(parse(page).elements("select", name=name))
    return next(option.attributes["value"] for option in choice.elements("option") if "selected" in option.attributes)


def test_the_page_knows_the_time_zone_of_each_country(admin: FlaskClient) -> None:
    (form,) = (
        form
        for form in parse(admin.get("/set-up/organisation")).elements("form")
        if "data-time-zones" in form.attributes
    )
    assert json.loads(form.attributes["data-time-zones"])["GR"] == "Europe/Athens"


def test_the_server_sets_the_time_zone_of_the_country(app: Flask, session: Session) -> None:
    admin = signed_in(app)
    assert selected(admin.get("/set-up/organisation"), "time_zone") == ""
    company = COMPANY | {"time_zone": "", "country": "GR", "tax_id": ""}
    assert "Choose the time zone of your organisation." in words(
        save(admin, "organisation", **company | {"country": "AQ"})
    )
    assert save(admin, "organisation", **company).status_code == 303
    assert organisation(session).time_zone == "Europe/Athens"
    assert selected(admin.get("/set-up/organisation"), "time_zone") == "Europe/Athens"


def test_the_bar_ticks_the_steps_that_are_done_and_no_others(admin: FlaskClient) -> None:
    steps = [
        (step.text(), step.attributes.get("class", ""))
        for step in next(parse(admin.get("/set-up/customer")).elements("ol", **{"class": "stages"})).elements("li")
    ]
    assert len(steps) == 6
    assert [name for name, state in steps if state == "is-done"] == []

"""Tax on other pages: a customer's treatment, prices that include tax, and how the numbers of an invoice came about."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.days import LAST_DAY
from billing_admin.domain.prices import prices_on
from billing_admin.models import Charge, Customer, Invoice, InvoiceLine, Service
from tests.clocks import stopped_clock
from tests.making import NOW, all_invoices, bill, make_customer, make_service, make_spec, make_tax_rate, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, statements, words
from tests.web.reading import fresh

clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


# --- treatment -------------------------------------------------------------------------------------------------------


def test_a_customers_treatment_is_chosen_and_a_missing_tax_id_is_pointed_out(
    admin: FlaskClient, session: Session
) -> None:
    fields = {"name": "Acme", "currency": "EUR", "tax_treatment": "reverse_charge"}
    made = send(admin, "/customers/new", id=uuid4(), **fields)
    assert made.status_code == 303
    shown = words(admin.get(made.location).text)
    assert "Tax treatment Reverse charge" in shown
    assert "Invoices for this customer cannot be issued yet Add the tax ID of Acme" in shown
    [customer] = fresh(session, select(Customer))
    assert customer.tax_treatment == "reverse_charge"
    send(admin, f"{made.location}/edit", **fields, reference="C-0001", tax_id="DE136695976", version="1")
    assert "cannot be issued yet" not in admin.get(made.location).text


def test_a_treatment_nobody_knows_is_refused(admin: FlaskClient, session: Session) -> None:
    response = send(admin, "/customers/new", name="Acme", currency="EUR", tax_treatment="none")
    assert (response.status_code, fresh(session, select(Customer))) == (422, [])
    assert "Choose one from the list." in response.text


def test_the_reason_for_no_tax_is_printed(admin: FlaskClient, session: Session) -> None:
    make_tax_rate()
    post(make_spec(make_customer(tax_treatment="export"), service=make_service(tax_rate="VAT19")))
    bill()
    [invoice] = all_invoices()
    shown = words(admin.get(f"/invoices/{invoice.id}").text)
    assert "Export outside the EU, 0 % (G) on 2.50 USD 0.00 USD Total 2.50 USD" in shown
    assert "Export: no tax is charged" in shown


# --- prices that include tax -----------------------------------------------------------------------------------------


def _service_form(**more: Any) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "code": "shop",
        "tax_rate": "none",
        "prices-0-currency": "USD",
        "prices-0-unit_price": "11.90",
        "prices-0-includes_tax": "y",
        "prices-1-currency": "EUR",
        "prices-1-unit_price": "9",
        **more,
    }


def test_a_price_may_include_tax(admin: FlaskClient, session: Session) -> None:
    made = send(admin, "/services/new", **_service_form())
    assert made.status_code == 303
    [service] = fresh(session, select(Service))
    assert {price.currency: price.includes_tax for price in service.prices} == {"EUR": False, "USD": True}
    assert "USD, tax included Start 11.90 USD Current" in words(admin.get(made.location).text)
    assert "9.00 EUR 11.90 USD (tax included)" in words(admin.get("/services").text)
    edited = send(admin, f"{made.location}/edit", **_service_form(version="1", **{"prices-0-includes_tax": ""}))
    assert edited.status_code == 303
    [service] = fresh(session, select(Service))
    assert not any(price.includes_tax for price in prices_on(LAST_DAY, service.prices).values())


def test_a_price_that_a_colleague_made_inclusive_is_shown_beside_mine(admin: FlaskClient, session: Session) -> None:
    made = send(admin, "/services/new", **_service_form())
    send(admin, f"{made.location}/edit", **_service_form(version="1", name="Theirs"))
    mine = _service_form(version="1", name="Theirs")
    del mine["prices-0-includes_tax"]
    response = send(admin, f"{made.location}/edit", **mine)
    assert response.status_code == 422
    assert "Prices EUR 9, USD 11.9 includes tax EUR 9, USD 11.9" in words(response.text).replace(".00", "").replace(
        "11.90", "11.9"
    )


@pytest.mark.parametrize(
    ("fields", "included"),
    [
        ({}, True),
        ({"unit_price": "5"}, False),
        ({"unit_price": "5", "tax_included": "y"}, True),
        ({"amount": "5", "tax_included": "y"}, True),
    ],
)
def test_a_charge_knows_whether_its_price_includes_tax(
    admin: FlaskClient, session: Session, fields: dict[str, str], included: bool
) -> None:
    make_service(code="shop", prices={"USD": Decimal(5)}, prices_include_tax=["USD"])
    make_customer(reference="acme")
    saved = send(admin, "/charges/new", id=uuid4(), customer="acme", service="shop", day="2026-04-01", **fields)
    assert saved.status_code == 303
    [charge] = fresh(session, select(Charge))
    assert charge.tax_included is included
    pages = (
        saved.location,
        "/charges",
        f"/unbilled/{charge.customer_id}/USD",
        f"/customers/{charge.customer_id}/charges",
    )
    for page in pages:
        assert ("tax included" in words(admin.get(page).text).lower()) is included, page


# --- how the numbers came about --------------------------------------------------------------------------------------


@pytest.fixture
@prepared
def mixed(session: Session) -> Invoice:
    """A net line, two lines at prices that include tax, and a lone charge without tax."""
    make_tax_rate()
    acme, prices = make_customer(reference="acme", name="Acme"), {"USD": Decimal("0.333")}
    net = make_service(code="a", tax_rate="VAT19", prices=prices)
    shops = [
        make_service(code=code, tax_rate="VAT19", prices=prices, prices_include_tax=["USD"]) for code in ("b", "c")
    ]
    post(*(make_spec(acme, service=one) for one in (net, *shops, net)), make_spec(acme, "0.005"))
    bill()
    return all_invoices()[0]


def test_every_number_opens_into_what_it_was_made_of(admin: FlaskClient, mixed: Invoice) -> None:
    page = admin.get(f"/invoices/{mixed.id}")
    for amount, anchor in (("0.67 USD", "line-1"), ("1.23 USD", "net"), ("1.47 USD", "total")):
        assert link(page, amount).endswith(f"/explain#{anchor}")
    shown = admin.get(link(page, "Show calculation"))
    text = words(shown.text)
    assert "Everything adds up" in text
    assert "Net 1.23 USD + plus Tax 0.24 USD = equals Total 1.47 USD Adds up" in text
    assert "Net of line 1 0.67 USD × × Percentage 19 % = equals Exact amount 0.1273 USD" in text
    assert "Rounded once, half up, to 2 digits 0.13 USD" in text
    assert "Gross of lines 2–3 0.66 USD × × Tax share 19 ÷ 119 = equals Exact amount 0.10537815… USD" in text
    assert "The net, 0.55 USD, is distributed" in text
    assert "2. b 1 0.333 USD 0.33 USD 0.28 USD without 19 % tax Adds up" in text
    for anchor in ("total", "net", "tax-1", "tax-2", "tax-3", "line-4"):
        assert f'id="{anchor}"' in shown.text
    line = words(admin.get(link(shown, "2. b")).text)
    assert "Exact sum of the charges 0.333 USD → → Rounded once, half up, to 2 digits 0.33 USD" in line
    assert "Net, without the 19 % tax included in the price 0.28 USD" in line


def _change(session: Session, line_id: Any) -> None:
    session.execute(update(Charge).where(Charge.invoice_line_id == line_id).values(amount=Decimal(9)))


def test_what_does_not_add_up_is_said_and_not_believed(admin: FlaskClient, mixed: Invoice) -> None:
    transaction(_change, mixed.lines[1].id)
    text = words(admin.get(f"/invoices/{mixed.id}/explain").text)
    assert "This invoice does not add up" in text
    assert (
        "2. b 1 0.333 USD 0.33 USD 0.28 USD without 19 % tax Does not add up The exact sum of its charges is 9.00 USD"
        in text
    )
    assert "This line does not add up" in admin.get(f"/invoices/{mixed.id}/lines/{mixed.lines[1].id}").text
    assert "This line does not add up" not in admin.get(f"/invoices/{mixed.id}/lines/{mixed.lines[0].id}").text


def test_a_draft_is_explained_as_well(admin: FlaskClient, session: Session) -> None:
    post(make_spec(make_customer(), "10"))
    bill(issue=False)
    [draft] = all_invoices()
    assert "matches the draft" in words(admin.get(f"/invoices/{draft.id}/explain").text)


def test_explaining_takes_as_many_statements_for_many_charges_as_for_one(app: Flask, admin: FlaskClient) -> None:
    with app.app_context():
        acme = make_customer()
        post(make_spec(acme, "1"))
        bill()
        post(*(make_spec(acme, "1", incurred_on=date(2026, 3, day)) for day in range(1, 20)))
        bill()
        one, many = (f"/invoices/{invoice.id}/explain" for invoice in all_invoices())
    admin.get(one)
    with statements(app) as few:
        admin.get(one)
    with statements(app) as more:
        admin.get(many)
    assert len(few) == len(more) <= 12


def test_a_viewer_may_ask_how(app: Flask, mixed: Invoice) -> None:
    viewer = signed_in(app, "viewer")
    assert has_link(viewer.get(f"/invoices/{mixed.id}"), "Show calculation")
    assert viewer.get(f"/invoices/{mixed.id}/explain").status_code == 200


def test_lines_keep_what_they_say(session: Session, mixed: Invoice) -> None:
    kept = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == mixed.id)).all()
    assert sum(line.gross is not None for line in kept) == 2


def test_the_current_invoice_is_explained_before_it_exists(admin: FlaskClient, session: Session) -> None:
    make_tax_rate()
    acme = make_customer(name="Acme")
    post(make_spec(acme, service=make_service(tax_rate="VAT19"), quantity="0.333"))
    page = admin.get(f"/customers/{acme.id}")
    assert link(page, "0.83 USD").endswith(f"/customers/{acme.id}/current/USD#line-1")
    shown = admin.get(link(page, "0.99 USD"))
    text = words(shown.text)
    assert "Acme, if billed today, 2 Apr 2026" in text
    assert "Net 0.83 USD + plus Tax 0.16 USD = equals Total 0.99 USD Adds up" in text
    assert "1. GenericCompute 1 0.8325 USD 0.83 USD 0.83 USD Adds up" in text
    assert admin.get(link(shown, "1. GenericCompute")).status_code == 200
    assert fresh(session, select(Invoice)) == []


@pytest.mark.parametrize("currency", ["EUR", "XYZ", "usd"])
def test_nothing_is_explained_where_nothing_is_to_bill(admin: FlaskClient, session: Session, currency: str) -> None:
    assert admin.get(f"/customers/{make_customer().id}/current/{currency}").status_code == 404

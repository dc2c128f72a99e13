"""What documents lack, wherever a person can still add it: draft, issue, preview, customer and settings."""

from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.models import Invoice
from billing_admin.operations.master_data import exchange_rates
from tests.clocks import stopped_clock
from tests.making import (
    MARCH_END,
    NOW,
    change_settings,
    make_bank_account,
    make_customer,
    make_invoice,
    make_spec,
    make_tax_rate,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, words

PREVIEW = f"/billing-runs/preview?through={MARCH_END}&issue=1"
NO_ACCOUNT = "Add a bank account for USD in the settings"
NO_TAX_NUMBER = "Enter your VAT number or tax number in the settings"
NO_ADDRESS = "Enter your address in the settings"


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def draft(session: Session) -> Invoice:
    return make_invoice(make_customer(reference="acme", name="ACME Inc"), issue=False)


def pages_of(draft: Invoice) -> list[str]:
    return [f"/invoices/{draft.id}{path}" for path in ("", "/edit", "/issue")] + ["/invoices/issue?status=draft"]


def test_warnings_are_shown_and_stop_nothing(admin: FlaskClient, draft: Invoice) -> None:
    for page in pages_of(draft):
        text = words(admin.get(page))
        assert "Incomplete details" in text, page
        assert NO_ACCOUNT in text, page
        assert "cannot be issued yet" not in text, page
    assert send(admin, f"/invoices/{draft.id}/issue", issue_date="2026-04-02").status_code == 303


def test_stops_are_shown_with_a_link_and_refuse_the_issue(admin: FlaskClient, draft: Invoice) -> None:
    change_settings(address="")
    for page in pages_of(draft):
        response = admin.get(page)
        text = words(response)
        assert "cannot be issued yet" in text, page
        assert NO_ADDRESS in text, page
        assert link(response, "Open the settings") == "/settings/organisation#address"
    refused = send(admin, f"/invoices/{draft.id}/issue", issue_date="2026-04-02")
    assert refused.status_code == 422
    assert NO_ADDRESS in words(refused)


def test_a_customer_page_shows_its_own_warnings_and_every_stop(admin: FlaskClient, draft: Invoice) -> None:
    page = f"/customers/{draft.customer_id}"
    response = admin.get(page)
    text = words(response)
    assert "Choose the country of ACME Inc" in text
    assert link(response, "Edit the customer") == f"{page}/edit"
    assert NO_ACCOUNT not in text
    change_settings(address="")
    text = words(admin.get(page))
    assert "Invoices for this customer cannot be issued yet" in text
    assert NO_ADDRESS in text


def test_the_preview_counts_incomplete_details_with_links(admin: FlaskClient, session: Session) -> None:
    customers = [make_customer(reference=f"c{number}", name=f"Customer {number}") for number in range(7)]
    post(*(make_spec(customer, "7") for customer in customers))
    response = admin.get(PREVIEW)
    text = words(response)
    assert "There is no bank account for USD 7 Open the" in text
    assert "The customer's country is missing 7 Customer 0, Customer 1" in text
    assert "and 2 more" in text
    assert has_link(response, "Customer 0")


def test_each_currency_without_account_or_rate_is_named(admin: FlaskClient, session: Session) -> None:
    change_settings(default_tax_rate=make_tax_rate().code)
    customer = make_customer(reference="acme", name="ACME Inc", country="DE", city="Berlin")
    post(make_spec(customer, "7"), make_spec(customer, "7", currency="GBP"))
    text = words(admin.get(PREVIEW))
    for currency in ("USD", "GBP"):
        assert f"There is no bank account for {currency} 1" in text
        assert f"There is no current exchange rate for {currency} 1" in text
    text = words(admin.get(f"/customers/{customer.id}"))
    assert "3 details are missing or wrong" in text
    assert "Add a bank account for GBP" in text
    assert "Add an exchange rate for GBP" in text
    assert "Add an exchange rate for USD" in text
    assert NO_ACCOUNT not in text


def test_the_preview_gives_the_reason_and_a_link_for_an_account_left_out(admin: FlaskClient, session: Session) -> None:
    post(make_spec(make_customer(reference="acme"), "7"))
    change_settings(requires_complete_details=True)
    response = admin.get(PREVIEW)
    assert "acme The seller's country is missing. Open the settings 1 7.00 USD" in words(response)
    assert "Issue 1 invoice" not in words(response)


def test_the_settings_show_what_the_organisation_lacks(admin: FlaskClient, session: Session) -> None:
    change_settings(address="")
    text = words(admin.get("/settings"))
    assert NO_ADDRESS in text
    assert "Choose your country in the settings" in text
    make_customer(currency="USD")
    assert NO_ACCOUNT in words(admin.get("/settings"))


def test_pages_without_a_document_expect_the_usual_tax(admin: FlaskClient, session: Session) -> None:
    change_settings(country="DE", default_tax_rate=make_tax_rate().code, requires_complete_details=True)
    assert NO_TAX_NUMBER in words(admin.get("/settings"))
    make_bank_account()
    customer = make_customer(reference="acme", currency="EUR", country="DE", city="Berlin")
    post(make_spec(customer, "7", currency="EUR"))
    for page in ("/settings", f"/customers/{customer.id}"):
        assert NO_TAX_NUMBER in words(admin.get(page)), page
    assert "Incomplete" in words(admin.get("/unbilled"))
    change_settings(tax_number="27/123/45678")
    for page in ("/settings", f"/customers/{customer.id}"):
        assert NO_TAX_NUMBER not in words(admin.get(page)), page
    assert "Incomplete" not in words(admin.get("/unbilled"))


def test_the_settings_say_which_invoices_cannot_be_issued(admin: FlaskClient, session: Session) -> None:
    change_settings(registration_id="4012345000009", registration_scheme="0088", country="DE")
    make_customer(reference="home", name="Home")
    make_customer(reference="abroad", name="Abroad", country="US", tax_treatment="export", e_invoice="ubl")
    response = admin.get("/settings")
    text = words(response)
    assert "Some invoices cannot be issued yet" in text
    assert "exports and intra-community supplies must show it. This concerns 1 customer." in text
    assert link(response, "Open the settings") == "/settings/tax#tax_id"
    assert 'id="tax_id"' in admin.get("/settings/tax").text
    change_settings(address="", country="")
    assert "Invoices cannot be issued yet" in words(admin.get("/settings"))


def test_a_viewer_gets_links_to_pages_that_a_viewer_can_open(app: Flask, session: Session) -> None:
    change_settings(address="")
    viewer = signed_in(app, "viewer")
    assert link(viewer.get("/settings"), "Open the settings") == "/settings#organisation"


def test_a_refused_issue_shows_the_shortcomings_of_its_day(admin: FlaskClient, session: Session) -> None:
    change_settings(default_tax_rate=make_tax_rate().code)
    draft = make_invoice(make_customer(reference="acme"), issue=False)
    transaction(exchange_rates.set_rate, RateSpec("USD", NOW.date(), Decimal("1.1"), "ECB"), SYSTEM, NOW)
    change_settings(requires_complete_details=True)
    for page in (f"/invoices/{draft.id}/issue", "/invoices/issue?status=draft"):
        assert "Add an exchange rate" not in words(admin.get(page)), page
        refused = send(admin, page, issue_date="2026-03-20")
        assert refused.status_code == 422, page
        assert "Add an exchange rate for USD of 20 Mar 2026 or the seven days before" in words(refused), page


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1969-01-01", "soon"])
def test_an_impossible_issue_date_is_refused_at_the_field(admin: FlaskClient, draft: Invoice, day: str) -> None:
    for page in (f"/invoices/{draft.id}/issue", "/invoices/issue?status=draft"):
        assert send(admin, page, issue_date=day).status_code == 422, page

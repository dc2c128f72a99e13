"""Credit that pays invoices at their issue is set in the settings, and shown before an issue is confirmed."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_customer,
    make_payment_spec,
    make_spec,
    pay,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import link, words


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """ACME has a credit of 30 USD and pending charges of 40 USD."""
    customer = make_customer(reference="ACME")
    pay(make_payment_spec(customer, "30", ()))
    post(make_spec(customer, "40"))
    return signed_in(app)


def test_the_setting_is_changed(browser: FlaskClient) -> None:
    assert "Credit of customers Allocated by people" in words(browser.get("/settings"))
    page = browser.get("/settings/charges")
    assert "Pay new invoices from the customer's credit" in words(page)
    change_settings(applies_credit=True)
    assert "Credit of customers Pays new invoices" in words(browser.get("/settings"))


def test_the_preview_shows_the_credit(browser: FlaskClient) -> None:
    url = f"/billing-runs/preview?through={NOW.date()}&make=issue"
    sentence = "30.00 USD of these invoices is paid from the credit of customers."
    assert sentence not in words(browser.get(url))
    change_settings(applies_credit=True)
    assert sentence in words(browser.get(url))
    assert sentence not in words(browser.get(url.replace("make=issue", "make=drafts")))


def test_the_issue_shows_the_credit(browser: FlaskClient) -> None:
    change_settings(applies_credit=True)
    bill(issue=False)
    [draft] = all_invoices()
    at = link(browser.get(f"/invoices/{draft.id}"), "Issue invoice")
    assert "Paid from the customer's credit 30.00 USD" in words(browser.get(at))
    assert send(browser, at, issue_date="2026-04-02").status_code == 303
    shown = words(browser.get(f"/invoices/{draft.id}"))
    assert "Total 40.00 USD − minus Paid 30.00 USD" in shown
    assert "Paid from credit 30.00 USD" in shown

"""The journal's page, its files, and the names of its accounts."""

import csv
import io

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.making import MARCH_END, bill, make_customer, make_payment_spec, make_spec, pay, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import link, words

MARCH = "/journal?from=2026-03-01&to=2026-03-31"


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """ACME owes 12.50 USD since the end of March, of which 5 came in April."""
    acme = make_customer(reference="acme", name="Acme")
    post(make_spec(acme, "12.5"))
    bill(issue_date=MARCH_END)
    pay(make_payment_spec(acme, "5", reference="R1"))
    return signed_in(app)


def test_a_month(browser: FlaskClient) -> None:
    assert "Choose a period" in words(browser.get("/journal"))
    page = browser.get(MARCH)
    text = words(page)
    assert "USD 12.50 USD 12.50 USD" in text
    assert "1 transactions, 2 postings" in text
    file = browser.get(link(page, "Download journal"))
    assert file.headers["Content-Disposition"] == 'attachment; filename="journal-2026-03-01-2026-03-31.journal"'
    assert "2026-03-31 * (INV-2026-00001) Acme | Invoice" in file.text
    rows = list(csv.DictReader(io.StringIO(browser.get(link(page, "Download CSV")).text)))
    assert [(row["account"], row["debit"], row["credit"]) for row in rows] == [
        ("Assets:Receivable:acme", "12.50", ""),
        ("Income:Sales:Other", "", "12.50"),
    ]
    meta = browser.get(link(page, "Download control totals (.meta.json)")).json
    assert meta is not None
    assert (meta["debits"], meta["made_by"]) == ({"USD": "12.50"}, "admin@example.com")


def test_opening_balances(browser: FlaskClient) -> None:
    text = browser.get("/journal/file.hledger?from=2026-04-01&opening=1").text
    assert "2026-04-01 * Opening balances" in text
    assert "2026-04-02 * (R1) Acme | Payment" in text
    assert "Opening" not in browser.get("/journal/file.hledger?from=2026-04-01").text
    assert "No bookings in this period" in words(browser.get("/journal?to=2026-01-31"))


def test_days_out_of_order(browser: FlaskClient) -> None:
    page = browser.get("/journal?from=2026-04-01&to=2026-03-01")
    assert page.status_code == 422
    assert "The first day must not be after the last day." in words(page)


def test_accounts_are_named(browser: FlaskClient) -> None:
    page = browser.get("/journal/accounts")
    assert "Default: Assets:Receivable:{customer}" in words(page)
    wrong = send(browser, "/journal/accounts", receivable="Everybody", revenue="Sales", version="1")
    assert wrong.status_code == 422
    assert "Include {customer}, so that each customer has a separate account." in words(wrong)
    fields = {"receivable": "Debtors:{customer}", "revenue": "Erlöse", "bank_transfer": "Giro 1"}
    saved = send(browser, "/journal/accounts", **fields, version="1")
    assert saved.status_code == 303
    text = browser.get("/journal/file.hledger").text
    assert all(name in text for name in ("account Debtors:acme", "account Erlöse", "account Giro 1"))
    stale = send(browser, "/journal/accounts", revenue="Other", version="1")
    assert "The settings have been changed since you opened the form. Review the change, then try again." in words(
        stale
    )
    assert "Account names Custom" in words(browser.get("/settings"))

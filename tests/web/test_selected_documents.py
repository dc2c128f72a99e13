"""Invoices and payments that a person selects on their lists."""

from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.models import Customer, Invoice
from tests.making import all_invoices, make_customer, make_invoice, make_payment_spec, pay
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, words


@pytest.fixture
@prepared
def drafts(session: Session) -> list[Invoice]:
    return [make_invoice(make_customer(reference=f"c{number}"), f"{number}.50", issue=False) for number in (1, 2, 4)]


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    return signed_in(app)


def test_issues_the_selected_drafts_and_no_others(browser: FlaskClient, drafts: list[Invoice]) -> None:
    at = send(browser, "/invoices/select/issue?status=draft", id=[draft.id for draft in drafts[:2]]).location
    page = browser.get(at)
    assert "Issue 2 invoices, 4.00 USD" in words(page)
    issued = send(browser, at, issue_date="2026-04-02", shown=hidden(page, "shown"))
    assert issued.status_code == 303
    assert sorted(invoice.status for invoice in all_invoices()) == ["draft", "issued", "issued"]


def test_names_selected_documents_that_are_no_drafts(browser: FlaskClient, drafts: list[Invoice]) -> None:
    issued = make_invoice(make_customer(reference="issued"))
    page = browser.get(send(browser, "/invoices/select/issue", id=[drafts[0].id, issued.id]).location)
    assert "1 selected document will not be issued" in words(page)
    assert "Issue 1 draft?" in words(page)


def test_all_of_the_filter_reach_the_act_with_the_filter(browser: FlaskClient, drafts: list[Invoice]) -> None:
    at = send(browser, "/invoices/select/issue?status=draft&customer=c4", all="1").location
    assert "Issue 1 draft?" in words(browser.get(at))
    assert "All 3 documents of this filter" in words(browser.get("/invoices?status=draft"))
    exported = send(browser, "/invoices/select/export?customer=c4", all="1").location
    assert exported == "/exports/invoices?customer=c4"


def test_exports_and_sends_the_selected_documents(browser: FlaskClient, session: Session) -> None:
    invoices = [make_invoice(make_customer(reference=f"c{number}"), f"{number}") for number in (1, 2, 4)]
    ids = [invoice.id for invoice in invoices[1:]]
    page = words(browser.get(send(browser, "/invoices/select/export", id=ids).location))
    assert "Only: selected documents" in page
    assert "6.00 USD" in page
    for act in ("send", "mark-sent"):
        page = words(browser.get(send(browser, f"/invoices/select/{act}", id=ids).location))
        assert "2" in page
        assert "c1" not in page


def test_exports_the_selected_payments(browser: FlaskClient, session: Session) -> None:
    customer: Customer = make_customer(reference="acme")
    payments = [pay(make_payment_spec(customer, amount)) for amount in ("1.00", "2.00", "4.00")]
    at = send(browser, "/payments/select/export", id=payments[:2]).location
    assert "3.00 USD" in words(browser.get(at))
    assert "All 3 payments of this filter" in words(browser.get("/payments"))


def test_nothing_selected_says_so_and_an_unknown_selection_is_empty(browser: FlaskClient) -> None:
    for url, text in (("/invoices/select/send", "one invoice"), ("/payments/select/export", "one payment")):
        back = send(browser, url, id="nonsense")
        assert f"Select at least {text}." in words(browser.get(back.location))
    assert "No invoices match" in words(browser.get(f"/invoices?selection={uuid4()}"))
    assert "No payments match" in words(browser.get(f"/payments?selection={uuid4()}"))

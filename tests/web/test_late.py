"""Late charges are marked wherever they are looked at before and after they are billed."""

from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.making import MARCH, all_invoices, bill, make_customer, make_service, make_spec, post
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import links, words

MAY = date(2026, 5, 31)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin; March is billed, and three charges came afterwards, two of them for March."""
    service = make_service()
    customer = make_customer(reference="acme", name="ACME Inc")
    post(make_spec(customer, service=service))
    bill()
    for number, day in enumerate((MARCH, MARCH, MAY), 2):
        post(make_spec(customer, service=service, quantity=str(number), incurred_on=day))
    return signed_in(app)


def test_the_preview_counts_them(browser: FlaskClient) -> None:
    page = browser.get("/billing-runs/preview?through=2026-05-31&issue_date=2026-06-01")
    assert "3 (2 late) 2.50 USD 22.50 USD" in words(page)
    [document] = [url for text, url in links(page) if text == "ACME Inc" and url.startswith("/billing-runs/")]
    assert "Charges of 15 Mar – 31 May 2026" in words(browser.get(document))
    text = words(browser.get("/billing-runs/preview?through=2026-03-31&issue_date=2026-06-01"))
    assert "2 (2 late)" in text


def test_the_unbilled_and_their_own_pages_mark_them(browser: FlaskClient) -> None:
    customer_id = all_invoices()[0].customer_id
    assert words(browser.get(f"/unbilled/{customer_id}/USD")).count("Pending Late") == 2
    assert words(browser.get("/charges?status=pending")).count("Pending Late") == 2


def test_the_invoice_counts_them_on_its_lines(browser: FlaskClient) -> None:
    bill(MAY)
    first, second = all_invoices()
    assert "late)" not in words(browser.get(f"/invoices/{first.id}"))
    assert "GenericCompute 3 (2 late)" in words(browser.get(f"/invoices/{second.id}"))

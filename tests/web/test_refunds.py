"""The pages of refunds: recorded from the customer, listed, reversed; errors at their fields."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.models import Customer, Payment, Refund
from tests.clocks import stopped_clock
from tests.making import NOW, make_customer, make_payment_spec, pay
from tests.people import csrf_token, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, link, words
from tests.web.reading import fresh

A = UUID(int=0xA)


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """A customer with a credit of 50 USD."""
    customer = make_customer(reference="ACME", name="ACME Inc")
    pay(make_payment_spec(customer, "50", (), id=A, received_on=date(2026, 4, 1)))
    return customer


@pytest.fixture
@prepared
def browser(app: Flask, acme: Customer) -> FlaskClient:
    return signed_in(app)


def record(browser: FlaskClient, **fields: Any) -> TestResponse:
    page = browser.get("/refunds/new?customer=ACME")
    given = {
        "id": field(page, "id"),
        "paid_on": "2026-04-02",
        "method": "bank_transfer",
        "reference": "",
        "amount": "20",
    }
    return browser.post("/refunds/new?customer=ACME", data=given | fields | {"csrf_token": csrf_token(browser)})


def stored(session: Session) -> list[Refund]:
    return fresh(session, select(Refund).order_by(Refund.created_at, Refund.id))


def test_the_credit_of_a_customer_is_paid_back(browser: FlaskClient, session: Session, acme: Customer) -> None:
    page = browser.get(link(browser.get(f"/customers/{acme.id}"), "Refund credit in USD"))
    assert field(page, "amount") == "50"
    assert "At most 50.00 USD, the customer's credit." in words(page)
    response = record(browser, reference="BACK 1")
    assert response.status_code == 303
    [refund] = stored(session)
    assert (refund.amount, refund.paid_on, refund.reference) == (2000, date(2026, 4, 2), "BACK 1")
    shown = words(browser.get(response.location))
    assert "Refund recorded." in shown
    assert "Refund of 20.00 USD" in shown
    payment = words(browser.get(f"/payments/{A}"))
    assert "minus Allocated 0.00 USD − minus Refunded 20.00 USD = equals Unallocated 30.00 USD" in payment
    statement = words(browser.get(f"/customers/{acme.id}/statement"))
    assert "Refund BACK 1 20.00 USD −30.00 USD" in statement
    listed = words(browser.get(link(browser.get("/payments"), "Refunds")))
    assert "1 refund in USD, without reversed refunds 20.00 USD" in listed


def test_a_refund_above_the_credit_keeps_the_input(browser: FlaskClient, session: Session) -> None:
    page = record(browser, amount="50.01", reference="BACK 1")
    assert page.status_code == 422
    assert "Enter at most 50.00 USD: this is the customer's credit." in words(page)
    assert (field(page, "amount"), field(page, "reference")) == ("50.01", "BACK 1")
    assert stored(session) == []


def test_a_form_sent_twice_counts_once(browser: FlaskClient, session: Session) -> None:
    id = field(browser.get("/refunds/new?customer=ACME"), "id")
    assert record(browser, id=id).status_code == record(browser, id=id).status_code == 303
    assert len(stored(session)) == 1
    again = record(browser, id=id, amount="10")
    assert again.status_code == 422
    assert "already recorded with other values" in words(again)
    assert field(again, "id") != id


def test_a_refund_is_reversed(browser: FlaskClient, session: Session) -> None:
    page = record(browser).location
    reverse = link(browser.get(page), "Reverse refund")
    data = {"reversed_on": "2026-04-02", "csrf_token": csrf_token(browser)}
    refused = browser.post(reverse, data=data | {"reason": ""})
    assert "Enter a reason for the reversal." in words(refused)
    assert browser.post(reverse, data=data | {"reason": "Returned by the bank"}).status_code == 303
    shown = browser.get(page)
    assert "Reason for the reversal Returned by the bank" in words(shown)
    assert not has_link(shown, "Reverse refund")
    assert [payment.allocated for payment in fresh(session, select(Payment))] == [0]
    assert browser.post(reverse, data=data | {"reason": "Again"}).status_code == 303
    assert "This refund was already reversed." in words(browser.get(page))


def test_without_credit_there_is_nothing_to_refund(browser: FlaskClient) -> None:
    make_customer(reference="NONE", name="None Ltd")
    assert "No credit in USD" in words(browser.get("/refunds/new?customer=NONE"))
    assert "Refund 50.00 USD of credit in USD" in words(browser.get("/refunds/new?customer=ACME&currency=EUR"))
    assert "Choose the customer whose credit was paid back." in words(browser.get("/refunds/new"))
    assert "No customer matches “nobody”." in words(browser.get("/refunds/new?customer=nobody"))


def test_lists_say_what_belongs_here(app: Flask, browser: FlaskClient) -> None:
    assert "No refunds yet" in words(browser.get("/refunds"))
    assert "No refunds match" in words(browser.get("/refunds?status=reversed"))
    viewer = signed_in(app, "viewer")
    assert not has_link(viewer.get("/refunds"), "Record refund")
    assert viewer.get("/refunds/new").status_code == 403

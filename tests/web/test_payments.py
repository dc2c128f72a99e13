"""Payments for people: recorded with a suggestion and a tick for what is left, allocated, withdrawn, reversed; written off."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Allocation, Customer, Invoice, Payment
from billing_admin.operations.payments import payments
from tests.clocks import stopped_clock
from tests.making import NOW, all_invoices, change_settings, make_customer, make_invoice, make_payment_spec, pay
from tests.people import csrf_token, send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, link, objects, parse, words
from tests.web.reading import fresh, queries_of

clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """Owes 10, 20 and 30 USD."""
    customer = make_customer(reference="ACME", name="ACME Inc")
    for days, amount in enumerate(("10", "20", "30")):
        make_invoice(customer, amount, now=NOW - timedelta(days=30 - days))
    return customer


@pytest.fixture
@prepared
def browser(app: Flask, acme: Customer) -> FlaskClient:
    return signed_in(app)


def part(n: int) -> str:
    """The field of the n-th invoice."""
    return f"part_{all_invoices()[n].id.hex}"


def record(browser: FlaskClient, **fields: Any) -> TestResponse:
    page = browser.get("/payments/new?customer=ACME")
    given = {"id": field(page, "id"), "received_on": "2026-04-01", "method": "card", "reference": "", "amount": "10"}
    return browser.post("/payments/new?customer=ACME", data=given | fields | {"csrf_token": csrf_token(browser)})


def stored(session: Session) -> list[Payment]:
    return fresh(session, select(Payment).order_by(Payment.created_at, Payment.id))


def test_an_empty_list_says_what_belongs_here(app: Flask, session: Session) -> None:
    browser = signed_in(app)
    page = browser.get("/payments")
    assert "No payments yet" in words(page)
    assert "No payments match" in words(browser.get("/payments?status=reversed"))
    assert "There is no customer “nobody”" in words(browser.get("/payments?customer=nobody"))
    assert "No customers yet" in words(browser.get("/payments/new"))
    assert not has_link(signed_in(app, "viewer").get("/payments"), "Record payment")


def test_a_customer_is_chosen_first(browser: FlaskClient) -> None:
    assert field(browser.get("/payments/new"), "customer") == ""
    for typed in ("ACME", "acme i"):
        assert "Record payment from ACME Inc" in words(browser.get(f"/payments/new?customer={typed}&currency="))
    refused = browser.get("/payments/new?customer=nobody")
    assert (refused.status_code, field(refused, "customer")) == (422, "nobody")
    assert "No customer matches “nobody”." in words(refused)


def test_from_an_invoice_its_balance_is_filled_in(browser: FlaskClient, session: Session) -> None:
    second = all_invoices()[1]
    page = browser.get(link(browser.get(f"/invoices/{second.id}"), "Record payment"))
    assert (field(page, "amount"), field(page, part(1)), field(page, part(0))) == ("20", "20", "")
    response = record(browser, amount="20.00", **{part(1): "20.00"})
    assert response.status_code == 303
    assert "Paid" in words(browser.get(f"/invoices/{second.id}"))
    (payment,) = stored(session)
    assert (payment.amount, payment.allocated, payment.method, payment.received_on) == (
        *(2000, 2000, "card"),
        date(2026, 4, 1),
    )


def test_with_nothing_entered_the_oldest_first_are_suggested(browser: FlaskClient, session: Session) -> None:
    page = record(browser, amount="1,025.00")
    assert page.status_code == 200
    assert "Suggested: oldest invoices first" in words(page)
    assert [field(page, part(n)) for n in range(3)] == ["10.00", "20.00", "30.00"]
    assert "Customer's credit 965.00 USD" in words(page)
    assert stored(session) == []
    changed = record(browser, amount="25", then="suggest", **{part(2): "25"})
    assert [field(changed, part(n)) for n in range(3)] == ["10.00", "15.00", ""]


def test_a_tick_fills_in_what_is_open_and_left(browser: FlaskClient, session: Session) -> None:
    fields = {part(0): "", part(1): "", part(2): "5", part(1).replace("part_", "pay_"): "y"}
    for then in ("totals", ""):
        page = record(browser, amount="15", then=then, **fields)
        assert [field(page.text, part(n)) for n in range(3)] == ["", "10.00", "5"]
    assert stored(session) == []


def test_what_is_left_takes_a_tick(browser: FlaskClient, session: Session) -> None:
    refused = record(browser, amount="70", **{part(0): "10"})
    assert refused.status_code == 422
    assert "60.00 USD is not allocated. Allocate it, or choose to keep it as the customer's credit." in words(refused)
    assert (field(refused, "amount"), field(refused, part(0))) == ("70", "10")
    assert stored(session) == []
    response = record(browser, amount="70", keep="y", **{part(0): "10"})
    page = browser.get(response.location)
    assert "Received 70.00 USD − minus Allocated 10.00 USD = equals Unallocated 60.00 USD" in words(page)


def test_the_totals_are_those_of_the_amounts_shown(browser: FlaskClient, session: Session) -> None:
    totals = record(browser, amount="1,070.00", then="totals", **{part(0): "10", part(1): "1.5"})
    assert "Received 1,070.00 USD Allocated 11.50 USD Customer's credit 1,058.50 USD" in words(totals)
    assert (totals.status_code, stored(session)) == (200, [])
    for fields in ({"amount": "abc"}, {"amount": "70", part(1): "1..5"}):
        refused = record(browser, then="totals", **fields)
        assert (refused.status_code, stored(session)) == (422, [])
        assert "Received – none Allocated – none Customer's credit – none" in words(refused)
        assert "is not a number" in words(refused)


def test_amounts_in_refusals_are_formatted(browser: FlaskClient, acme: Customer) -> None:
    make_invoice(acme, "12345.6")
    response = record(browser, amount="20000", keep="y", **{part(3): "20000"})
    assert "INV-2026-00004 has 12,345.60 USD left to pay" in words(response)
    change_settings(number_format="1.234,56")
    response = record(browser, amount="20000", keep="y", **{part(3): "20000"})
    assert "INV-2026-00004 has 12.345,60 USD left to pay" in words(response)


def test_all_of_it_may_be_kept(browser: FlaskClient, session: Session) -> None:
    record(browser, amount="70", keep="y")
    assert [payment.allocated for payment in stored(session)] == [0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"amount": ""}, "Enter the amount, such as 250."),
        ({"amount": "12,5x"}, "is not a number"),
        ({"amount": "0", "keep": "y"}, "Enter an amount above zero."),
        ({"amount": "-5", "keep": "y"}, "more than you received"),
        ({"amount": "1.001", "keep": "y"}, "Use at most 2 digits after the point for USD."),
        ({"amount": "5 EUR", "keep": "y"}, "Enter the amount in USD: “5 EUR” is in EUR. If you mean 5 USD, enter 5."),
        ({"received_on": "2026-04-03", "keep": "y"}, "this day is in the future"),
        ({"received_on": "", "keep": "y"}, "Enter the day it was received"),
        ({"method": "write_off", "keep": "y"}, "Choose one from the list."),
        ({"id": "", "keep": "y"}, "The form is incomplete."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    browser: FlaskClient, session: Session, fields: dict[str, str], said: str
) -> None:
    response = record(browser, **fields)
    assert (response.status_code, said in words(response)) == (422, True), words(response)
    assert stored(session) == []


def test_more_than_was_received_or_is_open_is_said(browser: FlaskClient, session: Session) -> None:
    above = record(browser, amount="20", **{part(0): "10", part(1): "11"})
    assert "You allocated 1.00 USD more than you received. Correct one of the amounts." in words(above)
    response = record(browser, amount="20", **{part(1): "1", part(0): "19"})
    assert response.status_code == 422
    error = next(parse(response).elements(id=f"{part(0)}-error"))
    assert "INV-2026-00001 has 10.00 USD left to pay" in error.text()
    assert stored(session) == []


def test_a_double_click_records_once(browser: FlaskClient, session: Session) -> None:
    fields = {"id": str(UUID(int=7)), part(0): "10"}
    first, second = record(browser, **fields), record(browser, **fields)
    assert first.location == second.location
    assert len(stored(session)) == 1
    other = record(browser, **fields | {"amount": "10.01", "keep": "y"})
    assert "This form was already recorded with other values." in words(other)
    assert field(other, "id") != fields["id"]


def test_a_repeated_reference_is_asked_about(browser: FlaskClient, session: Session) -> None:
    record(browser, reference="R-1", **{part(0): "10"})
    asked = record(browser, reference="R-1", **{part(1): "10"})
    assert asked.status_code == 422
    assert "This payment may be a duplicate" in words(asked)
    assert has_link(asked, "Payment 1")
    assert len(stored(session)) == 1
    response = record(browser, reference="R-1", anyway="y", **{part(1): "10"})
    assert "This payment may be a duplicate" in words(browser.get(response.location))
    assert len(stored(session)) == 2


def test_a_payment_in_another_currency(browser: FlaskClient, session: Session) -> None:
    url = "/payments/new?customer=ACME&currency=JPY"
    page = browser.get(url)
    assert "No open invoices in JPY" in words(page)
    fields = {"id": field(page, "id"), "amount": "500", "received_on": "2026-04-01", "method": "cash", "keep": "y"}
    response = browser.post(url, data=fields | {"csrf_token": csrf_token(browser)})
    assert "Unallocated 500 JPY" in words(browser.get(response.location))


def test_the_rest_is_allocated_later(browser: FlaskClient, acme: Customer, session: Session) -> None:
    id = pay(make_payment_spec(acme, "25", ()))
    url = link(browser.get(f"/payments/{id}"), "Allocate")
    page = browser.get(url)
    assert [field(page, part(n)) for n in range(3)] == ["10.00", "15.00", ""]
    assert "Enter an amount for at least one invoice." in words(send(browser, url, remainder=2500))
    above = send(browser, url, remainder=2500, **{part(2): "25.01"})
    assert "25.00 USD of this payment is left" in words(above)
    assert "has 10.00 USD left to pay" in words(send(browser, url, remainder=2500, **{part(0): "11"}))
    assert send(browser, url, remainder=2500, **{part(2): "4"}).status_code == 303
    again = send(browser, url, remainder=2500, **{part(2): "4"})
    assert (again.status_code, "Only 21.00 USD of this payment is left now" in words(again)) == (422, True)
    assert [payment.allocated for payment in stored(session)] == [400]


def test_nothing_left_or_nothing_open_is_said(browser: FlaskClient, acme: Customer) -> None:
    spent = pay(make_payment_spec(acme, "60"))
    assert "This payment is fully allocated." in words(browser.get(f"/payments/{spent}/allocate"))
    kept = pay(make_payment_spec(acme, "5", ()))
    assert "This customer has no open invoices in USD." in words(browser.get(f"/payments/{kept}/allocate"))


def test_an_allocation_is_withdrawn(browser: FlaskClient, acme: Customer, session: Session) -> None:
    id = pay(make_payment_spec(acme, "10"))
    allocation = session.scalar(select(Allocation.id))
    url = f"/payments/{id}/allocations/{allocation}/withdraw"
    page = browser.get(send(browser, url).location)
    assert "Allocation withdrawn. The money is unallocated." in page.text
    assert "Withdrawn" in words(page)
    assert "This allocation was already withdrawn." in browser.get(send(browser, url).location).text
    assert send(browser, f"/payments/{id}/allocations/{UUID(int=1)}/withdraw").status_code == 404


def test_a_write_off_is_reversed_and_not_withdrawn(browser: FlaskClient, acme: Customer, session: Session) -> None:
    pay(make_payment_spec(acme, "5"))
    invoice = session.scalars(select(Invoice).order_by(Invoice.sequence)).first()
    assert invoice is not None
    open_amount = Decimal(invoice.total - invoice.paid) / 100
    id = transaction(payments.write_off, invoice.id, open_amount, "Fee", None, SYSTEM, NOW).id
    page = browser.get(f"/payments/{id}")
    assert "Reverse" in words(page)
    allocation = session.scalar(select(Allocation.id).where(Allocation.payment_id == id))
    url = f"/payments/{id}/allocations/{allocation}/withdraw"
    assert url not in page.text
    refused = send(browser, url)
    assert (refused.status_code, "Reverse it instead" in words(refused)) == (409, True)


def test_reversing_is_confirmed(browser: FlaskClient, acme: Customer, session: Session) -> None:
    id = pay(make_payment_spec(acme, "25", received_on=date(2026, 4, 1)))
    url = link(browser.get(f"/payments/{id}"), "Reverse payment")
    text = words(browser.get(url))
    for said in ("ACME Inc (ACME)", "25.00 USD", "INV-2026-00001: 10.00 USD", "Reverse payment, 25.00 USD"):
        assert said in text
    for fields, said in (
        ({"reversed_on": "2026-04-02", "reason": ""}, "Enter a reason for the reversal."),
        ({"reversed_on": "2026-03-31", "reason": "Bounced"}, "Use 2026-04-01 or later"),
        ({"reversed_on": "", "reason": "Bounced"}, "Enter the date of the reversal"),
    ):
        refused = send(browser, url, **fields)
        assert (refused.status_code, said in words(refused)) == (422, True)
    fields = {"reversed_on": "2026-04-02", "reason": "Bounced"}
    text = words(browser.get(send(browser, url, **fields).location))
    assert "Reason for the reversal Bounced" in text
    assert "This payment was already reversed." in browser.get(send(browser, url, **fields).location).text
    assert [payment.allocated for payment in stored(session)] == [0]


def test_a_remainder_is_written_off(browser: FlaskClient, acme: Customer, session: Session) -> None:
    pay(make_payment_spec(acme, "9.98"))
    first = all_invoices()[0]
    url = link(browser.get(f"/invoices/{first.id}"), "Write off")
    page = browser.get(url)
    assert "Balance 0.02 USD" in words(page)
    key = field(page, "id")
    wrong = send(browser, url, id=key, amount="0.03", reason="Fee")
    assert (wrong.status_code, "enter exactly that amount to write it off" in words(wrong)) == (422, True)
    assert "Enter a reason for the write-off." in words(send(browser, url, id=key, amount="0.02"))
    assert "Enter the amount in USD" in words(send(browser, url, id=key, amount="0.02 EUR", reason="Fee"))
    page = browser.get(send(browser, url, id=key, amount="0.02", reason="Fee").location)
    assert "0.02 USD of INV-2026-00001 was written off." in page.text
    assert "Written off" in words(page)
    assert "No balance on INV-2026-00001" in words(browser.get(url))
    assert [payment.method for payment in stored(session)] == ["bank_transfer", "write_off"]


def test_a_part_is_written_off_by_an_explicit_tick(browser: FlaskClient, acme: Customer, session: Session) -> None:
    first = all_invoices()[0]
    url = f"/payments/write-off/{first.id}"
    values = {"id": field(browser.get(url), "id"), "amount": "4", "reason": "Half agreed"}
    assert "enter exactly that amount to write it off" in words(send(browser, url, **values))
    above = send(browser, url, **(values | {"amount": "11"}), part="y")
    assert "Enter an amount above zero and at most 10.00 USD, the open balance of INV-2026-00001." in words(above)
    page = browser.get(send(browser, url, **values, part="y").location)
    assert "4.00 USD of INV-2026-00001 was written off." in page.text
    assert "= equals Due 6.00 USD" in words(page)
    assert "Written off 4.00 USD Half agreed" in words(page)


def test_a_receipt_is_printed_in_the_language_of_the_customer(browser: FlaskClient, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "15", reference="R-1"))
    url = link(browser.get(f"/payments/{id}"), "Receipt")
    response = browser.get(url)
    assert (response.status_code, response.mimetype) == (200, "application/pdf")
    assert response.data.startswith(b"%PDF-")
    assert "receipt-ACME-" in response.headers["Content-Disposition"]
    send(browser, f"/payments/{id}/reverse", reversed_on="2026-04-02", reason="Bounced")
    assert not has_link(browser.get(f"/payments/{id}"), "Receipt")
    assert browser.get(url).status_code == 409


def test_a_draft_has_no_payments(browser: FlaskClient, acme: Customer) -> None:
    draft = make_invoice(acme, "5", issue=False)
    assert "Record payment" not in words(browser.get(f"/invoices/{draft.id}"))
    assert "No balance on this draft" in words(browser.get(f"/payments/write-off/{draft.id}"))


def test_the_list_adds_up_its_whole_filter(browser: FlaskClient, acme: Customer) -> None:
    pay(make_payment_spec(acme, "25", reference="R-1", received_on=date(2026, 3, 20)))
    pay(make_payment_spec(acme, "50", ()))
    pay(make_payment_spec(acme, "7", (), currency="JPY", method="cash"))
    text = words(browser.get("/payments"))
    assert "2 payments in USD, without reversed payments 75.00 USD 50.00 USD" in text
    assert "1 payment in JPY, without reversed payments 7 JPY 7 JPY" in text
    for query, count in (
        ("q=r-1", 1),
        ("q=acme", 3),
        ("customer=acme+inc", 3),
        ("currency=JPY", 1),
        ("method=cash", 1),
        ("status=unallocated", 2),
        ("from=2026-03-21", 2),
        ("to=2026-03-20", 1),
        ("reference=R-1", 1),
    ):
        page = browser.get(f"/payments?{query}")
        assert len(objects(page, "/payments/")) == count, query
        assert has_link(page, "Export CSV")
    text = words(browser.get(link(browser.get("/payments?currency=USD"), "Export CSV")))
    assert "2 payments" in text
    assert "75.00 USD" in text
    file = browser.get("/exports/payments.csv?currency=USD")
    assert file.text.count("\r\n") == 3


def test_it_is_found_by_its_id_and_has_its_history(browser: FlaskClient, acme: Customer) -> None:
    id, nameless = pay(make_payment_spec(acme, "25", reference="R-1")), pay(make_payment_spec(acme, "5"))
    assert browser.get(f"/search?q={id}").location == f"/payments/{id}"
    history = browser.get(link(browser.get(f"/payments/{id}"), "History"))
    assert "Payment recorded" in words(history)
    assert link(history, "R-1") == f"/payments/{id}"
    assert link(browser.get(f"/audit?object={nameless}"), "Payment") == f"/payments/{nameless}"


def test_a_viewer_sees_and_changes_nothing(app: Flask, browser: FlaskClient, acme: Customer) -> None:
    id = pay(make_payment_spec(acme, "25", ()))
    viewer = signed_in(app, "viewer")
    page = viewer.get(f"/payments/{id}")
    assert page.status_code == 200
    assert not has_link(page, "Allocate")
    for url in ("/payments/new?customer=ACME", f"/payments/{id}/allocate", f"/payments/{id}/reverse"):
        assert viewer.get(url).status_code == 403
    assert not has_link(viewer.get(f"/invoices/{all_invoices()[0].id}"), "Record payment")


def test_pages_ask_few_questions(app: Flask, browser: FlaskClient, acme: Customer, session: Session) -> None:
    pay(make_payment_spec(acme, "25"))
    few = queries_of(app, browser, "/payments")
    for _ in range(5):
        pay(make_payment_spec(acme, "1", ()))
    assert queries_of(app, browser, "/payments") == few <= 10
    assert session.scalar(select(func.count()).select_from(Invoice)) == 3

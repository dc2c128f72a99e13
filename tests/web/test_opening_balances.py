"""Opening balances in the browser: recorded, compared with the journal, shown apart from documents, and taken back."""

from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Invoice, Payment
from tests.making import MARCH_END, make_customer, make_opening
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import words
from tests.web.reading import fresh


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def record(client: FlaskClient, **fields: str) -> str:
    sent = {
        "id": str(uuid4()),
        "customer": "ACME",
        "type": "invoice",
        "number": "RE 4711",
        "original_date": "2026-03-10",
        "due_date": "2026-03-20",
        "open_amount": "100.00",
        "opened_on": MARCH_END.isoformat(),
    }
    answer = send(client, "/opening-balances/new", **sent | fields)
    return words(client.get(answer.location).text) if answer.status_code == 303 else words(answer.text)


def test_an_invoice_and_a_credit_are_recorded_and_compared(admin: FlaskClient, session: Session) -> None:
    make_customer(reference="ACME", name="ACME Inc")
    text = record(admin, original_total="119", original_tax="19", purchase_order="PO-7")
    assert "RE 4711 was recorded." in text
    assert "Opening invoice RE 4711" in text
    assert "An earlier system issued this invoice." in text
    assert "Date 10 Mar 2026 Due 20 Mar 2026 Cut-over day 31 Mar 2026 Original total 119.00 USD" in text
    assert "Recorded as an opening balance" in text
    assert "PDF" not in text.replace("no PDF or e-invoice here", "")
    credit = record(admin, type="credit", number="G-1", open_amount="30")
    assert "Opening credit of 30.00 USD" in credit
    assert "Number in the earlier system G-1 Date 10 Mar 2026 Cut-over day 31 Mar 2026" in credit
    overview = words(admin.get("/opening-balances").text)
    assert "ACME Inc ( ACME ) 2 100.00 USD 30.00 USD 70.00 USD 70.00 USD" in overview
    assert "Total in USD 100.00 USD 30.00 USD 70.00 USD 70.00 USD" in overview
    assert "RE 4711 ACME Inc 10 Mar 2026 20 Mar 2026 Overdue 100.00 USD 100.00 USD" in overview
    assert "Open invoices and credits of an earlier system, as at 31 Mar 2026" in overview


def test_a_wrong_value_is_named_and_nothing_typed_is_lost(admin: FlaskClient, session: Session) -> None:
    make_customer(reference="ACME")
    page = record(admin, due_date="2026-03-01", number="", original_tax="5")
    assert "Enter the number of the earlier system." in page
    page = record(admin, due_date="2026-03-01", original_tax="5")
    assert "Use 10 Mar 2026 or later: an invoice is not due before its date." in page
    assert "Enter the original total as well." in page
    html = send(admin, "/opening-balances/new", number="RE 4711", customer="ACME", open_amount="12,3.4").text
    assert 'value="RE 4711"' in html
    assert "was recorded" not in words(html)
    assert fresh(session, select(Invoice)) == []


def test_it_is_on_the_pages_of_receivables(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME")
    make_opening(customer, "RE 4711", "100")
    make_opening(customer, "G-1", "-30")
    listed = words(admin.get("/invoices?kind=opening_invoice").text)
    assert "RE 4711 ACME" in listed
    assert "Opening" in listed
    assert "1 opening invoice in USD" in listed
    assert "RE 4711" in words(admin.get("/open-items").text)
    statement = words(admin.get(f"/customers/{customer.id}/statement").text)
    assert "31 Mar 2026 Opening invoice RE 4711 100.00 USD 100.00 USD" in statement
    assert "31 Mar 2026 Opening credit G-1 −30.00 USD 70.00 USD" in statement
    assert "Opening credit" in words(admin.get("/payments?method=opening_credit").text)
    assert "RE 4711" in words(admin.get("/search?q=RE 4711", follow_redirects=True).text)


def test_a_mistake_is_taken_back(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME")
    id = make_opening(customer, "RE 4711", "100")
    credit = make_opening(customer, "G-1", "-30")
    page = words(admin.get(f"/invoices/{id}/void").text)
    assert "You can record its number again." in page
    assert "Charges after voiding" not in page
    send(admin, f"/invoices/{id}/void", reason="Wrong amount")
    text = words(admin.get(f"/invoices/{id}").text)
    assert "Opening invoice RE 4711 (void)" in text
    assert "Reason Wrong amount" in text
    send(admin, f"/payments/{credit}/reverse", reason="Entered twice", reversed_on="2026-04-02")
    (payment,) = fresh(session, select(Payment))
    assert payment.status == "reversed"
    assert "Void" in words(admin.get("/opening-balances").text)


def test_it_has_no_copy_and_no_credit_note(admin: FlaskClient, session: Session) -> None:
    id = make_opening(make_customer(reference="ACME"), "RE 4711", "100")
    for path in ("pdf", "explain"):
        answer = admin.get(f"/invoices/{id}/{path}")
        assert answer.status_code == 404
        assert "RE 4711 was issued by an earlier system" in words(answer.text)
    answer = admin.get(f"/invoices/{id}/credit", follow_redirects=True)
    assert "Invoices of an earlier system cannot be credited here." in words(answer.text)
    page = words(admin.get(f"/invoices/{id}").text)
    for act in ("Credit", "Send", "Mark as sent", "E-invoice"):
        assert f" {act} " not in page.partition("An earlier system")[0]
    assert "Record payment" in page
    assert "Write off" in page


def test_a_viewer_sees_but_records_nothing(app: Flask, session: Session) -> None:
    make_opening(make_customer(reference="ACME"), "RE 4711", "100")
    viewer = signed_in(app, "viewer")
    assert "Record opening balance" not in words(viewer.get("/opening-balances").text)
    assert viewer.get("/opening-balances/new").status_code == 403
    assert send(viewer, "/opening-balances/new", number="1").status_code == 403

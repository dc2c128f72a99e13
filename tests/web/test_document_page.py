"""The page of a document: the next act by its state, the amounts, and the timeline of everything that happened to it."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import Invoice
from billing_admin.operations.invoices import invoices
from billing_admin.operations.messages import documents
from billing_admin.operations.payments import payments, refunds
from tests.clocks import stopped_clock
from tests.making import (
    NOW,
    all_invoices,
    bill,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_spec,
    pay,
    post,
    void,
)
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, parse, words

clock = stopped_clock(NOW + timedelta(days=20))


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


def make_draft() -> Invoice:
    post(make_spec(make_customer(), "100"))
    bill(issue=False)
    return all_invoices()[-1]


def main_act(browser: FlaskClient, invoice: Invoice) -> list[str]:
    """The labels of the primary buttons in the head of a page."""
    page = parse(browser.get(f"/invoices/{invoice.id}"))
    head = next(one for one in page.elements("header") if "page-head" in one.attributes.get("class", ""))
    return [link.text() for link in head.elements("a") if "btn-primary" in link.attributes.get("class", "").split()]


def timeline(browser: FlaskClient, invoice: Invoice) -> str:
    page = parse(browser.get(f"/invoices/{invoice.id}"))
    section = next(one for one in page.elements("section") if one.attributes.get("id") == "timeline")
    return section.text()


def amounts(browser: FlaskClient, invoice: Invoice) -> str:
    page = parse(browser.get(f"/invoices/{invoice.id}"))
    return next(one for one in page.elements("dl") if one.attributes.get("class") == "equation").text()


def mark_sent(invoice: Invoice) -> None:
    transaction(documents.mark_document_sent, invoice.id, "By letter", None, SYSTEM, NOW)


def test_the_next_act_follows_the_life_of_an_invoice(browser: FlaskClient) -> None:
    draft = make_draft()
    assert main_act(browser, draft) == ["Issue invoice"]
    transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert main_act(browser, draft) == ["Send"]
    assert has_link(browser.get(f"/invoices/{draft.id}"), "Record payment")
    mark_sent(draft)
    assert main_act(browser, draft) == ["Record payment"]
    pay(make_payment_spec(draft.customer_reference, "100"))
    assert main_act(browser, draft) == []
    note = credit(draft, "10")
    assert main_act(browser, note) == ["Send"]


def test_a_viewer_gets_no_acts_that_change(app: Flask, session: Session) -> None:
    invoice = make_invoice(amount="100")
    viewer = signed_in(app, "viewer")
    page = viewer.get(f"/invoices/{invoice.id}")
    assert main_act(viewer, invoice) == []
    for label in ("Send", "Record payment", "Write off", "Credit", "Void"):
        assert not has_link(page, label)
    assert has_link(page, "Show calculation")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("draft", "Net 100.00 USD + plus Tax 0.00 USD = equals Total 100.00 USD"),
        (
            "open",
            "Total 100.00 USD − minus Paid 0.00 USD − minus Credited 0.00 USD = equals Due 100.00 USD",
        ),
        (
            "credited",
            "Total 100.00 USD − minus Paid 60.00 USD − minus Credited 30.00 USD = equals Due 10.00 USD",
        ),
        ("void", "Total 100.00 USD − minus Voided 100.00 USD = equals Due 0.00 USD"),
        ("note", "Net 30.00 USD + plus Tax 0.00 USD = equals Credited 30.00 USD"),
    ],
)
def test_each_state_has_its_amounts(browser: FlaskClient, state: str, expected: str) -> None:
    invoice = make_draft() if state == "draft" else make_invoice(amount="100")
    if state == "void":
        void(invoice)
    elif state in {"credited", "note"}:
        pay(make_payment_spec(invoice.customer_reference, "60"))
        note = credit(invoice, "30")
        invoice = note if state == "note" else invoice
    assert amounts(browser, invoice) == expected
    page = words(browser.get(f"/invoices/{invoice.id}"))
    assert "About this document" in page
    assert ("Payments" in page, "Credit notes" in page) == (state == "credited", state == "credited")


def test_the_timeline_tells_everything(browser: FlaskClient) -> None:
    invoice = make_invoice(amount="100")
    mark_sent(invoice)
    later = NOW + timedelta(days=1)
    id = pay(make_payment_spec(invoice.customer_reference, "60", reference="BANK 7"), later)
    credit(invoice, "50", now=later + timedelta(days=1))
    spec = RefundSpec(invoice.customer_reference, exact_decimal("10"), "cash")
    refund = transaction(refunds.record, spec, SYSTEM, later + timedelta(days=2)).id
    transaction(refunds.reverse, refund, "Came back", None, SYSTEM, later + timedelta(days=3))
    transaction(payments.reverse, id, "Bounced", None, SYSTEM, later + timedelta(days=4))
    told = timeline(browser, invoice)
    in_order = [
        "Payment reversed Bounced",
        "Refund reversed Came back",
        "Refunded 10.00 USD",
        "Credited 50.00 USD by CN-2026-00001",
        "Paid 60.00 USD BANK 7",
        "Marked as sent By letter",
        "Issued",
        "Created by a billing run",
    ]
    places = [told.index(text) for text in in_order]
    assert places == sorted(places)
    assert "command line" in told


def test_the_timeline_of_a_void_invoice_and_its_replacement(browser: FlaskClient) -> None:
    invoice = make_invoice(amount="100")
    void(invoice, "billed_again", reason="Wrong address")
    assert "Voided Wrong address" in timeline(browser, invoice)
    [replacement] = [one for one in all_invoices() if one.replaces_id == invoice.id]
    told = timeline(browser, replacement)
    assert f"{invoice.number} was voided; its charges are billed again here" in told
    assert "Created" in told


def test_a_note_of_a_credit_is_in_its_own_timeline(browser: FlaskClient) -> None:
    note = credit(make_invoice(amount="100"), "30")
    told = timeline(browser, note)
    assert "Issued Agreed" in told
    assert "Credited 30.00 USD" not in told

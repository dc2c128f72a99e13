"""Pages name what the PDF cannot print, refuse new text of that kind, and let stored text be."""

from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Charge, Customer, Invoice
from billing_admin.operations.master_data import customers
from tests.earlier import OLD, REFUSED, earlier_version
from tests.formats.test_glyphs import make_font
from tests.making import NOW, bill, change_settings, make_customer, make_invoice, make_service, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import words
from tests.web.reading import fresh

NOTICE = "Some characters cannot be printed"
SENTENCE = "3 characters cannot be printed in the PDF: 한, 국, 🚀. □ is printed instead."


@pytest.fixture
@prepared
def browser(app: Flask) -> FlaskClient:
    return signed_in(app)


def test_the_pages_of_a_document_name_the_characters_and_its_pdf_is_made(
    browser: FlaskClient, session: Session
) -> None:
    customer = make_customer(reference="ACME", name="한국")
    post(make_spec(customer, "5", description="Rocket 🚀"))
    bill(issue=False)
    draft = fresh(session, select(Invoice))[0]
    assert SENTENCE in words(browser.get(f"/invoices/{draft.id}"))
    assert SENTENCE in words(browser.get(f"/invoices/{draft.id}/issue"))
    assert SENTENCE in words(browser.get("/invoices/issue"))
    assert send(browser, f"/invoices/{draft.id}/issue", issue_date="2026-04-02").status_code == 303
    assert SENTENCE in words(browser.get(f"/invoices/{draft.id}"))
    paper = browser.get(f"/invoices/{draft.id}/pdf")
    assert (paper.status_code, paper.data[:5]) == (200, b"%PDF-")


def test_a_document_that_can_be_printed_has_no_notice(browser: FlaskClient, session: Session) -> None:
    invoice = make_invoice(make_customer(name="Zoë السلام नमस्ते €"))
    draft = make_invoice(make_customer(name="สวัสดี"), issue=False)
    for path in (f"/invoices/{invoice.id}", f"/invoices/{draft.id}", f"/invoices/{draft.id}/issue", "/invoices/issue"):
        assert NOTICE not in words(browser.get(path))


def test_a_draft_is_judged_by_the_names_that_it_will_get(browser: FlaskClient, session: Session) -> None:
    customer = make_customer(name="한국")
    draft = make_invoice(customer, issue=False)
    transaction(customers.update, customer.id, {"name": "Korea"}, None, SYSTEM, NOW)
    assert NOTICE not in words(browser.get(f"/invoices/{draft.id}/issue"))
    change_settings(invoice_footer="🚀")
    assert "1 character cannot be printed in the PDF: 🚀." in words(browser.get(f"/invoices/{draft.id}/issue"))


def test_fonts_of_the_folder_are_used(
    app: Flask, browser: FlaskClient, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = make_invoice(make_customer(name="한국"))
    before = browser.get(f"/invoices/{invoice.id}/pdf").data
    make_font(tmp_path / "hangul.ttf", "Hangul Test", "한국")
    monkeypatch.setattr(app.extensions["billing_settings"], "fonts", tmp_path)
    assert NOTICE not in words(browser.get(f"/invoices/{invoice.id}"))
    assert browser.get(f"/invoices/{invoice.id}/pdf").data != before


def test_a_customer_with_stored_text_can_be_edited_and_new_text_is_refused_at_its_field(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with earlier_version(monkeypatch):
        customer = make_customer(reference="OLD", name=OLD, address=OLD)
    sent = {"reference": "OLD", "name": OLD, "address": OLD, "currency": "USD", "version": str(customer.version)}
    assert send(browser, f"/customers/{customer.id}/edit", **sent, notes="new").status_code == 303
    (stored,) = fresh(session, select(Customer))
    assert (stored.name, stored.notes) == (OLD, "new")
    refused = send(browser, f"/customers/{customer.id}/edit", **sent | {"version": str(stored.version), "tax_id": OLD})
    assert (refused.status_code, REFUSED in words(refused)) == (422, True)


def test_a_charge_with_new_text_is_refused_at_its_field_and_in_its_row(browser: FlaskClient, session: Session) -> None:
    make_customer(reference="acme", name="ACME")
    make_service()
    sent = {"id": str(uuid4()), "customer": "acme", "amount": "5", "description": OLD, "day": "2026-03-01"}
    refused = send(browser, "/charges/new", **sent)
    assert (refused.status_code, REFUSED in words(refused)) == (422, True)
    assert fresh(session, select(Charge)) == []


def test_a_charge_form_sent_again_is_a_repeat_even_of_stored_text(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_customer(reference="acme", name="ACME")
    sent = {"id": str(uuid4()), "customer": "acme", "amount": "5", "description": OLD, "day": "2026-03-01"}
    with earlier_version(monkeypatch):
        assert send(browser, "/charges/new", **sent).status_code == 303
    assert send(browser, "/charges/new", **sent).status_code == 303
    assert len(fresh(session, select(Charge))) == 1


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/customers/new", {"name": OLD, "currency": "USD"}),
        ("/services/new", {"code": "x", "name": OLD}),
        ("/tokens/new", {"name": OLD, "scopes": "read", "expires_in_days": "30"}),
        ("/settings/tax-rates/new", {"code": "vat", "name": OLD, "category": "S", "percent": "19"}),
    ],
)
def test_forms_refuse_new_text(browser: FlaskClient, path: str, fields: dict[str, str]) -> None:
    refused = send(browser, path, id=str(uuid4()), **fields)
    assert refused.status_code == 422, refused.text
    assert REFUSED in words(refused)

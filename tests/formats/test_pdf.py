"""An issued document as PDF: out of its frozen rows, the same bytes each time, whatever the text in it is."""

import re
import time
from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.formats.document_contents import document_contents
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Invoice
from billing_admin.operations.invoices import voids
from billing_admin.operations.master_data import services
from billing_admin.operations.payments import payments
from billing_admin.queries.invoices.invoices import invoice
from tests.formats.printing import read_pages
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_customer,
    make_invoice,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import link, parse, words

GLYPHS = load_glyphs()
HOSTILE = '#eval("1+1") $x$ *bold* \\ _it_ <label> @ref [x] // /* `raw` "quoted" \'\N{SNOWMAN}'


@pytest.fixture
@prepared
def issued(session: Session) -> Invoice:
    """19 % on 100.00 USD and on a line with a strange name."""
    make_tax_rate()
    change_settings(default_tax_rate="VAT19", legal_name=HOSTILE, invoice_footer="Pay soon.\nThank you.")
    customer = make_customer(reference="ACME", name=HOSTILE, address="Road 1\n\n10115 Berlin", tax_id="DE136695976")
    post(make_spec(customer, "100"), make_spec(customer, description=HOSTILE, quantity="2.5", unit_price="0.0004"))
    bill()
    (made,) = all_invoices()
    return invoice(session, str(made.id))


def test_it_says_what_the_page_says(app: Flask, issued: Invoice) -> None:
    page = words(signed_in(app).get(f"/invoices/{issued.id}"))
    contents = document_contents(issued)
    (taxes,) = contents["tables"]
    cells = [cell for row in contents["table"]["rows"] for cell in row[1:]]
    cells += [row[1] for row in contents["sums"]] + [cell for row in taxes["rows"] for cell in row]
    for text in cells:
        assert text in page
    assert contents["sums"][-1] == ("Total", "119.00 USD", True)
    assert contents["address"] == [HOSTILE, "Road 1", "10115 Berlin"]
    assert {("Customer number", "ACME"), ("Your tax ID", "DE136695976")} <= set(contents["facts"])
    assert contents["closing"] == ["Pay soon.", "Thank you."]


def test_it_is_the_same_each_time_and_text_is_only_text(session: Session, issued: Invoice) -> None:
    first = render_pdf(issued, GLYPHS)
    assert first.startswith(b"%PDF-")
    time.sleep(1.1)  # what depends on the time would differ by now
    session.rollback()
    assert render_pdf(invoice(session, str(issued.number)), GLYPHS) == first


def test_what_is_paid_later_does_not_change_it(session: Session, issued: Invoice) -> None:
    first = render_pdf(issued, GLYPHS)
    transaction(payments.write_off, issued.id, Decimal(119), "Gone", None, SYSTEM, NOW)
    session.rollback()
    assert render_pdf(invoice(session, str(issued.id)), GLYPHS) == first


def test_a_void_one_says_so(session: Session, issued: Invoice) -> None:
    assert (document_contents(issued)["mark"], document_contents(issued)["notice"]) == ("", "")
    transaction(voids.void_invoice, issued.id, "Wrong customer", "cancelled", SYSTEM, NOW)
    session.rollback()
    contents = document_contents(invoice(session, str(issued.id)))
    assert (contents["mark"], contents["notice"]) == ("VOID", "Void since 2 Apr 2026. Reason: Wrong customer")
    assert contents["payment"] is None


def test_void_invoice_does_not_ask_to_be_paid(app: Flask, session: Session, issued: Invoice) -> None:
    issued.details = {**(issued.details or {}), "terms": "Payable within 14 days."}
    session.expunge(issued)
    assert (document_contents(issued)["notes"], document_contents(issued)["closing"]) == (
        [["Payable within 14 days."]],
        ["Pay soon.", "Thank you."],
    )
    issued.status = "void"
    assert (document_contents(issued)["notes"], document_contents(issued)["closing"]) == ([], [])
    transaction(voids.void_invoice, issued.id, "Wrong customer", "cancelled", SYSTEM, NOW)
    assert "Pay soon." not in words(signed_in(app).get(f"/invoices/{issued.id}"))


def test_a_credit_note_does_not_ask_to_be_paid(app: Flask, session: Session, issued: Invoice) -> None:
    note = credit(issued, "10", reason="Late")
    contents = document_contents(note)
    facts = dict(contents["facts"])
    assert list(facts)[:4] == ["Number", "Issue date", "Corrects", "Service period"]
    assert facts["Corrects"] == f"{issued.number} of 2 Apr 2026"
    assert contents["notes"] == [["Reason: Late"]]
    assert (contents["payment"], contents["closing"]) == (None, [])
    browser = signed_in(app)
    assert "Pay soon." in words(browser.get(f"/invoices/{issued.id}"))
    assert "Pay soon." not in words(browser.get(f"/invoices/{note.id}"))
    (row,) = [
        row.text()
        for row in parse(browser.get("/invoices?kind=credit_note")).elements("tr")
        if str(note.number) in row.text()
    ]
    assert "2 Apr 2026 – none Issued" in row


def test_lines_show_the_unit_of_their_time(app: Flask, session: Session) -> None:
    service = make_service(unit="hour")
    post(make_spec(make_customer(), None, service=service, quantity="2.5"))
    bill()
    transaction(services.update, service.id, {"unit": "day"}, None, SYSTEM, NOW)
    (issued,) = all_invoices()
    assert document_contents(issued)["table"]["rows"][0][2] == "2.5 hour"
    assert "2.5 hour" in words(signed_in(app).get(f"/invoices/{issued.id}"))


def test_many_lines_make_many_pages(session: Session) -> None:
    customer = make_customer()
    post(*(make_spec(customer, "1", description=f"Part {number}") for number in range(300)))
    bill()
    (made,) = all_invoices()
    found = invoice(session, str(made.id))
    assert len(document_contents(found)["table"]["rows"]) == 300
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", render_pdf(found, GLYPHS))) > 3


def test_it_is_handed_out_to_people_and_scripts(app: Flask, issued: Invoice) -> None:
    browser: FlaskClient = signed_in(app, "viewer")
    response = browser.get(link(browser.get(f"/invoices/{issued.id}"), "PDF"))
    assert (response.status_code, response.content_type) == (200, "application/pdf")
    assert response.headers["Content-Disposition"] == f'attachment; filename="{issued.number}.pdf"'
    assert response.data == render_pdf(issued, GLYPHS)


def test_a_draft_has_a_marked_one_that_a_script_does_not_get(app: Flask, session: Session) -> None:
    change_settings(legal_name="Before")
    draft = make_invoice(issue=False)
    change_settings(legal_name="Seller of today")
    browser = signed_in(app)
    response = browser.get(link(browser.get(f"/invoices/{draft.id}"), "Preview PDF"))
    assert (response.status_code, response.content_type) == (200, "application/pdf")
    assert response.headers["Content-Disposition"] == 'attachment; filename="draft.pdf"'
    (text,) = read_pages(response.data)
    assert "DRAFT" in text
    assert "Seller of today" in text
    assert "Payment" not in text
    assert browser.get(f"/invoices/{UUID(int=1)}/pdf").status_code == 404

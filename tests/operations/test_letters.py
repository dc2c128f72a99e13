"""Statements and reminders of stored data, on pages, for scripts and for the sending of reminders."""

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import Invalid
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.letter_contents import OverdueDocument, reminder_contents
from billing_admin.models import AuditEvent, Customer
from billing_admin.operations.invoices.letters import load_letter, load_statement, print_letter, print_statement
from billing_admin.queries.master_data.customers import customer
from tests.formats.printing import read_pages
from tests.making import NOW, bill, change_settings, make_customer, make_invoice, make_spec, post
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import link
from tests.web.reading import fresh

GLYPHS = load_glyphs()


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """ACME owes 100.00 USD."""
    change_settings(legal_name="Cloud Example GmbH", address="Road 1\n10115 Berlin")
    acme = make_customer(reference="ACME", name="ACME Inc.", address="Main Street 5")
    make_invoice(acme, "100")
    return acme


def statement(session: Session, currency: str, first: date | None = None, last: date | None = None) -> str:
    letter = load_statement(session, customer(session, "ACME"), currency, first, last, NOW)
    return " ".join(read_pages(print_statement(session, letter, GLYPHS, NOW)))


def test_a_statement_has_the_movements_of_its_period(session: Session, acme: Customer) -> None:
    text = statement(session, "", None, None)
    assert "Statement of account" in text
    assert "ACME Inc. Main Street 5" in text
    assert "2 Apr 2026 Invoice INV-2026-00001 100.00 USD 100.00 USD" in text
    assert "Closing balance 100.00 USD" in text
    text = statement(session, "USD", None, date(2026, 3, 31))
    assert "No movements in this period." in text
    assert "Closing balance 0.00 USD" in text
    with pytest.raises(Invalid, match="day"):
        statement(session, "USD", date(2026, 4, 1), date(2026, 3, 1))


def test_a_statement_has_one_currency(app: Flask, session: Session, acme: Customer) -> None:
    post(make_spec(acme, "20", currency="EUR"))
    bill()
    with pytest.raises(Invalid, match=r"Choose a currency: EUR, USD\."):
        statement(session, "", None, None)
    assert "Closing balance 20.00 EUR" in statement(session, "EUR", None, None)
    page = signed_in(app).get(f"/customers/{customer(session, 'ACME').id}/statement")
    assert "currency=EUR" in link(page, "PDF in EUR")


def test_the_ageing_is_of_the_last_day_and_never_of_a_future_one(session: Session, acme: Customer) -> None:
    text = statement(session, "USD", None, date(2026, 3, 31))
    assert "As of 31 Mar 2026" in text
    assert "Not due 0.00 USD" in text
    text = statement(session, "USD", date(2026, 4, 1), date(2026, 12, 31))
    assert "1 Apr – 31 Dec 2026 As of 2 Apr 2026" in text
    assert "Not due 100.00 USD" in text


def test_a_statement_is_named_by_customer_and_currency(session: Session) -> None:
    slashed = make_customer(reference="../A B/Ü", name="x")
    assert load_statement(session, slashed, "USD", None, None, NOW).file_name == "statement-..-A B-Ü-USD-2026-04-02.pdf"


def test_a_statement_is_downloaded_and_recorded(app: Flask, session: Session, acme: Customer) -> None:
    viewer = signed_in(app, "viewer")
    response = viewer.get(link(viewer.get(f"/customers/{acme.id}/statement"), "PDF"))
    assert (response.status_code, response.content_type) == (200, "application/pdf")
    assert "Closing balance 100.00 USD" in " ".join(read_pages(response.data))
    [event] = fresh(session, select(AuditEvent).where(AuditEvent.action == "export.downloaded"))
    assert event.details.pop("file").startswith("statement-ACME-USD-2")
    assert event.details == {"kind": "statement", "customer": "ACME", "format": "pdf"}


def test_a_reminder_has_the_parties_of_today(session: Session, acme: Customer) -> None:
    overdue = OverdueDocument("INV-2026-00001", date(2026, 3, 1), date(2026, 3, 15), 18, 100_00)
    letter = load_letter(session, customer(session, "ACME"), "USD", NOW)
    document = print_letter(session, reminder_contents(letter, 2, [overdue]), GLYPHS, NOW)
    (text,) = read_pages(document)
    for part in ("Second reminder", "ACME Inc.", "INV-2026-00001", "15 Mar 2026 18 100.00 USD", "Total due 100.00 USD"):
        assert part in text

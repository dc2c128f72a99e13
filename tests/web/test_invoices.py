"""The invoice list, the document, issuing and discarding."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Charge, Customer, Invoice
from billing_admin.operations.master_data import customers
from billing_admin.web.frame import tables
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_bank_account,
    make_customer,
    make_invoice,
    make_service,
    make_spec,
    make_tax_rate,
    post,
    void,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, link, statements, words


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


def statuses(session: Session) -> set[str]:
    session.rollback()
    return set(session.scalars(select(Charge.status)))


def pay(session: Session, invoice: Invoice, paid: int) -> None:
    """As payments will do it one day."""

    def write(session: Session) -> None:
        session.execute(update(Invoice).where(Invoice.id == invoice.id).values(paid=paid))

    transaction(write)
    session.rollback()


# --- the list --------------------------------------------------------------------------------------------------------


def test_empty_list_says_what_belongs_here(browser: FlaskClient) -> None:
    assert "No invoices yet" in words(browser.get("/invoices"))
    assert "No invoices match" in words(browser.get("/invoices?status=void"))


@time_machine.travel(NOW + timedelta(days=1), tick=False)
def test_tabs_filters_and_totals(app: Flask, session: Session) -> None:
    acme = make_customer(reference="acme", name="ACME Inc", payment_terms_days=0)
    foo = make_customer(reference="foo", name="Foo Ltd", currency="EUR")
    overdue, paid = make_invoice(acme, "10"), make_invoice(acme, "20", now=NOW + timedelta(hours=1))
    make_invoice(foo, "40", issue=False)
    pay(session, paid, 2000)
    browser = signed_in(app)
    page = words(browser.get("/invoices"))
    assert "All 3 Draft 1 Open 1 Overdue 1 Paid 1 Void 0" in page
    assert "Draft Foo Ltd – none – none Draft 40.00 EUR 0.00 EUR" in page
    assert f"{overdue.number} ACME Inc 2 Apr 2026 2 Apr 2026 Overdue 10.00 USD 10.00 USD" in page
    assert f"{paid.number} ACME Inc 2 Apr 2026 2 Apr 2026 Paid 20.00 USD 0.00 USD" in page
    assert "1 invoice in EUR Net 40.00 EUR Tax 0.00 EUR 40.00 EUR 0.00 EUR" in page
    assert "2 invoices in USD Net 30.00 USD Tax 0.00 USD 30.00 USD 10.00 USD" in page
    for query, (tabs, total) in {
        "status=overdue": ("All 3", "1 invoice in USD Net 10.00 USD Tax 0.00 USD 10.00 USD 10.00 USD"),
        "customer=acme": ("All 2", "2 invoices in USD"),
        "customer=foo%20l": ("All 1", "1 invoice in EUR"),
        "q=INV-2026-00001": ("All 1", "10.00 USD"),
        "currency=EUR": ("All 1 Draft 1 Open 0", "1 invoice in EUR"),
        "issued_from=2026-04-02&issued_to=2026-04-02": ("All 2", "2 invoices in USD"),
        f"run={paid.run_id}": ("All 1", "1 invoice in USD Net 20.00 USD"),
    }.items():
        page = words(browser.get(f"/invoices?{query}"))
        assert tabs in page, query
        assert total in page, query


def test_chips_keep_the_rest_and_what_is_unknown_is_named(browser: FlaskClient) -> None:
    make_invoice(make_customer(reference="acme", name="ACME Inc"))
    page = browser.get("/invoices?status=open&currency=USD&q=acme&issued_from=2026-01-01&after=x")
    assert link(page, "Remove filter Search: acme") == "/invoices?status=open&currency=USD&issued_from=2026-01-01"
    assert field(page, "status") == "open"
    unknown = browser.get("/invoices?customer=nobody")
    assert unknown.status_code == 200
    assert "There is no customer “nobody”." in words(unknown)


def test_pages_keep_the_filter(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.load_table, "__defaults__", (2,))
    acme = make_customer(reference="acme")
    for _ in range(5):
        make_invoice(acme)
    url, seen = "/invoices?currency=USD", list[str]()
    while url:
        page = browser.get(url)
        assert "5 invoices in USD" in words(page)
        seen += [word for word in words(page).split() if word.startswith("INV-")]
        url = link(page, "Next page") if has_link(page, "Next page") else ""
        assert not url or "currency=USD" in url
    assert seen == [f"INV-2026-0000{number}" for number in (5, 4, 3, 2, 1)]


def test_takes_as_many_statements_for_many_as_for_few(app: Flask, browser: FlaskClient) -> None:
    make_invoice(make_customer(reference="acme"))
    with statements(app) as few:
        browser.get("/invoices")
    for number in range(5):
        make_invoice(make_customer(reference=f"c{number}"))
    with statements(app) as many:
        browser.get("/invoices")
    assert len(many) == len(few) <= 12


# --- the document ----------------------------------------------------------------------------------------------------


@pytest.fixture
@prepared
def document(session: Session) -> Invoice:
    """Issued: three hours at 2.50, and a thousandth of a cent, at 19 % tax."""
    make_tax_rate()
    change_settings(
        default_tax_rate="VAT19",
        legal_name="Seller GmbH",
        address="Street 1\nTown",
        tax_id="DE136695976",
        invoice_footer="Thanks.",
    )
    acme = make_customer(reference="acme", name="ACME <Inc>", address="Road 2\nVillage", tax_id="US2")
    service = make_service(tax_rate="VAT19")
    post(
        make_spec(acme, service=service, quantity="1"),
        make_spec(acme, service=service, quantity="2", incurred_on=date(2026, 3, 20)),
        make_spec(acme, "0.00501", description="Overage"),
    )
    bill()
    [invoice] = all_invoices()
    return invoice


def test_shows_the_whole_document(browser: FlaskClient, document: Invoice) -> None:
    page = browser.get(f"/invoices/{document.id}")
    text = words(page)
    assert "Invoice INV-2026-00001" in text
    assert (
        "From Seller GmbH Street 1 Town Tax ID DE136695976 Bill to ACME <Inc> Road 2 Village Tax ID US2 Customer acme"
        in text
    )
    assert "Issued 2 Apr 2026" in text
    assert "Charges of 15 – 20 Mar 2026" in text
    assert "GenericCompute 2 3 2.50 USD 19 % 7.50 USD" in text
    assert "Overage 1 1 – none 19 % 0.01 USD" in text
    assert "Net 7.51 USD Tax 19 % (S) on 7.51 USD 1.43 USD Total 8.94 USD Balance due 8.94 USD" in text
    assert "Thanks." in text
    assert str(document.hash)[:12] in text
    assert "DRAFT" not in text
    assert not has_link(page, "Issue invoice")
    assert browser.get(link(page, "Created by a billing run")).status_code == 200


def test_draft_and_invoice_show_what_the_pdf_prints_beside_the_lines(browser: FlaskClient, session: Session) -> None:
    make_bank_account(currency="USD", holder="Clouds Ltd", bic="COBADEFFXXX", bank_name="Westbank")
    customer = make_customer(
        contract="FW-7",
        buyer_reference="REF-9",
        custom_lines=[{"label": "Cost centre", "value": "4711"}],
        delivery_name="Warehouse 2",
        delivery_street="Dock 3",
        delivery_city="Hamburg",
        delivery_country="DE",
    )
    printed = (
        "Contract FW-7",
        "Your reference REF-9",
        "Cost centre 4711",
        "Deliver to Warehouse 2 Dock 3 Hamburg",
        "IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX Bank Westbank",
    )
    draft = make_invoice(customer, issue=False)
    issued = make_invoice(customer)
    for document in (draft, issued):
        text = words(browser.get(f"/invoices/{document.id}"))
        assert [part for part in printed if part not in text] == []
    change = transaction(customers.update, customer.id, {"contract": "NEW"}, None, SYSTEM, NOW)
    assert change.contract == "NEW"
    assert "Contract NEW" in words(browser.get(f"/invoices/{draft.id}"))
    assert "Contract FW-7" in words(browser.get(f"/invoices/{issued.id}"))
    for document in (credit(issued, "1"), void_invoice(customer)):
        assert "IBAN" not in words(browser.get(f"/invoices/{document.id}"))


def void_invoice(customer: Customer) -> Invoice:
    """A void invoice of a customer."""
    invoice = make_invoice(customer)
    void(invoice)
    return invoice


def test_a_line_opens_its_charges_and_the_rounding(browser: FlaskClient, document: Invoice) -> None:
    page = browser.get(f"/invoices/{document.id}")
    text = words(browser.get(link(page, "Overage")))
    assert "Exact sum of the charges 0.00501 USD" in text
    assert "Rounded once, half up, to 2 digits 0.01 USD" in text
    text = words(browser.get(link(page, "GenericCompute")))
    assert "15 Mar 2026 GenericCompute 1 2.50 USD 2.50 USD" in text
    assert "20 Mar 2026 GenericCompute 2 2.50 USD 5.00 USD" in text
    assert "2 charges 3 2.50 USD 7.50 USD" in text
    other = make_invoice()
    assert browser.get(f"/invoices/{other.id}/lines/{document.lines[0].id}").status_code == 404
    assert browser.get(f"/invoices/{uuid4()}").status_code == 404


def test_what_is_paid_leaves_a_balance(browser: FlaskClient, document: Invoice, session: Session) -> None:
    pay(session, document, 400)
    page = words(browser.get(f"/invoices/{document.id}"))
    assert "Paid 4.00 USD Credited 0.00 USD Balance due 4.94 USD" in page


# --- issuing and discarding ------------------------------------------------------------------------------------------


@pytest.fixture
@prepared
def draft(session: Session) -> Invoice:
    make_invoice(make_customer(reference="first"))
    return make_invoice(make_customer(reference="acme", name="ACME Inc", payment_terms_days=14), issue=False)


def test_a_draft_says_so(browser: FlaskClient, draft: Invoice) -> None:
    page = words(browser.get(f"/invoices/{draft.id}"))
    assert "Draft invoice Draft" in page
    assert "DRAFT" in page
    assert "Due 14 days after issue" in page
    assert "Balance due" not in page


def test_issues_after_a_confirmation(browser: FlaskClient, draft: Invoice) -> None:
    at = f"/invoices/{draft.id}"
    page = browser.get(link(browser.get(at), "Issue invoice"))
    assert "Number INV-2026-00002, unless another invoice is issued first" in words(page)
    assert "Issue invoice, 10.00 USD" in words(page)
    assert all_invoices()[1].status == "draft"
    done = send(browser, f"{at}/issue", issue_date="2026-05-01")
    assert (done.status_code, done.location) == (303, at)
    issued = words(browser.get(at))
    assert "INV-2026-00002 was issued." in issued
    assert "Due 15 May 2026" in issued
    again = send(browser, f"{at}/issue", issue_date="2026-05-01")
    assert "INV-2026-00002 was already issued." in words(browser.get(again.location))
    assert browser.get(f"{at}/issue").location == at


@pytest.mark.parametrize(
    ("day", "sentence"),
    [("", "Enter the issue date"), ("1 May", "Enter a date such as"), ("2026-04-01", "Use 2026-04-02 or later")],
)
def test_says_how_to_mend_the_issue_date(browser: FlaskClient, draft: Invoice, day: str, sentence: str) -> None:
    response = send(browser, f"/invoices/{draft.id}/issue", issue_date=day)
    assert response.status_code == 422
    assert sentence in words(response)
    assert field(response, "issue_date") == day
    assert all_invoices()[1].number is None


def test_discards_after_a_confirmation(browser: FlaskClient, draft: Invoice, session: Session) -> None:
    at = f"/invoices/{draft.id}/discard"
    assert "Charges that become pending 1 charge" in words(browser.get(at))
    done = send(browser, at)
    assert (done.status_code, done.location) == (303, "/invoices?status=draft")
    assert "The draft for ACME Inc was discarded. 1 charge became pending again." in words(browser.get(done.location))
    assert statuses(session) == {"billed", "pending"}
    again = send(browser, at)
    assert "already discarded" in words(browser.get(again.location))


def test_an_issued_invoice_is_not_discarded(browser: FlaskClient, document: Invoice, session: Session) -> None:
    at = f"/invoices/{document.id}/discard"
    assert browser.get(at).status_code == 409
    refused = send(browser, at)
    assert refused.status_code == 409
    assert "only a draft can be discarded" in refused.text
    assert link(refused, "Void") == f"/invoices/{document.id}/void"
    assert statuses(session) == {"billed"}


def test_a_viewer_reads_and_changes_nothing(app: Flask, draft: Invoice, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get(f"/invoices/{draft.id}")
    assert page.status_code == 200
    assert not has_link(page, "Issue invoice")
    assert not has_link(page, "Discard draft")
    assert not has_link(viewer.get("/invoices"), "Run billing")
    for what in ("issue", "discard"):
        assert send(viewer, f"/invoices/{draft.id}/{what}", issue_date="2026-05-01").status_code == 403
    assert all_invoices()[1].status == "draft"

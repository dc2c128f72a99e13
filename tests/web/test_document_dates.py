"""On pages no document is dated after today, reverse charge asks for the tax ID, and the register shows what is blocked."""

import csv
import io
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Customer
from billing_admin.operations.master_data import customers
from tests.clocks import stopped_clock
from tests.making import NOW, all_invoices, bill, change_settings, credit, make_customer, make_invoice, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, link, words

TOMORROW = "2026-04-03"
REFUSED = "Use 2026-04-02 (today) or earlier"
TAX_ID = "Add the tax ID of Vienna GmbH on the customer's page"


clock = stopped_clock(NOW + timedelta(hours=1))


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def vienna(session: Session) -> Customer:
    """A customer under reverse charge, with a tax ID."""
    return make_customer(reference="vienna", name="Vienna GmbH", tax_treatment="reverse_charge", tax_id="ATU13585627")


def take_tax_id_away(customer: Customer) -> None:
    transaction(customers.update, customer.id, {"tax_id": " "}, None, SYSTEM, NOW)


# --- dates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["issue", "drafts"])
def test_a_run_dated_in_the_future_is_refused_at_its_field(browser: FlaskClient, make: str) -> None:
    post(make_spec(make_customer(), "5"))
    chosen = {"through": "2026-03-31", "currency": "", "customers": "", "make": make, "issue_date": TOMORROW}
    preview = f"/billing-runs/preview?through=2026-03-31&make={make}&issue_date="
    shown = browser.get(preview + "2026-04-02")
    sent = {"id": field(shown, "id"), "digest": field(shown, "digest")}
    for response in (
        send(browser, "/billing-runs/new", **chosen),
        browser.get(preview + TOMORROW),
        send(browser, preview + TOMORROW, **sent),
    ):
        assert response.status_code == 422
        assert REFUSED in words(response)
        assert 'id="issue_date-error"' in response.text
    assert all_invoices() == []


def test_a_draft_is_not_issued_in_the_future(browser: FlaskClient) -> None:
    draft = make_invoice(issue=False)
    shown = field(browser.get("/invoices/issue"), "shown")
    for response in (
        send(browser, f"/invoices/{draft.id}/issue", issue_date=TOMORROW),
        send(browser, "/invoices/issue", issue_date=TOMORROW, shown=shown),
    ):
        assert (response.status_code, field(response, "issue_date")) == (422, TOMORROW)
        assert REFUSED in words(response)
    assert [one.status for one in all_invoices()] == ["draft"]


def test_a_credit_note_dated_in_the_future_is_refused_before_it_is_confirmed(browser: FlaskClient) -> None:
    invoice = make_invoice()
    at = f"/invoices/{invoice.id}/credit"
    entered = {"id": field(browser.get(at), "id"), "way": "amount", "amount": "1", "reason": "Why"}
    for shown in ("", "1"):
        response = send(browser, at, **entered, issue_date=TOMORROW, shown=shown)
        assert response.status_code == 422
        assert REFUSED in words(response)
    assert len(all_invoices()) == 1


def test_the_register_shows_what_blocks_a_series_and_the_series_begun_instead(browser: FlaskClient) -> None:
    later = NOW + timedelta(days=240)
    credit(make_invoice(now=later), "1", now=later)
    draft = make_invoice(make_customer(), issue=False)
    before = words(browser.get("/numbers"))
    for name, kind in (("INV-2026-00001", "invoice"), ("CN-2026-00001", "credit note")):
        assert f"{name} is dated in the future Its date is 28 Nov 2026." in before
        assert f"you cannot issue another {kind} in this series before that day" in before
    refused = send(browser, f"/invoices/{draft.id}/issue", issue_date="2026-04-02")
    assert refused.status_code == 422
    assert "INV-2026-00001 is dated 2026-11-28" in words(refused)
    change_settings(invoice_format="INVB-{year}-{number:5}")
    assert send(browser, f"/invoices/{draft.id}/issue", issue_date="2026-04-02").status_code == 303
    page = browser.get("/numbers")
    assert "INV-2026-00001 is dated in the future" not in words(page)
    assert "Invoices 2026, series 2 1 0 0 2 Apr 2026 INVB-2026-00002" in words(page)
    second = browser.get(link(page, "Invoices 2026, series 2"))
    assert "INVB-2026-00001" in words(second)
    assert "INV-2026-00001" not in words(second)
    assert "INV-2026-00001" in words(browser.get(link(page, "Invoices 2026")))
    rows = csv.DictReader(io.StringIO(browser.get(link(second, "Export CSV")).text))
    assert [row["number"] for row in rows] == ["INVB-2026-00001"]
    assert browser.get("/numbers/invoice/2026?series=3").status_code == 404
    assert browser.get("/numbers/invoice/2026?series=x").status_code == 422


# --- reverse charge --------------------------------------------------------------------------------------------------


def test_a_run_shows_who_is_left_out_for_a_missing_tax_id(browser: FlaskClient, vienna: Customer) -> None:
    take_tax_id_away(vienna)
    post(make_spec(vienna, "5"), make_spec(make_customer(reference="other"), "6"))
    at = "/billing-runs/preview?through=2026-03-31&make=issue&issue_date=2026-04-02"
    preview = browser.get(at)
    done = send(browser, at, id=field(preview, "id"), digest=field(preview, "digest"))
    assert done.status_code == 303
    for page in (preview, browser.get(done.location)):
        assert "Vienna GmbH vienna Reverse charge, and the customer's tax ID is missing" in words(page)
        assert link(page, "Open the customer") == f"/customers/{vienna.id}"
    assert [one.customer_reference for one in all_invoices()] == ["other"]
    shown = words(browser.get(f"/customers/{vienna.id}"))
    assert "Invoices for this customer cannot be issued yet Add the tax ID of Vienna GmbH" in shown


def test_an_issue_without_the_tax_id_is_refused_with_a_link_to_the_customer(
    browser: FlaskClient, vienna: Customer
) -> None:
    draft = make_invoice(vienna, issue=False)
    other = make_invoice(make_customer(), issue=False)
    at = f"/invoices/{draft.id}"
    pages = (at, f"{at}/issue", f"{at}/edit", "/invoices/issue")
    assert not any("cannot be issued yet" in words(browser.get(page)) for page in pages)
    take_tax_id_away(vienna)
    shown = field(browser.get("/invoices/issue"), "shown")
    refused = (
        send(browser, f"{at}/issue", issue_date="2026-04-02"),
        send(browser, "/invoices/issue", issue_date="2026-04-02", shown=shown),
    )
    assert [response.status_code for response in refused] == [422, 422]
    for response in (*refused, *map(browser.get, pages)):
        assert TAX_ID in words(response)
        assert link(response, "Open the customer") == f"/customers/{vienna.id}"
    assert "cannot be issued yet" not in words(browser.get(f"/invoices/{other.id}"))
    assert {one.status for one in all_invoices()} == {"draft"}


def test_an_issued_invoice_of_before_is_shown_as_it_is(browser: FlaskClient, vienna: Customer) -> None:
    post(make_spec(vienna, "5"))
    bill()
    take_tax_id_away(vienna)
    [invoice] = all_invoices()
    assert "cannot be issued" not in words(browser.get(f"/invoices/{invoice.id}"))

"""Drafts on pages: what they say, what is on them, and issuing them together."""

from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Charge, Invoice
from billing_admin.operations.invoices import drafts
from tests.clocks import stopped_clock
from tests.making import NOW, all_invoices, bill, make_customer, make_invoice, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, fields, has_link, link, parse, words

clock = stopped_clock(NOW + timedelta(hours=1))


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def draft(session: Session) -> Invoice:
    """ACME's, over 10.00 and 7.00; a later charge of 5.00 waits."""
    acme = make_customer(reference="acme", name="ACME Inc")
    post(make_spec(acme, "10", description="Set-up"), make_spec(acme, "7", description="Training"))
    post(make_spec(acme, "5", description="Support", incurred_on=date(2026, 4, 1)))
    bill(issue=False)
    return all_invoices()[0]


def test_edits_what_is_printed(browser: FlaskClient, draft: Invoice) -> None:
    at = link(browser.get(f"/invoices/{draft.id}"), "Edit")
    page = browser.get(at)
    done = send(browser, at, version=field(page, "version"), purchase_order="PO-7", note="As agreed.", due_date="")
    assert (done.status_code, done.location) == (303, f"/invoices/{draft.id}")
    text = words(browser.get(done.location))
    assert "The draft was saved." in text
    assert "Your order PO-7" in text
    assert "As agreed." in text
    assert "Due 30 days after issue" in text
    assert "Due 30 days after the issue date" in words(browser.get(f"{done.location}/issue"))
    page = browser.get(at)
    send(browser, at, version=field(page, "version"), purchase_order="PO-7", note="", due_date="2026-07-31")
    assert "Due 31 Jul 2026" in words(browser.get(f"{done.location}/issue"))


def test_what_a_colleague_saved_meanwhile_is_shown(browser: FlaskClient, draft: Invoice) -> None:
    at = f"/invoices/{draft.id}/edit"
    transaction(drafts.change, draft.id, {"note": "Theirs"}, None, SYSTEM, NOW)
    refused = send(browser, at, version="1", note="Mine", purchase_order="", due_date="")
    assert refused.status_code == 422
    assert "has been changed since you opened the form" in words(refused)
    assert "Note Theirs Mine" in words(refused)
    assert send(browser, at, version=field(refused, "version"), note="Mine").status_code == 303


def test_an_issued_invoice_is_not_edited_and_says_what_to_do(browser: FlaskClient) -> None:
    invoice = make_invoice()
    assert not has_link(browser.get(f"/invoices/{invoice.id}"), "Edit")
    for page in ("edit", "charges"):
        refused = browser.get(f"/invoices/{invoice.id}/{page}")
        assert refused.status_code == 409
        assert "only a draft can be changed. To correct it, credit or void it." in words(refused)
        assert link(refused, "Credit") == f"/invoices/{invoice.id}/credit"
        assert link(refused, "Void") == f"/invoices/{invoice.id}/void"
        assert link(refused, "Go to the invoice") == f"/invoices/{invoice.id}"
        assert send(browser, f"/invoices/{invoice.id}/{page}", version="1", note="x").status_code == 409


def test_takes_charges_off_and_puts_others_on(browser: FlaskClient, draft: Invoice, session: Session) -> None:
    at = link(browser.get(f"/invoices/{draft.id}"), "Change charges")
    page = browser.get(at)
    assert "On the draft 2 Pending 1" in words(page)
    assert "Net 17.00 USD, tax 0.00 USD, total 17.00 USD." in words(page)
    training = session.scalars(select(Charge.id).where(Charge.description == "Training")).one()
    done = send(browser, at, version=field(page, "version"), id=str(training))
    page = browser.get(done.location)
    assert "1 charge removed. The draft's total is now 10.00 USD." in words(page)
    waiting = browser.get(link(page, "Pending 2"))
    ids = fields(waiting, "id")
    assert len(ids) == 2
    done = send(browser, f"{at}?show=pending", version=field(waiting, "version"), id=ids)
    assert "2 charges added. The draft's total is now 22.00 USD." in words(browser.get(done.location))
    assert "No pending charges" in words(browser.get(f"{at}?show=pending"))


def test_refuses_to_empty_a_draft_and_keeps_the_ticks(browser: FlaskClient, draft: Invoice) -> None:
    at = f"/invoices/{draft.id}/charges"
    page = browser.get(at)
    nothing = send(browser, at, version=field(page, "version"))
    assert (nothing.status_code, "Select at least one charge." in words(nothing)) == (422, True)
    refused = send(browser, at, version=field(page, "version"), id=fields(page, "id"))
    assert refused.status_code == 422
    assert "The draft would have no charges left: discard it instead." in words(refused)
    assert len(list(parse(refused).elements("input", name="id", checked=""))) == 2
    stale = send(browser, at, version="7", id=fields(page, "id")[:1])
    assert "has been changed since you opened the form" in words(stale)


def test_issues_the_drafts_of_a_filter_together(browser: FlaskClient, draft: Invoice) -> None:
    make_invoice(make_customer(reference="euro", currency="EUR"), "40", issue=False)
    make_invoice(make_customer(reference="issued"))
    at = link(browser.get("/invoices?status=draft"), "Issue these drafts")
    page = browser.get(at)
    assert "Issue 2 invoices, 40.00 EUR and 17.00 USD" in words(page)
    assert "First number INV-2026-00002" in words(page)
    one = browser.get("/invoices/issue?customer=acme")
    assert "Issue 1 invoice, 17.00 USD" in words(one)
    done = send(browser, at, issue_date="2026-04-02", shown=field(page, "shown"))
    assert done.status_code == 303
    assert "2 invoices issued." in words(browser.get(done.location))
    assert [invoice.number for invoice in all_invoices()] == [f"INV-2026-0000{n}" for n in (1, 2, 3)]
    assert "There are no drafts to issue." in words(browser.get(at, follow_redirects=True))


def test_drafts_that_changed_are_shown_again(browser: FlaskClient, draft: Invoice) -> None:
    shown = field(browser.get("/invoices/issue"), "shown")
    transaction(drafts.change, draft.id, {"note": "New"}, None, SYSTEM, NOW)
    refused = send(browser, "/invoices/issue", issue_date="2026-04-02", shown=shown)
    assert refused.status_code == 422
    assert "The drafts have changed since you saw them." in words(refused)
    again = send(browser, "/invoices/issue", issue_date="2026-04-02", shown=field(refused, "shown"))
    assert again.status_code == 303


def test_a_wrong_date_issues_none(browser: FlaskClient, draft: Invoice) -> None:
    make_invoice(make_customer(reference="issued"))
    page = browser.get("/invoices/issue")
    refused = send(browser, "/invoices/issue", issue_date="2026-04-01", shown=field(page, "shown"))
    assert refused.status_code == 422
    assert "Use 2026-04-02 or later" in words(refused)


def test_a_run_offers_to_issue_its_drafts(browser: FlaskClient, draft: Invoice) -> None:
    page = browser.get(f"/billing-runs/{draft.run_id}")
    assert "Issue 1 invoice, 17.00 USD" in words(browser.get(link(page, "Issue drafts")))


def test_a_viewer_changes_no_draft(app: Flask, draft: Invoice) -> None:
    viewer = signed_in(app, "viewer")
    assert not has_link(viewer.get(f"/invoices/{draft.id}"), "Edit")
    assert not has_link(viewer.get("/invoices?status=draft"), "Issue these drafts")
    for page in (f"/invoices/{draft.id}/edit", f"/invoices/{draft.id}/charges", "/invoices/issue"):
        assert viewer.get(page).status_code == send(viewer, page).status_code == 403

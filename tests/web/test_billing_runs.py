"""Running billing in the browser: choose, preview, confirm, result."""

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import pytest
import time_machine
import typst
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLES, SYSTEM, Actor
from billing_admin.domain.lifecycle import default_cut_off
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import AuditEvent, BillingRun, Charge, Invoice, Rendition, User
from billing_admin.operations.access import users
from billing_admin.operations.billing import runs
from billing_admin.operations.charges import charges, recurring_charges
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import services
from billing_admin.web.billing import runs as pages
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_bank_account,
    make_customer,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)
from tests.people import csrf_token, person, send, signed_in
from tests.prepared import prepared
from tests.web.pages import day_field, field, has_link, link, links, parse, statements, textarea, words

PREVIEW = "/billing-runs/preview?through=2026-03-31&make=issue&issue_date=2026-04-01"


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin; ACME with two pending charges of 10.004 USD in all at 19 % tax, Foo with one of 5 EUR."""
    make_tax_rate()
    change_settings(default_tax_rate="VAT19")
    make_customer(reference="acme", name="ACME Inc")
    make_customer(reference="foo", name="Foo Ltd", currency="EUR")
    post(make_spec("acme", "10"), make_spec("acme", "0.004"), make_spec("foo", "5"))
    return signed_in(app)


def document_links(page: TestResponse) -> dict[str, str]:
    """Return the links to the documents of a preview, by customer."""
    return {label: address for label, address in links(page) if address.startswith("/billing-runs/preview/")}


def confirm(browser: FlaskClient, preview: TestResponse, url: str = PREVIEW) -> TestResponse:
    """Press the preview's button."""
    return send(browser, url, **{name: field(preview, name) for name in ("id", "digest", "shown")})


def hold_url(preview: TestResponse) -> str:
    """The address of the button that holds likely duplicates."""
    forms = [element.attributes.get("action", "") for element in parse(preview).elements("form")]
    return next(address for address in forms if "hold-duplicates" in address)


def count(session: Session, model: type) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(model)) or 0


# --- choose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ("2026-11-22", "2026-10-31"),
        ("2026-11-27", "2026-10-31"),
        ("2026-11-28", "2026-11-30"),
        ("2026-11-30", "2026-11-30"),
        ("2026-10-30", "2026-10-31"),
        ("2026-12-31", "2026-12-31"),
        ("2027-01-01", "2026-12-31"),
        ("2028-02-27", "2028-02-29"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_proposes_the_month_that_is_being_closed(app: Flask, today: str, expected: str) -> None:
    assert default_cut_off(date.fromisoformat(today)).isoformat() == expected
    with time_machine.travel(datetime.fromisoformat(f"{today}T12:00:00+00:00"), tick=False):
        page = signed_in(app).get("/billing-runs/new")
    assert (day_field(page, "through"), day_field(page, "issue_date")) == (expected, today)


def test_what_is_chosen_becomes_the_previews_address(browser: FlaskClient) -> None:
    chosen = {
        "through": "2026-03-31",
        "currency": "USD",
        "customers": " acme \r\n\r\nfoo\r\n",
        "make": "drafts",
        "issue_date": "2026-04-01",
    }
    response = send(browser, "/billing-runs/new", **chosen)
    assert response.status_code == 303
    page = browser.get(response.location)
    assert "Customers “acme”, “foo”, USD. Created as drafts." in words(page)
    again = browser.get(link(page, "Go back"))
    assert (day_field(again, "through"), textarea(again, "customers")) == ("2026-03-31", "acme\nfoo")
    assert '<option selected value="USD">' in again.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"through": ""}, "Enter the last day to bill"),
        ({"through": "soon"}, "Enter a date such as 2026-11-22."),
        ({"customers": "acme\nnobody"}, "No customer matches “nobody”. Enter a reference, or part of the name."),
        ({"currency": "XXX"}, "Choose one from the list."),
        ({"make": "magic"}, "Choose one from the list."),
        ({"issue_date": "2026-02-30"}, "Enter a date such as 2026-11-22."),
    ],
)
def test_says_how_to_mend_what_was_chosen(browser: FlaskClient, changes: dict[str, str], sentence: str) -> None:
    chosen = {"through": "2026-03-31", "currency": "", "customers": "", "make": "issue", "issue_date": "2026-04-01"}
    response = send(browser, "/billing-runs/new", **(chosen | changes))
    assert response.status_code == 422
    assert sentence in words(response)


# --- preview ---------------------------------------------------------------------------------------------------------


def test_preview_shows_everything_and_writes_nothing(browser: FlaskClient, session: Session) -> None:
    post(make_spec("acme", "7", incurred_on=date(2026, 4, 1)))
    ids = post(make_spec("foo", "3", description="Disputed")).ids
    transaction(charges.hold, ids, "", SYSTEM, NOW)
    make_customer(reference="bar", name="Bar SA")
    post(make_spec("bar", "-4"))
    events = count(session, AuditEvent)
    page = words(browser.get(PREVIEW))
    assert "EUR 1 5.00 EUR 0.95 EUR 5.95 EUR" in page
    assert "USD 1 10.00 USD 1.90 USD 11.90 USD" in page
    assert "ACME Inc acme New Incomplete 2 – none 10.00 USD – none 11.90 USD" in page
    assert "Issue 2 invoices, 5.95 EUR and 11.90 USD" in page
    assert "ACME Inc acme After the cut-off date 1 7.00 USD" in page
    assert "Foo Ltd foo Held 1 3.00 EUR" in page
    assert "Bar SA bar The total is negative 1 −4.00 USD" in page
    assert count(session, AuditEvent) == events
    assert all_invoices() == []


def test_the_purchase_order_of_a_run_is_entered_shown_and_stored(browser: FlaskClient) -> None:
    chosen = {"through": "2026-03-31", "make": "issue", "issue_date": "2026-04-01", "customers": "", "currency": ""}
    refused = send(browser, "/billing-runs/new", **chosen, purchase_order="x" * 201)
    assert (refused.status_code, field(refused, "purchase_order")) == (422, "x" * 201)
    url = send(browser, "/billing-runs/new", **chosen, purchase_order="PO-R").location
    page = browser.get(url)
    assert words(page).count("Purchase order PO-R") == 2
    result = browser.get(confirm(browser, page, url).location)
    assert "Purchase order PO-R" in words(result)
    assert [invoice.purchase_order for invoice in all_invoices()] == ["PO-R", "PO-R"]


def test_charges_with_purchase_orders_are_entered_corrected_and_billed(browser: FlaskClient, session: Session) -> None:
    charge = {"customer": "acme", "description": "Set-up", "amount": "7", "day": "2026-03-20", "quantity": ""}
    saved = send(browser, "/charges/new", **charge, id=str(uuid4()), purchase_order="PO-1", then="show")
    assert saved.status_code == 303
    session.rollback()
    stored = session.scalars(select(Charge).where(Charge.purchase_order == "PO-1")).one()
    assert "Purchase order PO-1" in words(browser.get(f"/charges/{stored.id}"))
    form = browser.get(f"/charges/{stored.id}/correct")
    assert field(form, "purchase_order") == "PO-1"
    fixed = charge | {"quantity": "1", "purchase_order": "PO-2", "reason": "Typo", "id": str(uuid4())}
    assert send(browser, f"/charges/{stored.id}/correct", **fixed).status_code == 303
    confirm(browser, browser.get(PREVIEW))
    invoice = next(one for one in all_invoices() if one.customer_reference == "acme")
    assert [line.purchase_order for line in invoice.lines] == ["", "", "PO-2"]
    assert words(browser.get(f"/invoices/{invoice.id}")).count("Purchase order PO-2") == 1


def test_the_preview_has_a_section_of_due_charges_which_the_confirmation_posts(
    browser: FlaskClient, session: Session
) -> None:
    make_service(code="Hosting", prices={"USD": Decimal(31)})
    for customer, description in (("acme", "Plan A"), ("foo", "Plan B")):
        spec = RecurringChargeSpec(customer, "Hosting", "monthly", date(2026, 3, 1), description, currency="USD")
        transaction(recurring_charges.create, spec, SYSTEM, NOW)
    page = browser.get(PREVIEW)
    text = words(page)
    assert "Due, not posted yet 2 charges of recurring charges, 62.00 USD. They are posted when you confirm" in text
    assert "ACME Inc Plan A" in text
    assert "Issue 3 invoices, 5.95 EUR and 85.68 USD" in text
    assert count(session, Charge) == 3
    assert confirm(browser, page).status_code == 303
    assert sorted((invoice.currency, invoice.total) for invoice in all_invoices()) == [
        ("EUR", 595), ("USD", 3689), ("USD", 4879)
    ]  # fmt: skip
    assert "Due, not posted yet" not in words(browser.get(PREVIEW))


def test_due_charges_alone_can_be_billed_for_one_customer(browser: FlaskClient, session: Session) -> None:
    make_service(code="Hosting", prices={"USD": Decimal(31)})
    make_customer(reference="new", name="New Ltd")
    spec = RecurringChargeSpec("new", "Hosting", "monthly", date(2026, 3, 1))
    transaction(recurring_charges.create, spec, SYSTEM, NOW)
    url = PREVIEW + "&customer=new"
    page = browser.get(url)
    assert "Issue 1 invoice, 36.89 USD" in words(page)
    assert confirm(browser, page, url).status_code == 303
    assert [invoice.customer_reference for invoice in all_invoices()] == ["new"]


def test_a_recurring_charge_that_cannot_be_posted_is_named_in_the_preview(browser: FlaskClient) -> None:
    service = make_service(code="Hosting", prices={"USD": Decimal(31)})
    spec = RecurringChargeSpec("acme", "Hosting", "monthly", date(2026, 3, 1), "Plan A")
    transaction(recurring_charges.create, spec, SYSTEM, NOW)
    transaction(services.archive, service.id, SYSTEM, NOW)
    page = browser.get(PREVIEW)
    assert "1 recurring charge cannot be posted ACME Inc, Plan A" in words(page)
    assert "is archived: restore it first" in words(page)
    assert confirm(browser, page).status_code == 303


def test_the_preview_names_likely_duplicates_and_holds_them_in_one_step(browser: FlaskClient, session: Session) -> None:
    assert "likely duplicate" not in words(browser.get(PREVIEW))
    post(make_spec("acme", "0.004"), make_spec("acme", "0.004"), make_spec("foo", "5"))
    page = browser.get(PREVIEW)
    assert "3 likely duplicates will be billed" in words(page)
    assert "ACME Inc acme 2 0.008 USD" in words(page)
    assert "Foo Ltd foo 1 5.00 EUR" in words(page)
    assert "2 charges in USD" in words(browser.get(link(page, "ACME Inc")))
    again = browser.get(send(browser, hold_url(page)).location)
    assert "3 charges held. Review the new preview." in words(again)
    assert "will be billed" not in words(again)
    assert "ACME Inc acme Held 2 0.008 USD" in words(again)
    stale = confirm(browser, page)
    assert (stale.status_code, count(session, BillingRun)) == (422, 0)
    assert confirm(browser, again).status_code == 303
    assert sorted(invoice.total for invoice in all_invoices()) == [595, 1190]


def test_the_preview_of_one_customer_names_its_likely_duplicates(browser: FlaskClient) -> None:
    post(make_spec("acme", "0.004"), make_spec("foo", "5"))
    account = browser.get(link(browser.get("/unbilled"), "ACME Inc"))
    page = browser.get(link(account, "Bill this customer"))
    assert "1 likely duplicate will be billed" in words(page)
    assert "Hold 1 likely duplicate" in words(page)


def test_nothing_due_offers_no_button(browser: FlaskClient) -> None:
    page = browser.get("/billing-runs/preview?through=2025-01-01")
    assert "Nothing to bill up to 1 Jan 2025" in words(page)
    assert "digest" not in page.text


def test_large_previews_have_pages(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PREVIEW_ROWS", 1)
    page = browser.get(PREVIEW)
    assert "1 of 2 invoices" in words(page)
    assert "Issue 2 invoices" in words(page)
    assert list(document_links(page)) == ["ACME Inc"]
    page = browser.get(PREVIEW + "&page=2")
    assert list(document_links(page)) == ["Foo Ltd"]
    assert confirm(browser, page, PREVIEW + "&page=2").status_code == 303


def test_an_address_that_makes_no_sense_leads_back_to_the_choice(browser: FlaskClient) -> None:
    assert browser.get("/billing-runs/preview").location == "/billing-runs/new"
    assert send(browser, "/billing-runs/preview").location == "/billing-runs/new"
    page = browser.get("/billing-runs/preview?through=2026-03-31&customers=nobody")
    assert page.status_code == 422
    assert "There is no customer “nobody”." in words(page)


# --- review ----------------------------------------------------------------------------------------------------------


def choose(browser: FlaskClient, path: str, *accounts: str, url: str = PREVIEW, **fields: str) -> TestResponse:
    """Choose accounts on the preview, press a button, and return the page that follows."""
    action = url.replace("/preview?", f"/preview/{path}?")
    values = [*(("account", account) for account in accounts), *fields.items()]
    response = browser.post(action, data=MultiDict([*values, ("csrf_token", csrf_token(browser))]))
    assert response.status_code == 303
    return browser.get(response.location)


def test_accounts_are_excluded_and_included_again(browser: FlaskClient, session: Session) -> None:
    page = choose(browser, "exclude", "acme:USD")
    assert "1 account excluded. Review the new preview." in words(page)
    assert "Issue 1 invoice, 5.95 EUR" in words(page)
    assert "Excluded from this run Customer Reference Charges Exact sum Action ACME Inc acme 2 10.004 USD" in words(
        page
    )
    excluding = page.request.full_path
    again = browser.get(link(page, "Include again: ACME Inc, USD"))
    assert "Issue 2 invoices" in words(again)
    run = browser.get(confirm(browser, page, excluding).location)
    assert "1 invoice issued, 5.95 EUR." in words(run)
    assert "ACME Inc acme Excluded from this run 2 10.004 USD" in words(run)
    assert [invoice.customer_reference for invoice in all_invoices()] == ["foo"]
    assert session.scalar(select(func.count()).where(Charge.status == "pending")) == 2


def test_every_way_back_to_the_preview_keeps_the_exclusion_and_the_view(browser: FlaskClient) -> None:
    """The excluded customers would be billed."""
    scope = f"{PREVIEW}&currency=EUR&customer=acme&customer=foo&exclude=acme:USD&purchase_order=PO-7"
    make_bank_account(holder="Seller Bank Holder")
    preview = browser.get(f"{scope}&sort=-total&share=35")
    document = browser.get(document_links(preview)["Foo Ltd"])
    assert "Issued 1 Apr 2026 Due 1 May 2026" in words(document)
    assert "Account holder Seller Bank Holder IBAN DE89 3704 0044 0532 0130 00" in words(document)
    for page in (document, browser.get(link(document, "Preview"))):
        assert page.status_code == 200
    assert parameters(link(document, "Preview")) == parameters(preview.request.full_path)
    assert browser.get(link(document, "Preview PDF")).mimetype == "application/pdf"
    form = browser.get(link(preview, "Go back"))
    assert "This run excludes 1 customer." in words(form)
    again = send(browser, form.request.full_path, through="2026-03-31", make="issue", issue_date="2026-04-01")
    assert ("exclude", "acme:USD") in parameters(again.location)
    assert "exclude" not in dict(parameters(link(form, "Include all customers")))


def parameters(address: str) -> list[tuple[str, str]]:
    """Return the parameters of an address, in the order of their names."""
    return sorted(parse_qsl(urlsplit(address).query))


def test_a_confirmation_without_the_exclusion_is_another_preview(browser: FlaskClient, session: Session) -> None:
    page = choose(browser, "exclude", "acme:USD")
    response = confirm(browser, page, PREVIEW)
    assert response.status_code == 422
    assert "ACME Inc Document, USD Added – none 2 – none 11.90 USD" in words(response)
    assert count(session, Invoice) == 0


@pytest.mark.parametrize(
    ("exclude", "sentence"),
    [
        ("acme", "Name a customer and a currency, such as C-0114:EUR."),
        ("nobody:USD", "There is no customer “nobody”."),
        ("acme:XYZZY", "“XYZZY” is not an ISO 4217 currency code such as EUR."),
    ],
)
def test_an_exclusion_that_makes_no_sense_is_refused(browser: FlaskClient, exclude: str, sentence: str) -> None:
    page = browser.get(f"{PREVIEW}&exclude={exclude}")
    assert page.status_code == 422
    assert sentence in words(page)


def test_nobody_excludes_more_accounts_than_a_url_can_name(browser: FlaskClient) -> None:
    page = choose(browser, "exclude", *(f"c{number}:USD" for number in range(101)))
    assert "Exclude at most 100 accounts. Hold the charges of others, or choose the customers to bill." in words(page)
    assert "Nothing changed. Select the customers first." in words(choose(browser, "exclude"))


def test_charges_of_chosen_accounts_are_held(browser: FlaskClient, session: Session) -> None:
    post(make_spec("acme", "7", incurred_on=date(2026, 4, 1)))
    page = choose(browser, "hold", "acme:USD", reason="Disputed")
    assert "2 charges held. Review the new preview." in words(page)
    assert "Issue 1 invoice, 5.95 EUR" in words(page)
    assert "ACME Inc acme Held 2 10.004 USD" in words(page)
    held = session.scalars(select(Charge.status_reason).where(Charge.status == "held")).all()
    assert held == ["Disputed", "Disputed"]
    assert "Nothing changed. This was already done." in words(choose(browser, "hold", "acme:USD"))


def test_a_viewer_excludes_and_holds_nothing(app: Flask, browser: FlaskClient) -> None:
    viewer = signed_in(app, "viewer", "viewer@example.com")
    assert "Exclude from this run" not in viewer.get(PREVIEW).text
    for path in ("exclude", "hold"):
        assert send(viewer, PREVIEW.replace("/preview?", f"/preview/{path}?")).status_code == 403


def test_flags_filter_and_sort_the_documents(browser: FlaskClient, session: Session) -> None:
    april = PREVIEW.replace("2026-03-31", "2026-04-30").replace("2026-04-01", "2026-04-02")
    bill()
    post(*(make_spec("acme", amount, incurred_on=date(2026, 4, 2)) for amount in ("20", "4")))
    post(make_spec("foo", "5.10", description="Support", incurred_on=date(2026, 4, 2)))
    make_customer(reference="new", name="Newcomer", currency="EUR")
    post(make_spec("new", "70", description="Setup", incurred_on=date(2026, 4, 2)))
    page = browser.get(april)
    assert "ACME Inc acme Amount changed Incomplete 2 10.00 USD 24.00 USD +140 % 28.56 USD" in words(page)
    assert "Foo Ltd foo Incomplete 1 5.00 EUR 5.10 EUR +2 %" in words(page)
    assert "Newcomer new New Incomplete 1 – none 70.00 EUR – none 83.30 EUR" in words(page)
    assert "All 3 New 1 Amount changed 1 Incomplete 3" in words(page)
    new = browser.get(april + "&flag=new")
    assert list(document_links(new)) == ["Newcomer"]
    assert "Issue 3 invoices" in words(new)  # the filter is for reading, the run stays the same
    assert confirm(browser, new, new.request.full_path).status_code == 303


def test_the_share_of_flagged_changes_is_set_on_the_page(browser: FlaskClient, session: Session) -> None:
    april = PREVIEW.replace("2026-03-31", "2026-04-30").replace("2026-04-01", "2026-04-02")
    bill()
    post(make_spec("foo", "5.10", description="Support", incurred_on=date(2026, 4, 2)))
    assert "Foo Ltd foo Incomplete 1" in words(browser.get(april))
    assert "Foo Ltd foo Amount changed Incomplete 1" in words(browser.get(april + "&share=1"))
    for share in ("0", "x", "1001", "²"):
        assert browser.get(f"{april}&share={share}").status_code == 422
    assert browser.get(f"{april}&sort=-change").status_code == 200
    assert browser.get(f"{april}&sort=name").status_code == 422


def test_accounts_that_are_usually_billed_are_named(browser: FlaskClient, session: Session) -> None:
    for month in (1, 2):
        post(make_spec("acme", "10", description=f"Month {month}", incurred_on=date(2026, month, 15)))
        day = date(2026, month + 1, 1)
        bill(date(2026, month, 28), issue_date=day, now=datetime(2026, month + 1, 1, 9, tzinfo=UTC))
    pending = session.scalars(select(Charge.id).where(Charge.status == "pending", Charge.currency == "USD"))
    transaction(charges.cancel, list(pending), "Wrong", SYSTEM, NOW)
    page = words(browser.get(PREVIEW))
    assert "ACME Inc acme 1 Mar 2026 2 10.00 USD" in page
    assert "Usually billed, not now" in page


def test_each_row_opens_the_invoice_as_it_would_be(browser: FlaskClient, session: Session) -> None:
    page = browser.get(document_links(browser.get(PREVIEW))["ACME Inc"])
    assert "Bill to ACME Inc" in words(page)
    assert "Issued 1 Apr 2026" in words(page)
    assert "Net 10.00 USD" in words(page)
    assert "Total 11.90 USD" in words(page)
    assert browser.get(link(page, "Preview PDF")).data.startswith(b"%PDF")
    assert all_invoices() == []
    empty = browser.get(page.request.full_path.replace("USD", "EUR"))
    assert "Nothing to bill up to 31 Mar 2026" in words(empty)
    assert browser.get(page.request.full_path.replace("USD", "XYZZY")).status_code in {404, 422}


def test_the_invoice_as_it_would_be_includes_due_recurring_charges(browser: FlaskClient, session: Session) -> None:
    make_service()
    spec = RecurringChargeSpec("acme", "GenericCompute", "monthly", date(2026, 3, 31))
    transaction(recurring_charges.create, spec, SYSTEM, NOW)
    page = browser.get(document_links(browser.get(PREVIEW))["ACME Inc"])
    assert "Net 12.50 USD" in words(page)
    assert session.scalar(select(func.count()).select_from(Charge)) == 3


def test_a_stale_preview_says_what_changed(browser: FlaskClient, session: Session) -> None:
    preview = browser.get(PREVIEW)
    post(make_spec("acme", "100", description="Just now"))
    transaction(charges.hold, list(session.scalars(select(Charge.id).where(Charge.currency == "EUR"))), "", SYSTEM, NOW)
    make_customer(reference="new", name="Newcomer")
    post(make_spec("new", "1"))
    response = confirm(browser, preview)
    assert response.status_code == 422
    text = words(response)
    assert "ACME Inc Document, USD 1 charge added 2 3 11.90 USD 130.90 USD" in text
    assert "Foo Ltd Document, EUR Removed 1 – none 5.95 EUR – none" in text
    assert "Foo Ltd Held, EUR Added – none 1 – none 5.00 EUR" in text
    assert "Newcomer Document, USD Added – none 1 – none 1.19 USD" in text


# --- confirm ---------------------------------------------------------------------------------------------------------


def test_the_run_makes_what_the_preview_showed(browser: FlaskClient, session: Session) -> None:
    response = confirm(browser, browser.get(PREVIEW))
    assert response.status_code == 303
    page = browser.get(response.location)
    assert "2 invoices issued, 5.95 EUR and 11.90 USD." in words(page)
    assert "USD 1 10.00 USD 1.90 USD 11.90 USD" in words(page)
    assert [(i.number, i.total, i.issue_date) for i in all_invoices()] == [
        ("INV-2026-00001", 1190, date(2026, 4, 1)),
        ("INV-2026-00002", 595, date(2026, 4, 1)),
    ]
    listed = browser.get(link(page, "Show 2 invoices"))
    assert "INV-2026-00001" in words(listed)
    assert "2 invoices issued" not in words(browser.get(response.location))


def test_the_request_of_a_run_makes_no_files(
    browser: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = browser.get(PREVIEW)
    for name in ("segno", "facturx.generate_xml"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(typst, "compile", None)
    assert "2 invoices issued" in words(browser.get(confirm(browser, preview).location))
    assert count(session, Rendition) == 0
    with pytest.raises(TypeError):
        browser.get(f"/invoices/{all_invoices()[0].id}/pdf")


def test_drafts_are_left_when_asked(browser: FlaskClient) -> None:
    url = PREVIEW.replace("make=issue", "make=drafts")
    preview = browser.get(url)
    assert "Create 2 drafts" in words(preview)
    page = browser.get(confirm(browser, preview, url).location)
    assert "2 drafts created, 5.95 EUR and 11.90 USD." in words(page)
    assert has_link(page, "Show 2 drafts")
    assert [invoice.status for invoice in all_invoices()] == ["draft", "draft"]


def test_pressed_twice_it_is_one_run(browser: FlaskClient, session: Session) -> None:
    preview = browser.get(PREVIEW)
    first, second = confirm(browser, preview), confirm(browser, preview)
    assert first.location == second.location
    assert (first.status_code, second.status_code) == (303, 303)
    assert count(session, BillingRun) == 1
    assert count(session, Invoice) == 2


def test_a_changed_preview_is_shown_again(browser: FlaskClient, session: Session) -> None:
    preview = browser.get(PREVIEW)
    post(make_spec("acme", "100", description="Just now"))
    response = confirm(browser, preview)
    assert response.status_code == 422
    assert "There is a problem Charges have changed since this preview. Review the new preview first." in words(
        response
    )
    assert "Issue 2 invoices, 5.95 EUR and 130.90 USD" in words(response)
    assert count(session, BillingRun) == count(session, Invoice) == 0
    assert confirm(browser, response).status_code == 303
    assert count(session, Invoice) == 2


def test_without_a_digest_nothing_runs(browser: FlaskClient, session: Session) -> None:
    for sent in ({"id": str(uuid4())}, {"id": str(uuid4()), "digest": "0" * 64}, {"id": "x", "digest": "x"}):
        assert send(browser, PREVIEW, **sent).status_code == 422
    assert count(session, BillingRun) == 0


def test_a_date_before_the_last_invoice_leads_back_to_its_field(browser: FlaskClient, session: Session) -> None:
    shown = browser.get(PREVIEW)
    later = NOW + timedelta(days=7)
    bill(customers=[make_customer(reference="early")], issue_date=date(2026, 4, 9), now=later)
    post(make_spec("early", "1"))
    bill(currency="USD", issue_date=date(2026, 4, 9), now=later)
    for response in (browser.get(PREVIEW), confirm(browser, shown)):
        assert response.status_code == 422
        assert "Use 2026-04-09 or later" in words(response)
        assert day_field(response, "issue_date") == "2026-04-01"
        assert day_field(response, "through") == "2026-03-31"


def test_an_id_used_for_another_run_gets_a_new_one(browser: FlaskClient, session: Session) -> None:
    preview = browser.get(PREVIEW)
    confirm(browser, preview)
    post(make_spec("acme", "1"))
    other = PREVIEW + "&" + urlencode({"currency": "USD"})
    response = confirm(browser, preview, other)
    assert response.status_code == 422
    assert field(response, "id") != field(preview, "id")
    assert confirm(browser, response, other).status_code == 303
    assert count(session, BillingRun) == 2


# --- result ----------------------------------------------------------------------------------------------------------


def test_a_run_that_died_is_continued(browser: FlaskClient, session: Session) -> None:
    spec = runs.RunSpec(through=date(2026, 3, 31), issue=True, issue_date=date(2026, 4, 1))
    run_id, _ = transaction(runs.start, spec, SYSTEM, NOW)
    page = browser.get(f"/billing-runs/{run_id}")
    assert "The run is not finished" in words(page)
    assert "0 of 2 accounts billed or left out" in words(page)
    assert link(page, "Refresh") == f"/billing-runs/{run_id}"
    assert send(browser, f"/billing-runs/{run_id}/continue").location == f"/billing-runs/{run_id}"
    assert "Done" in words(browser.get(f"/billing-runs/{run_id}"))
    assert count(session, Invoice) == 2
    send(browser, f"/billing-runs/{run_id}/continue")
    assert count(session, Invoice) == 2


def test_a_run_whose_person_lost_the_permission_says_so_and_is_continued(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    """The page said that a script may still be running it."""
    person(app, email="ada@example.com")
    ada = session.scalars(select(User).where(User.email == "ada@example.com")).one()
    spec = runs.RunSpec(through=date(2026, 3, 31), issue=True, issue_date=date(2026, 4, 1))
    actor = Actor("person", ada.id, ada.email, ROLES["admin"])
    run_id, _ = transaction(runs.start_in_background, spec, actor, NOW)
    transaction(users.change_role, ada.id, "viewer", SYSTEM, NOW)
    page = browser.get(f"/billing-runs/{run_id}")
    assert "no longer has permission for it" in words(page)
    assert "A script may still be running it" not in words(page)
    send(browser, f"/billing-runs/{run_id}/continue")
    assert count(session, Invoice) == 2


def test_a_failed_run_says_why(browser: FlaskClient, session: Session) -> None:
    spec = runs.RunSpec(through=date(2026, 3, 31), issue=True, issue_date=date(2026, 4, 1))
    run_id, _ = transaction(runs.start, spec, SYSTEM, NOW)

    def fail(session: Session) -> None:
        session.execute(update(BillingRun).values(state="failed", failure="Use 2026-04-09 or later."))

    transaction(fail)
    assert "The run stopped Use 2026-04-09 or later." in words(browser.get(f"/billing-runs/{run_id}"))
    send(browser, f"/billing-runs/{run_id}/continue")
    assert "Done" in words(browser.get(f"/billing-runs/{run_id}"))


def test_unknown_runs_are_not_there(browser: FlaskClient) -> None:
    assert browser.get(f"/billing-runs/{uuid4()}").status_code == 404
    assert send(browser, f"/billing-runs/{uuid4()}/continue").status_code == 404


def test_lists_runs_with_their_totals(app: Flask, browser: FlaskClient) -> None:
    assert "No billing runs yet" in words(browser.get("/billing-runs"))
    confirm(browser, browser.get(PREVIEW))
    page = words(browser.get("/billing-runs"))
    assert "31 Mar 2026 All customers Issued 1 Apr 2026 1 1 5.95 EUR 11.90 USD admin@example.com Done" in page
    with statements(app) as few:
        browser.get("/billing-runs")
    for _ in range(4):
        post(make_spec("acme", "1"))
        bill()
    with statements(app) as many:
        browser.get("/billing-runs")
    assert len(many) == len(few) <= 10


def test_a_viewer_previews_and_runs_nothing(app: Flask, browser: FlaskClient, session: Session) -> None:
    viewer = signed_in(app, "viewer")
    page = viewer.get(PREVIEW)
    assert page.status_code == 200
    assert "Issue 2 invoices" not in words(page)
    assert viewer.get("/billing-runs/new").status_code == 403
    assert send(viewer, PREVIEW, id=str(uuid4()), digest="x").status_code == 403
    assert not has_link(viewer.get("/billing-runs"), "Run billing")
    assert {charge.status for charge in session.scalars(select(Charge))} == {"pending"}


def test_the_result_counts_the_documents_as_they_are_now(browser: FlaskClient) -> None:
    post(make_spec(make_customer(reference="new", name="New Ltd"), "7"))
    url = PREVIEW.replace("make=issue", "make=drafts")
    at = confirm(browser, browser.get(url), url).location
    assert has_link(browser.get(at), "Show 3 drafts")
    first, second, third = all_invoices()
    transaction(invoices.issue, first.id, None, SYSTEM, clock.now())
    page = browser.get(at)
    assert has_link(page, "Show 1 invoice and 2 drafts")
    assert "Documents now 1 issued, 2 drafts" in words(page)
    assert has_link(page, "Issue drafts")
    transaction(invoices.issue, second.id, None, SYSTEM, clock.now())
    transaction(invoices.discard, third.id, SYSTEM, clock.now())
    page = browser.get(at)
    assert has_link(page, "Show 2 invoices")
    assert "Documents now 2 issued, 1 discarded" in words(page)
    assert not has_link(page, "Issue drafts")
    assert "Currency Invoices Net" in words(page)


def test_a_run_whose_drafts_were_all_discarded_says_so(browser: FlaskClient) -> None:
    url = PREVIEW.replace("make=issue", "make=drafts")
    at = confirm(browser, browser.get(url), url).location
    for draft in all_invoices():
        transaction(invoices.discard, draft.id, SYSTEM, clock.now())
    page = words(browser.get(at))
    assert "All drafts were discarded." in page
    assert "No charges were due" not in page


def test_a_running_run_says_so_and_reloads_without_script(browser: FlaskClient, session: Session) -> None:
    spec = runs.RunSpec(through=date(2026, 3, 31), issue=True, issue_date=date(2026, 4, 1))
    run_id, _ = transaction(runs.start_in_background, spec, SYSTEM, NOW)
    page = browser.get(f"/billing-runs/{run_id}")
    assert "No invoices yet The run is not finished." in words(page)
    assert "No charges were due" not in words(page)
    reload = '<meta http-equiv="refresh" content="5">'
    assert reload in page.text
    assert reload in browser.get("/jobs").text
    runs.bill_chunks(transaction, run_id, SYSTEM, NOW)
    page = browser.get(f"/billing-runs/{run_id}")
    assert reload not in page.text
    assert "in progress" not in words(page)
    assert has_link(page, "Show 2 invoices")


def test_a_run_of_one_document_links_to_it_and_others_do_not(browser: FlaskClient, session: Session) -> None:
    run_ids = []
    for names in (["one"], ["two", "three"]):
        customers = [make_customer(reference=name, currency="EUR") for name in names]
        post(*(make_spec(customer, "100") for customer in customers))
        run_ids.append(bill(customers=customers))
    one, two = (session.scalars(select(Invoice).where(Invoice.run_id == id)).all() for id in run_ids)
    assert (len(one), len(two)) == (1, 2)
    assert link(browser.get(f"/billing-runs/{run_ids[0]}"), one[0].number or "") == f"/invoices/{one[0].id}"
    assert not has_link(browser.get(f"/billing-runs/{run_ids[1]}"), two[0].number or "")

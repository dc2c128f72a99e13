"""Names that hold what separates others (commas, quotes, &, +, %, line separators) lead to their own customer and no other."""

import csv
import io
from datetime import date
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import BillingRun, Customer
from billing_admin.operations.billing.runs import RunSpec, start
from tests.levels import sample, samples
from tests.making import NOW, all_invoices, make_customer, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, link, textarea, words

NAMES = (
    "ACME,Inc",
    ",",
    "A, B; C",
    "Quote \"A\" 'B'",
    "R&D=1",
    "A+B",
    "100%25",
    "a#b?c",
    "/a//b/",
    "..",
    "a\\b",
    "<b>bold</b>",
    "_private",
    "None",
    "line\u2028separator\u2029s",
    "no\u00a0break",
    "株式会社\u3000東京",
    "کتاب\u200cها",
    "👩\u200d💻",
    "two  spaces",
)
DECOYS = ("ACME", "Inc", "A", "B", "nobreak", "株式会社東京", "کتابها", "twospaces")


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin, and customers of all these names with a charge of 1 USD each."""
    everybody = (*NAMES, *DECOYS)
    for name in everybody:
        make_customer(reference=name, name=f"Company {everybody.index(name)}")
    post(*(make_spec(name, "1", description=f"Work of {everybody.index(name)}") for name in everybody))
    return signed_in(app)


def customer(session: Session, name: str) -> Customer:
    session.rollback()
    return session.scalars(select(Customer).where(Customer.reference == name)).one()


def billed() -> list[str]:
    return [invoice.customer_reference for invoice in all_invoices()]


@samples(5)
def test_bill_this_customer_bills_that_customer_alone(browser: FlaskClient, session: Session, step: int) -> None:
    for already, name in enumerate(sample(NAMES, step)):
        id = customer(session, name).id
        at = link(browser.get(f"/unbilled/{id}/USD?through=2026-03-31"), "Bill this customer")
        assert ("customer", name) in parse_qsl(urlsplit(at).query)
        preview = browser.get(at)
        assert "Issue 1 invoice, 1.00 USD" in words(preview), name
        changed = browser.get(link(preview, "Go back"))
        assert textarea(changed, "customers") == name
        again = send(
            browser,
            "/billing-runs/new",
            through="2026-03-31",
            currency="USD",
            make="issue",
            issue_date=field(changed, "issue_date"),
            customers=textarea(changed, "customers"),
        )
        assert parse_qsl(urlsplit(again.location).query).count(("customer", name)) == 1
        preview = browser.get(again.location)
        confirmed = send(browser, again.location, id=field(preview, "id"), digest=field(preview, "digest"))
        assert confirmed.status_code == 303
        assert "1 invoice issued, 1.00 USD." in words(browser.get(confirmed.location))
        session.rollback()
        runs = session.scalars(select(BillingRun.customers)).all()
        assert [name] in runs
        assert sorted(billed()) == sorted(sample(NAMES, step)[: already + 1])


@samples(5)
def test_links_filters_chips_and_files_lead_to_that_customer_alone(
    browser: FlaskClient, session: Session, step: int
) -> None:
    for name in sample(NAMES, step):
        mine = f"Work of {NAMES.index(name)}"
        charges = browser.get(f"/customers/{customer(session, name).id}/charges")
        listed = browser.get(link(charges, "Filter and export: Charges"))
        assert words(listed).count("Work of") == 1, name
        assert f"{mine} " in words(listed)
        files = browser.get(link(listed, "Export CSV"))
        rows = list(csv.DictReader(io.StringIO(browser.get(link(files, "Download CSV")).text)))
        assert [row["description"] for row in rows] == [mine]
        narrowed = f"/charges?{urlencode({'customer': name, 'status': 'pending'})}"
        chip = link(browser.get(narrowed), "Remove filter Status: Pending")
        assert words(browser.get(chip)).count("Work of") == 1
        for page in ("/charges/new", "/recurring-charges/new"):
            assert field(browser.get(f"{page}?{urlencode({'customer': name})}"), "customer") == name


def test_many_names_are_repeated_parameters_and_shown_apart(browser: FlaskClient) -> None:
    at = f"/billing-runs/preview?{urlencode([('through', '2026-03-31'), ('customer', 'ACME'), ('customer', 'Inc')])}"
    preview = browser.get(at)
    assert "Customers “ACME”, “Inc”. Issue date:" in words(preview)
    assert "Issue 2 invoices, 2.00 USD" in words(preview)
    assert textarea(browser.get(link(preview, "Go back")), "customers") == "ACME\nInc"


@pytest.mark.parametrize("value", ["ACME,Inc", "ACME,nobody", "ACME, Inc"])
def test_a_bookmark_of_an_earlier_version_never_bills_others(browser: FlaskClient, value: str) -> None:
    page = browser.get(f"/billing-runs/preview?{urlencode({'through': '2026-03-31', 'customers': value})}")
    if value in NAMES:
        assert "Issue 1 invoice" in words(page)
    else:
        assert page.status_code == 422
        assert f"There is no customer “{value}”." in words(page)


@pytest.mark.parametrize("name", ["nobody\0", "\x01", "\u200b", "x" * 300])
def test_a_name_that_cannot_be_never_means_everybody(browser: FlaskClient, name: str) -> None:
    page = browser.get(f"/billing-runs/preview?{urlencode({'through': '2026-03-31', 'customer': name})}")
    assert page.status_code == 422
    assert "There is no customer" in words(page)


def test_a_run_that_is_stored_goes_on_with_its_own_names(browser: FlaskClient, session: Session) -> None:
    spec = RunSpec(date(2026, 3, 31), ("ACME,Inc",), "USD", True, NOW.date(), id=uuid4())
    run_id: UUID = transaction(start, spec, SYSTEM, NOW)[0]
    assert send(browser, f"/billing-runs/{run_id}/continue").status_code == 303
    assert billed() == ["ACME,Inc"]

"""Balances, ageing and statements for people: each figure leads to what it adds up."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.payments import AllocationSpec
from billing_admin.models import Customer, Payment
from billing_admin.operations.payments import payments
from tests.clocks import stopped_clock
from tests.making import NOW, all_invoices, make_customer, make_invoice, make_payment_spec, pay
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, links, words
from tests.web.reading import queries_of

LATE = datetime(2026, 5, 10, 12, tzinfo=UTC)  # 8 days after the due date of what NOW issues


clock = stopped_clock(LATE)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """Owes 100 USD since 2 May, 50 USD are not due; 30 USD came in on 20 April, of which 5 are unallocated."""
    customer = make_customer(reference="ACME", name="=ACME Inc")
    first = make_invoice(customer, "100")
    make_invoice(customer, "50", now=NOW + timedelta(days=20))
    spec = make_payment_spec(customer, "30", {str(first.id): "25"}, reference="R-1", received_on=date(2026, 4, 20))
    pay(spec, NOW + timedelta(days=20))
    return customer


@pytest.fixture
@prepared
def browser(app: Flask, acme: Customer) -> FlaskClient:
    return signed_in(app)


def rows(response: TestResponse) -> list[dict[str, str]]:
    assert response.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_the_customers_page_shows_the_equation_and_the_ageing(browser: FlaskClient, acme: Customer) -> None:
    text = words(browser.get(f"/customers/{acme.id}"))
    assert (
        "Invoiced 150.00 USD − minus Paid 25.00 USD − minus Credited 0.00 USD − minus Credit 5.00 USD "
        "= equals Balance 120.00 USD"
    ) in text
    assert "USD 50.00 USD 75.00 USD – none – none – none −5.00 USD 120.00 USD" in text
    assert "120.00 USD" in words(browser.get("/customers"))


def test_ageing_leads_to_the_invoices_that_make_it(browser: FlaskClient) -> None:
    page = browser.get("/ageing")
    text = words(page)
    assert "as at 10 May 2026" in text
    assert "=ACME Inc 50.00 USD 75.00 USD – none – none – none −5.00 USD 120.00 USD" in text
    overdue = browser.get(link(page, "75.00 USD"))
    assert "1 invoice in USD" in words(overdue)
    assert "100.00 USD 75.00 USD" in words(overdue)
    assert "2 Apr 2026 2 May 2026 8 100.00 USD 75.00 USD" in words(overdue)
    assert "Days overdue: 1–30 days" in words(overdue)
    assert "Unallocated" in words(browser.get(link(page, "−5.00 USD")))


def test_ageing_on_a_past_day(browser: FlaskClient) -> None:
    text = words(browser.get("/ageing?as_of=2026-04-19"))
    assert "=ACME Inc 100.00 USD – none – none – none – none – none 100.00 USD" in text
    assert "No balances on 1 Apr 2026" in words(browser.get("/ageing?as_of=2026-04-01"))
    assert "No balances" in words(browser.get("/ageing?currency=EUR"))
    assert "Enter a date such as" in words(browser.get("/ageing?as_of=yesterday"))


def test_each_amount_of_a_past_day_leads_to_its_open_items(browser: FlaskClient, acme: Customer) -> None:
    for page in ("/ageing", f"/customers/{acme.id}/statement"):
        day = "as_of" if page == "/ageing" else "to"
        items = browser.get(link(browser.get(f"{page}?{day}=2026-05-05"), "75.00 USD"))
        assert "Open items Invoices not paid in full, as at 5 May 2026" in words(items)
        assert "INV-2026-00001 =ACME Inc 2 Apr 2026 2 May 2026 3 100.00 USD 75.00 USD" in words(items)
        assert "INV-2026-00002" not in words(items)
        assert "1 invoice in USD 75.00 USD" in words(items)
    open_items = "/open-items?customer=ACME&currency=USD&bucket=1_30"
    assert ("75.00 USD", open_items) in links(browser.get(f"/customers/{acme.id}"))


@pytest.mark.both_databases
def test_unallocated_money_of_a_past_day_leads_to_the_payments_that_make_it(
    browser: FlaskClient, acme: Customer
) -> None:
    payment, invoice = db.session.scalars(select(Payment)).one(), all_invoices()[0]
    today = (AllocationSpec(str(invoice.id), Decimal(5)),)
    transaction(payments.allocate, payment.id, today, SYSTEM, LATE)
    assert "−5.00 USD" not in words(browser.get("/ageing"))
    for path in ("/ageing?as_of=2026-05-05", f"/customers/{acme.id}/statement?to=2026-05-05"):
        page = browser.get(link(browser.get(path), "−5.00 USD"))
        text = words(page)
        assert "Payments not allocated in full, as at 5 May 2026" in text
        assert "=ACME Inc Payment 20 Apr 2026 R-1 5.00 USD" in text
        assert "Total in USD 5.00 USD" in text
        assert link(page, "Payment") == f"/payments/{payment.id}"
    assert "No payments match" in words(browser.get("/unallocated?as_of=2026-04-01"))
    assert "There is no customer" in words(browser.get("/unallocated?customer=NOBODY"))
    assert browser.get("/unallocated?as_of=2999-01-01").status_code == 422


@pytest.mark.both_databases
def test_the_open_items_of_a_day(browser: FlaskClient) -> None:
    page = browser.get("/open-items?as_of=2026-04-19")
    assert "INV-2026-00001 =ACME Inc 2 Apr 2026 2 May 2026 – none 100.00 USD 100.00 USD" in words(page)
    assert "1 invoice in USD 100.00 USD" in words(page)
    assert "Open items" in words(browser.get(link(browser.get("/ageing?as_of=2026-04-19"), "Open items")))
    files = browser.get(link(page, "Export CSV"))
    [row] = rows(browser.get(link(files, "Download CSV")))
    assert (row["number"], row["customer"], row["customer_name"], row["open_amount"], row["as_of"]) == (
        *("INV-2026-00001", "ACME", "'=ACME Inc"),
        *("100.00", "2026-04-19"),
    )
    assert "2 invoices in USD 125.00 USD" in words(browser.get("/open-items"))
    assert "No invoices match" in words(browser.get("/open-items?as_of=2026-04-01"))
    assert "No invoices match" in words(browser.get("/open-items?customer=NOBODY"))
    assert browser.get("/open-items?as_of=2999-01-01").status_code == 422


@pytest.mark.both_databases
def test_figures_of_today_do_not_depend_on_documents_dated_later(browser: FlaskClient, acme: Customer) -> None:
    """An earlier version accepted dates after today."""
    urls = ("/ageing", "/ageing?as_of=2026-05-10", "/open-items", "/", "/customers", f"/customers/{acme.id}/statement")
    before = [words(browser.get(url)) for url in urls]
    later = LATE + timedelta(days=200)
    make_invoice(acme, "160", now=later)
    pay(make_payment_spec(acme, "11", (), received_on=later.date()), later)
    after = [words(browser.get(url)) for url in urls]
    dashboard = urls.index("/")
    before[dashboard], after[dashboard] = (page.partition("Recent invoices")[0] for page in (before[3], after[3]))
    assert after == before
    assert "120.00 USD" in words(browser.get(f"/customers/{acme.id}"))


def test_the_ageing_file_has_every_account(browser: FlaskClient) -> None:
    make_invoice(make_customer(reference="YEN", currency="JPY"), "500", now=LATE)
    found = rows(browser.get("/ageing.csv"))
    assert [(row["customer"], row["currency"], row["balance"]) for row in found] == [
        ("YEN", "JPY", "500"),
        ("ACME", "USD", "120.00"),
    ]
    acme = found[1]
    assert (acme["customer_name"], acme["1_30"], acme["unallocated"], acme["as_of"]) == (
        *("'=ACME Inc", "75.00", "5.00"),
        "2026-05-10",
    )
    assert rows(browser.get("/ageing.csv?as_of=2026-04-19&currency=USD"))[0]["not_due"] == "100.00"


def test_nothing_owed_says_what_belongs_here(app: Flask, session: Session) -> None:
    browser = signed_in(app)
    assert "No balances" in words(browser.get("/ageing"))
    customer = make_customer()
    assert "No movements yet" in words(browser.get(f"/customers/{customer.id}/statement"))
    assert "Ageing" not in words(browser.get(f"/customers/{customer.id}")).partition("Balance")[0]


def test_a_statement_runs_from_opening_to_closing(browser: FlaskClient, acme: Customer) -> None:
    page = browser.get(link(browser.get(f"/customers/{acme.id}"), "Statement"))
    text = words(page)
    for said in (
        "Opening balance 0.00 USD",
        "2 Apr 2026 Invoice INV-2026-00001 100.00 USD 100.00 USD",
        "20 Apr 2026 Payment R-1 −30.00 USD 70.00 USD",
        "Closing balance 120.00 USD",
    ):
        assert said in text
    assert has_link(page, "INV-2026-00001")
    assert has_link(page, "R-1")


def test_a_statement_of_some_days(browser: FlaskClient, acme: Customer) -> None:
    text = words(browser.get(f"/customers/{acme.id}/statement?from=2026-04-10&to=2026-04-20"))
    assert "10 Apr 2026 Opening balance 100.00 USD" in text
    assert "Closing balance 70.00 USD" in text
    assert "Ageing as at 20 Apr 2026" in text
    future = words(browser.get(f"/customers/{acme.id}/statement?to=2100-01-01"))
    assert "to 1 Jan 2100" in future
    assert "Ageing as at 1 Jan 2100" not in future
    reversed_days = browser.get(f"/customers/{acme.id}/statement?from=2026-04-20&to=2026-04-10")
    assert "The first day must not be after the last day." in words(reversed_days)
    month = browser.get(link(browser.get(f"/customers/{acme.id}/statement"), "Last month"))
    assert "Statement in USD, 1 Apr 2026 to 30 Apr 2026" in words(month)


def test_the_file_of_a_statement(browser: FlaskClient, acme: Customer) -> None:
    page = browser.get(f"/customers/{acme.id}/statement?to=2026-04-20")
    found = rows(browser.get(link(page, "Export CSV")))
    assert [(row["date"], row["kind"], row["number"], row["amount"], row["balance"]) for row in found] == [
        ("2026-04-02", "invoice", "INV-2026-00001", "100.00", "100.00"),
        ("2026-04-20", "payment", "R-1", "-30.00", "70.00"),
    ]


def test_the_dashboard_shows_buckets_and_unallocated_money(browser: FlaskClient) -> None:
    page = browser.get("/")
    assert "USD 50.00 USD 75.00 USD – none" in words(page)
    assert "Unallocated payments 5.00 USD 1 payment to allocate" in words(page)
    assert "5.00 USD" in words(browser.get(link(page, "Unallocated payments")))
    assert "1 invoice in USD" in words(browser.get(link(page, "75.00 USD")))


def test_pages_ask_few_questions(app: Flask, browser: FlaskClient, acme: Customer) -> None:
    urls = ("/ageing", f"/customers/{acme.id}/statement")
    before = [queries_of(app, browser, url) for url in urls]
    for n in range(4):
        make_invoice(make_customer(reference=f"X-{n}"), "5", now=LATE)
        make_invoice(acme, "5", now=LATE)
    assert [queries_of(app, browser, url) for url in urls] == before
    assert max(before) <= 16

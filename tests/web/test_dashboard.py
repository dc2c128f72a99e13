"""The dashboard: what waits, each figure equal to its list."""

import re
from datetime import date, timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.background.recurring_charges import post_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.domain.set_up import SetUpStep
from billing_admin.models import ClosedSetUpStep
from billing_admin.operations import jobs
from billing_admin.operations.charges import charges, recurring_charges
from tests.clocks import stopped_clock
from tests.making import (
    NOW,
    bill,
    change_settings,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    pay,
    post,
)
from tests.people import signed_in
from tests.web.pages import has_link, link, links, parse, words
from tests.web.reading import queries_of

clock = stopped_clock(NOW)


def tile(text: str, label: str) -> tuple[str, list[str], str]:
    """A figure's address, values and note."""
    article = next(article for article in parse(text).elements("article") if has_link(article, label))
    values = [value.text() for value in article.elements("p", **{"class": "tile-value"})]
    note = next(article.elements("p", **{"class": "tile-note"}), None)
    return link(article, label), values, note.text() if note else ""


def test_viewer_is_offered_nothing_to_do(app: Flask) -> None:
    page = signed_in(app, "viewer").get("/")
    assert page.status_code == 200
    assert "1. Your organisation" in words(page.text)
    assert not any(step in page.text for step in ("/set-up/", "/charges/new", "/billing-runs/new"))


def test_a_new_installation_has_the_set_up_and_the_figures_that_wait(app: Flask, session: Session) -> None:
    client = signed_in(app)
    text = client.get("/").text
    assert "1. Your organisation" in words(text)
    assert list(parse(text).elements("article")) == []
    assert "No invoices yet" not in words(text)
    post(make_spec(make_customer(), "7"))
    text = client.get("/").text
    assert len(list(parse(text).elements("article"))) == 1
    assert tile(text, "Unbilled") == ("/unbilled", ["7.00 USD"], "1 pending charge")


def test_before_the_first_invoice_nothing_empty_is_shown(app: Flask, session: Session) -> None:
    _close_set_up()
    text = signed_in(app).get("/").text
    assert "1. Your organisation" not in words(text)
    assert "No invoices yet" in words(text)
    assert list(parse(text).elements("article")) == list(parse(text).elements("figure")) == []
    assert "billing runs" not in words(text)


def test_nothing_waits(app: Flask, session: Session) -> None:
    _close_set_up()
    bill(NOW.date())
    text = signed_in(app).get("/").text
    assert tile(text, "Unbilled") == ("/unbilled", ["0"], "Nothing to bill")
    assert tile(text, "Overdue") == ("/invoices?status=overdue", ["0"], "None")
    assert "No invoices yet" in words(text)


def _close_set_up() -> None:
    closed = [ClosedSetUpStep(step=step.value, closed_at=NOW) for step in SetUpStep]
    transaction(lambda session: session.add_all(closed))


def fill() -> None:
    """One of everything, in two currencies."""
    first, second = make_customer(reference="A"), make_customer(reference="B", currency="EUR")
    make_invoice(first, "100", now=NOW - timedelta(days=60))
    make_invoice(first, "20")
    make_invoice(second, "30")
    make_invoice(second, "5", issue=False)
    same = make_spec(first, "0.0000008")
    post(same)
    post(same, make_spec(second, "7"))
    pay(make_payment_spec(second, "50", allocate=()))
    (held,) = post(make_spec(second, "9", description="Disputed")).ids
    transaction(charges.hold, [held], "asked for", SYSTEM, NOW)


def test_figures_per_currency(app: Flask, session: Session) -> None:
    fill()
    text = signed_in(app).get("/").text
    assert tile(text, "Unbilled") == (
        "/unbilled",
        ["7.00 EUR", "< 0.01 USD, exactly 0.0000016 USD"],
        "3 pending charges",
    )
    assert tile(text, "Drafts") == ("/invoices?status=draft", ["5.00 EUR"], "1 invoice to issue or discard")
    assert tile(text, "Open") == ("/invoices?status=open", ["30.00 EUR", "120.00 USD"], "3 invoices not paid in full")
    assert tile(text, "Overdue") == ("/invoices?status=overdue", ["100.00 USD"], "1 invoice past the due date")
    assert tile(text, "Held charges") == ("/charges?status=held", ["9.00 EUR"], "1 charge to release or cancel")
    assert tile(text, "Unallocated payments") == (
        "/payments?status=unallocated",
        ["50.00 EUR"],
        "1 payment to allocate",
    )
    assert tile(text, "Recurring charges due")[1:] == (["0"], "None")
    assert tile(text, "Failed jobs") == ("/jobs?state=failed&from=2026-03-03", ["0"], "None")
    assert tile(text, "Messages not sent") == ("/messages?state=attention", ["0"], "None")
    assert tile(text, "Likely duplicates") == (
        "/charges/duplicates",
        ["< 0.01 USD, exactly 0.0000008 USD"],
        "1 charge to keep or cancel",
    )


@pytest.mark.parametrize(
    "label",
    ["Unbilled", "Drafts", "Open", "Overdue", "Held charges", "Likely duplicates", "Unallocated payments"],
)
def test_each_figure_leads_to_a_list_with_the_same_total(app: Flask, session: Session, label: str) -> None:
    fill()
    client: FlaskClient = signed_in(app)
    url, values, _ = tile(client.get("/").text, label)
    page = client.get(url)
    assert page.status_code == 200
    for value in values:
        assert value in words(page.text), (label, value)


def test_due_recurring_charges_lead_to_the_preview_that_posts_them(app: Flask, session: Session) -> None:
    make_customer(reference="ACME")
    make_service()
    spec = RecurringChargeSpec("ACME", "GenericCompute", "monthly", date(2026, 3, 1))
    transaction(recurring_charges.create, spec, SYSTEM, NOW)
    client = signed_in(app)
    url, values, note = tile(client.get("/").text, "Recurring charges due")
    assert (values, note) == (["5.00 USD"], "2 charges to post")
    page = client.get(url)
    assert "2 charges of recurring charges, 5.00 USD" in words(page.text)
    assert f'id="{url.partition("#")[2]}"' in page.text


def test_failed_jobs_of_a_month_lead_to_their_list(app: Flask, session: Session) -> None:
    customer = make_customer()
    for days in (1, 45):
        transaction(jobs.enqueue, "export", customer.id, "read", SYSTEM, NOW - timedelta(days=days))
        failed = transaction(jobs.claim_next, "worker", SYSTEM, NOW)
        assert failed is not None
        transaction(jobs.fail, failed.id, "worker", "No space left.", SYSTEM, NOW)
    client = signed_in(app)
    url, values, note = tile(client.get("/").text, "Failed jobs")
    assert (values, note) == (["1"], "1 job to start again")
    assert len([address for _, address in links(client.get(url)) if address.startswith("/jobs/")]) == 1


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_each_figure_of_the_charts_is_that_of_the_list_behind_it(app: Flask, session: Session, currency: str) -> None:
    fill()
    client = signed_in(app)
    section = client.get(f"/?currency={currency}").text.partition('id="trends"')[2].partition("Recent invoices")[0]
    cells = re.findall(r'<td[^>]*>\s*<a href="([^"]+)">(.*?)</a>', section, re.DOTALL)
    assert len(cells) > 24
    for url, content in cells:
        page = client.get(unescape(url))
        assert page.status_code == 200
        figure = words(content)
        assert not re.search("[1-9]", figure) or figure in words(page.text), (url, figure)


def test_each_chart_has_its_table_and_a_text(app: Flask, session: Session) -> None:
    fill()
    text = signed_in(app).get("/?currency=USD").text
    figures = parse(text).elements("figure")
    assert [figure.attributes["data-summary"] for figure in figures] == [
        "Billed and collected by month. 20.00 USD billed and 0.00 USD collected since 1 Apr 2026.",
        "Open by days overdue. 120.00 USD open, 100.00 USD of it overdue.",
        "Largest open amounts. A owes most: 120.00 USD.",
        "Unbilled at the end of the month. 2 pending charges now, 0.0000016 USD.",
        "Days sales outstanding. 61 days today.",
    ]
    assert text.count("<caption") >= 5


def test_trends_are_those_of_the_base_currency_at_first(app: Flask, session: Session) -> None:
    change_settings(base_currency="USD")
    fill()
    client = signed_in(app)
    assert "Trends in USD" in client.get("/").text
    assert client.get("/?currency=XYZZY").status_code == 422
    assert "Trends in JPY" in client.get("/?currency=JPY").text


def test_what_happened_last(app: Flask, session: Session) -> None:
    customer = make_customer(name="ACME Inc")
    make_invoice(customer, "100")
    post(make_spec(customer, "50", description="More"))
    bill(issue=False)
    text = words(signed_in(app).get("/").text)
    assert "INV-2026-00001 ACME Inc 2 Apr 2026 2 May 2026 Unpaid 100.00 USD 100.00 USD" in text
    assert "2 Apr 2026, 09:30 UTC 31 Mar 2026 Drafts 1 50.00 USD Done" in text


def test_takes_the_same_queries_whatever_there_is(app: Flask, session: Session) -> None:
    client, counts = signed_in(app), []
    for number in range(6):
        make_invoice(make_customer(reference=f"R{number}"))
        post(make_spec(f"R{number}", "1"))
        if number in {0, 5}:
            counts.append(queries_of(app, client, "/"))
    assert counts[0] == counts[1] <= 40


def test_the_dashboard_says_when_posting_of_recurring_charges_is_behind(app: Flask, session: Session) -> None:
    make_customer(reference="ACME")
    make_service()
    admin = signed_in(app)
    for day in (NOW.date(), date(2026, 3, 1)):
        assert "Posting of recurring charges is behind" not in words(admin.get("/"))
        transaction(
            recurring_charges.create, RecurringChargeSpec("ACME", "GenericCompute", "monthly", day), SYSTEM, NOW
        )
    page = admin.get("/")
    assert "Posting of recurring charges is behind 1 recurring charge not posted since 1 Mar 2026." in words(page)
    assert admin.get(link(page, "Show recurring charges")).status_code == 200
    post_due(app)
    assert "Posting of recurring charges is behind" not in words(admin.get("/"))


def test_the_menu_counts_what_waits(app: Flask, session: Session) -> None:
    """The same numbers as the dashboard's."""
    fill()
    admin = signed_in(app)
    page = admin.get("/").text
    assert link(page, "Unbilled 3 pending charges") == "/unbilled"
    assert link(page, "Invoices 1 drafts") == "/invoices"
    assert has_link(page, "Jobs")


def test_the_brand_names_product_and_organisation(app: Flask, session: Session) -> None:
    change_settings(legal_name="Nimbus")
    for page in (signed_in(app).get("/").text, app.test_client().get("/sign-in").text):
        brand = next(parse(page).elements(**{"class": "brand"}))
        assert brand.text() == "billing-admin Nimbus"

"""The dashboard: what waits, each figure equal to its list."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from billing_admin.background.recurring_charges import post_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.operations.charges import charges, recurring_charges
from tests.making import NOW, bill, change_settings, make_customer, make_invoice, make_service, make_spec, post
from tests.people import signed_in
from tests.web.pages import has_link, link, parse, words
from tests.web.reading import queries_of

STEPS = ("/settings/organisation", "/services/new", "/customers/new", "/charges/new")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


def tile(text: str, label: str) -> tuple[str, list[str], str]:
    """A figure's address, values and note."""
    article = next(article for article in parse(text).elements("article") if has_link(article, label))
    values = [value.text() for value in article.elements("p", **{"class": "tile-value"})]
    note = next(article.elements("p", **{"class": "tile-note"}), None)
    return link(article, label), values, note.text() if note else ""


def test_empty_installation_is_set_up_in_four_steps(app: Flask, session: Session) -> None:
    admin = signed_in(app)

    def states() -> list[str]:
        return re.findall(r"(To do|Done)", words(admin.get("/").text).partition("Unbilled")[0])

    page = admin.get("/").text
    assert all(f'href="{step}"' in page for step in STEPS)
    assert states() == ["To do"] * 4
    make_service()
    assert states() == ["To do", "Done", "To do", "To do"]
    customer = make_customer()
    change_settings(legal_name="Nimbus")
    assert states() == ["Done", "Done", "Done", "To do"]
    post(make_spec(customer, "1"))
    assert "Set up in four steps" not in admin.get("/").text


def test_viewer_is_offered_nothing_to_do(app: Flask) -> None:
    page = signed_in(app, "viewer").get("/")
    assert page.status_code == 200
    assert "1. Your organisation" in words(page.text)
    assert not any(step in page.text for step in (*STEPS, "/billing-runs/new"))


def test_nothing_waits(app: Flask) -> None:
    text = signed_in(app).get("/").text
    assert tile(text, "Unbilled") == ("/unbilled", ["0"], "Nothing to bill")
    assert tile(text, "Overdue") == ("/invoices?status=overdue", ["0"], "None")
    assert "No invoices yet" in words(text)
    assert "No billing runs yet" in words(text)


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
    (held,) = post(make_spec(second, "9", description="Disputed")).ids
    transaction(charges.hold, [held], "asked for", SYSTEM, NOW)


def test_figures_per_currency(app: Flask, session: Session) -> None:
    fill()
    text = signed_in(app).get("/").text
    assert tile(text, "Unbilled") == ("/unbilled", ["7.00 EUR", "0.0000016 USD"], "3 pending charges")
    assert tile(text, "Drafts") == ("/invoices?status=draft", ["5.00 EUR"], "1 invoice to issue or discard")
    assert tile(text, "Open") == ("/invoices?status=open", ["30.00 EUR", "120.00 USD"], "3 invoices not paid in full")
    assert tile(text, "Overdue") == ("/invoices?status=overdue", ["100.00 USD"], "1 invoice past the due date")
    assert tile(text, "Held charges") == ("/charges?status=held", ["9.00 EUR"], "1 charge to release or cancel")
    assert tile(text, "Likely duplicates") == ("/charges/duplicates", ["0.0000008 USD"], "1 charge to keep or cancel")


@pytest.mark.parametrize("label", ["Unbilled", "Drafts", "Open", "Overdue", "Held charges", "Likely duplicates"])
def test_each_figure_leads_to_a_list_with_the_same_total(app: Flask, session: Session, label: str) -> None:
    fill()
    client: FlaskClient = signed_in(app)
    url, values, _ = tile(client.get("/").text, label)
    page = client.get(url)
    assert page.status_code == 200
    for value in values:
        assert value in words(page.text), (label, value)


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
    assert counts[0] == counts[1] < 25


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

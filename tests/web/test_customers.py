"""Customers: list, page, new, edit, archive."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import AuditEvent, Customer
from billing_admin.operations.charges import charges
from billing_admin.operations.master_data import customers as operations
from tests.clocks import stopped_clock
from tests.making import (
    NOW,
    bill,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, words
from tests.web.reading import fresh, queries_of

clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def viewer(app: Flask) -> FlaskClient:
    return signed_in(app, "viewer")


def stored(session: Session) -> list[Customer]:
    return fresh(session, select(Customer).order_by(Customer.reference))


def fields(**changed: str) -> dict[str, str]:
    return {"id": str(uuid4()), "name": "ACME Inc", "currency": "USD", **changed}


def add(client: FlaskClient, **changed: str) -> TestResponse:
    return send(client, "/customers/new", **fields(**changed))


# --- the list ------------------------------------------------------------------------------------------------------


def test_empty_list_says_what_belongs_there(admin: FlaskClient, viewer: FlaskClient) -> None:
    assert "No customers yet" in words(admin.get("/customers").text)
    assert 'href="/customers/new"' in admin.get("/customers").text
    assert "/customers/new" not in viewer.get("/customers").text


def test_list_shows_balance_unbilled_and_oldest_overdue(
    admin: FlaskClient, session: Session, clock: time_machine.Traveller
) -> None:
    customer = make_customer(reference="ACME", name="ACME Inc")
    make_invoice(customer, "100")
    post(make_spec(customer, "0.0000008"), make_spec(customer, "7", currency="EUR"))
    text = words(admin.get("/customers").text)
    assert "ACME Inc ACME 0.00 EUR 100.00 USD 7.00 EUR < 0.01 USD, exactly 0.0000008 USD – none – none" in text
    clock.shift(timedelta(days=31))
    assert "2 May 2026" in words(signed_in(admin.application, email="later@example.com").get("/customers").text)


def test_list_is_searched_and_filtered(admin: FlaskClient, session: Session) -> None:
    make_customer(reference="A", name="Café Ångström")
    make_customer(reference="B", name="Zebra", currency="EUR", email="z@example.com")
    gone = make_customer(reference="C", name="Gone Ltd")
    transaction(operations.archive, gone.id, SYSTEM, NOW)

    def names(query: str) -> list[str]:
        text = words(admin.get(f"/customers?{query}").text)
        return [name for name in ("Café Ångström", "Zebra", "Gone Ltd") if name in text]

    assert names("") == ["Café Ångström", "Zebra"]
    assert names("q=angstrom") == ["Café Ångström"]
    assert names("q=z@EXAMPLE") == ["Zebra"]
    assert names("currency=EUR") == ["Zebra"]
    assert names("after=nonsense") == ["Café Ångström", "Zebra"]
    assert names("show=archived") == ["Gone Ltd"]
    assert names("show=all") == ["Café Ångström", "Zebra", "Gone Ltd"]
    assert "No customers match" in words(admin.get("/customers?q=nobody").text)


def test_list_is_ordered_by_name_and_paged(admin: FlaskClient, session: Session) -> None:
    for number in range(103):
        make_customer(reference=f"R{number}", name=f"{'éE'[number % 2]}{number:03d}")
    first = admin.get("/customers")
    assert "103 customers" in words(first.text)
    assert words(first.text).index("é000") < words(first.text).index("E001") < words(first.text).index("é002")
    assert "E101" not in first.text
    following = next(part for part in first.text.split('"') if "after=" in part).replace("&amp;", "&")
    second = admin.get(following)
    assert "E101" in second.text
    assert "E099" not in second.text
    assert "(continued)" in second.text


def test_list_takes_the_same_queries_for_5_and_50(app: Flask, admin: FlaskClient, session: Session) -> None:
    counts = []
    for number in range(50):
        post(make_spec(make_customer(reference=f"R{number}"), "1"))
        if number in {4, 49}:
            counts.append(queries_of(app, admin, "/customers"))
    assert counts[0] == counts[1] < 16


# --- new -----------------------------------------------------------------------------------------------------------


def test_adds_with_name_and_currency_alone(admin: FlaskClient, session: Session) -> None:
    response = add(admin)
    (customer,) = stored(session)
    assert (response.status_code, response.location) == (303, f"/customers/{customer.id}")
    assert (customer.reference, customer.name, customer.currency) == ("C-0001", "ACME Inc", "USD")
    assert "ACME Inc was added as C-0001." in admin.get(response.location).text
    assert "was added" not in admin.get(response.location).text


def test_adds_with_everything(admin: FlaskClient, session: Session) -> None:
    add(admin, reference="x/y?z", email="a@b.example", address="1\r\n2", tax_id="T", payment_terms_days="0", notes="n")
    (c,) = stored(session)
    assert (c.reference, c.email, c.address, c.tax_id, c.payment_terms_days, c.notes) == (
        "x/y?z",
        "a@b.example",
        "1\n2",
        "T",
        0,
        "n",
    )


def test_save_and_add_charge(admin: FlaskClient, session: Session) -> None:
    response = add(admin, then="charge", reference="A&B")
    assert response.location == "/charges/new?customer=A%26B"


def test_monthly_statements_that_nobody_gets_are_named_when_saving(admin: FlaskClient, session: Session) -> None:
    response = add(admin, monthly_statements="1")
    warning = "No contact gets statements, so none will be sent each month. Choose To for a contact."
    assert warning in words(admin.get(response.location))
    (customer,) = stored(session)
    url = f"/customers/{customer.id}/edit"
    send(admin, url, **edited(customer, monthly_statements="1"))
    assert warning in words(admin.get(f"/customers/{customer.id}"))
    (customer,) = stored(session)
    send(admin, url, **edited(customer, monthly_statements=""))
    assert warning not in words(admin.get(f"/customers/{customer.id}"))


def test_double_submit_adds_one(admin: FlaskClient, session: Session) -> None:
    sent = fields()
    first, second = (send(admin, "/customers/new", **sent) for _ in range(2))
    assert (second.status_code, second.location) == (303, first.location)
    assert len(stored(session)) == 1


def test_form_brings_its_own_key(admin: FlaskClient) -> None:
    keys = {hidden(admin.get("/customers/new").text, "id") for _ in range(2)}
    assert len(keys) == 2


def test_same_name_is_asked_about_once(admin: FlaskClient, session: Session) -> None:
    first = make_customer(name="Acmé Inc", reference="OLD")
    sent = fields(name="acme inc", notes="kept")
    response = send(admin, "/customers/new", **sent)
    assert response.status_code == 422
    assert "A customer with this name already exists" in response.text
    assert f"/customers/{first.id}" in response.text
    assert "kept" in response.text
    assert hidden(response.text, "id") == sent["id"]
    assert len(stored(session)) == 1
    assert send(admin, "/customers/new", **sent, anyway="another name").status_code == 422
    assert send(admin, "/customers/new", **sent, anyway="acme inc").status_code == 303
    assert len(stored(session)) == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": " "}, "Enter the customer&#39;s name."),
        ({"name": "a\x00b"}, "Remove the control character U+0000 at position 2."),
        ({"name": "n" * 201}, "Use at most 200 characters."),
        ({"currency": "XXX"}, "Choose one from the list."),
        ({"reference": str(uuid4())}, "Choose a name that does not look like an ID."),
        ({"reference": "TAKEN"}, "Reference TAKEN belongs to another customer."),
        ({"email": "nobody"}, "Enter an e-mail address such as billing@example.com."),
        ({"payment_terms_days": "soon"}, "Enter a whole number such as 30."),
        ({"payment_terms_days": "400"}, "Use 0 to 365 days."),
        ({"id": "no key"}, "The form is incomplete. Reload the page and try again."),
    ],
)
def test_refusals_stand_at_their_field(
    admin: FlaskClient, session: Session, wrong: dict[str, str], sentence: str
) -> None:
    make_customer(reference="TAKEN", name="Another")
    response = add(admin, **({"notes": "kept"} | wrong))
    assert response.status_code == 422
    assert "Error: New customer" in response.text
    assert "There is a problem" in response.text
    assert sentence in response.text
    assert "kept" in response.text
    assert len(stored(session)) == 1


# --- the page ------------------------------------------------------------------------------------------------------


def test_page_shows_the_balance_as_an_equation(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", name="ACME Inc")
    make_invoice(customer, "100")
    text = words(admin.get(f"/customers/{customer.id}").text)
    assert "Invoiced 100.00 USD − minus Paid 0.00 USD − minus Credited 0.00 USD = equals Balance 100.00 USD" in text
    assert "Overdue Nothing Unbilled Nothing Credit None Balance 100.00 USD" in text
    assert "Nothing to bill up to 2 Apr 2026" in text
    assert "30 days (default)" in text


def test_each_tab_shows_the_standing_and_the_next_act(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", name="ACME Inc")
    make_invoice(customer, "100", now=NOW - timedelta(60))
    held, _ = post(make_spec(customer, "3"), make_spec(customer, "4")).ids
    transaction(charges.hold, [held], "Unclear", SYSTEM, NOW)
    standing = (
        "Overdue 100.00 USD Oldest due 3 Mar 2026 Unbilled 4.00 USD 1 charge, 1 held Credit None Balance 100.00 USD"
    )
    for tab in ("", "/charges", "/recurring", "/invoices", "/payments"):
        page = admin.get(f"/customers/{customer.id}{tab}").text
        assert standing in words(page), tab
        assert re.findall(r'class="btn btn-primary" href="([^"]+)"', page)[0] == "/payments/new?customer=ACME"
    pay(make_payment_spec(customer, "10", ()))
    page = admin.get(f"/customers/{customer.id}").text
    assert "Credit 10.00 USD Balance 90.00 USD" in words(page)
    primary = re.findall(r'class="btn btn-primary" href="([^"]+)"', page)
    assert primary[0] == "/payments?customer=ACME&amp;status=unallocated"
    assert "/refunds/new?customer=ACME&amp;currency=USD" in page


def test_the_standing_is_that_of_the_dashboard_and_the_lists(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME")
    make_invoice(customer, "70", now=NOW - timedelta(60))
    make_invoice(customer, "30")
    pay(make_payment_spec(customer, "5.50", ()))
    page, home = words(admin.get(f"/customers/{customer.id}").text), words(admin.get("/").text)
    overdue = words(admin.get("/invoices?customer=ACME&status=overdue").text)
    assert "Overdue 70.00 USD" in page
    assert "Overdue 70.00 USD" in home
    assert "1 invoice in USD Net 70.00 USD Tax 0.00 USD 70.00 USD 70.00 USD" in overdue
    assert "Credit 5.50 USD" in page
    assert "5.50 USD" in words(admin.get("/payments?customer=ACME&status=unallocated").text)


def test_page_shows_the_current_invoice_per_currency(admin: FlaskClient, session: Session) -> None:
    rate = make_tax_rate()
    service = make_service(tax_rate=rate.code)
    customer = make_customer(reference="ACME")
    post(make_spec(customer, service=service, quantity="3"), make_spec(customer, "-5", currency="EUR"))
    response = admin.get(f"/customers/{customer.id}")
    text = words(response.text)
    assert "If billed today, 2 Apr 2026: 1 charge of 15 Mar 2026." in text
    assert "Net 7.50 USD Tax 19 % (S) on 7.50 USD 1.43 USD Total 8.93 USD" in text
    assert "The total is negative, so no invoice would be made" in text
    assert f"/unbilled/{customer.id}/USD" in response.text


def test_page_is_found_by_any_reference(admin: FlaskClient, session: Session) -> None:
    for reference in ("x/y?z#", "new", "ä ö", "50%"):
        customer = make_customer(reference=reference)
        if reference != "new":
            response = admin.get("/customers/" + quote(reference))
            assert (response.status_code, response.location) == (303, f"/customers/{customer.id}")
        assert admin.get(f"/customers/{customer.id}").status_code == 200
    assert admin.get("/customers/nobody").status_code == 404
    assert admin.get(f"/customers/{uuid4()}").status_code == 404


def test_tabs_are_addresses(admin: FlaskClient, session: Session) -> None:
    customer = make_customer()
    for tab in ("charges", "invoices", "payments"):
        assert f"No {tab} yet" in words(admin.get(f"/customers/{customer.id}/{tab}").text)
    make_invoice(customer, "100")
    post(make_spec(customer, "7", description="Late one"))
    assert "Late one" in admin.get(f"/customers/{customer.id}/charges").text
    assert "INV-2026-00001" in admin.get(f"/customers/{customer.id}/charges").text
    text = words(admin.get(f"/customers/{customer.id}/invoices").text)
    assert "INV-2026-00001 2 Apr 2026 2 May 2026 Unpaid 100.00 USD 100.00 USD" in text
    assert "1 invoice in USD Net 100.00 USD Tax 0.00 USD 100.00 USD 100.00 USD" in text
    pay(make_payment_spec(customer, "120", reference="Bank 7"))
    pay(make_payment_spec(make_customer(), "7", reference="Another's"))
    text = words(admin.get(f"/customers/{customer.id}/payments").text)
    assert "Bank transfer Bank 7 120.00 USD 20.00 USD Recorded" in text
    assert "1 payment in USD, without reversed payments 120.00 USD 20.00 USD" in text
    assert "Another's" not in text
    assert admin.get(f"/customers/{uuid4()}/charges").status_code == 404


def test_page_takes_the_same_queries_for_5_and_50_charges(app: Flask, admin: FlaskClient, session: Session) -> None:
    customer, counts = make_customer(), dict[str, list[int]]()
    for many in (5, 45):
        post(*(make_spec(customer, "1", description=f"{many}-{n}") for n in range(many)))
        bill(customers=[customer], issue=False)
        post(*(make_spec(customer, "1", description=f"again {many}-{n}") for n in range(many)))
        for tab in ("", "/charges", "/invoices", "/payments"):
            counts.setdefault(tab, []).append(queries_of(app, admin, f"/customers/{customer.id}{tab}"))
    assert all(few == many < 31 for few, many in counts.values()), counts


def test_page_shows_a_viewer_no_buttons(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer()
    text = viewer.get(f"/customers/{customer.id}").text
    for button in ("/edit", "/archive", "/restore", "/charges/new"):
        assert button not in text


# --- edit ----------------------------------------------------------------------------------------------------------


def edited(customer: Customer, **changed: Any) -> dict[str, Any]:
    return {
        "name": customer.name,
        "currency": customer.currency,
        "reference": customer.reference,
        "version": customer.version,
    } | changed


def test_edit_changes_what_was_changed(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", name="Old", notes="keep\nme", payment_terms_days=14)
    page = admin.get(f"/customers/{customer.id}/edit").text
    assert hidden(page, "version").startswith("1-")
    assert 'value="14"' in page
    response = send(admin, f"/customers/{customer.id}/edit", **edited(customer, name="New", notes="keep\r\nme"))
    assert (response.status_code, response.location) == (303, f"/customers/{customer.id}")
    (now,) = stored(session)
    assert (now.name, now.notes, now.payment_terms_days) == ("New", "keep\nme", None)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "customer.changed")).one()
    assert event.details == {"name": ["Old", "New"], "payment_terms_days": [14, None]}


def test_stale_edit_shows_both_values_and_can_be_sent_again(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", name="Old", email="old@example.com")
    sent = edited(customer, name="Mine", email="old@example.com", currency="EUR")
    transaction(operations.update, customer.id, {"name": "Theirs"}, None, SYSTEM, NOW)
    response = send(admin, f"/customers/{customer.id}/edit", **sent)
    assert response.status_code == 422
    text = words(response.text)
    assert "ACME has been changed since you opened the form. Review the change, then try again." in text
    assert "Name Theirs Mine Currency USD EUR" in text
    assert stored(session)[0].name == "Theirs"
    again = send(admin, f"/customers/{customer.id}/edit", **sent | {"version": hidden(response.text, "version")})
    assert again.status_code == 303
    assert stored(session)[0].name == "Mine"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"reference": ""}, "Enter the customer&#39;s reference, such as C-0007."),
        ({"reference": "TAKEN"}, "TAKEN is already the reference of Another."),
        ({"version": ""}, "The form is incomplete. Reload the page and try again."),
        ({"name": ""}, "Enter the customer&#39;s name."),
    ],
)
def test_edit_refuses(admin: FlaskClient, session: Session, wrong: dict[str, str], sentence: str) -> None:
    make_customer(reference="TAKEN", name="Another")
    customer = make_customer(reference="ACME", name="ACME Inc")
    response = send(admin, f"/customers/{customer.id}/edit", **edited(customer, **wrong))
    assert response.status_code == 422
    assert sentence in response.text
    assert [one.name for one in stored(session)] == ["ACME Inc", "Another"]


def test_edit_of_nobody(admin: FlaskClient) -> None:
    assert admin.get(f"/customers/{uuid4()}/edit").status_code == 404
    for action in ("edit", "archive", "restore"):
        assert send(admin, f"/customers/{uuid4()}/{action}", name="x").status_code == 404


# --- archive -------------------------------------------------------------------------------------------------------


def test_archives_after_asking_and_restores(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(name="ACME Inc")
    assert "You can restore it at any time" in admin.get(f"/customers/{customer.id}/archive").text
    for _ in range(2):
        assert send(admin, f"/customers/{customer.id}/archive").location == f"/customers/{customer.id}"
    page = admin.get(f"/customers/{customer.id}").text
    assert "ACME Inc was archived." in page
    assert "/charges/new" not in page
    assert stored(session)[0].archived_at is not None
    for _ in range(2):
        assert send(admin, f"/customers/{customer.id}/restore").status_code == 303
    assert stored(session)[0].archived_at is None


def test_unbilled_charges_keep_a_customer(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME")
    post(make_spec(customer, "1"))
    response = send(admin, f"/customers/{customer.id}/archive")
    assert response.status_code == 422
    assert "ACME has unbilled charges: bill or cancel them first." in response.text
    assert stored(session)[0].archived_at is None


def test_viewer_writes_nothing(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer()
    for path in ("/customers/new", *(f"/customers/{customer.id}/{verb}" for verb in ("edit", "archive", "restore"))):
        response = send(viewer, path, **fields())
        assert response.status_code == 403
        assert "customers:write" in response.text
    assert [one.archived_at for one in stored(session)] == [None]

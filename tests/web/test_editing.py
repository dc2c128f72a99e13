"""Edit forms in two tabs: what counts as a conflict, and what is gone."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Customer, CustomerContact, Organisation
from billing_admin.web.frame.errors import _LIST_NOUNS, _OBJECT_NOUNS
from tests.making import (
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
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import Page, objects, parse, words
from tests.web.reading import fresh

pytestmark = pytest.mark.usefixtures("session")

CONFLICT = "Other values were saved after you opened this form"
Fields = dict[str, Any]


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def opened(page: Page) -> Fields:
    """Return the fields of the page's main form as a browser sends them."""
    form = next(
        form for form in parse(page).elements("form", method="post") if any(form.elements("input", name="version"))
    )
    values: Fields = {}
    for element in form.elements("input", "select", "textarea"):
        name, kind = element.attributes.get("name", ""), element.attributes.get("type", "text")
        if element.tag == "select":
            options = list(element.elements("option"))
            chosen = next((option for option in options if "selected" in option.attributes), options[0])
            values[name] = chosen.attributes.get("value", "")
        elif element.tag == "textarea":
            values[name] = "".join(element.strings()).strip()
        elif kind != "checkbox":
            values[name] = element.attributes.get("value", "")
        elif "checked" in element.attributes:
            values.setdefault(name, []).append(element.attributes["value"])
    return {name: value for name, value in values.items() if name not in {"", "csrf_token"}}


def section(name: str) -> Callable[[FlaskClient], str]:
    return lambda _client: f"/settings/{name}"


def contact_url(client: FlaskClient) -> str:
    customer = make_customer(email="pay@acme.example")
    (id,) = {
        part.split("/")[4]
        for element in parse(client.get(f"/customers/{customer.id}")).elements("a")
        if "/contacts/" in (part := element.attributes.get("href", "")) and part.endswith("/edit")
    }
    return f"/customers/{customer.id}/contacts/{id}/edit"


def draft_url(_client: FlaskClient) -> str:
    acme = make_customer(reference="acme")
    post(make_spec(acme, "10"), make_spec(acme, "7"))
    bill(issue=False)
    return f"/invoices/{all_invoices()[0].id}/edit"


def webhook_url(client: FlaskClient) -> str:
    send(client, "/webhooks/new", id=str(uuid4()), url="https://example.com/hook", events=["charge.held"])
    (id,) = set(objects(client.get("/webhooks"), "/webhooks/"))
    return f"/webhooks/{id}/edit"


# Page → the field that is changed and its new value.
EDIT_PAGES: dict[str, tuple[Callable[[FlaskClient], str], Fields]] = {
    "organisation": (section("organisation"), {"legal_name": "Nimbus"}),
    "tax": (section("tax"), {"tax_number": "12/345"}),
    "documents": (section("documents"), {"terms": "Net"}),
    "numbers": (section("numbers"), {"time_zone": "Europe/Berlin"}),
    "charges": (section("charges"), {"hold_likely_duplicates": "y"}),
    "journal": (lambda _client: "/journal/accounts", {"revenue": "Sales"}),
    "customer": (lambda _client: f"/customers/{make_customer(reference='ACME').id}/edit", {"name": "New"}),
    "contact": (contact_url, {"name": "New"}),
    "service": (lambda _client: f"/services/{make_service().id}/edit", {"name": "New"}),
    "price": (
        lambda _client: f"/services/{make_service().id}/prices/new",
        {"unit_price": "3", "valid_from": "2027-01-01"},
    ),
    "tax rate": (lambda _client: f"/settings/tax-rates/{make_tax_rate().id}/edit", {"name": "New"}),
    "percentage": (
        lambda _client: f"/settings/tax-rates/{make_tax_rate().id}/change",
        {"valid_from": "2027-01-01", "percent": "20"},
    ),
    "bank account": (
        lambda _client: f"/settings/bank-accounts/{make_bank_account(holder='Old').id}/edit",
        {"holder": "New"},
    ),
    "draft": (draft_url, {"note": "New"}),
    "webhook": (webhook_url, {"description": "New"}),
}


@pytest.mark.parametrize("page", EDIT_PAGES)
def test_values_that_another_person_saved_already_are_saved(admin: FlaskClient, page: str) -> None:
    make_url, change = EDIT_PAGES[page]
    url = make_url(admin)
    tab = opened(admin.get(url)) | change
    assert send(admin, url, **tab).status_code == 303
    again = send(admin, url, **tab)
    assert again.status_code == 303, words(again)


@pytest.mark.parametrize("page", ["contact", "service", "draft", "webhook"])
def test_values_that_another_person_changed_are_shown_and_replaced(admin: FlaskClient, page: str) -> None:
    make_url, change = EDIT_PAGES[page]
    url = make_url(admin)
    mine = opened(admin.get(url)) | dict.fromkeys(change, "Mine")
    assert send(admin, url, **opened(admin.get(url)) | dict.fromkeys(change, "Theirs")).status_code == 303
    refused = send(admin, url, **mine)
    assert refused.status_code == 422
    assert CONFLICT in words(refused)
    assert "Theirs Mine" in words(refused)
    assert send(admin, url, **opened(refused)).status_code == 303
    assert "Mine" in opened(admin.get(url)).values()


def test_two_sections_of_the_settings_do_not_conflict(admin: FlaskClient, session: Session) -> None:
    pages = [EDIT_PAGES[name] for name in ("organisation", "tax", "documents", "numbers", "charges", "journal")]
    tabs = {url: opened(admin.get(url)) | change for make_url, change in pages for url in [make_url(admin)]}
    for url, tab in tabs.items():
        saved = send(admin, url, **tab)
        assert saved.status_code == 303, words(saved)
    (settings,) = fresh(session, select(Organisation))
    assert (settings.legal_name, settings.tax_number, settings.terms) == ("Nimbus", "12/345", "Net")


def test_a_conflict_names_the_fields_of_its_section_only(admin: FlaskClient) -> None:
    tab = opened(admin.get("/settings/documents")) | {"terms": "Mine"}
    change_settings(terms="Theirs", legal_name="Nimbus")
    refused = send(admin, "/settings/documents", **tab)
    assert refused.status_code == 422
    assert "Terms Theirs Mine" in words(refused)
    assert "Nimbus" not in words(refused)


def test_moved_charges_do_not_conflict_with_the_note_of_a_draft(admin: FlaskClient) -> None:
    url = draft_url(admin)
    tab = opened(admin.get(url)) | {"note": "Mine"}
    draft = all_invoices()[0]
    charge = objects(admin.get(f"/invoices/{draft.id}/charges"), "/charges/")[0]
    send(admin, f"/invoices/{draft.id}/charges", version="1", id=charge)
    assert send(admin, url, **tab).status_code == 303


def test_a_version_without_the_values_counts_every_change(admin: FlaskClient) -> None:
    tab = opened(admin.get("/settings/documents")) | {"version": "1", "terms": "Mine"}
    change_settings(legal_name="Nimbus")
    assert send(admin, "/settings/documents", **tab).status_code == 422


def test_a_contact_that_was_removed_has_a_page_that_leads_back(admin: FlaskClient, session: Session) -> None:
    url = contact_url(admin)
    tab = opened(admin.get(url))
    send(admin, url.replace("/edit", "/remove"))
    assert fresh(session, select(CustomerContact)) == []
    (customer,) = fresh(session, select(Customer))
    for gone in (admin.get(url), send(admin, url, **tab), send(admin, url.replace("/edit", "/remove"))):
        assert gone.status_code == 404
        assert "This contact does not exist, or it has been removed." in words(gone)
        assert any(
            element.attributes.get("href") == f"/customers/{customer.id}" for element in parse(gone).elements("a")
        )


def test_an_object_that_was_removed_has_a_page_that_leads_to_the_list(admin: FlaskClient) -> None:
    for url, place in {
        f"/settings/bank-accounts/{uuid4()}/edit": "/settings/bank-accounts",
        f"/customers/{uuid4()}/edit": "/customers",
        f"/customers/{uuid4()}/contacts/new": "/customers",
        f"/invoices/{uuid4()}/edit": "/invoices",
        f"/settings/tax-rates/{uuid4()}/edit": "/settings",
    }.items():
        gone = admin.get(url)
        assert gone.status_code == 404
        anchors = next(iter(parse(gone).elements("main"))).elements("a")
        assert place in [element.attributes.get("href") for element in anchors], url


def test_an_entry_that_was_removed_already_leads_back_to_its_object(admin: FlaskClient) -> None:
    service = make_service()
    gone = send(admin, f"/services/{service.id}/prices/remove", currency="USD", valid_from="2027-01-01")
    assert gone.status_code == 404
    assert "Go to the service" in words(gone)
    gone = send(admin, "/settings/exchange-rates/remove", currency="USD", day="2026-03-01")
    assert gone.status_code == 404
    assert "Go to the exchange rates" in words(gone)
    german = admin.get(f"/invoices/{uuid4()}", headers={"Accept-Language": "de"})
    assert "Wechseln zu: Rechnungen" in words(german)


def test_each_page_that_error_pages_lead_to_has_its_words(app: Flask) -> None:
    for endpoint in app.view_functions:
        blueprint, _, view = endpoint.partition(".")
        if view in ("show", "index") and blueprint not in ("set_up_link", "keyboard", "month_end", "mail"):
            assert blueprint in (_OBJECT_NOUNS if view == "show" else _LIST_NOUNS), endpoint

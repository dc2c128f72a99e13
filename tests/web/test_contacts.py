"""The contacts of a customer in the browser, and the details for documents."""

from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import ContactFields
from billing_admin.models import Customer, CustomerContact
from billing_admin.operations.master_data import contacts as operations
from tests.making import NOW, make_customer
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import words
from tests.web.reading import fresh


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
@prepared
def viewer(app: Flask) -> FlaskClient:
    return signed_in(app, "viewer")


def add(client: FlaskClient, customer: Customer, **fields: str) -> TestResponse:
    given = {"id": str(uuid4()), "email": "ann@acme.example", "name": "Ann Lee", "invoices": "cc", "reminders": "to"}
    return send(client, f"/customers/{customer.id}/contacts/new", **given | {"statements": "none"} | fields)


def contacts(session: Session) -> list[CustomerContact]:
    return fresh(session, select(CustomerContact).order_by(CustomerContact.created_at, CustomerContact.id))


def test_a_contact_is_added_changed_and_removed(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(reference="ACME", email="pay@acme.example")
    page = f"/customers/{customer.id}"
    add(admin, customer)
    text = words(admin.get(page).text)
    assert "ann@acme.example was added." in text
    assert "ann@acme.example Ann Lee Cc To Not sent" in text
    _, ann = contacts(session)
    form = admin.get(f"{page}/contacts/{ann.id}/edit").text
    assert 'value="Ann Lee"' in form
    fields = {"email": "ann@acme.example", "name": "Ann", "invoices": "to", "reminders": "none", "statements": "to"}
    send(admin, f"{page}/contacts/{ann.id}/edit", **fields, version="1")
    assert "ann@acme.example Ann To Not sent To" in words(admin.get(page).text)
    assert "Remove ann@acme.example?" in words(admin.get(f"{page}/contacts/{ann.id}/remove").text)
    send(admin, f"{page}/contacts/{ann.id}/remove")
    assert "ann@acme.example was removed." in words(admin.get(page).text)
    assert [row.email for row in contacts(session)] == ["pay@acme.example"]


def test_a_bad_contact_keeps_the_input(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    response = add(admin, customer, email="pay@acme.example", name="Kept")
    assert response.status_code == 422
    assert 'value="Kept"' in response.text
    assert "pay@acme.example is the address of another contact of this customer." in words(response.text)
    assert len(contacts(session)) == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "Ann\u2028Lee", "Remove the line separator U+2028 at position 4."),
        ("name", "Ann\u2029Lee", "Remove the paragraph separator U+2029 at position 4."),
        ("email", "a@b", "Enter an e-mail address such as billing@example.com."),
        ("email", "a@b.", "Enter an e-mail address such as billing@example.com."),
    ],
)
def test_a_contact_that_no_mail_reaches_is_refused(session: Session, field: str, value: str, message: str) -> None:
    customer = make_customer(email="pay@acme.example")
    fields = {"email": "ann@acme.example", field: value}
    with pytest.raises(Invalid) as refused:
        transaction(operations.create, customer.id, fields, None, SYSTEM, NOW)  # type: ignore[arg-type]
    assert (refused.value.message, refused.value.field) == (message, (field,))


def test_a_stored_contact_of_an_earlier_version_can_be_repeated(session: Session) -> None:
    customer, id = make_customer(), uuid4()
    stored: ContactFields = {
        "name": "Ann\u2028Lee",
        "email": "a@b",
        "invoices": "to",
        "reminders": "to",
        "statements": "none",
    }

    def store(session: Session) -> None:
        session.add(CustomerContact(id=id, customer_id=customer.id, created_at=NOW, **stored))

    transaction(store)
    _, is_new = transaction(operations.create, customer.id, stored, id, SYSTEM, NOW)
    assert not is_new
    row = transaction(operations.update, id, {**stored, "reminders": "cc"}, None, SYSTEM, NOW)
    assert row.reminders == "cc"


def test_a_save_over_another_persons_change_shows_both(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    (contact,) = contacts(session)
    url = f"/customers/{customer.id}/contacts/{contact.id}/edit"
    fields = {"email": "pay@acme.example", "invoices": "to", "reminders": "to", "statements": "none"}
    send(admin, url, **fields, name="First", version="1")
    response = send(admin, url, **fields, name="Second", version="1")
    assert response.status_code == 422
    assert "First" in words(response.text)
    assert contacts(session)[0].name == "First"


def test_a_contact_of_another_customer_is_not_found(admin: FlaskClient, session: Session) -> None:
    make_customer(email="pay@acme.example")
    other, (contact,) = make_customer(name="other"), contacts(session)
    assert admin.get(f"/customers/{other.id}/contacts/{contact.id}/edit").status_code == 404


def test_a_viewer_sees_the_contacts_and_changes_none(viewer: FlaskClient, session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    text = viewer.get(f"/customers/{customer.id}").text
    assert "pay@acme.example" in text
    assert "/contacts/" not in text
    assert viewer.get(f"/customers/{customer.id}/contacts/new").status_code == 403


BLANK_LINES = {f"custom_lines-{row}-{part}": "" for row in range(4) for part in ("label", "value")}
DETAILS = BLANK_LINES | {
    "street": "Hafenstraße 80",
    "postcode": "20457",
    "city": "Hamburg",
    "country": "DE",
    "tax_id": "DE136695976",
    "language": "de",
    "paper": "",
    "e_invoice": "xrechnung-ubl",
    "buyer_reference": "04011000-1234512345-06",
    "electronic_address": "pay@acme.example",
    "electronic_scheme": "EM",
    "custom_lines-0-label": "Kostenstelle",
    "custom_lines-0-value": "4711",
    "custom_lines-2-label": "Projekt",
    "custom_lines-2-value": "Heron",
    "delivery_name": "Lager",
    "delivery_city": "Basel",
    "delivery_country": "CH",
}


def test_details_are_added_and_shown(admin: FlaskClient, session: Session) -> None:
    response = send(admin, "/customers/new", id=str(uuid4()), name="ACME", currency="EUR", **DETAILS)
    (customer,) = fresh(session, select(Customer))
    assert (response.status_code, customer.street, customer.country) == (303, "Hafenstraße 80", "DE")
    assert customer.custom_lines == [
        {"label": "Kostenstelle", "value": "4711"},
        {"label": "Projekt", "value": "Heron"},
    ]
    text = words(admin.get(f"/customers/{customer.id}").text)
    assert "Address Hafenstraße 80 20457 Hamburg Deutschland" in text
    assert "Delivery address Lager Basel Schweiz" in text
    assert "Lines on documents Kostenstelle: 4711 Projekt: Heron" in text
    assert "Language German Paper A4 (default) E-invoice format XRechnung (UBL)" in text
    assert "Electronic address pay@acme.example (EM, E-mail)" in text
    form = admin.get(f"/customers/{customer.id}/edit").text
    assert 'value="Kostenstelle"' in form
    unfolded = form.split('<details class="more" open>')[1:]
    assert [words(part.partition("</summary>")[0]) for part in unfolded] == [
        "Electronic address",
        "Contract and other lines on documents",
        "Delivery address",
    ]


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"country": ""}, "country", "Choose the country"),
        ({"tax_id": "DE136695975"}, "tax_id", "The check digits of this VAT number are wrong"),
        ({"tax_id": "GR094259216"}, "tax_id", "enter EL094259216"),
        ({"electronic_scheme": ""}, "electronic_scheme", "Choose the scheme"),
        ({"electronic_address": "x"}, "electronic_address", "Enter an e-mail address"),
        ({"delivery_country": ""}, "delivery_country", "Choose the country"),
        ({"custom_lines-2-value": ""}, "custom_lines-2-value", "Enter a value."),
        ({"custom_lines-2-label": "kostenstelle"}, "custom_lines-2-label", "Use each label once."),
        ({"custom_lines-0-label": "x" * 41}, "custom_lines-0-label", "Use at most 40 characters."),
    ],
)
def test_a_bad_detail_is_refused_at_its_field_and_nothing_is_lost(
    admin: FlaskClient, session: Session, wrong: dict[str, str], field: str, message: str
) -> None:
    response = send(admin, "/customers/new", id=str(uuid4()), name="ACME", currency="EUR", **DETAILS | wrong)
    assert response.status_code == 422
    assert f'href="#{field}"' in response.text
    assert message in words(response.text)
    assert 'value="Hafenstraße 80"' in response.text
    assert fresh(session, select(Customer)) == []


def test_a_statement_has_the_printed_addresses(admin: FlaskClient, session: Session) -> None:
    customer = make_customer(street="Hafenstraße 80", postcode="20457", city="Hamburg", country="DE", language="fr")
    text = words(admin.get(f"/customers/{customer.id}/statement").text)
    assert "Hafenstraße 80 20457 Hamburg Allemagne" in text

"""Contacts of customers for scripts: added once, read, changed with their version, removed."""

from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from tests.api.conftest import Script, code, pointers

A = str(UUID(int=0xA))
ANN = {"id": A, "name": "Ann Lee", "email": "ann@acme.example", "invoices": "cc"}


def content(response: TestResponse) -> Any:
    return response.json


@pytest.fixture
def acme(script: Script) -> Script:
    customer = {"reference": "C-1", "name": "ACME", "currency": "EUR", "email": "pay@acme.example"}
    assert script.post("/customers", customer).status_code == 201
    return script


def test_a_contact_is_added_once_read_changed_and_removed(acme: Script) -> None:
    first, again = (acme.post("/customers/C-1/contacts", ANN) for _ in range(2))
    assert (first.status_code, again.status_code, first.json == again.json) == (201, 200, True)
    listed = content(acme.get("/customers/C-1/contacts"))
    assert [(row["email"], row["invoices"]) for row in listed["data"]] == [
        ("pay@acme.example", "to"),
        ("ann@acme.example", "cc"),
    ]
    read = acme.get(f"/customers/C-1/contacts/{A}")
    changed = acme.patch(
        f"/customers/C-1/contacts/{A}", {"statements": "to"}, headers={"If-Match": read.headers["ETag"]}
    )
    assert (changed.status_code, content(changed)["statements"]) == (200, "to")
    stale = acme.patch(f"/customers/C-1/contacts/{A}", {"name": "Bob"}, headers={"If-Match": read.headers["ETag"]})
    assert (stale.status_code, code(stale)) == (412, "stale")
    removed = acme.post(f"/customers/C-1/contacts/{A}/remove")
    assert (removed.status_code, content(removed)["email"]) == (200, "ann@acme.example")
    assert acme.get(f"/customers/C-1/contacts/{A}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "name"),
    [
        ({"name": "Bob"}, 409, "id_conflict"),
        ({"id": str(UUID(int=0xB)), "email": "PAY@acme.example"}, 409, "email_taken"),
        ({"id": str(UUID(int=0xB)), "email": "x"}, 422, "not_an_email"),
        ({"id": str(UUID(int=0xB)), "reminders": "bcc"}, 422, "not_a_choice"),
    ],
)
def test_a_bad_contact_is_refused(acme: Script, fields: Any, status: int, name: str) -> None:
    acme.post("/customers/C-1/contacts", ANN)
    refused = acme.post("/customers/C-1/contacts", ANN | fields)
    assert (refused.status_code, code(refused)) == (status, name)


def test_contacts_of_another_customer_are_not_found(acme: Script) -> None:
    acme.post("/customers", {"reference": "OTHER", "name": "Other", "currency": "EUR"})
    acme.post("/customers/C-1/contacts", ANN)
    assert acme.get(f"/customers/OTHER/contacts/{A}").status_code == 404
    assert acme.get("/customers/NOBODY/contacts").status_code == 404
    assert acme.get("/customers/C-1/contacts/nonsense").status_code == 404


def test_the_email_of_a_customer_is_that_of_its_first_contact(acme: Script) -> None:
    (contact,) = content(acme.get("/customers/C-1/contacts"))["data"]
    acme.post(f"/customers/C-1/contacts/{contact['id']}/remove")
    assert content(acme.get("/customers/C-1"))["email"] == ""
    acme.post("/customers/C-1/contacts", ANN | {"invoices": "to"})
    assert content(acme.get("/customers/C-1"))["email"] == "ann@acme.example"


def test_details_that_contradict_each_other_are_refused_at_their_fields(acme: Script) -> None:
    fields = {"name": "B", "currency": "EUR", "city": "Berlin", "tax_id": "DE1", "electronic_scheme": "EM"}
    refused = acme.post("/customers", fields)
    assert refused.status_code == 422
    assert pointers(refused) == ["/country", "/tax_id", "/electronic_address"]
    lines = [{"label": "A", "value": "1"}, {"label": "a", "value": "2"}]
    refused = acme.post("/customers", {"name": "B", "currency": "EUR", "custom_lines": lines})
    assert pointers(refused) == ["/custom_lines/1/label"]


def test_a_text_address_cannot_hide_behind_its_parts(acme: Script) -> None:
    parts = {"street": "Hof 2", "postcode": "10115", "city": "Berlin", "country": "DE"}
    customer = acme.post("/customers", {"reference": "B", "name": "B", "currency": "EUR", "address": "Old", **parts})
    match = {"If-Match": customer.headers["ETag"]}
    refused = acme.patch("/customers/B", {"address": "New"}, headers=match)
    assert (refused.status_code, code(refused)) == (422, "address_has_parts")
    assert acme.patch("/customers/B", {"address": "Old", "notes": "n"}, headers=match).status_code == 200

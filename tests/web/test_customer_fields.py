"""Customer fields in the browser, in files and over the API."""

import csv
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Customer, CustomerField
from tests.importing import check, take_in, told
from tests.making import make_customer, make_customer_field
from tests.people import send, signed_in
from tests.web.pages import field, textarea, words

NEW = {"label": "Region", "key": "region", "type": "text", "choices": ""}


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def add(admin: FlaskClient, **changes: str) -> Any:
    return send(admin, "/settings/customer-fields/new", **NEW | {"id": str(uuid4())} | changes)


def test_a_field_is_added_changed_archived_and_restored(admin: FlaskClient, session: Session) -> None:
    assert "No customer fields yet" in admin.get("/settings/customer-fields").text
    assert add(admin, type="choice", choices="South\r\n\r\n North", is_listed="y").status_code == 303
    stored = session.scalars(select(CustomerField)).one()
    assert (stored.choices, stored.is_listed, stored.is_required) == (["South", "North"], True, False)
    at = f"/settings/customer-fields/{stored.id}"
    form = admin.get(f"{at}/edit")
    assert textarea(form, "choices").split() == ["South", "North"]
    version = field(form, "version")
    saved = send(admin, f"{at}/edit", label="Area", choices="South", version=version)
    assert saved.status_code == 303
    assert "Area" in words(admin.get("/settings/customer-fields").text)
    assert "Area" in words(admin.get("/settings").text)
    send(admin, f"{at}/archive")
    assert "Archived" in words(admin.get("/settings/customer-fields").text)
    send(admin, f"{at}/restore")
    assert "Archived" not in words(admin.get("/settings/customer-fields").text)


def test_a_wrong_definition_is_refused_at_its_field(admin: FlaskClient) -> None:
    refused = add(admin, key="Région", label="")
    assert refused.status_code == 422
    assert "Enter the label of the field." in refused.text
    refused = add(admin, key="Région")
    assert 'href="#key">Use lower-case letters' in refused.text
    assert 'href="#choices">Enter the choices' in add(admin, type="choice").text


def test_values_are_entered_shown_filtered_and_changed(admin: FlaskClient, session: Session) -> None:
    make_customer_field(is_listed=True)
    make_customer_field(key="seats", label="Seats", type="number")
    make_customer_field(key="since", label="Since", type="date")
    make_customer_field(key="tier", label="Tier", type="choice", choices=["Gold", "Silver"], is_required=True)
    make_customer(reference="OTHER", metadata={"tier": "Silver"})
    values = {"metadata_region": "South", "metadata_seats": "1,250.5", "metadata_since": "30 Nov 2026"}
    given = {"name": "ACME", "currency": "USD", "reference": "ACME", "id": "019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c"}
    refused = send(admin, "/customers/new", **given, **values, metadata_tier="")
    assert 'href="#metadata_tier">Enter a value for “Tier”.' in refused.text
    assert field(refused, "metadata_seats") == "1,250.5"
    refused = send(admin, "/customers/new", **given, **values | {"metadata_since": "soon"}, metadata_tier="Gold")
    assert refused.status_code == 422
    saved = send(admin, "/customers/new", **given, **values, metadata_tier="Gold")
    assert saved.status_code == 303
    customer = session.scalars(select(Customer).where(Customer.reference == "ACME")).one()
    assert customer.own_values == {"region": "South", "seats": "1250.5", "since": "2026-11-30", "tier": "Gold"}
    page = words(admin.get(f"/customers/{customer.id}").text)
    assert "Region South Seats 1,250.5 Since 30 Nov 2026 Tier Gold" in page
    listed = words(admin.get("/customers?metadata.region=south").text)
    assert "Region: south" in listed
    assert "ACME ACME" in listed
    assert "OTHER" not in listed
    for query in ("metadata.seats=1,250.50", "metadata.since=2026-11-30", "metadata.tier=Gold&metadata.seats=1250.5"):
        assert "1 customer." in words(admin.get(f"/customers?{query}").text), query
    assert "1,250.5" in admin.get("/customers?columns=metadata.seats").text
    form = admin.get(f"/customers/{customer.id}/edit")
    kept = {name: field(form, name) for name in ("version", "metadata_seats", "metadata_since")}
    assert kept["metadata_since"] == "30 Nov 2026"
    saved = send(admin, f"/customers/{customer.id}/edit", **given, **kept, metadata_region="", metadata_tier="Silver")
    assert saved.status_code == 303, words(saved.text)
    session.rollback()
    assert customer.own_values == {"seats": "1250.5", "since": "2026-11-30", "tier": "Silver"}


def test_files_have_a_column_for_each_field_and_are_imported_again(
    app: Flask, admin: FlaskClient, session: Session
) -> None:
    make_customer_field()
    make_customer_field(key="seats", label="Seats", type="number")
    make_customer(reference="ACME", name="ACME", metadata={"region": "=South", "seats": "-3"})
    make_customer(reference="OTHER", name="Other")
    content = admin.get("/exports/customers.csv").get_data(as_text=True)
    rows = list(csv.DictReader(StringIO(content)))
    assert list(rows[0])[-2:] == ["metadata.region", "metadata.seats"]
    assert [(row["reference"], row["metadata.seats"]) for row in rows] == [("ACME", "-3"), ("OTHER", "")]
    edited = "reference,name,currency,metadata.region,metadata.seats\nACME,ACME,USD,North,\nNEW,New,USD,South,7\n"
    take_in("customers", edited, update=True)
    session.rollback()
    values = {row.reference: row.own_values for row in session.scalars(select(Customer))}
    assert values == {"ACME": {"region": "North"}, "OTHER": {}, "NEW": {"region": "South", "seats": "7"}}


def test_a_wrong_value_of_a_file_names_its_column(app: Flask, session: Session) -> None:
    make_customer_field(key="seats", label="Seats", type="number")
    lines = "reference,name,currency,metadata.seats,metadata.other\nNEW,New,USD,many,\nNEXT,Next,USD,,x\n"
    assert told(check("customers", lines)) == [
        (2, "metadata.seats", "many"),
        (2, "metadata.other", ""),
        (3, "metadata.other", "x"),
    ]

"""Customers, services and tax rates: a repeated creation is safe, and a change needs the version."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.api.conftest import Script, code, pointers

CUSTOMER: dict[str, Any] = {"reference": "FOO", "name": "Foo Ltd", "currency": "USD", "payment_terms_days": 14}
SERVICE: dict[str, Any] = {"code": "compute", "name": "Compute", "unit": "hour", "prices": {"EUR": 2.50, "USD": "3"}}


@pytest.mark.parametrize(
    ("path", "body", "name_field"), [("/customers", CUSTOMER, "reference"), ("/services", SERVICE, "code")]
)
def test_creating_twice_is_safe(script: Script, path: str, body: dict[str, Any], name_field: str) -> None:
    request_body = body | {"id": str(uuid4())}
    first = script.post(path, request_body)
    assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
    for repeat in (
        request_body,
        body,
        {"id": request_body["id"]} | {name: body[name] for name in (name_field, "name") if name in body},
    ):
        if path == "/customers":
            repeat = repeat | {"currency": "USD"}  # noqa: PLW2901 - needed of a customer
        again = script.post(path, repeat)
        assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (200, "true")
        assert again.json == first.json
    for changed in (request_body | {"name": "Other"}, body | {"name": "Other"}):
        conflict = script.post(path, changed)
        assert (conflict.status_code, code(conflict)) == (409, "id_conflict")
        assert conflict.json
        assert conflict.json["differs"] == ["name"]
    assert script.post(path, body | {"id": str(uuid4())}).status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "name_field"), [("/customers", CUSTOMER, "reference"), ("/services", SERVICE, "code")]
)
def test_named_by_id_or_by_its_own_name(script: Script, path: str, body: dict[str, Any], name_field: str) -> None:
    created: Any = script.post(path, body).json
    for name in (created["id"], body[name_field]):
        answer = script.get(f"{path}/{name}")
        assert answer.json == created
        assert answer.headers["ETag"] == '"1"'
    assert script.get(f"{path}/nobody").status_code == 404
    listed: Any = script.get(path).json
    assert listed["data"][0][name_field] == body[name_field]


@pytest.mark.parametrize(
    ("path", "body", "name"), [("/customers", CUSTOMER, "reference"), ("/services", SERVICE, "code")]
)
def test_a_change_needs_the_version_that_was_read(script: Script, path: str, body: dict[str, Any], name: str) -> None:
    script.post(path, body)
    address = f"{path}/{body[name]}"
    assert script.patch(address, {"name": "New"}).status_code == 428
    changed = script.patch(address, {"name": "New"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json
    assert changed.json["name"] == "New"
    for tag in ('"1"', "1", '"x"', 'W/"1"'):
        stale = script.patch(address, {"name": "Newer"}, headers={"If-Match": tag})
        assert (stale.status_code, code(stale)) == (412, "stale")
    assert script.patch(address, {"name": "Newer"}, headers={"If-Match": 'W/"2"'}).status_code == 200
    archived = script.patch(address, {"archived": True}, headers={"If-Match": '"3"'})
    assert archived.json
    assert archived.json["archived"] is True
    assert [len((script.get(f"{path}?archived={flag}").json or {})["data"]) for flag in ("true", "false")] == [1, 1]
    restored = script.patch(address, {"archived": False}, headers={"If-Match": archived.headers["ETag"]})
    assert restored.json
    assert restored.json["archived"] is False


@pytest.mark.parametrize(
    ("path", "body", "places"),
    [
        ("/customers", {"name": "x"}, ["/currency"]),
        ("/customers", CUSTOMER | {"currency": "EU", "name": " "}, ["/currency", "/name"]),
        ("/customers", CUSTOMER | {"payment_terms_days": "14"}, ["/payment_terms_days"]),
        ("/customers", CUSTOMER | {"payment_terms_days": 14.0}, ["/payment_terms_days"]),
        ("/customers", CUSTOMER | {"payment_terms_days": 10**30}, ["/payment_terms_days"]),
        ("/customers", CUSTOMER | {"payment_terms_days": 9223372036854775807}, ["/payment_terms_days"]),
        ("/customers", CUSTOMER | {"reference": " a"}, ["/reference"]),
        ("/customers", CUSTOMER | {"email": None}, ["/email"]),
        ("/customers", CUSTOMER | {"balance": "0"}, ["/balance"]),
        ("/services", {}, ["/code"]),
        ("/services", SERVICE | {"prices": {"EUR": "x"}}, ["/prices/EUR"]),
        ("/services", SERVICE | {"prices": {"EUR": "-1"}}, ["/prices/EUR"]),
        ("/services", SERVICE | {"prices": [1]}, ["/prices"]),
        ("/services", SERVICE | {"tax_rate": "unheard-of"}, ["/tax_rate"]),
        ("/services", SERVICE | {"unit_code": "hour"}, ["/unit_code"]),
        ("/services", SERVICE | {"line_per_charge": "true"}, ["/line_per_charge"]),
        ("/services", SERVICE | {"line_per_charge": 1}, ["/line_per_charge"]),
    ],
)
def test_a_wrong_field_is_named(script: Script, path: str, body: dict[str, Any], places: list[str]) -> None:
    response = script.post(path, body)
    assert response.status_code == 422
    assert sorted(pointers(response)) == places


def test_prices_are_exact_strings(script: Script) -> None:
    created: Any = script.post("/services", SERVICE).json
    assert created["prices"] == {"EUR": "2.5", "USD": "3"}


def test_a_reference_is_made_where_none_is_given(script: Script) -> None:
    created: Any = script.post("/customers", {"name": "Someone", "currency": "EUR"}).json
    assert created["reference"] == "C-0001"


def test_tax_rates(script: Script) -> None:
    answer: Any = script.get("/tax-rates").json
    assert answer["has_more"] is False
    assert {"id", "code", "name", "category", "percent", "note", "vatex", "changes"} == set(answer["data"][0])


@pytest.mark.parametrize(
    "name", ["Müller & Söhne / Köln", "a/b", "100%", "a?b#c", "\U0001f469\u200d\U0001f4bb", "x" * 200]
)
def test_a_name_may_be_awkward(script: Script, name: str) -> None:
    created: Any = script.post("/customers", CUSTOMER | {"reference": name}).json
    assert script.get(f"/customers/{quote(name, safe='')}").json == created
    charge = {"customer": name, "description": "x", "amount": 1, "incurred_on": "2026-11-22"}
    assert script.post("/charges", charge).status_code == 201
    answer: Any = script.get(f"/customers/{quote(name, safe='')}/current-invoice").json
    assert (answer["customer"], answer["charges"]) == (name, 1)
    listed: Any = script.get("/charges", query_string={"customer": name}).json
    assert len(listed["data"]) == 1


@pytest.mark.parametrize(
    "reference",
    [
        "/subscriptions/64e355d7",
        "a//b",
        "//",
        "x?y#z",
        "50%",
        "100%25",
        "A,B",
        "A+B",
        "R&D;=",
        "a\u2028b",
        "..",
        "two  spaces",
    ],
)
def test_a_name_may_hold_slashes_anywhere(script: Script, reference: str) -> None:
    script.post("/customers", {"reference": reference, "name": "Named oddly", "currency": "EUR"})
    for suffix in ("", "/current-invoice"):
        answer = script.get(f"/customers/{quote(reference, safe='')}{suffix}")
        assert answer.status_code == 200, answer.json


def test_prices_are_set_listed_and_removed_by_their_first_day(script: Script) -> None:
    planned = {"currency": "EUR", "unit_price": "0.06", "valid_from": "2190-01-01"}
    first = script.post("/services/hosting/prices", planned)
    assert (first.status_code, first.json) == (201, planned | {"includes_tax": False, "status": "future"})
    again = script.post("/services/hosting/prices", planned)
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json) == (200, "true", first.json)
    changed: Any = script.post("/services/hosting/prices", planned | {"unit_price": "0.07", "includes_tax": True})
    assert (changed.status_code, changed.json["unit_price"], changed.json["includes_tax"]) == (201, "0.07", True)
    listed: Any = script.get("/services/hosting/prices").json
    assert [(price["valid_from"], price["unit_price"], price["status"]) for price in listed["data"]] == [
        ("1970-01-01", "0.05", "current"),
        ("2190-01-01", "0.07", "future"),
    ]
    service: Any = script.get("/services/hosting").json
    assert (service["prices"], service["prices_include_tax"]) == ({"EUR": "0.05"}, [])
    key = {"currency": "EUR", "valid_from": "2190-01-01"}
    assert script.post("/services/hosting/prices/remove", key).json == changed.json
    assert script.post("/services/hosting/prices/remove", key).status_code == 404
    assert len((script.get("/services/hosting/prices").json or {})["data"]) == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"currency": "EUR"}, "/unit_price"),
        ({"currency": "EUR", "unit_price": "-1"}, "/unit_price"),
        ({"currency": "eur", "unit_price": "1"}, "/currency"),
        ({"currency": "EUR", "unit_price": "1", "valid_from": "2026-02-30"}, "/valid_from"),
        ({"currency": "EUR", "unit_price": "1", "valid_from": "2200-01-01"}, "/valid_from"),
    ],
)
def test_a_wrong_price_is_refused_at_its_field(script: Script, body: dict[str, str], place: str) -> None:
    refused = script.post("/services/hosting/prices", body)
    assert (refused.status_code, pointers(refused)) == (422, [place])


def test_the_day_of_a_charge_decides_its_price(script: Script) -> None:
    script.patch("/services/hosting", {"prices": {"EUR": "9"}}, headers={"If-Match": "*"})
    charge = {"customer": "ACME", "service": "hosting"}
    earlier: Any = script.post("/charges", charge | {"incurred_on": "2020-01-01"}).json
    current: Any = script.post("/charges", charge).json
    assert (earlier["unit_price"], current["unit_price"]) == ("0.05", "9")

"""Charges over the API: ids, batches, errors by location, changes of state."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import Script, code, pointers

pytestmark = pytest.mark.both_databases

HOSTING: dict[str, Any] = {"customer": "ACME", "service": "hosting", "quantity": "58", "incurred_on": "2026-11-20"}


def test_a_charge_is_answered_whole(script: Script) -> None:
    body = HOSTING | {
        "id": "3135f216-5533-4c18-882a-f96c09cfc73c",
        "unit_price": 0.0000008,
        "currency": "USD",
        "description": "Database hosting, cluster 7",
        "metadata": {"cluster": "7"},
    }
    response = script.post("/charges", body)
    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response.headers
    created = response.json
    assert created
    assert created.pop("created_at").endswith("Z")
    assert created == body | {
        "unit_price": "0.0000008",
        "amount": "0.0000464",
        "tax_included": False,
        "status": "pending",
        "created_by": "tests",
        "invoice": None,
        "late": False,
        "replaces": None,
        "replaced_by": None,
        "possible_duplicate_of": [],
        "period_from": None,
        "period_to": None,
        "period_of_days": None,
        "purchase_order": "",
    }
    read = script.get(f"/charges/{body['id']}")
    assert read.status_code == 200
    assert read.json == response.json


@pytest.mark.parametrize("quantity", ["58", "58.0", "58.000", "json:58", "json:58.00", "json:5.8e1"])
def test_an_identical_repeat_is_answered_with_the_original(script: Script, quantity: str) -> None:
    body = HOSTING | {"id": str(uuid4())}
    first = script.post("/charges", body)
    number = quantity.removeprefix("json:") if quantity.startswith("json:") else f'"{quantity}"'
    again = script.post("/charges", json.dumps(body).replace('"58"', number))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json == first.json


def test_what_a_repeat_leaves_out_is_not_compared(script: Script) -> None:
    body = HOSTING | {"id": str(uuid4()), "unit_price": "3"}
    script.post("/charges", body)
    again = script.post("/charges", {"id": body["id"], "customer": "ACME", "service": "hosting"})
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"quantity": "59"}, ["quantity"]),
        ({"incurred_on": "2026-11-21", "description": "x"}, ["description", "incurred_on"]),
        ({"metadata": {"a": "b"}}, ["metadata"]),
        ({"amount": "1"}, ["amount"]),
    ],
)
def test_another_body_under_the_same_id_is_a_conflict(
    script: Script, change: dict[str, Any], differs: list[str]
) -> None:
    body = HOSTING | {"id": str(uuid4())}
    script.post("/charges", body)
    for response in (
        script.post("/charges", body | change),
        script.post("/charges/batch", {"charges": [body | change]}),
    ):
        assert (response.status_code, code(response)) == (409, "id_conflict")
        assert response.json
        assert response.json["differs"] == differs
    assert pointers(script.post("/charges", body | change)) == ["/id"]
    assert pointers(script.post("/charges/batch", {"charges": [HOSTING, body | change]})) == ["/charges/1/id"]


def test_a_batch_is_counted_and_may_be_posted_again(script: Script) -> None:
    rows = [HOSTING | {"id": str(uuid4()), "quantity": str(n)} for n in range(1, 21)]
    first = script.post("/charges/batch", {"charges": rows[:15]})
    assert first.status_code == 201
    assert first.json == {
        "created": 15,
        "replayed": 0,
        "possible_duplicates": [],
        "ids": [row["id"] for row in rows[:15]],
    }
    mixed = script.post("/charges/batch", {"charges": rows})
    assert (mixed.status_code, mixed.json and mixed.json["created"], mixed.json and mixed.json["replayed"]) == (
        201,
        5,
        15,
    )
    again = script.post("/charges/batch", {"charges": rows})
    assert (again.status_code, again.json and again.json["replayed"]) == (200, 20)


def test_likely_duplicates_are_named(script: Script) -> None:
    first = script.post("/charges", HOSTING).json
    second = script.post("/charges", HOSTING).json
    assert first
    assert second
    assert second["possible_duplicate_of"] == [first["id"]]
    third = script.post("/charges/batch", {"charges": [HOSTING]}).json
    assert third
    assert third["possible_duplicates"] == third["ids"]


def test_every_wrong_row_is_named_whatever_is_wrong_with_it(script: Script) -> None:
    existing = HOSTING | {"id": str(uuid4())}
    script.post("/charges", existing)
    rows: list[Any] = [
        HOSTING,
        HOSTING | {"quantity": "many"},
        HOSTING | {"customer": "NOBODY"},
        {"customer": "ACME"},
        HOSTING | {"unit_price": "1", "amount": "1"},
        7,
        HOSTING | {"colour": "red", "currency": 7},
        {"service": "hosting"},
        HOSTING | {"service": "unheard-of"},
        HOSTING | {"currency": "XYZ"},
        HOSTING | {"currency": "USD"},
        HOSTING | {"incurred_on": "1900-01-01"},
        existing | {"quantity": "59"},
        HOSTING | {"metadata": {"a": 1}},
        HOSTING | {"id": "7"},
    ]
    response = script.post("/charges/batch", {"charges": rows})
    assert response.status_code == 422
    assert pointers(response) == [
        "/charges/1/quantity",
        "/charges/2/customer",
        "/charges/3/service",
        "/charges/4/amount",
        "/charges/5",
        "/charges/6/currency",
        "/charges/6/colour",
        "/charges/7/customer",
        "/charges/8/service",
        "/charges/9/currency",
        "/charges/10/unit_price",
        "/charges/11/incurred_on",
        "/charges/12/id",
        "/charges/13/metadata/a",
        "/charges/14/id",
    ]
    listed = script.get("/charges").json
    assert listed
    assert len(listed["data"]) == 1


def test_a_thousand_wrong_rows_are_named_and_no_more(script: Script) -> None:
    rows = [{"customer": "NOBODY" if n % 2 else 7, "service": "hosting"} for n in range(3000)]
    response = script.post("/charges/batch", {"charges": rows})
    assert response.status_code == 422
    assert pointers(response) == [f"/charges/{n}/customer" for n in sorted(pointer_rows(response))]
    assert len(pointers(response)) == 1000


def pointer_rows(response: Any) -> list[int]:
    """Return the rows that a problem names."""
    return [int(pointer.split("/")[2]) for pointer in pointers(response)]


@pytest.mark.parametrize(
    ("charges", "refused"),
    [([], "too_short"), ([HOSTING] * 10_001, "too_long"), ({}, "wrong_type"), (None, "wrong_type")],
)
def test_a_batch_has_1_to_10_000(script: Script, charges: Any, refused: str) -> None:
    response = script.post("/charges/batch", {"charges": charges})
    assert (response.status_code, code(response), pointers(response)) == (422, refused, ["/charges"])


@pytest.mark.parametrize(
    ("change", "refused", "place"),
    [
        ({"customer": None}, "wrong_type", "/customer"),
        ({"customer": 7}, "wrong_type", "/customer"),
        ({"customer": ""}, "unknown_customer", "/customer"),
        ({"service": None}, "wrong_type", "/service"),
        ({"incurred_on": 0}, "not_a_date", "/incurred_on"),
        ({"incurred_on": "2026-02-30"}, "not_a_date", "/incurred_on"),
        ({"incurred_on": "2026-11-22T00:00:00"}, "not_a_date", "/incurred_on"),
        ({"incurred_on": "20261122"}, "not_a_date", "/incurred_on"),
        ({"incurred_on": "1763769600"}, "not_a_date", "/incurred_on"),
        ({"id": 7}, "not_a_uuid", "/id"),
        ({"id": "{3135f216-5533-4c18-882a-f96c09cfc73c}"}, "not_a_uuid", "/id"),
        ({"id": "3135f21655334c18882af96c09cfc73c"}, "not_a_uuid", "/id"),
        ({"id": "urn:uuid:3135f216-5533-4c18-882a-f96c09cfc73c"}, "not_a_uuid", "/id"),
        ({"metadata": []}, "wrong_type", "/metadata"),
        ({"metadata": {"a": None}}, "wrong_type", "/metadata/a"),
        ({"description": " "}, "blank", "/description"),
        ({"currency": "eur"}, "unknown_currency", "/currency"),
        ({"status": "billed"}, "unknown_field", "/status"),
        ({"quantity": "999999999999999999", "unit_price": "999999999999999999"}, "out_of_range", "/quantity"),
    ],
)
def test_a_wrong_field_is_named(script: Script, change: dict[str, Any], refused: str, place: str) -> None:
    response = script.post("/charges", HOSTING | change)
    assert (response.status_code, code(response), pointers(response)) == (422, refused, [place])


def test_awkward_text_comes_back_as_it_went_in(script: Script) -> None:
    awkward = "Zalgo\u0338 \u202e\u202d \U0001f469\u200d\U0001f4bb =1+1 <b>&'\" \\ \u200b\ufeffend"
    created = script.post("/charges", HOSTING | {"description": awkward, "metadata": {awkward[:30]: awkward}}).json
    assert created
    assert script.get(f"/charges/{created['id']}").json == created
    assert (created["description"], created["metadata"]) == (awkward, {awkward[:30]: awkward})


def test_a_charge_is_held_released_and_cancelled(script: Script) -> None:
    created = script.post("/charges", HOSTING).json
    assert created
    move: Callable[[str], Any] = lambda verb: script.post(f"/charges/{created['id']}/{verb}", {"reason": "checking"})  # noqa: E731
    for verb, status in (("hold", "held"), ("hold", "held"), ("release", "pending"), ("cancel", "cancelled")):
        response = move(verb)
        assert (response.status_code, response.json["status"]) == (200, status)
    assert move("cancel").status_code == 200
    assert (move("release").status_code, code(move("release"))) == (409, "charge_cancelled")


@pytest.mark.parametrize(
    ("body", "place"), [({}, ["/reason"]), ({"reason": ""}, ["/reason"]), ({"reason": 1}, ["/reason"])]
)
def test_a_move_needs_a_reason(script: Script, body: dict[str, Any], place: list[str]) -> None:
    created = script.post("/charges", HOSTING).json
    assert created
    response = script.post(f"/charges/{created['id']}/cancel", body)
    assert (response.status_code, pointers(response)) == (422, place)


@pytest.mark.parametrize("id", ["x", "ACME", "0", "%00", "3135f216-5533-4c18-882a-f96c09cfc73c", "é", "a" * 3000])
def test_a_charge_that_is_not_there(script: Script, id: str) -> None:
    assert script.get(f"/charges/{id}").status_code == 404
    assert script.post(f"/charges/{id}/cancel", {"reason": "x"}).status_code == 404


def test_filters(script: Script) -> None:
    script.post("/charges", HOSTING)
    script.post("/charges", {"customer": "ACME", "description": "Gift", "amount": "-1", "incurred_on": "2026-11-01"})
    for query, count in {
        "": 2,
        "?customer=ACME": 2,
        "?service=hosting": 1,
        "?status=held": 0,
        "?status=pending&currency=EUR": 2,
        "?from=2026-11-02": 1,
        "?to=2026-11-01": 1,
        "?from=2026-11-01&to=2026-11-20": 2,
    }.items():
        answer = script.get(f"/charges{query}")
        assert answer.status_code == 200
        assert answer.json
        assert len(answer.json["data"]) == count, query


def test_a_charge_is_for_its_period(script: Script) -> None:
    period = {"period_from": "2026-11-10", "period_to": "2026-11-19", "period_of_days": 30}
    body = HOSTING | period | {"id": str(uuid4())}
    created = script.post("/charges", body)
    assert created.status_code == 201
    assert created.json is not None
    assert {name: created.json[name] for name in period} == period
    batch = script.post("/charges/batch", {"charges": [body]})
    assert (batch.json or {})["replayed"] == 1
    other = script.post("/charges", body | {"period_to": "2026-11-20"})
    assert (other.status_code, (other.json or {})["errors"][0]["differs"]) == (409, ["period_to"])
    corrected = script.post(f"/charges/{body['id']}/correct", {"reason": "Through the 20th", "period_to": "2026-11-20"})
    assert corrected.json is not None
    assert [corrected.json[name] for name in period] == ["2026-11-10", "2026-11-20", None]
    without = {"reason": "For one day", "period_from": None, "period_to": None}
    removed = script.post(f"/charges/{corrected.json['id']}/correct", without)
    assert [(removed.json or {})[name] for name in period] == [None, None, None]


@pytest.mark.parametrize(
    ("period", "pointer"),
    [
        ({"period_from": "2026-11-10"}, "/period_to"),
        ({"period_from": "2026-11-10", "period_to": "2026-11-09"}, "/period_to"),
        ({"period_of_days": 30}, "/period_from"),
        ({"period_from": "2026-11-10", "period_to": "2026-11-19", "period_of_days": 10}, "/period_of_days"),
        ({"period_from": "2026-11-10", "period_to": "2026-11-19", "period_of_days": "30"}, "/period_of_days"),
    ],
)
def test_a_period_without_one_of_its_days_is_refused_at_its_field(
    script: Script, period: dict[str, object], pointer: str
) -> None:
    refused = script.post("/charges", HOSTING | period)
    assert (refused.status_code, [error["pointer"] for error in (refused.json or {})["errors"]]) == (422, [pointer])

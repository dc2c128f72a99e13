"""A negative charge needs the scope `credits:write`, in each way to post one."""

from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from billing_admin.domain.access import SCOPES
from tests.api.conftest import MakeToken, Script, code, pointers

HOSTING = {"customer": "ACME", "service": "hosting", "incurred_on": "2026-03-22"}
RECURRING = {"customer": "ACME", "service": "hosting", "interval": "monthly", "starts_on": "2026-01-01"}


@pytest.fixture
def weak(script: Script, make_token: MakeToken) -> Script:
    """A script with all scopes but this one, on the same database."""
    return Script(script.client, make_token([scope for scope in SCOPES if scope != "credits:write"]))


def assert_denied(response: TestResponse, *expected: str) -> None:
    body = response.json or {}
    assert (response.status_code, code(response), body["permission"]) == (403, "missing_permission", "credits:write")
    assert "“credits:write”" in body["detail"]
    assert pointers(response) == list(expected)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"quantity": "-1"}, "/quantity"),
        ({"unit_price": "-0.01"}, "/unit_price"),
        ({"amount": "-0.000000000001"}, "/amount"),
        ({"quantity": "-0.000000000001", "unit_price": "1"}, "/quantity"),
        ({"quantity": "-2", "amount": "-1"}, "/amount"),
    ],
)
def test_a_negative_charge_needs_the_scope(script: Script, weak: Script, fields: dict[str, str], place: str) -> None:
    body = HOSTING | fields | {"id": str(uuid4())}
    assert_denied(weak.post("/charges", body), place)
    assert script.post("/charges", body).status_code == 201
    assert weak.post("/charges", body).status_code == 200  # a repeat posts nothing


@pytest.mark.parametrize("fields", [{"quantity": "-1", "unit_price": "-2"}, {"quantity": "0"}, {"amount": "0"}])
def test_zero_and_two_minus_signs_are_not_negative(weak: Script, fields: dict[str, str]) -> None:
    assert weak.post("/charges", HOSTING | fields).status_code == 201


def test_a_batch_names_each_negative_row_and_stores_nothing(weak: Script) -> None:
    rows: list[dict[str, Any]] = [HOSTING, HOSTING | {"amount": "-1"}, HOSTING, HOSTING | {"quantity": "-2"}]
    refused = weak.post("/charges/batch", {"charges": rows})
    assert (refused.status_code, (refused.json or {})["permission"]) == (403, "credits:write")
    assert pointers(refused) == ["/charges/1/amount", "/charges/3/quantity"]
    assert (weak.get("/charges").json or {})["data"] == []


def test_a_batch_names_wrong_rows_beside_negative_ones(weak: Script) -> None:
    rows = [HOSTING | {"amount": "-1"}, HOSTING | {"service": "unheard-of"}, HOSTING | {"quantity": "many"}]
    refused = weak.post("/charges/batch", {"charges": rows})
    assert (refused.status_code, (refused.json or {})["permission"]) == (403, "credits:write")
    assert pointers(refused) == ["/charges/0/amount", "/charges/1/service", "/charges/2/quantity"]


def test_a_correction_to_a_negative_amount_needs_the_scope(script: Script, weak: Script) -> None:
    id = (script.post("/charges", HOSTING).json or {})["id"]
    assert_denied(weak.post(f"/charges/{id}/correct", {"reason": "x", "quantity": "-1"}), "/quantity")
    assert (script.get(f"/charges/{id}").json or {})["status"] == "pending"
    assert script.post(f"/charges/{id}/correct", {"reason": "x", "quantity": "-1"}).status_code == 201


def test_a_negative_quantity_with_a_positive_amount_is_refused(script: Script, weak: Script) -> None:
    contradiction = HOSTING | {"quantity": "-1", "amount": "5"}
    id = (script.post("/charges", HOSTING | {"amount": "5"}).json or {})["id"]
    for writer in (script, weak):
        corrected = writer.post(f"/charges/{id}/correct", {"reason": "x", "quantity": "-1"})
        assert (corrected.status_code, pointers(corrected)) == (422, ["/quantity"])
        posted = writer.post("/charges", contradiction)
        assert (posted.status_code, pointers(posted)) == (422, ["/quantity"])
        batch = writer.post("/charges/batch", {"charges": [HOSTING, contradiction]})
        assert (batch.status_code, pointers(batch)) == (422, ["/charges/1/quantity"])
    assert (script.get(f"/charges/{id}").json or {})["status"] == "pending"


def test_a_credit_is_cancelled_without_the_scope(script: Script, weak: Script) -> None:
    id = (script.post("/charges", HOSTING | {"amount": "-1"}).json or {})["id"]
    for act in ("hold", "release", "cancel"):
        assert weak.post(f"/charges/{id}/{act}", {"reason": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "place"), [({"quantity": "-1"}, "/quantity"), ({"unit_price": "-1"}, "/unit_price")]
)
def test_a_negative_recurring_charge_needs_the_scope(
    script: Script, weak: Script, fields: dict[str, str], place: str
) -> None:
    assert_denied(weak.post("/recurring-charges", RECURRING | fields), place)
    id = (script.post("/recurring-charges", RECURRING).json or {})["id"]
    assert_denied(weak.post(f"/recurring-charges/{id}/change", {"from": "2027-01-01"} | fields), place)
    assert script.post("/recurring-charges", RECURRING | fields).status_code == 201


def test_taking_posted_days_back_needs_the_scope(script: Script, weak: Script) -> None:
    id = (script.post("/recurring-charges", RECURRING | {"unit_price": "30"}).json or {})["id"]
    weak.post(f"/recurring-charges/{id}/pause")
    assert weak.post(f"/recurring-charges/{id}/resume").status_code == 200  # posts what was due before the pause
    assert_denied(weak.post(f"/recurring-charges/{id}/end", {"ends_on": "2026-01-10"}), "/ends_on")
    assert script.post(f"/recurring-charges/{id}/end", {"ends_on": "2026-01-10"}).status_code == 200


def test_a_negative_recurring_charge_is_posted_by_anyone_once_it_is_set_up(script: Script, weak: Script) -> None:
    id = (script.post("/recurring-charges", RECURRING | {"quantity": "-1"}).json or {})["id"]
    weak.post(f"/recurring-charges/{id}/pause")
    assert weak.post(f"/recurring-charges/{id}/resume").status_code == 200
    posted = (script.get("/charges").json or {})["data"]
    assert posted
    assert all(charge["quantity"] == "-1" for charge in posted)

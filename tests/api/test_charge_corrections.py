"""Charges corrected and kept over the API."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from billing_admin.domain.access import SCOPES
from tests.api.conftest import MakeToken, Script, code, pointers
from tests.making import bill, change_settings

HOSTING = {"customer": "ACME", "service": "hosting", "quantity": "58", "incurred_on": "2026-03-22"}


def made(script: Script, **fields: Any) -> Any:
    return script.post("/charges", HOSTING | fields).json


def test_a_charge_is_corrected_and_each_names_the_other(script: Script) -> None:
    charge, new_id = made(script, metadata={"cluster": "7"}), str(uuid4())
    body = {"id": new_id, "reason": "Misread", "quantity": "59"}
    response = script.post(f"/charges/{charge['id']}/correct", body)
    assert response.status_code == 201
    changed = {"id", "quantity", "amount", "replaces", "created_at"}
    assert {name for name, value in (response.json or {}).items() if value != charge[name]} == changed
    assert (response.json or {})["replaces"] == charge["id"]
    again = script.post(f"/charges/{charge['id']}/correct", body)
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json) == (200, "true", response.json)
    old = script.get(f"/charges/{charge['id']}").json or {}
    assert (old["status"], old["replaced_by"]) == ("cancelled", new_id)
    listed = (script.get("/charges?status=cancelled").json or {})["data"]
    assert [row["replaced_by"] for row in listed] == [new_id]


def test_another_correction_under_the_same_id_names_what_differs(script: Script) -> None:
    charge, new_id = made(script), str(uuid4())
    script.post(f"/charges/{charge['id']}/correct", {"id": new_id, "reason": "x", "quantity": "59"})
    changed = script.post(f"/charges/{charge['id']}/correct", {"id": new_id, "reason": "x", "quantity": "60"})
    assert (changed.status_code, code(changed), (changed.json or {})["differs"]) == (409, "id_conflict", ["quantity"])


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"quantity": "59"}, 422, ["/reason"]),
        ({"reason": " ", "quantity": "59"}, 422, ["/reason"]),
        ({"reason": "x"}, 422, []),
        ({"reason": "x", "quantity": "many"}, 422, ["/quantity"]),
        ({"reason": "x", "quantity": None}, 422, ["/quantity"]),
        ({"reason": "x", "service": "unheard-of"}, 422, ["/service"]),
        ({"reason": "x", "colour": "red"}, 422, ["/colour"]),
        ({"reason": "x", "unit_price": "1", "amount": "1"}, 422, ["/amount"]),
    ],
)
def test_a_correction_that_is_refused_names_the_place(
    script: Script, body: dict[str, Any], status: int, expected: list[str]
) -> None:
    charge = made(script)
    response = script.post(f"/charges/{charge['id']}/correct", body)
    assert (response.status_code, pointers(response)) == (status, expected)
    assert (script.get(f"/charges/{charge['id']}").json or {})["status"] == "pending"


def test_a_billed_charge_is_not_corrected(app: Flask, script: Script) -> None:
    charge = made(script)
    with app.app_context():
        bill()
    response = script.post(f"/charges/{charge['id']}/correct", {"reason": "x", "quantity": "1"})
    assert (response.status_code, code(response)) == (409, "charge_billed")
    assert "Credit that invoice" in (response.json or {})["detail"]
    assert script.post(f"/charges/{uuid4()}/correct", {"reason": "x"}).status_code == 404


def test_likely_duplicates_are_listed_until_they_are_kept(app: Flask, script: Script) -> None:
    with app.app_context():
        change_settings(hold_likely_duplicates=True)
    first, second = made(script), made(script)
    assert (second["status"], second["possible_duplicate_of"]) == ("held", [first["id"]])
    assert ids(script.get("/charges?possible_duplicate=true")) == [second["id"]]
    assert ids(script.get("/charges?possible_duplicate=false")) == [first["id"]]
    answer = script.post(f"/charges/{second['id']}/keep")
    assert answer.status_code == 200
    assert (answer.json or {})["status"] == "pending"
    assert (answer.json or {})["possible_duplicate_of"] == []
    assert script.post(f"/charges/{second['id']}/keep", {"reason": "Two servers"}).json == answer.json
    assert ids(script.get("/charges?possible_duplicate=true")) == []
    refused = script.post(f"/charges/{first['id']}/keep")
    assert (refused.status_code, code(refused)) == (409, "not_a_duplicate")
    assert pointers(script.get("/charges?possible_duplicate=yes")) == ["/possible_duplicate"]


def ids(response: TestResponse) -> list[str]:
    return [row["id"] for row in (response.json or {})["data"]]


@pytest.mark.parametrize("verb", ["correct", "keep"])
def test_both_need_the_scope(script: Script, make_token: MakeToken, verb: str) -> None:
    charge = made(script)
    script.token = make_token([scope for scope in SCOPES if scope != "charges:write"])
    response = script.post(f"/charges/{charge['id']}/{verb}", {"reason": "x"})
    assert response.status_code == 403

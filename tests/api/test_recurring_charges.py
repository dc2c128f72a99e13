"""Recurring charges over the API."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from billing_admin.clock import now
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.operations.charges.recurring_posting import post_due_charges
from tests.api.conftest import MakeToken, Script, code, pointers

AT = "/recurring-charges"
HOSTING = {"customer": "ACME", "service": "hosting", "interval": "monthly", "starts_on": "2026-01-31"}
TODAY = now().date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()


def made(script: Script, **fields: Any) -> Any:
    response = script.post(AT, HOSTING | fields)
    assert response.status_code == 201, response.json
    return response.json


def post(app: Flask, id: str, through: date) -> int:
    with app.app_context():
        return transaction(post_due_charges, [UUID(id)], through, SYSTEM, now())


def test_every_default_is_filled_in_and_the_next_charges_shown(script: Script) -> None:
    charge = made(script, quantity="2")
    coming = [(item["period_from"], item["period_to"], item["amount"]) for item in charge.pop("next")]
    assert coming == [
        ("2026-01-31", "2026-02-27", "0.1"),
        ("2026-02-28", "2026-03-30", "0.1"),
        ("2026-03-31", "2026-04-29", "0.1"),
    ]
    assert charge.items() >= {
        "customer": "ACME", "service": "hosting", "description": "Database hosting", "quantity": "2",
        "unit_price": None, "currency": "EUR", "anchor_on": "2026-01-31", "ends_on": None, "status": "active",
        "paused_on": None, "posted_through": None, "follows": None, "followed_by": None,
    }.items()  # fmt: skip
    assert (script.get(f"{AT}/{charge['id']}").json or {})["created_at"] == charge["created_at"]


def test_sent_again_it_is_stored_once(script: Script) -> None:
    body = HOSTING | {"id": str(uuid4()), "unit_price": "2.50"}
    first, again = script.post(AT, body), script.post(AT, body | {"unit_price": 2.5})
    assert (first.status_code, again.status_code, again.json) == (201, 200, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    changed = script.post(AT, body | {"interval": "yearly", "quantity": "3"})
    assert (changed.status_code, code(changed), (changed.json or {})["differs"]) == (
        409, "id_conflict", ["quantity", "interval"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"interval": "daily"}, ["/interval"]),
        ({"starts_on": "2026-02-30"}, ["/starts_on"]),
        ({"ends_on": "2026-01-30"}, ["/ends_on"]),
        ({"customer": "NOBODY"}, ["/customer"]),
        ({"service": "unheard-of"}, ["/service"]),
        ({"currency": "USD"}, ["/unit_price"]),
        ({"quantity": "0"}, ["/quantity"]),
        ({"unit_price": None}, ["/unit_price"]),
        ({"colour": "red", "quantity": "x"}, ["/quantity", "/colour"]),
    ],
)
def test_what_is_refused_names_the_place(script: Script, fields: dict[str, Any], expected: list[str]) -> None:
    response = script.post(AT, HOSTING | fields)
    assert (response.status_code, pointers(response)) == (422, expected)
    assert (script.get(AT).json or {})["data"] == []


def test_it_pauses_and_goes_on(script: Script) -> None:
    id = made(script)["id"]
    paused = script.post(f"{AT}/{id}/pause", {"reason": "Disputed"})
    assert paused.status_code == 200
    assert ((paused.json or {})["status"], (paused.json or {})["next"]) == ("paused", [])
    assert script.post(f"{AT}/{id}/pause").json == paused.json
    assert [row["id"] for row in (script.get(f"{AT}?status=paused").json or {})["data"]] == [id]
    resumed = script.post(f"{AT}/{id}/resume")
    assert ((resumed.json or {})["status"], (resumed.json or {})["posted_through"]) == ("active", YESTERDAY)
    assert script.post(f"{AT}/{id}/resume").json == resumed.json


def test_it_ends_and_takes_back_what_was_posted(app: Flask, script: Script) -> None:
    id = made(script, unit_price="28")["id"]
    assert post(app, id, date(2026, 1, 31)) == 1
    body = {"ends_on": "2026-02-13", "reason": "Gave notice"}
    ended = script.post(f"{AT}/{id}/end", body)
    assert (ended.status_code, (ended.json or {})["status"], (ended.json or {})["next"]) == (200, "ended", [])
    assert script.post(f"{AT}/{id}/end", body).json == ended.json
    amounts = [row["amount"] for row in (script.get("/charges").json or {})["data"]]
    assert amounts == ["-14", "28"]
    later = script.post(f"{AT}/{id}/end", {"ends_on": "2026-03-01"})
    assert (later.status_code, pointers(later)) == (422, ["/ends_on"])
    pause = script.post(f"{AT}/{id}/pause")
    assert (pause.status_code, code(pause)) == (409, "recurring_charge_ended")


def test_it_changes_from_a_date(script: Script) -> None:
    id, new_id = made(script, unit_price="28")["id"], str(uuid4())
    body = {"id": new_id, "from": "2026-02-14", "quantity": "3", "reason": "Grew"}
    changed = script.post(f"{AT}/{id}/change", body)
    assert changed.status_code == 201
    assert (changed.json or {}).items() >= {"id": new_id, "follows": id, "starts_on": "2026-02-14"}.items()
    assert (changed.json or {})["next"][0].items() >= {"quantity": "1", "unit_price": None, "amount": "42"}.items()
    again = script.post(f"{AT}/{id}/change", body)
    assert (again.status_code, again.json) == (200, changed.json)
    old = script.get(f"{AT}/{id}").json or {}
    assert (old["ends_on"], old["followed_by"], old["status"]) == ("2026-02-13", new_id, "ended")
    for fields, place in (({"quantity": "9"}, "/from"), ({"from": "1900-01-01"}, "/from"), ({"from": "x"}, "/from")):
        refused = script.post(f"{AT}/{id}/change", {"from": "2026-03-01"} | fields)
        assert (refused.status_code, pointers(refused)) == (422, [place])


def test_the_list_is_filtered(script: Script) -> None:
    active, ended = made(script)["id"], made(script, ends_on="2026-02-01")["id"]
    for query, expected in {
        "": [ended, active],
        "?status=active": [active],
        "?status=ended": [ended],
        "?customer=ACME&service=hosting&currency=EUR": [ended, active],
        "?currency=USD": [],
        "?limit=1": [ended],
    }.items():
        assert [row["id"] for row in (script.get(AT + query).json or {})["data"]] == expected, query
    assert script.get(f"{AT}?customer=NOBODY").status_code == 404
    assert script.get(f"{AT}?status=lost").status_code == 422
    assert script.get(f"{AT}/{uuid4()}").status_code == 404


@pytest.mark.parametrize("path", ["", "/{id}/pause", "/{id}/resume", "/{id}/end", "/{id}/change"])
def test_writing_needs_the_scope(script: Script, make_token: MakeToken, path: str) -> None:
    id = made(script)["id"]
    script.token = make_token([scope for scope in SCOPES if scope != "charges:write"])
    body = {"": HOSTING, "/{id}/end": {"ends_on": "2026-12-31"}, "/{id}/change": {"from": "2026-12-31"}}.get(path, {})
    assert script.post(AT + path.format(id=id), body).status_code == 403


def test_every_interval_is_taken_in_advance_or_in_arrears(script: Script) -> None:
    body = HOSTING | {"interval": "half_yearly", "interval_count": 2, "timing": "in_arrears", "anchor_on": "2026-01-01"}
    created = script.post(AT, body).json or {}
    assert [created[name] for name in ("interval", "interval_count", "timing")] == ["half_yearly", 2, "in_arrears"]
    first, second, _ = created["next"]
    days = ("period_from", "period_to", "incurred_on", "period_of_days")
    assert [first[name] for name in days] == ["2026-01-31", "2026-12-31", "2026-12-31", 365]
    assert [second[name] for name in days] == ["2027-01-01", "2027-12-31", "2027-12-31", None]
    plain = script.post(AT, HOSTING).json or {}
    assert [plain[name] for name in ("interval_count", "timing")] == [1, "in_advance"]
    for wrong, pointer in (
        ({"interval_count": 0}, "/interval_count"),
        ({"interval_count": "2"}, "/interval_count"),
        ({"timing": "x"}, "/timing"),
    ):
        refused = script.post(AT, HOSTING | wrong)
        assert (refused.status_code, [error["pointer"] for error in (refused.json or {})["errors"]]) == (422, [pointer])


def test_a_purchase_order_is_set_and_changed(script: Script) -> None:
    created = script.post(AT, HOSTING | {"purchase_order": "PO-1"}).json or {}
    assert created["purchase_order"] == "PO-1"
    changed = script.post(f"{AT}/{created['id']}/change", {"from": "2026-07-01", "purchase_order": "PO-2"}).json or {}
    assert (changed["purchase_order"], changed["description"]) == ("PO-2", created["description"])
    refused = script.post(AT, HOSTING | {"purchase_order": "x" * 201})
    assert (refused.status_code, (refused.json or {})["errors"][0]["pointer"]) == (422, "/purchase_order")

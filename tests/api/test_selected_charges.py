"""Many charges held, released, cancelled and billed over the API."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import SCOPES
from billing_admin.models import AuditEvent
from tests.api.conftest import MakeToken, Script, code, pointers

HOSTING = {"customer": "ACME", "service": "hosting", "incurred_on": "2026-03-22"}


@pytest.fixture
def ids(script: Script) -> list[str]:
    """Post three charges of different amounts."""
    rows = [HOSTING | {"quantity": str(quantity)} for quantity in (1, 2, 4)]
    ids: list[str] = (script.post("/charges/batch", {"charges": rows}).json or {})["ids"]
    return ids


def statuses(script: Script) -> list[str]:
    """Return the statuses of the charges, the newest first."""
    return [row["status"] for row in (script.get("/charges").json or {})["data"]]


def change(script: Script, act: str, **body: Any) -> Any:
    """Send a request that must be accepted, and return its answer."""
    response = script.post(f"/charges/{act}", {"reason": "Agreed", **body})
    assert response.status_code == 200, response.json
    return response.json


def test_charges_are_changed_together_in_one_act(script: Script, ids: list[str], session: Session) -> None:
    answer = change(script, "hold", charges=ids[:2])
    assert (answer["changed"], answer["left_out"]) == (2, [])
    assert [(row["status"], row["charges"]) for row in answer["totals"]] == [("held", 2)]
    again = change(script, "hold", charges=ids[:2])
    assert (again["changed"], [row["charges"] for row in again["left_out"]]) == (0, [2])
    released = change(script, "release", charges=ids)
    assert (released["changed"], [(row["status"], row["charges"]) for row in released["left_out"]]) == (
        2,
        [("pending", 1)],
    )
    change(script, "cancel", charges=ids)
    assert statuses(script) == ["cancelled"] * 3
    actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert [actions.count(f"charge.{act}") for act in ("held", "released", "cancelled")] == [1, 1, 1]


def test_a_filter_changes_what_a_dry_run_showed(script: Script, ids: list[str]) -> None:
    chosen = {"filter": {"customer": "ACME", "status": "pending", "from": "2026-03-01", "to": "2026-03-31"}}
    shown = change(script, "cancel", **chosen, dry_run=True)
    assert shown["changed"] == 3
    assert statuses(script) == ["pending"] * 3
    script.post("/charges", HOSTING | {"quantity": "9"})
    refused = script.post("/charges/cancel", {**chosen, "reason": "x", "confirmed": shown["digest"]})
    assert (refused.status_code, code(refused)) == (409, "selection_changed")
    shown = change(script, "cancel", **chosen, dry_run=True)
    assert change(script, "cancel", **chosen, confirmed=shown["digest"])["changed"] == 4
    assert change(script, "cancel", **chosen, confirmed=shown["digest"])["changed"] == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/charges"]),
        ({"charges": [], "filter": {}}, ["/charges"]),
        ({"charges": []}, ["/charges"]),
        ({"charges": ["x"]}, ["/charges/0"]),
        ({"charges": [str(uuid4())]}, ["/charges/0"]),
        ({"filter": {}}, ["/confirmed"]),
        ({"filter": {"status": "billed"}}, ["/filter/status"]),
        ({"filter": {"currency": "XXX"}, "dry_run": True}, ["/currency"]),
        ({"filter": {"page": 2}}, ["/filter/page"]),
    ],
)
def test_bad_requests_name_the_field(script: Script, body: dict[str, Any], expected: list[str]) -> None:
    response = script.post("/charges/hold", {"reason": "x", **body})
    assert response.status_code == 422
    assert pointers(response) == expected


def test_a_reason_and_the_scope_are_needed(
    client: FlaskClient, script: Script, ids: list[str], make_token: MakeToken
) -> None:
    assert pointers(script.post("/charges/hold", {"charges": ids, "reason": " "})) == ["/reason"]
    reader = Script(client, make_token([scope for scope in SCOPES if scope != "charges:write"]))
    assert reader.post("/charges/hold", {"charges": ids, "reason": "x"}).status_code == 403
    assert statuses(script) == ["pending"] * 3


def test_a_run_bills_the_named_charges(script: Script, ids: list[str]) -> None:
    body = {"id": str(uuid4()), "through": "2026-03-31", "charges": ids[1:]}
    preview = script.post("/billing-runs", body | {"dry_run": True}).json or {}
    assert (preview["charges"], preview["selected_charges"]) == (2, 2)
    run = script.post("/billing-runs", body | {"confirmed": preview["digest"], "issue": True}).json or {}
    assert (run["invoices"], run["charges"], run["selected_charges"]) == (1, 2, 2)
    assert sorted(statuses(script)) == ["billed", "billed", "pending"]
    assert pointers(script.post("/billing-runs", body | {"id": str(uuid4()), "charges": [str(uuid4())]})) == [
        "/charges/0"
    ]


def test_an_unknown_customer_of_a_filter_is_refused_at_its_field(script: Script) -> None:
    response = script.post("/charges/hold", {"filter": {"customer": "NOBODY"}, "reason": "Check", "dry_run": True})
    assert (response.status_code, code(response), pointers(response)) == (422, "unknown_customer", ["/filter/customer"])

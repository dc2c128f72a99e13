"""The API refuses documents dated after today, and reverse charge without the customer's tax ID."""

from datetime import timedelta
from typing import Any

import pytest

from billing_admin.clock import now
from tests.api.conftest import Script, code, pointers
from tests.prepared import prepared


@pytest.fixture
@prepared
def charged(script: Script) -> Script:
    """ACME owes 10 EUR since yesterday; VIENNA, under reverse charge and without a tax ID, 5 EUR."""
    vienna = {"reference": "VIENNA", "name": "Vienna", "currency": "EUR", "tax_treatment": "reverse_charge"}
    assert script.post("/customers", vienna).status_code == 201
    rows = [
        {"customer": name, "description": "Work", "amount": amount, "incurred_on": day(-1)}
        for name, amount in (("ACME", "10"), ("VIENNA", "5"))
    ]
    assert script.post("/charges/batch", {"charges": rows}).status_code == 201
    return script


def day(days: int) -> str:
    """Return the day that is `days` from today; the organisation's time zone is UTC."""
    return (now().date() + timedelta(days)).isoformat()


def run(script: Script, **body: Any) -> Any:
    response = script.post("/billing-runs", {"through": day(0)} | body)
    assert response.status_code in {200, 201}, response.text
    return response.json


@pytest.mark.parametrize("ahead", [1, 30, 60_000])
@pytest.mark.parametrize("options", [{}, {"dry_run": True}, {"background": True}, {"issue": False}])
def test_a_run_dated_in_the_future_is_refused(charged: Script, ahead: int, options: dict[str, Any]) -> None:
    body = {"through": day(0), "issue": True, "issue_date": day(ahead)} | options
    refused = charged.post("/billing-runs", body)
    assert (refused.status_code, code(refused), pointers(refused)) == (422, "in_the_future", ["/issue_date"])
    assert f"{day(0)} (today)" in (refused.json or {})["detail"]
    assert (charged.get("/billing-runs").json or {})["data"] == []


def test_a_document_dated_in_the_future_is_refused(charged: Script) -> None:
    run(charged)
    draft: Any = (charged.get("/invoices?status=draft").json or {})["data"][0]
    refused = charged.post(f"/invoices/{draft['id']}/issue", {"issue_date": day(30)})
    assert (refused.status_code, code(refused), pointers(refused)) == (422, "in_the_future", ["/issue_date"])
    created: Any = charged.post(f"/invoices/{draft['id']}/issue", {"issue_date": day(0)}).json
    body = {"reason": "Wrong", "amount": "1", "issue_date": day(1)}
    refused = charged.post(f"/invoices/{created['number']}/credit", body)
    assert (refused.status_code, code(refused), pointers(refused)) == (422, "in_the_future", ["/issue_date"])
    assert charged.post(f"/invoices/{created['number']}/credit", body | {"issue_date": day(0)}).status_code == 201


@pytest.mark.parametrize("issue", [True, False])
@pytest.mark.parametrize("background", [True, False])
def test_a_run_leaves_out_reverse_charge_without_a_tax_id(charged: Script, issue: bool, background: bool) -> None:
    expected = [
        {"customer": "VIENNA", "currency": "EUR", "charges": 1, "amount": "5", "reason": "customer_tax_id_missing"}
    ]
    shown = run(charged, dry_run=True, issue=issue)
    assert (shown["invoices"], shown["left_out"]) == (1, expected)
    body = {"through": day(0), "issue": issue, "confirmed": shown["digest"], "background": background}
    started: Any = charged.post("/billing-runs", body).json
    created: Any = charged.get(f"/billing-runs/{started['id']}").json
    assert (created["state"], created["invoices"], created["left_out"]) == ("done", 1, expected)
    current: Any = charged.get("/customers/VIENNA/current-invoice").json
    assert (current["total"], current["left_out"]) == ("5.00", "customer_tax_id_missing")


def test_an_issue_without_the_tax_id_is_refused_at_the_field(charged: Script) -> None:
    vienna = charged.get("/customers/VIENNA")
    changed = charged.patch(
        "/customers/VIENNA", {"tax_id": "ATU13585627"}, headers={"If-Match": vienna.headers["ETag"]}
    )
    run(charged)
    answer: Any = charged.get("/invoices?status=draft&customer=VIENNA").json
    draft = answer["data"][0]["id"]
    emptied = charged.patch("/customers/VIENNA", {"tax_id": " "}, headers={"If-Match": changed.headers["ETag"]})
    refused = charged.post(f"/invoices/{draft}/issue")
    assert (refused.status_code, code(refused)) == (422, "customer_tax_id_missing")
    assert pointers(refused) == ["/customer/tax_id"]
    assert "Add the tax ID of Vienna" in (refused.json or {})["detail"]
    charged.patch("/customers/VIENNA", {"tax_id": "ATU99999001"}, headers={"If-Match": emptied.headers["ETag"]})
    issued: Any = charged.post(f"/invoices/{draft}/issue").json
    assert issued["status"] == "issued"

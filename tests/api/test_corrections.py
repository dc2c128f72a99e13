"""Invoices over the API: drafts changed, invoices voided and credited, number series read."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.master_data import periods
from billing_admin.queries.invoices.invoices import invoice as stored_invoice
from tests.api.conftest import Script, code, pointers
from tests.messages import make_message
from tests.prepared import prepared


@pytest.fixture
@prepared
def draft(script: Script) -> Any:
    """ACME's draft over 2.90 and 1.00 EUR."""
    rows = [
        {"customer": "ACME", "service": "hosting", "quantity": 58, "incurred_on": "2026-11-20"},
        {"customer": "ACME", "description": "Set-up", "amount": "1", "incurred_on": "2026-11-21"},
    ]
    assert script.post("/charges/batch", {"charges": rows}).status_code == 201
    assert script.post("/billing-runs", {"through": "2026-11-30"}).status_code == 201
    return (script.get("/invoices").json or {})["data"][0]


@pytest.fixture
@prepared
def invoice(script: Script, draft: Any) -> Any:
    """The same, issued today."""
    return script.post(f"/invoices/{draft['id']}/issue").json


def charges(script: Script, status: str) -> list[Any]:
    return list((script.get(f"/charges?status={status}").json or {})["data"])


def test_a_draft_is_changed_by_who_read_it(script: Script, draft: Any) -> None:
    at, changes = f"/invoices/{draft['id']}", {"note": "Thanks.", "purchase_order": "PO-7", "due_date": "2099-01-31"}
    assert script.patch(at, changes).status_code == 428
    tag = script.get(at).headers["ETag"]
    changed = script.patch(at, changes, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.json
    assert {name: changed.json[name] for name in changes} == changes
    assert changed.headers["ETag"] != tag
    stale = script.patch(at, {"note": "Mine"}, headers={"If-Match": tag})
    assert (stale.status_code, code(stale)) == (412, "stale")
    reset = script.patch(at, {"due_date": None}, headers={"If-Match": changed.headers["ETag"]})
    assert reset.json
    assert (reset.json["due_date"], reset.json["note"]) == (None, "Thanks.")


def test_an_issued_invoice_is_not_changed(script: Script, invoice: Any) -> None:
    at = f"/invoices/{invoice['number']}"
    refused = script.patch(at, {"note": "Late"}, headers={"If-Match": script.get(at).headers["ETag"]})
    assert (refused.status_code, code(refused)) == (409, "not_a_draft")
    moved = script.post(f"{at}/charges", {"remove": [charges(script, "billed")[0]["id"]]})
    assert (moved.status_code, code(moved)) == (409, "not_a_draft")


def test_charges_go_off_and_on_a_draft(script: Script, draft: Any) -> None:
    at = f"/invoices/{draft['id']}/charges"
    set_up = next(charge for charge in charges(script, "billed") if charge["description"] == "Set-up")["id"]
    less: Any = script.post(at, {"remove": [set_up]}).json
    assert (less["total"], len(less["lines"])) == ("2.90", 1)
    assert [charge["id"] for charge in charges(script, "pending")] == [set_up]
    assert script.post(at, {"remove": [set_up]}).json == less
    refilled: Any = script.post(at, {"add": [set_up]}).json
    assert (refilled["total"], len(refilled["lines"])) == ("3.90", 2)
    unknown = script.post(at, {"add": [set_up, str(uuid4())]})
    assert (unknown.status_code, pointers(unknown)) == (422, ["/add/0"])
    everything = [row["id"] for row in charges(script, "billed")]
    empty = script.post(at, {"remove": everything})
    assert (empty.status_code, code(empty)) == (409, "empty_draft")


def test_void_once(script: Script, invoice: Any) -> None:
    at = f"/invoices/{invoice['number']}/void"
    assert pointers(script.post(at, {})) == ["/reason"]
    assert pointers(script.post(at, {"reason": "x", "charges": "lost"})) == ["/charges"]
    void: Any = script.post(at, {"reason": "Wrong customer"}).json
    assert (void["status"], void["number"], void["reason"], void["balance"]) == (
        "void",
        invoice["number"],
        "Wrong customer",
        "0.00",
    )
    assert void["voided_on"] == invoice["issue_date"]
    again = script.post(at, {"reason": "Another", "charges": "cancelled"})
    assert (again.status_code, again.json) == (200, void)
    assert len(charges(script, "pending")) == 2


def test_void_and_bill_again_name_each_other(script: Script, invoice: Any) -> None:
    void: Any = script.post(
        f"/invoices/{invoice['number']}/void", {"reason": "Wrong date", "charges": "billed_again"}
    ).json
    draft: Any = script.get(f"/invoices/{void['replaced_by']}").json
    assert (draft["status"], draft["replaces"], draft["total"]) == ("draft", invoice["number"], invoice["total"])


def test_credit_once_by_amount_and_by_line(script: Script, invoice: Any) -> None:
    at, body = f"/invoices/{invoice['number']}/credit", {"id": str(uuid4()), "reason": "Agreed", "amount": "1.50"}
    created = script.post(at, body)
    assert created.status_code == 201
    note: Any = created.json
    assert (note["kind"], note["number"], note["corrects"], note["total"], note["balance"], note["payment_status"]) == (
        "credit_note",
        f"CN-{invoice['issue_date'][:4]}-00001",
        invoice["number"],
        "1.50",
        "0.00",
        None,
    )
    again = script.post(at, body)
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json) == (200, "true", note)
    changed = script.post(at, body | {"amount": "1.51"})
    assert (changed.status_code, code(changed)) == (409, "id_conflict")
    assert (changed.json or {})["differs"] == ["amount"]
    line = invoice["lines"][0]["id"]
    by_quantity = {"id": str(uuid4()), "reason": "Agreed", "lines": [{"line": line, "quantity": "20"}]}
    # The same quantity is no longer left, but a repeated request credits nothing again.
    assert [script.post(at, by_quantity).status_code for _ in range(2)] == [201, 200]
    refused = script.post(at, by_quantity | {"id": str(uuid4())})
    assert (refused.status_code, pointers(refused)) == (422, ["/lines/0/quantity"])
    now_owed: Any = script.get(f"/invoices/{invoice['number']}").json
    assert (now_owed["credited"], now_owed["balance"]) == ("2.50", "1.40")
    assert len(now_owed["credit_notes"]) == 2
    void = script.post(f"/invoices/{invoice['number']}/void", {"reason": "x"})
    assert (void.status_code, code(void)) == (409, "has_payments_or_credits")


def test_what_was_sent_is_not_voided_and_says_what_to_credit(script: Script, invoice: Any) -> None:
    with script.client.application.app_context():
        make_message(stored_invoice(db.session(), invoice["id"]), state="sent")
    at = f"/invoices/{invoice['number']}"
    refused = script.post(f"{at}/void", {"reason": "x"})
    assert (refused.status_code, code(refused)) == (409, "was_sent")
    assert f"Credit it in full instead: {invoice['total']} EUR." in (refused.json or {})["detail"]
    assert script.post(f"{at}/credit", {"reason": "x", "amount": invoice["total"]}).status_code == 201


def test_what_cannot_be_credited_is_named(script: Script, invoice: Any) -> None:
    at, line = f"/invoices/{invoice['number']}/credit", invoice["lines"][0]["id"]
    for body, place, words in (
        ({"reason": "x", "amount": "3.91"}, "/amount", "Enter at most 3.90 EUR"),
        ({"reason": "x"}, "/amount", "Enter either an amount, or lines"),
        ({"reason": "x", "amount": "0.001"}, "/amount", "2 digits"),
        ({"reason": " ", "amount": "1"}, "/reason", "Enter a reason."),
        ({"reason": "x", "lines": [{"line": line, "amount": "9"}]}, "/lines/0/amount", "at most 2.90 EUR net"),
        (
            {"reason": "x", "lines": [{"line": line, "quantity": "0"}]},
            "/lines/0/quantity",
            "at most 2.90 EUR for line 1",
        ),
        ({"reason": "x", "lines": [{"line": line, "quantity": "99"}]}, "/lines/0/quantity", "quantity is"),
        ({"reason": "x", "lines": [{"line": line, "quantity": "1" + "0" * 17}]}, "/lines/0/quantity", "quantity is"),
        ({"reason": "x", "lines": [{"line": line}]}, "/lines/0/quantity", "Enter a quantity or a net amount."),
        ({"reason": "x", "lines": [{"line": line, "amount": "1", "quantity": "1"}]}, "/lines/0/quantity", "not both"),
        ({"reason": "x", "lines": [{"line": line, "amount": -0.0}]}, "/lines/0/amount", "Enter 0, not"),
        ({"reason": "x", "lines": [{"line": line, "quantity": -0.0}]}, "/lines/0/quantity", "Enter 0, not"),
        ({"reason": "x", "lines": [{"line": str(uuid4()), "amount": "1"}]}, "/lines/0/line", "Choose a line of INV-"),
        ({"reason": "x", "amount": "1", "issue_date": "2000-01-01"}, "/issue_date", "or later"),
        ({"amount": "1"}, "/reason", ""),
    ):
        refused = script.post(at, body)
        assert (refused.status_code, pointers(refused)) == (422, [place]), body
        assert words in refused.text
    assert script.post("/invoices/INV-0000-00009/credit", {"reason": "x", "amount": "1"}).status_code == 404
    assert (script.get("/invoices?kind=credit_note").json or {})["data"] == []


def test_the_series_are_listed(app: Flask, script: Script, invoice: Any) -> None:
    script.post(f"/invoices/{invoice['number']}/credit", {"reason": "x", "amount": "1"})
    register: Any = script.get("/number-series").json
    year = invoice["issue_date"][:4]
    assert [(row["kind"], row["given"], row["void"], row["next_number"], row["gaps"]) for row in register["data"]] == [
        ("invoice", 1, 0, f"INV-{year}-00002", []),
        ("credit_note", 1, 0, f"CN-{year}-00002", []),
    ]
    assert script.get("/period-lock").json == {"locked_through": None}
    with app.app_context():
        transaction(periods.set_period_lock, now().date(), "", SYSTEM, now())
    assert script.get("/period-lock").json == {"locked_through": now().date().isoformat()}

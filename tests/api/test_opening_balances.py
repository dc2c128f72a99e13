"""Opening balances over the API: recorded once, listed with their totals; they have no copies here."""

from datetime import timedelta
from typing import Any

import pytest

from billing_admin.clock import now
from tests.api.conftest import MakeToken, Script, code, pointers

ID = "3135f216-5533-4c18-882a-f96c09cfc73c"
TODAY = now().date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
MONTH_AGO = (TODAY - timedelta(days=30)).isoformat()


def opening(**changes: Any) -> dict[str, Any]:
    return {
        "customer": "ACME",
        "number": "RE 4711",
        "original_date": MONTH_AGO,
        "open_amount": "100.00",
        "opened_on": YESTERDAY,
    } | changes


@pytest.mark.both_databases
def test_an_opening_invoice_is_recorded_once(script: Script) -> None:
    first = script.post("/opening-balances", opening(id=ID, original_total="119.00", original_tax="19"))
    assert first.status_code == 201
    again = script.post("/opening-balances", opening(id=ID))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json == first.json
    body: Any = first.json
    assert {name: body[name] for name in ("id", "type", "number", "open_amount", "balance", "status", "opened_on")} == {
        "id": ID,
        "type": "invoice",
        "number": "RE 4711",
        "open_amount": "100.00",
        "balance": "100.00",
        "status": "issued",
        "opened_on": YESTERDAY,
    }
    invoice: Any = script.get("/invoices/RE 4711").json
    assert (invoice["kind"], invoice["original_date"], invoice["original_total"], invoice["original_tax"]) == (
        "opening_invoice",
        MONTH_AGO,
        "119.00",
        "19.00",
    )
    assert (invoice["issue_date"], invoice["balance"], invoice["lines"], invoice["sent"]) == (
        YESTERDAY,
        "100.00",
        [],
        False,
    )


def test_a_credit_is_a_payment_that_can_be_allocated(script: Script) -> None:
    script.post("/opening-balances", opening())
    credit: Any = script.post("/opening-balances", opening(number="G-1", open_amount="-30")).json
    assert (credit["type"], credit["open_amount"], credit["balance"], credit["due_date"]) == (
        "credit",
        "-30.00",
        "-30.00",
        None,
    )
    payment: Any = script.get(f"/payments/{credit['id']}").json
    assert (payment["method"], payment["reference"], payment["original_date"], payment["unallocated"]) == (
        "opening_credit",
        "G-1",
        MONTH_AGO,
        "30.00",
    )
    body = {"allocate": [{"invoice": "RE 4711", "amount": "30"}]}
    assert script.post(f"/payments/{credit['id']}/allocations", body).status_code == 200
    rows: Any = script.get("/opening-balances").json
    assert [(row["number"], row["balance"]) for row in rows["data"]] == [("G-1", "0.00"), ("RE 4711", "70.00")]
    totals: Any = script.get("/opening-balances/totals").json
    assert totals["data"] == [
        {
            "customer": "ACME",
            "currency": "EUR",
            "invoices": 1,
            "invoiced": "100.00",
            "credits": 1,
            "credited": "30.00",
            "balance": "70.00",
            "journal": "70.00",
        }
    ]
    balance: Any = script.get("/customers/ACME/balance").json
    assert [row["balance"] for row in balance["balances"]] == ["70.00"]
    statement: Any = script.get("/customers/ACME/statement").json
    assert {row["kind"] for part in statement["statements"] for row in part["entries"]} == {
        "opening_invoice",
        "opening_credit",
    }


@pytest.mark.parametrize(
    ("changes", "problem", "pointer"),
    [
        ({"customer": "NOBODY"}, "unknown_customer", "/customer"),
        ({"number": ""}, "blank", "/number"),
        ({"due_date": "2026-01-01"}, "due_before_date", "/due_date"),
        ({"open_amount": "0"}, "out_of_range", "/open_amount"),
        ({"open_amount": "1.005"}, "too_precise", "/open_amount"),
        ({"original_date": TODAY.isoformat()}, "after_cut_over", "/original_date"),
        ({"opened_on": (TODAY + timedelta(days=3)).isoformat()}, "in_the_future", "/opened_on"),
        ({"currency": "XXY"}, "unknown_currency", "/currency"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(script: Script, changes: Any, problem: str, pointer: str) -> None:
    response = script.post("/opening-balances", opening(**changes))
    assert (response.status_code, code(response), pointers(response)) == (422, problem, [pointer])


def test_the_same_number_under_a_fresh_id_is_refused(script: Script) -> None:
    script.post("/opening-balances", opening())
    response = script.post("/opening-balances", opening(id=ID))
    assert (response.status_code, code(response)) == (409, "opening_recorded")


def test_there_is_no_copy_of_an_opening_invoice(script: Script) -> None:
    script.post("/opening-balances", opening())
    for path in ("/pdf", "/e-invoice?syntax=ubl", "/explain"):
        response = script.get(f"/invoices/RE 4711{path}")
        assert (response.status_code, code(response)) == (404, "is_opening"), path
    sent = script.post("/invoices/RE 4711/send", {})
    assert (sent.status_code, code(sent)) == (409, "is_opening")
    credited = script.post("/invoices/RE 4711/credit", {"reason": "Wrong", "amount": "1"})
    assert (credited.status_code, code(credited)) == (409, "is_opening")


def test_a_mistake_is_voided(script: Script) -> None:
    script.post("/opening-balances", opening())
    void = script.post("/invoices/RE 4711/void", {"reason": "Wrong amount", "charges": "pending"})
    assert void.status_code == 200
    answer: Any = void.json
    assert (answer["status"], answer["number"]) == ("void", "RE 4711 (void)")
    assert script.post("/opening-balances", opening(open_amount="90")).status_code == 201


def test_it_needs_the_scope_of_billing(make_token: MakeToken, script: Script) -> None:
    payer = Script(script.client, make_token(["read", "payments:write"]))
    assert payer.post("/opening-balances", opening()).status_code == 403

"""Payments over the API: recorded once, allocated, withdrawn, reversed; errors, balances and statements."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from billing_admin.clock import now
from tests.api.conftest import MakeToken, Script, code, pointers
from tests.prepared import prepared

pytestmark = pytest.mark.both_databases

ID = "3135f216-5533-4c18-882a-f96c09cfc73c"
NOBODY = "00000000-0000-7000-8000-00000000dead"
TODAY = now().date().isoformat()


@pytest.fixture
@prepared
def billed(script: Script) -> Script:
    """Two invoices to ACME: 100.00 and 50.00 EUR."""
    for amount in ("100", "50"):
        script.post("/charges", {"customer": "ACME", "description": "Work", "amount": amount, "incurred_on": TODAY})
        script.post("/billing-runs", {"through": TODAY, "issue": True})
    return script


def payment(**changes: Any) -> dict[str, Any]:
    return {"customer": "ACME", "amount": "120", "method": "bank_transfer", "allocate": "oldest"} | changes


def numbers(script: Script) -> list[str]:
    invoices: Any = script.get("/invoices").json
    return sorted(invoice["number"] for invoice in invoices["data"])


def test_a_payment_is_answered_whole(billed: Script) -> None:
    first, second = numbers(billed)
    response = billed.post("/payments", payment(reference="R-1"))
    assert response.status_code == 201
    answer: Any = response.json
    created = {(row["invoice"], row["amount"], row["made_on"]) for row in answer.pop("allocations")}
    assert created == {(first, "100.00", TODAY), (second, "20.00", TODAY)}
    read: Any = billed.get(f"/payments/{answer['id']}").json
    assert read | {"allocations": []} == answer | {"allocations": []}
    assert {
        name: answer[name] for name in ("customer", "amount", "currency", "received_on", "method", "reference")
    } == {
        "customer": "ACME",
        "amount": "120.00",
        "currency": "EUR",
        "received_on": TODAY,
        "method": "bank_transfer",
        "reference": "R-1",
    }
    assert (answer["status"], answer["unallocated"], answer["possible_duplicate_of"]) == ("recorded", "0.00", [])
    invoice: Any = billed.get(f"/invoices/{second}").json
    assert (invoice["paid"], invoice["balance"], invoice["payment_status"]) == ("20.00", "30.00", "part_paid")


def test_posting_twice_is_safe(billed: Script) -> None:
    assert billed.post("/payments", payment(id=ID)).status_code == 201
    again = billed.post("/payments", payment(id=ID, amount=120.0, currency="EUR"))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    changed = billed.post("/payments", payment(id=ID, amount="121", allocate=[]))
    assert (changed.status_code, code(changed)) == (409, "id_conflict")
    problem: Any = changed.json
    assert problem["differs"] == ["amount", "allocate"]


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"amount": "0"}, 422, "/amount"),
        ({"amount": "-5"}, 422, "/amount"),
        ({"amount": "1.001"}, 422, "/amount"),
        ({"amount": "NaN"}, 422, "/amount"),
        ({"amount": None}, 422, "/amount"),
        ({"currency": "EURO"}, 422, "/currency"),
        ({"currency": "XXX"}, 422, "/currency"),
        ({"customer": "NOBODY"}, 422, "/customer"),
        ({"method": "write_off"}, 422, "/method"),
        ({"received_on": "2199-01-01"}, 422, "/received_on"),
        ({"received_on": "22.11.2026"}, 422, "/received_on"),
        ({"reference": "a\x00"}, 422, "/reference"),
        ({"colour": "red"}, 422, "/colour"),
        ({"allocate": [{"invoice": "INV-0", "amount": "1"}]}, 422, "/allocate/0/invoice"),
        ({"allocate": [{"invoice": "INV-2026-00001", "amount": "121"}]}, 422, "/allocate"),
    ],
)
def test_what_is_wrong_is_named(script: Script, changes: dict[str, Any], status: int, pointer: str) -> None:
    script.post("/charges", {"customer": "ACME", "description": "Work", "amount": "100", "incurred_on": "2026-11-01"})
    script.post("/billing-runs", {"through": "2026-11-01", "issue": True, "issue_date": "2026-11-22"})
    response = script.post("/payments", payment(**changes))
    assert response.status_code == status
    assert pointer in pointers(response)
    listed: Any = script.get("/payments").json
    assert listed["data"] == []


@pytest.mark.parametrize("missing", ["customer", "amount", "method", "allocate"])
def test_what_is_missing_is_named(script: Script, missing: str) -> None:
    body = payment()
    del body[missing]
    response = script.post("/payments", body)
    assert (response.status_code, f"/{missing}" in pointers(response)) == (422, True)


@pytest.mark.parametrize("allocate", ["newest", None, {"invoice": "x"}, [{"invoice": "x"}], [1]])
def test_a_wrong_way_to_allocate_is_named(script: Script, allocate: Any) -> None:
    response = script.post("/payments", payment(allocate=allocate))
    assert response.status_code == 422
    assert all(pointer.startswith("/allocate") for pointer in pointers(response))


def test_more_than_an_invoice_owes_is_a_conflict(billed: Script) -> None:
    first, _ = numbers(billed)
    response = billed.post("/payments", payment(allocate=[{"invoice": first, "amount": "100.01"}]))
    assert (response.status_code, code(response), pointers(response)) == (409, "above_balance", ["/allocate/0/amount"])


def test_a_repeated_reference_is_named(billed: Script) -> None:
    first: Any = billed.post("/payments", payment(amount="10", reference="R-1")).json
    second: Any = billed.post("/payments", payment(amount="20", reference="R-1")).json
    assert second["possible_duplicate_of"] == [first["id"]]
    billed.post(f"/payments/{first['id']}/reverse", {"reason": "Twice"})
    third: Any = billed.get(f"/payments/{second['id']}").json
    assert third["possible_duplicate_of"] == []


def test_allocating_withdrawing_and_reversing(billed: Script) -> None:
    first, second = numbers(billed)
    created: Any = billed.post("/payments", payment(allocate=[])).json
    address = f"/payments/{created['id']}"
    assert created["unallocated"] == "120.00"
    part = {"allocate": [{"invoice": second, "amount": "30"}]}
    answer: Any = billed.post(f"{address}/allocations", part).json
    assert answer["unallocated"] == "90.00"
    above = billed.post(f"{address}/allocations", {"allocate": [{"invoice": first, "amount": "90.01"}]})
    assert (above.status_code, code(above)) == (409, "above_payment")
    answer = billed.post(f"{address}/allocations", {"allocate": "oldest"}).json
    assert [row["amount"] for row in answer["allocations"]] == ["30.00", "90.00"]
    allocation_id = answer["allocations"][0]["id"]
    for _ in range(2):
        answer = billed.post(f"{address}/allocations/{allocation_id}/withdraw").json
        assert (answer["unallocated"], len(answer["allocations"])) == ("30.00", 1)
    assert billed.post(f"{address}/allocations/{NOBODY}/withdraw", {"reason": "?"}).status_code == 404
    for _ in range(2):
        answer = billed.post(f"{address}/reverse", {"reason": "Bounced"}).json
        facts = (answer["status"], answer["reversed_on"], answer["reversal_reason"], answer["unallocated"])
        assert facts == ("reversed", TODAY, "Bounced", "0.00")
    assert answer["allocations"] == []
    assert code(billed.post(f"{address}/allocations", {"allocate": "oldest"})) == "payment_reversed"


def test_a_reversal_says_why_and_when(billed: Script) -> None:
    created: Any = billed.post("/payments", payment()).json
    for body, pointer in (
        ({}, "/reason"),
        ({"reason": " "}, "/reason"),
        ({"reason": "Bounced", "reversed_on": "2020-01-01"}, "/reversed_on"),
    ):
        response = billed.post(f"/payments/{created['id']}/reverse", body)
        assert (response.status_code, pointers(response)) == (422, [pointer])
    assert billed.post(f"/payments/{NOBODY}/reverse", {"reason": "x"}).status_code == 404
    assert billed.get("/payments/not-an-id").status_code == 404


def test_a_remainder_is_written_off(billed: Script) -> None:
    first, _ = numbers(billed)
    billed.post("/payments", payment(amount="99.98"))
    body = {"id": ID, "amount": "0.02", "reason": "Bank fee"}
    wrong = billed.post(f"/invoices/{first}/write-off", body | {"amount": "0.01"})
    assert (wrong.status_code, code(wrong)) == (409, "not_the_balance")
    answer: Any = billed.post(f"/invoices/{first}/write-off", body).json
    assert (answer["method"], answer["amount"], answer["reason"]) == ("write_off", "0.02", "Bank fee")
    assert billed.post(f"/invoices/{first}/write-off", body).headers["Idempotent-Replayed"] == "true"
    again = billed.post(f"/invoices/{first}/write-off", {"amount": "0.02", "reason": "Bank fee"})
    assert (again.status_code, code(again)) == (409, "nothing_open")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2),
        ("customer=ACME", 2),
        ("currency=EUR", 2),
        ("currency=USD", 0),
        ("status=recorded", 1),
        ("status=reversed", 1),
        ("status=unallocated", 1),
        ("method=card", 1),
        ("reference=R-1", 1),
        (f"from={TODAY}&to={TODAY}", 1),
        ("to=2000-01-01", 0),
    ],
)
def test_the_list_and_the_file_have_the_same_filters(billed: Script, query: str, count: int) -> None:
    past = (now().date() - timedelta(days=3)).isoformat()
    created: Any = billed.post("/payments", payment(method="card", reference="R-1", received_on=past)).json
    billed.post(f"/payments/{created['id']}/reverse", {"reason": "Bounced"})
    billed.post("/payments", payment(amount="200"))
    listed: Any = billed.get(f"/payments?{query}").json
    rows = list(csv.DictReader(io.StringIO(billed.get(f"/payments.csv?{query}").text)))
    assert [row["id"] for row in rows] == [item["id"] for item in listed["data"]]
    assert len(rows) == count
    totals: Any = billed.get(f"/payments.csv?{query}&totals=1").json
    assert totals["rows"] == count


def test_the_file_tells_what_is_left(billed: Script) -> None:
    billed.post("/payments", payment(amount="200", reference="=1+1"))
    (row,) = csv.DictReader(io.StringIO(billed.get("/payments.csv").text))
    assert (row["amount"], row["allocated"], row["unallocated"]) == ("200.00", "150.00", "50.00")
    assert (row["customer"], row["reference"], row["status"]) == ("ACME", "'=1+1", "recorded")


@pytest.mark.parametrize(
    "path", ["/payments", f"/payments/{ID}/reverse", f"/payments/{ID}/allocations", "/invoices/INV-1/write-off"]
)
def test_it_needs_its_scope(script: Script, make_token: MakeToken, path: str) -> None:
    reader = Script(script.client, make_token(["read", "billing:write"]))
    response = reader.post(path, {})
    assert (response.status_code, code(response)) == (403, "missing_permission")


# --- balances and statements ------------------------------------------------------------------------------------------


def test_a_balance_is_an_equation(billed: Script) -> None:
    billed.post("/charges", {"customer": "ACME", "description": "Later", "amount": "0.005", "incurred_on": TODAY})
    billed.post("/payments", payment(amount="160"))
    answer: Any = billed.get("/customers/ACME/balance").json
    assert (answer["customer"], answer["as_of"]) == ("ACME", None)
    assert answer["balances"] == [
        {
            "currency": "EUR",
            "invoiced": "150.00",
            "credited": "0.00",
            "paid": "150.00",
            "unallocated": "10.00",
            "balance": "-10.00",
            "overdue": "0.00",
            "unbilled": "0.005",
            "ageing": dict.fromkeys(("not_due", "1_30", "31_60", "61_90", "over_90"), "0.00"),
        }
    ]
    later = (now().date() + timedelta(days=40)).isoformat()
    on_that_day: Any = billed.get(f"/customers/ACME/balance?as_of={later}").json
    assert on_that_day["balances"][0]["balance"] == "-10.00"


def test_a_balance_on_a_past_day_and_one_overdue(billed: Script) -> None:
    before = (now().date() - timedelta(days=1)).isoformat()
    past: Any = billed.get(f"/customers/ACME/balance?as_of={before}").json
    assert past["balances"] == []
    late = (now().date() + timedelta(days=31)).isoformat()
    future: Any = billed.get(f"/customers/ACME/balance?as_of={late}").json
    assert (future["balances"][0]["overdue"], future["balances"][0]["ageing"]["1_30"]) == ("150.00", "150.00")
    assert billed.get("/customers/NOBODY/balance").status_code == 404
    assert pointers(billed.get("/customers/ACME/balance?as_of=today")) == ["/as_of"]


def test_a_statement_runs(billed: Script) -> None:
    first, second = numbers(billed)
    billed.post("/payments", payment(amount="120", reference="R-1"))
    answer: Any = billed.get("/customers/ACME/statement").json
    assert (answer["customer"], answer["from"], answer["to"]) == ("ACME", None, None)
    (statement,) = answer["statements"]
    assert (statement["currency"], statement["opening"], statement["closing"]) == ("EUR", "0.00", "30.00")
    rows = [(row["kind"], row["number"], row["amount"], row["balance"]) for row in statement["entries"]]
    assert rows == [
        ("invoice", first, "100.00", "100.00"),
        ("invoice", second, "50.00", "150.00"),
        ("payment", "R-1", "-120.00", "30.00"),
    ]
    tomorrow = (now().date() + timedelta(days=1)).isoformat()
    later: Any = billed.get(f"/customers/ACME/statement?from={tomorrow}").json
    assert (later["statements"][0]["opening"], later["statements"][0]["entries"]) == ("30.00", [])
    assert billed.get("/customers/ACME/statement?currency=USD").json == answer | {"statements": []}
    wrong = billed.get(f"/customers/ACME/statement?from={tomorrow}&to={TODAY}")
    assert (wrong.status_code, pointers(wrong)) == (422, ["/from"])

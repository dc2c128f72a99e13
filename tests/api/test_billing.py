"""Billing runs and invoices over the API: preview, run, issue, lists; money as strings throughout."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from tests.api.conftest import Script, code, pointers
from tests.making import change_settings
from tests.prepared import prepared

pytestmark = pytest.mark.both_databases

THROUGH = "2026-11-30"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The day after the latest issue date of these tests."""
    with time_machine.travel(datetime(2026, 12, 3, 9, tzinfo=UTC)) as moved:
        yield moved


@pytest.fixture
@prepared
def charged(script: Script) -> Script:
    """ACME owes for two services and gets a gift; 2.90 + 1.00 − 0.333 EUR."""
    rows = [
        {"customer": "ACME", "service": "hosting", "quantity": 58, "incurred_on": "2026-11-20"},
        {"customer": "ACME", "description": "Set-up", "amount": "1", "incurred_on": "2026-11-21"},
        {"customer": "ACME", "description": "Gift", "amount": "-0.333", "incurred_on": "2026-11-22"},
        {"customer": "ACME", "service": "hosting", "incurred_on": "2026-12-24"},
    ]
    assert script.post("/charges/batch", {"charges": rows}).status_code == 201
    return script


def _run(script: Script, status: int = 201, **body: Any) -> Any:
    response = script.post("/billing-runs", {"through": THROUGH} | body)
    assert response.status_code == status, response.text
    return response.json


def test_the_current_invoice(charged: Script) -> None:
    answer: Any = charged.get(f"/customers/ACME/current-invoice?through={THROUGH}").json
    assert (answer["net"], answer["tax"], answer["total"], answer["charges"]) == ("3.57", "0.00", "3.57", 3)
    assert [(line["service"], line["quantity"], line["net"]) for line in answer["lines"]] == [
        ("hosting", "58", "2.90"),
        (None, "1", "1.00"),
        (None, "1", "-0.33"),
    ]
    empty: Any = charged.get("/customers/ACME/current-invoice?currency=JPY").json
    assert (empty["total"], empty["charges"], empty["lines"]) == ("0", 0, [])
    assert charged.get("/customers/ACME/current-invoice?currency=ABC").status_code == 422
    assert charged.get("/customers/nobody/current-invoice").status_code == 404


def test_a_rehearsal_stores_nothing_and_equals_the_run(charged: Script) -> None:
    shown = _run(charged, 200, dry_run=True)
    assert shown["state"] == "preview"
    assert (charged.get("/billing-runs").json or {})["data"] == []
    assert (charged.get("/invoices").json or {})["data"] == []
    created = _run(charged, confirmed=shown["digest"], id=str(uuid4()))
    for name in ("through", "issue_date", "invoices", "charges", "totals", "left_out"):
        assert created[name] == shown[name], name
    assert created["state"] == "done"
    assert created["totals"] == [{"currency": "EUR", "invoices": 1, "net": "3.57", "tax": "0.00", "total": "3.57"}]
    assert created["left_out"] == [
        {"customer": "ACME", "currency": "EUR", "charges": 1, "amount": "0.05", "reason": "after_cut_off"}
    ]
    invoice: Any = (charged.get("/invoices").json or {})["data"][0]
    strip = [{key: value for key, value in line.items() if key != "id"} for line in invoice["lines"]]
    assert strip == shown["documents"][0]["lines"]
    assert charged.get(f"/billing-runs/{created['id']}").json == created
    assert (charged.get("/billing-runs").json or {})["data"] == [created]


def test_a_dry_run_states_the_credit_that_will_pay_its_invoices(charged: Script) -> None:
    assert _run(charged, 200, dry_run=True)["credit_to_apply"] == []
    with charged.client.application.app_context():
        change_settings(applies_credit=True)
    payment = {
        "customer": "ACME",
        "amount": "2",
        "received_on": "2026-11-20",
        "method": "bank_transfer",
        "allocate": [],
    }
    assert charged.post("/payments", payment).status_code == 201
    shown = _run(charged, 200, dry_run=True, issue=True)
    assert shown["credit_to_apply"] == [{"currency": "EUR", "amount": "2.00"}]
    assert _run(charged, 200, dry_run=True, issue=False)["credit_to_apply"] == []
    created = _run(charged, issue=True, confirmed=shown["digest"])
    assert created.get("credit_to_apply") is None
    [invoice] = (charged.get("/invoices").json or {})["data"]
    assert (invoice["paid"], invoice["total"]) == ("2.00", "3.57")


def test_a_dry_run_names_possible_duplicates_which_a_script_can_hold(charged: Script) -> None:
    assert _run(charged, 200, dry_run=True)["possible_duplicates"] == []
    repeated = {"customer": "ACME", "description": "Set-up", "amount": "1", "incurred_on": "2026-11-21"}
    second: Any = charged.post("/charges", repeated).json
    shown = _run(charged, 200, dry_run=True)
    assert shown["possible_duplicates"] == [
        {"customer": "ACME", "currency": "EUR", "charges": 1, "amount": "1", "ids": [second["id"]]}
    ]
    assert charged.post(f"/charges/{second['id']}/hold", {"reason": "Sent twice"}).status_code == 200
    assert _run(charged, 200, dry_run=True)["possible_duplicates"] == []
    refused = charged.post("/billing-runs", {"through": THROUGH, "confirmed": shown["digest"]})
    assert (refused.status_code, code(refused)) == (409, "preview_changed")
    assert _run(charged)["possible_duplicates"] is None


def test_a_dry_run_flags_documents_and_a_run_excludes_accounts(script: Script) -> None:
    for reference in ("A", "B"):
        script.post("/customers", {"reference": reference, "name": reference, "currency": "EUR"})
        charge = {"customer": reference, "description": "Work", "amount": "5", "incurred_on": "2026-11-20"}
        assert script.post("/charges", charge).status_code == 201
    _run(script, issue=True, exclude=[{"customer": "B", "currency": "EUR"}])
    more = {"customer": "A", "description": "More", "amount": "6", "incurred_on": "2026-11-20"}
    assert script.post("/charges", more).status_code == 201
    shown = _run(script, 200, dry_run=True, change_percent=19)
    [first, second] = shown["reviews"]
    [invoice] = first.pop("invoices")
    assert invoice.startswith("INV-")
    assert {"changed_amount"} <= set(first["flags"])
    assert (first["customer"], first["net"], first["usual_net"], first["change_percent"]) == ("A", "6.00", "5.00", 20)
    assert (second["customer"], "new" in second["flags"], second["usual_net"], second["invoices"]) == (
        "B",
        True,
        None,
        [],
    )
    assert "changed_amount" not in _run(script, 200, dry_run=True)["reviews"][0]["flags"]
    exclude = [{"customer": "A", "currency": "EUR"}]
    shown = _run(script, 200, dry_run=True, exclude=exclude)
    assert [row["customer"] for row in shown["reviews"]] == ["B"]
    run = {"through": THROUGH, "issue": True, "confirmed": shown["digest"], "id": str(uuid4())}
    assert code(script.post("/billing-runs", run)) == "preview_changed"
    created = _run(script, **run, exclude=exclude)
    assert created["excluded"] == exclude
    assert created["left_out"] == [
        {"customer": "A", "currency": "EUR", "charges": 1, "amount": "6", "reason": "excluded"}
    ]
    other = script.post("/billing-runs", run | {"exclude": [{"customer": "B", "currency": "EUR"}]})
    assert other.status_code == 409
    for wrong in ({"customer": "X", "currency": "EUR"}, {"customer": "A", "currency": "XYZ"}, {"customer": "A"}):
        assert script.post("/billing-runs", {"through": THROUGH, "exclude": [wrong]}).status_code == 422


def test_a_dry_run_includes_due_recurring_charges_and_the_run_posts_them(charged: Script) -> None:
    assert _run(charged, 200, dry_run=True)["due_recurring_charges"] == []
    agreed = {"customer": "ACME", "service": "hosting", "interval": "monthly", "starts_on": "2026-11-01"}
    agreed |= {"description": "Plan", "unit_price": "30"}
    schedule: Any = charged.post("/recurring-charges", agreed).json
    shown = _run(charged, 200, dry_run=True)
    [due] = shown["due_recurring_charges"]
    assert due.items() >= {
        "recurring_charge": schedule["id"], "customer": "ACME", "service": "hosting", "incurred_on": "2026-11-01",
        "amount": "30", "currency": "EUR", "status": "pending",
    }.items()  # fmt: skip
    assert (shown["totals"][0]["net"], shown["refused_recurring_charges"]) == ("33.57", [])
    assert charged.get("/charges?from=2026-11-01&to=2026-11-01").json == {"data": [], "has_more": False, "next": None}
    created = _run(charged, confirmed=shown["digest"])
    for name in ("invoices", "charges", "totals", "left_out"):
        assert created[name] == shown[name], name
    assert _run(charged, 200, dry_run=True)["due_recurring_charges"] == []


def test_purchase_orders_of_customer_charge_and_run_over_the_api(script: Script) -> None:
    customers = ({"reference": "A"}, {"reference": "B", "purchase_order": "PO-B"}, {"reference": "C"})
    for customer in customers:
        script.post("/customers", {"name": "x", "currency": "EUR"} | customer)
    for reference, order in (("A", {}), ("B", {}), ("C", {"purchase_order": "PO-1"})):
        charge = {"customer": reference, "description": "Work", "amount": "5", "incurred_on": "2026-11-20"} | order
        assert script.post("/charges", charge).status_code == 201
    shown = _run(script, 200, dry_run=True, purchase_order="PO-R")
    orders = [(document["customer"], document["purchase_order"]) for document in shown["documents"]]
    assert orders == [("A", "PO-R"), ("B", "PO-B"), ("C", "PO-1")]
    assert _run(script, confirmed=shown["digest"], purchase_order="PO-R")["purchase_order"] == "PO-R"
    invoices: Any = script.get("/invoices").json
    assert sorted((invoice["customer"], invoice["purchase_order"]) for invoice in invoices["data"]) == orders
    assert [invoice["lines"][0]["purchase_order"] for invoice in invoices["data"]].count("PO-1") == 1
    etag = script.get("/customers/B").headers["ETag"]
    changed: Any = script.patch("/customers/B", {"purchase_order": ""}, headers={"If-Match": etag}).json
    assert changed["purchase_order"] == ""
    assert pointers(script.post("/billing-runs", {"through": THROUGH, "purchase_order": "x" * 201})) == [
        "/purchase_order"
    ]


def test_a_preview_that_has_changed_is_not_confirmed(charged: Script) -> None:
    shown = _run(charged, 200, dry_run=True)
    charged.post("/charges", {"customer": "ACME", "service": "hosting", "incurred_on": "2026-11-01"})
    refused = charged.post("/billing-runs", {"through": THROUGH, "confirmed": shown["digest"]})
    assert (refused.status_code, code(refused)) == (409, "preview_changed")


def test_a_run_posted_twice_is_one_run(charged: Script) -> None:
    body = {"through": THROUGH, "id": str(uuid4()), "issue": True, "customers": ["ACME"], "currency": "EUR"}
    first = charged.post("/billing-runs", body)
    again = charged.post("/billing-runs", body)
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 200, "true")
    assert again.json == first.json
    changed = charged.post("/billing-runs", body | {"through": "2026-12-31"})
    assert (changed.status_code, code(changed)) == (409, "id_conflict")
    assert changed.json
    assert changed.json["differs"] == ["through"]


def test_a_run_in_the_background_is_watched(charged: Script) -> None:
    response = charged.post("/billing-runs", {"through": THROUGH, "background": True})
    assert response.status_code == 202
    address = response.headers["Location"].removeprefix("/api/v1")
    run: Any = charged.get(address).json
    deadline = time.monotonic() + 10
    while run["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
        run = charged.get(address).json
    assert (run["state"], run["invoices"], run["progress"]) == ("done", 1, {"done": 1, "of": 1})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"through": None}, "/through"),
        ({"through": "2026-13-01"}, "/through"),
        ({"customers": []}, "/customers"),
        ({"customers": ["ACME", "NOBODY"]}, "/customers/1"),
        ({"customers": ["ACME", 7]}, "/customers/1"),
        ({"currency": "XXX"}, "/currency"),
        ({"issue": "yes"}, "/issue"),
        ({"dry_run": 0}, "/dry_run"),
    ],
)
def test_a_wrong_field_is_named(charged: Script, change: dict[str, Any], place: str) -> None:
    for dry_run in (True, False):
        response = charged.post("/billing-runs", {"through": THROUGH, "dry_run": dry_run} | change)
        assert (response.status_code, pointers(response)) == (422, [place])


def test_a_draft_is_issued_once(charged: Script) -> None:
    run = _run(charged)
    draft: Any = (charged.get(f"/invoices?run={run['id']}").json or {})["data"][0]
    assert (draft["status"], draft["number"], draft["payment_status"], draft["balance"]) == (
        "draft",
        None,
        None,
        "0.00",
    )
    issued = charged.post(f"/invoices/{draft['id']}/issue", {"issue_date": "2026-11-30"})
    assert issued.status_code == 200
    created: Any = issued.json
    assert (created["number"], created["status"], created["issue_date"]) == ("INV-2026-00001", "issued", "2026-11-30")
    assert (created["total"], created["balance"], created["due_date"]) == ("3.57", "3.57", "2026-12-30")
    again = charged.post(f"/invoices/{created['number']}/issue")
    assert (again.status_code, again.json) == (200, created)
    assert charged.get(f"/invoices/{created['number']}").json == created
    charge: Any = (charged.get(f"/charges?invoice={created['number']}&service=hosting").json or {})["data"][0]
    assert (charge["status"], charge["invoice"]) == ("billed", "INV-2026-00001")
    cancel = charged.post(f"/charges/{charge['id']}/cancel", {"reason": "x"})
    assert (cancel.status_code, code(cancel)) == (409, "charge_billed")


def test_an_issue_date_before_the_last_is_refused(charged: Script) -> None:
    _run(charged, issue=True, issue_date="2026-11-30")
    _run(charged, through="2026-12-31")
    draft: Any = (charged.get("/invoices?status=draft").json or {})["data"][0]
    response = charged.post(f"/invoices/{draft['id']}/issue", {"issue_date": "2026-11-29"})
    assert (response.status_code, pointers(response)) == (422, ["/issue_date"])
    assert charged.post("/invoices/INV-2026-00009/issue").status_code == 404


def test_filters(charged: Script) -> None:
    run = _run(charged, issue=True, issue_date="2026-11-30")
    for query, count in {
        "status=issued": 1,
        "status=draft": 0,
        "customer=ACME&currency=EUR&kind=invoice": 1,
        "issued_from=2026-12-01": 0,
        "issued_to=2026-11-30": 1,
        "overdue=true": 0,
        "overdue=false": 1,
        f"run={run['id']}": 1,
        f"run={uuid4()}": 0,
    }.items():
        answer: Any = charged.get(f"/invoices?{query}").json
        assert len(answer["data"]) == count, query
    assert pointers(charged.get("/invoices?run=x")) == ["/run"]
    assert pointers(charged.get("/invoices?overdue=1")) == ["/overdue"]


def test_a_rehearsal_refuses_what_the_run_refuses(charged: Script) -> None:
    _run(charged, issue=True, issue_date="2026-12-02")
    early = {"through": "2026-12-31", "issue": True, "issue_date": "2026-12-01"}
    for body in (early, early | {"dry_run": True}):
        refused = charged.post("/billing-runs", body)
        assert (refused.status_code, code(refused)) == (422, "before_last_issue")


def test_a_repeated_run_is_compared_by_what_it_gives(charged: Script) -> None:
    body = {"id": str(uuid4()), "through": "2026-03-31", "issue": True}
    charged.post("/billing-runs", body)
    for repeat in ({"id": body["id"], "through": body["through"]}, body | {"background": True}):
        again = charged.post("/billing-runs", repeat)
        assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (200, "true")
    changed = charged.post("/billing-runs", body | {"issue": False})
    assert changed.json
    assert (changed.status_code, changed.json["differs"]) == (409, ["issue"])

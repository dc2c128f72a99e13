"""Text stored by earlier versions: repeats still succeed, other fields can change, new text of that kind is refused."""

from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.api.conftest import Script, code, pointers
from tests.earlier import OLD, REFUSED, earlier_version

pytestmark = pytest.mark.both_databases

CHARGE: dict[str, Any] = {"customer": "ACME", "amount": "5.00", "incurred_on": "2026-11-20"}


def store(script: Script, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]) -> Any:
    with earlier_version(monkeypatch):
        response = script.post(path, body)
    assert response.status_code in {200, 201}, response.text
    return response.json


def change(script: Script, path: str, body: dict[str, Any]) -> TestResponse:
    return script.patch(path, body, headers={"If-Match": script.get(path).headers["ETag"]})


def new_id() -> dict[str, Any]:
    return {"id": str(uuid4())}


CREATED: dict[str, tuple[str, dict[str, Any], str]] = {
    "charge": ("/charges", CHARGE | {"description": OLD}, "/description"),
    "metadata": ("/charges", CHARGE | {"description": "x", "metadata": {"note": OLD}}, "/metadata/note"),
    "metadata key": ("/charges", CHARGE | {"description": "x", "metadata": {OLD: "x"}}, f"/metadata/{OLD}"),
    "customer": ("/customers", {"name": OLD, "address": OLD, "currency": "EUR"}, "/name"),
    "service": ("/services", {"code": "old", "name": OLD}, "/name"),
    "payment": (
        "/payments",
        {"customer": "ACME", "amount": "1.00", "method": "card", "allocate": [], "reference": OLD},
        "/reference",
    ),
    "recurring charge": (
        "/recurring-charges",
        {
            "customer": "ACME",
            "service": "hosting",
            "interval": "monthly",
            "starts_on": "2026-12-01",
            "description": OLD,
        },
        "/description",
    ),
}


@pytest.mark.parametrize("kind", CREATED)
def test_a_repeat_of_stored_text_is_answered_with_the_original_and_new_text_is_refused(
    script: Script, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, body, place = CREATED[kind]
    request_body = new_id() | body
    stored = store(script, monkeypatch, path, request_body)
    again = script.post(path, request_body)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true"), again.text
    assert again.json == stored
    changed = script.post(path, request_body | new_id() | ({"code": "new"} if kind == "service" else {}))
    assert (changed.status_code, code(changed)) == (422, "unprintable")
    assert place in pointers(changed)
    assert REFUSED in changed.text


def test_a_batch_that_repeats_stored_text_is_answered_and_each_new_row_is_refused_by_its_place(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [new_id() | CHARGE | {"description": OLD}, new_id() | CHARGE | {"description": "x", "metadata": {"a": OLD}}]
    store(script, monkeypatch, "/charges/batch", {"charges": rows})
    again = script.post("/charges/batch", {"charges": rows})
    assert (again.status_code, again.json["replayed"]) == (200, 2)  # type: ignore[index]
    mixed = script.post("/charges/batch", {"charges": [rows[0], rows[1] | new_id()]})
    assert (mixed.status_code, pointers(mixed)) == (422, ["/charges/1/metadata/a"])


def _issued(script: Script) -> str:
    """Issue an invoice over 5.00 EUR and return its number."""
    script.post("/charges", CHARGE | {"description": "x"})
    run = script.post("/billing-runs", {"through": "2026-11-30", "issue": True, "issue_date": "2026-11-22"})
    assert run.status_code == 201, run.text
    return str(script.get("/invoices?status=open").json["data"][0]["number"])  # type: ignore[index]


def test_a_repeat_of_a_credit_note_and_of_a_write_off_is_answered_with_the_original(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = _issued(script)
    for verb, amount in (("credit", "1.00"), ("write-off", "4.00")):
        body = new_id() | {"amount": amount, "reason": OLD}
        refused = script.post(f"/invoices/{number}/{verb}", body)
        assert (refused.status_code, pointers(refused)) == (422, ["/reason"])
        store(script, monkeypatch, f"/invoices/{number}/{verb}", body)
        again = script.post(f"/invoices/{number}/{verb}", body)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")


def test_moves_that_are_made_already_are_answered_whatever_their_reason(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge, payment = new_id(), new_id()
    script.post("/charges", charge | CHARGE | {"description": "x"})
    script.post("/payments", payment | {"customer": "ACME", "amount": "1.00", "method": "card", "allocate": []})
    for path in (
        f"/charges/{charge['id']}/hold",
        f"/charges/{charge['id']}/cancel",
        f"/payments/{payment['id']}/reverse",
    ):
        refused = script.post(path, {"reason": OLD})
        assert (refused.status_code, pointers(refused)) == (422, ["/reason"]), path
        store(script, monkeypatch, path, {"reason": OLD})
        assert script.post(path, {"reason": OLD}).status_code == 200


def test_a_repeat_of_a_correction_is_answered_and_a_correction_takes_the_stored_text_over(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = new_id() | CHARGE | {"description": OLD, "metadata": {"note": OLD}}
    store(script, monkeypatch, "/charges", charge)
    corrected = new_id() | {"reason": "Four, not five", "amount": "4.00"}
    created = script.post(f"/charges/{charge['id']}/correct", corrected)
    assert (created.status_code, created.json["description"]) == (201, OLD), created.text  # type: ignore[index]
    assert script.post(f"/charges/{charge['id']}/correct", corrected).status_code == 200
    changed = script.post(f"/charges/{corrected['id']}/correct", {"reason": "x", "description": OLD + "!"})
    assert (changed.status_code, pointers(changed)) == (422, ["/description"])


def test_other_fields_of_a_customer_and_a_service_with_stored_text_can_be_changed(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(script, monkeypatch, "/customers", {"reference": "OLD", "name": OLD, "currency": "EUR", "notes": OLD})
    changed = change(script, "/customers/OLD", {"address": "Road 1", "name": OLD})
    assert (changed.status_code, changed.json["address"]) == (200, "Road 1")  # type: ignore[index]
    refused = change(script, "/customers/OLD", {"tax_id": OLD})
    assert (refused.status_code, pointers(refused)) == (422, ["/tax_id"])
    store(script, monkeypatch, "/services", {"code": "old", "name": OLD, "unit": OLD})
    assert change(script, "/services/old", {"name": OLD, "unit": "hour"}).status_code == 200


def test_a_recurring_charge_with_stored_text_is_posted_and_changed(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = new_id() | CREATED["recurring charge"][1] | {"starts_on": "2026-01-01"}
    store(script, monkeypatch, "/recurring-charges", body)
    following = new_id() | {"from": "2026-02-01", "quantity": "2", "reason": "More"}
    changed = script.post(f"/recurring-charges/{body['id']}/change", following)
    assert (changed.status_code, changed.json["description"]) == (201, OLD), changed.text  # type: ignore[index]
    refused = script.post(
        f"/recurring-charges/{following['id']}/change",
        {"from": "2026-03-01", "reason": "x", "description": OLD + "!"},
    )
    assert (refused.status_code, pointers(refused)) == (422, ["/description"])

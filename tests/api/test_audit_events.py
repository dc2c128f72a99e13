"""Audit events over the API."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from billing_admin.background import audit_sealing
from billing_admin.background.audit_sealing import AuditSealing
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.audit import record
from billing_admin.queries.audit import chain_head, count_unsealed
from tests.api.conftest import Script, code, pointers
from tests.making import NOW


def _listed(script: Script, **query: str) -> list[Any]:
    response = script.get("/audit-events", query_string=query)
    assert response.status_code == 200, response.text
    content: Any = response.json
    return list(content["data"])


def test_tells_who_did_what_to_what_newest_first(script: Script) -> None:
    charge: Any = script.post("/charges", {"customer": "ACME", "service": "hosting"}).json
    script.post(f"/charges/{charge['id']}/hold", {"reason": "asked"})
    held, posted = _listed(script, object=charge["id"])
    assert held.keys() == {"id", "at", "actor", "action", "object", "request_id", "details"}
    assert (held["action"], posted["action"]) == ("charge.held", "charge.posted")
    assert held["actor"] == {"kind": "token", "name": "tests"}
    assert held["object"] == {"type": "charge", "id": charge["id"]}
    assert held["details"] == {"reason": "asked", "charges": [charge["id"]]}
    assert held["request_id"] != posted["request_id"]


def test_a_charge_of_a_batch_has_the_batch_in_its_history(script: Script) -> None:
    batch: Any = script.post("/charges/batch", {"charges": [{"customer": "ACME", "service": "hosting"}] * 2}).json
    [event] = _listed(script, object=batch["ids"][1])
    assert (event["object"]["id"], event["details"]) == (None, {"charges": 2})


def test_an_invoice_has_its_payments_and_credit_notes_in_its_history(script: Script) -> None:
    script.post("/charges", {"customer": "ACME", "service": "hosting", "incurred_on": "2026-04-02"})
    script.post("/billing-runs", {"through": "2026-04-02", "issue": True})
    invoices: Any = script.get("/invoices").json
    [invoice] = invoices["data"]
    payment = {"customer": "ACME", "amount": "0.02", "method": "card", "allocate": "oldest"}
    paid: Any = script.post("/payments", payment).json
    note: Any = script.post(f"/invoices/{invoice['id']}/credit", {"reason": "Goodwill", "amount": "0.01"}).json
    history = [(event["action"], event["object"]["id"]) for event in _listed(script, object=invoice["id"])]
    run = history[-1][1]
    assert history == [
        ("credit_note.issued", note["id"]),
        ("payment.recorded", paid["id"]),
        ("invoice.issued", None),
        ("billing_run.billed", run),
        ("billing_run.started", run),
    ]


def test_filters(script: Script, app: Flask) -> None:
    with app.app_context():
        transaction(record, SYSTEM, NOW, "organisation.changed", "organisation")
    script.post("/charges", {"customer": "ACME", "service": "hosting"})
    assert {event["actor"]["name"] for event in _listed(script, actor="TESTS")} == {"tests"}
    assert _listed(script, actor="nobody") == []
    day = NOW.date().isoformat()
    assert [event["action"] for event in _listed(script, to=day, **{"from": day})] == ["organisation.changed"]
    assert _listed(script, to="0001-01-01") == []
    assert _listed(script, **{"from": "9999-12-31"}) == []
    assert _listed(script, to="9999-12-31", **{"from": "0001-01-01"}) == _listed(script)


@pytest.mark.parametrize("query", [{"object": "nobody"}, {"from": "1.1."}, {"to": "x"}])
def test_a_filter_that_makes_no_sense_is_refused(script: Script, query: dict[str, str]) -> None:
    response = script.get("/audit-events", query_string=query)
    assert (response.status_code, pointers(response)) == (422, [f"/{name}" for name in query])
    assert code(response)


@pytest.fixture
def due(app: Flask, monkeypatch: pytest.MonkeyPatch) -> AuditSealing:
    """Seal at the next request."""
    sealing: AuditSealing = app.extensions["billing_sealing"]
    monkeypatch.setattr(sealing, "due", 0.0)
    return sealing


def test_that_nothing_can_be_sealed_now_harms_nobody(
    script: Script, due: AuditSealing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise OperationalError("", None, Exception("away"))

    monkeypatch.setattr(audit_sealing, "transaction", away)
    assert script.post("/charges", {"customer": "ACME", "service": "hosting"}).status_code == 201
    assert due.due > 0


def test_what_a_write_did_is_sealed_once_it_is_answered(script: Script, app: Flask, due: AuditSealing) -> None:
    script.get("/charges")
    assert due.due == 0.0
    for _ in range(2):
        script.post("/charges", {"customer": "ACME", "service": "hosting"})
    with app.app_context():
        assert chain_head(db.session()).sequence > 0
        assert count_unsealed(db.session()) == 1  # no new seal so soon

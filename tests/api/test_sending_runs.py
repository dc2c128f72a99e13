"""Sending runs over the API: many documents sent, or marked as sent, once."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.api.routes import sending_runs
from billing_admin.background.runner import run_jobs
from billing_admin.models import Invoice, Message
from tests.api.conftest import Script, code, make_token, pointers  # noqa: F401 - a fixture
from tests.making import NOW, make_customer, make_invoice
from tests.web.reading import fresh


@pytest.fixture
def script(app: Flask, session: Session, make_token: Any) -> Script:  # noqa: F811
    return Script(app.test_client(), make_token())


@pytest.fixture
def numbers(session: Session) -> list[str]:
    """Two documents of ACME, and one of a customer without contacts."""
    acme, silent = make_customer(reference="ACME", email="pay@acme.example"), make_customer(reference="SILENT")
    return [str(make_invoice(customer).number) for customer in (acme, silent, acme)]


def states(session: Session) -> list[tuple[str, bool]]:
    rows = fresh(session, select(Message).order_by(Message.created_at, Message.id))
    return [(row.state, row.by_hand) for row in rows]


def test_named_documents_are_sent_once(script: Script, session: Session, numbers: list[str]) -> None:
    body = {"id": str(uuid4()), "act": "send", "invoices": numbers}
    first = script.post("/sending-runs", body)
    assert first.status_code == 201
    content: Any = first.json
    assert (content["documents"], content["sent"], content["waiting"]) == (3, 2, 0)
    [left_out] = content["left_out"]
    assert (left_out["number"], left_out["reason"]) == (numbers[1], "no_recipient")
    assert script.post("/sending-runs", body).status_code == 200
    assert script.get(f"/sending-runs/{body['id']}").json == content
    listed: Any = script.get("/sending-runs").json
    assert [row["id"] for row in listed["data"]] == [body["id"]]
    assert states(session) == [("waiting", False)] * 2


def test_documents_of_filters_are_marked_as_sent(script: Script, session: Session, numbers: list[str]) -> None:
    body = {"act": "mark_sent", "reason": "By letter", "issued_to": NOW.date().isoformat(), "customer": "ACME"}
    content: Any = script.post("/sending-runs", body).json
    assert (content["documents"], content["sent"], content["left_out"]) == (2, 2, [])
    assert states(session) == [("sent", True)] * 2
    again = script.post("/sending-runs", body)
    assert (again.status_code, code(again)) == (422, "no_documents")


@pytest.mark.parametrize(
    ("first", "repeated", "differs"),
    [
        ({"invoices": [0]}, {"invoices": [2]}, ["invoices"]),
        ({"invoices": [0, 1]}, {"invoices": [0]}, ["invoices"]),
        ({"invoices": [0, 1]}, {"invoices": [1, 0]}, []),
        ({"invoices": [0, 2]}, {"customer": "ACME", "currency": "USD"}, []),
        ({"customer": "ACME"}, {"customer": "SILENT"}, ["customer"]),
        ({"customer": "ACME"}, {"customer": "ACME", "kind": "credit_note"}, ["kind"]),
        ({"issued_to": NOW.date().isoformat()}, {"issued_to": "2026-01-01"}, ["issued_to"]),
        ({"customer": "ACME", "status": "open"}, {"customer": "ACME", "status": "open"}, []),
    ],
)
def test_a_run_is_repeated_with_its_own_documents_only(
    script: Script,
    session: Session,
    numbers: list[str],
    first: dict[str, Any],
    repeated: dict[str, Any],
    differs: list[str],
) -> None:
    id = str(uuid4())
    bodies = [
        {"id": id, "act": "send"}
        | body
        | ({"invoices": [numbers[n] for n in body["invoices"]]} if "invoices" in body else {})
        for body in (first, repeated)
    ]
    assert script.post("/sending-runs", bodies[0]).status_code == 201
    sent = states(session)
    again = script.post("/sending-runs", bodies[1])
    content: Any = again.json
    if differs:
        assert (again.status_code, code(again), content["differs"]) == (409, "id_conflict", differs)
    else:
        assert again.status_code == 200
    assert states(session) == sent


def test_a_worker_sends_in_the_background(
    app: Flask, script: Script, session: Session, numbers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_runs, "wake_worker", lambda: None)
    reply = script.post("/sending-runs", {"act": "send", "customer": "ACME", "background": True})
    content: Any = reply.json
    assert (reply.status_code, content["waiting"]) == (202, 2)
    assert reply.headers["Location"].endswith(f"/sending-runs/{content['id']}")
    run_jobs(app)
    done: Any = script.get(f"/sending-runs/{content['id']}").json
    assert (done["sent"], done["waiting"]) == (2, 0)


@pytest.mark.parametrize(
    ("fields", "error", "pointer"),
    [
        ({}, "missing", "/invoices"),
        ({"invoices": ["INV-1999-1"]}, "unknown_invoice", "/invoices/0"),
        ({"invoices": ["INV-2026-00001"], "customer": "ACME"}, "not_both", "/invoices"),
        ({"customer": "NOBODY"}, "unknown_customer", "/customer"),
        ({"act": "mark_sent", "customer": "ACME"}, "blank", "/reason"),
    ],
)
def test_a_wrong_run_is_refused_at_its_field(
    script: Script, session: Session, numbers: list[str], fields: dict[str, Any], error: str, pointer: str
) -> None:
    reply = script.post("/sending-runs", {"act": "send"} | fields)
    assert (reply.status_code, code(reply), pointers(reply)) == (422, error, [pointer])
    assert states(session) == []
    assert fresh(session, select(Invoice.number).order_by(Invoice.number)) == numbers

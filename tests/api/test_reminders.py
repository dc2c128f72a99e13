"""Reminders for scripts: settings, pauses and runs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.api.conftest import Script, code, pointers
from tests.making import NOW, make_customer, make_invoice

A = str(UUID(int=0xA))
PAUSE = {"id": A, "customer": "BETA", "through": "2199-01-31", "reason": "Disputed"}


def content(response: TestResponse) -> Any:
    return response.json


@pytest.fixture
def acme(session: Session, script: Script) -> Script:
    make_invoice(make_customer(reference="BETA", currency="EUR"))
    return script


def test_settings_are_read_and_changed(script: Script) -> None:
    read = script.get("/reminder-settings")
    assert content(read)["daily"] is False
    assert [level["days_after_due"] for level in content(read)["levels"]] == [3, 14, 28]
    levels = [{name: value for name, value in level.items() if name != "level"} for level in content(read)["levels"]]
    levels[0]["days_after_due"] = 5
    headers = {"If-Match": read.headers["ETag"]}
    changed = script.patch("/reminder-settings", {"daily": True, "levels": levels}, headers=headers)
    assert (changed.status_code, content(changed)["daily"]) == (200, True)
    assert content(changed)["levels"][0]["days_after_due"] == 5
    assert code(script.patch("/reminder-settings", {"daily": False}, headers=headers)) == "stale"
    levels[1]["days_after_due"] = 5
    wrong = script.patch("/reminder-settings", {"levels": levels}, headers={"If-Match": changed.headers["ETag"]})
    assert (wrong.status_code, pointers(wrong)) == (422, ["/levels/1/days_after_due"])


def test_a_pause_is_set_once_and_ended(acme: Script) -> None:
    first, again = (acme.post("/reminder-pauses", PAUSE) for _ in range(2))
    assert (first.status_code, again.status_code, first.json == again.json) == (201, 200, True)
    of_invoice = acme.post(
        "/reminder-pauses", {"invoice": "INV-2026-00001", "through": "2199-01-31", "reason": "Return"}
    )
    assert (content(of_invoice)["customer"], content(of_invoice)["invoice"]) == ("BETA", "INV-2026-00001")
    assert [row["reason"] for row in content(acme.get("/reminder-pauses"))["data"]] == ["Return", "Disputed"]
    for _ in range(2):
        ended = acme.post(f"/reminder-pauses/{A}/end")
        assert (ended.status_code, content(ended)["ended_at"] is not None) == (200, True)
    assert [row["reason"] for row in content(acme.get("/reminder-pauses"))["data"]] == ["Return"]


@pytest.mark.parametrize(
    ("changes", "status", "name"),
    [
        ({"id": "1"}, 422, "not_a_uuid"),
        ({"reason": "Other"}, 409, "id_conflict"),
        ({"id": str(UUID(int=0xB)), "through": "2020-01-01"}, 422, "out_of_range"),
        ({"id": str(UUID(int=0xB)), "invoice": "INV-2026-00001"}, 422, "missing"),
        ({"id": str(UUID(int=0xB)), "customer": "NOBODY"}, 422, "unknown_customer"),
    ],
)
def test_a_wrong_pause_is_refused(acme: Script, changes: dict[str, Any], status: int, name: str) -> None:
    acme.post("/reminder-pauses", PAUSE)
    response = acme.post("/reminder-pauses", PAUSE | changes)
    assert (response.status_code, code(response)) == (status, name)


@pytest.fixture
def overdue(app: Flask, session: Session, script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """BETA has an invoice that is overdue for three days, and MUTE one without a recipient."""
    make_invoice(make_customer(reference="BETA", email="pay@beta.example"))
    make_invoice(make_customer(reference="MUTE"))
    values = {"mail_url": "smtp://127.0.0.1:1?tls=off", "mail_from": "Billing <billing@seller.example>"}
    monkeypatch.setitem(
        app.extensions, "billing_settings", app.extensions["billing_settings"].model_copy(update=values)
    )
    with time_machine.travel(NOW + timedelta(33), tick=False):
        yield script


def test_a_run_is_previewed_confirmed_and_read(overdue: Script) -> None:
    preview = content(overdue.post("/reminder-runs", {"dry_run": True}))
    assert (preview["state"], preview["id"], preview["day"]) == ("preview", None, "2026-05-05")
    [reminder] = preview["reminders"]
    assert (reminder["customer"], reminder["level"], reminder["open_amount"]) == ("BETA", 1, "10.00")
    assert reminder["recipients"] == ["pay@beta.example"]
    assert [(row["customer"], row["reason"]) for row in preview["left_out"]] == [("MUTE", "no_recipient")]
    body = {"id": A, "confirmed": preview["digest"]}
    first, again = (overdue.post("/reminder-runs", body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json == content(overdue.get(f"/reminder-runs/{A}"))
    [sent] = content(first)["reminders"]
    assert (sent["state"], sent["invoices"]) == ("waiting", reminder["invoices"])
    assert sent["recipients"] == ["pay@beta.example"]
    assert content(first)["left_out"] == preview["left_out"]
    [listed] = content(overdue.get("/reminder-runs"))["data"]
    assert (listed["id"], listed["day"], listed["reminder_count"]) == (A, "2026-05-05", 1)
    assert listed["totals"] == [{"currency": sent["currency"], "open_amount": "10.00"}]
    assert "reminders" not in listed
    stale = overdue.post("/reminder-runs", {"confirmed": preview["digest"]})
    assert (stale.status_code, code(stale)) == (409, "preview_changed")


def test_customers_and_invoices_are_left_out_of_a_run(overdue: Script) -> None:
    run = content(overdue.post("/reminder-runs", {"without_customers": ["BETA"], "customers": ["BETA"]}))
    assert (run["reminders"], [row["reason"] for row in run["left_out"]]) == ([], ["skipped"])
    wrong = overdue.post("/reminder-runs", {"without_invoices": ["INV-1"]})
    assert (wrong.status_code, pointers(wrong)) == (422, ["/without_invoices/0"])
    assert code(overdue.get(f"/reminder-runs/{A}")) == "unknown_run"

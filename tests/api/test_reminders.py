"""Reminders for scripts: settings, pauses and runs."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.api.conftest import Script, code, pointers
from tests.making import make_customer, make_invoice

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

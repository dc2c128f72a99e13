"""Days and cursors that are out of range are refused by name."""

from base64 import urlsafe_b64encode

import pytest

from billing_admin.api.frame.routing import ROUTES
from tests.api.conftest import Script, code, pointers

pytestmark = pytest.mark.both_databases

LISTS = [route.path for route in ROUTES if "after" in route.query.model_fields]
OUT_OF_RANGE = ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"]


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01 00:00:00+14:00",
        "0001-01-01 00:00:00+00:00",
        "9999-12-31 23:59:59.999999-14:00",
        "2026-11-22 10:00:00+99:99",
        "2026-11-22 10:00:00",
        "2026-02-30 10:00:00+00:00",
    ],
)
def test_a_cursor_with_a_moment_out_of_range(script: Script, moment: str) -> None:
    place = f">dt:{moment}~uuid:00000000-0000-0000-0000-000000000000"
    cursor = urlsafe_b64encode(place.encode()).decode().rstrip("=")
    for path in LISTS:
        response = script.get(f"{path}?after={cursor}")
        assert (response.status_code, code(response), pointers(response)) == (422, "bad_cursor", ["/after"]), path


@pytest.mark.parametrize("day", OUT_OF_RANGE)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/customers/ACME/balance", "as_of"),
        ("/customers/ACME/current-invoice", "through"),
        ("/customers/ACME/statement", "from"),
        ("/customers/ACME/statement", "to"),
        ("/journal.csv", "from"),
        ("/journal.hledger", "to"),
    ],
)
def test_figures_of_a_day_out_of_range(script: Script, path: str, name: str, day: str) -> None:
    response = script.get(f"{path}?{name}={day}")
    assert (response.status_code, pointers(response)) == (422, [f"/{name}"])
    assert "Use a day between 1970 and 2199." in response.text


@pytest.mark.parametrize("day", OUT_OF_RANGE)
def test_a_run_through_or_issued_on_a_day_out_of_range(script: Script, day: str) -> None:
    script.post("/charges", {"customer": "ACME", "service": "hosting"})
    for fields, name in (({"through": day}, "through"), ({"through": "2026-03-31", "issue_date": day}, "issue_date")):
        for dry_run in (True, False):
            response = script.post("/billing-runs", {**fields, "issue": True, "dry_run": dry_run})
            assert (response.status_code, pointers(response)) == (422, [f"/{name}"])


@pytest.mark.parametrize("day", OUT_OF_RANGE)
def test_a_draft_due_on_a_day_out_of_range(script: Script, day: str) -> None:
    script.post("/charges", {"customer": "ACME", "service": "hosting", "quantity": "1000", "incurred_on": "2026-03-01"})
    script.post("/billing-runs", {"through": "2026-03-31"})
    listed = script.get("/invoices").json
    assert listed
    response = script.patch(f"/invoices/{listed['data'][0]['id']}", {"due_date": day}, headers={"If-Match": "*"})
    assert (response.status_code, pointers(response)) == (422, ["/due_date"])


@pytest.mark.parametrize("day", OUT_OF_RANGE)
def test_a_recurring_charge_that_ends_on_a_day_out_of_range(script: Script, day: str) -> None:
    recurring = script.post(
        "/recurring-charges",
        {"customer": "ACME", "service": "hosting", "interval": "monthly", "starts_on": "2026-03-01"},
    ).json
    assert recurring
    response = script.post(f"/recurring-charges/{recurring['id']}/end", {"ends_on": day, "reason": "Over"})
    assert (response.status_code, pointers(response)) == (422, ["/ends_on"])

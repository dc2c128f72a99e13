"""Readiness over the API: what a draft lacks, and what an issued document was issued without."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.api.conftest import Script, code, pointers
from tests.making import change_settings, make_invoice

pytestmark = pytest.mark.usefixtures("session")


def read(script: Script, name: object) -> Any:
    response = script.get(f"/invoices/{name}/readiness")
    assert response.status_code == 200
    return response.json


def test_a_draft_with_warnings_is_ready(script: Script) -> None:
    answer = read(script, make_invoice(issue=False).id)
    assert (answer["ready"], answer["e_invoice"]) == (True, "none")
    by_code = {item["code"]: item for item in answer["shortcomings"]}
    assert {item["severity"] for item in answer["shortcomings"]} == {"warning"}
    assert by_code["customer_country_missing"]["pointer"] == "/customer/country"
    assert by_code["customer_country_missing"]["term"] == "BT-55"


def test_a_draft_that_is_stopped_is_refused_at_the_same_field(script: Script, session: Session) -> None:
    draft = make_invoice(issue=False)
    change_settings(address="")
    answer = read(script, draft.id)
    [stop] = [item for item in answer["shortcomings"] if item["severity"] == "stop"]
    assert not answer["ready"]
    assert (stop["code"], stop["pointer"], stop["rule"]) == (
        "organisation_address_missing",
        "/organisation/address",
        "BR-08",
    )
    refused = script.post(f"/invoices/{draft.id}/issue", {})
    assert (refused.status_code, code(refused), pointers(refused)) == (422, stop["code"], [stop["pointer"]])
    assert refused.json["errors"][0]["detail"] == stop["detail"]  # type: ignore[index]


def test_an_issued_document_is_read_by_what_was_frozen(script: Script) -> None:
    invoice = make_invoice()
    change_settings(address="")
    assert read(script, invoice.number)["ready"]


def test_an_unknown_invoice_has_no_readiness(script: Script) -> None:
    response = script.get("/invoices/INV-2026-00099/readiness")
    assert (response.status_code, code(response)) == (404, "unknown_invoice")


def test_a_run_names_the_code_of_an_account_left_out(script: Script) -> None:
    make_invoice(issue=False)
    script.post("/charges", {"customer": "ACME", "description": "Work", "amount": "5", "incurred_on": "2026-03-01"})
    change_settings(requires_complete_details=True)
    planned: Any = script.post("/billing-runs", {"through": "2026-03-31", "dry_run": True}).json
    assert "organisation_country_missing" in {row["reason"] for row in planned["left_out"]}

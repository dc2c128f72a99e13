"""Tax over the API: treatments, prices that include tax, changed rates, and the explanation of an invoice."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from tests.api.conftest import Script, code, pointers
from tests.making import bill, change_tax, make_service, make_spec, make_tax_rate, post
from tests.prepared import prepared

pytestmark = pytest.mark.usefixtures("session")
CHARGE = {"customer": "ACME", "service": "hosting", "quantity": "20", "incurred_on": "2026-03-01"}


def test_a_customers_treatment(script: Script) -> None:
    created: Any = script.post("/customers", {"name": "Export Ltd", "currency": "EUR", "tax_treatment": "export"})
    assert (created.status_code, created.json["tax_treatment"]) == (201, "export")
    ref, tag = created.json["reference"], {"If-Match": created.headers["ETag"]}
    assert script.get("/customers/ACME").json["tax_treatment"] == "standard"  # type: ignore[index]
    wrong = script.patch(f"/customers/{ref}", {"tax_treatment": "other"}, headers=tag)
    assert (wrong.status_code, pointers(wrong)) == (422, ["/tax_treatment"])
    for treatment in ("exempt", "intra_community"):
        changed: Any = script.patch(f"/customers/{ref}", {"tax_treatment": treatment}, headers=tag)
        tag = {"If-Match": changed.headers["ETag"]}
        assert changed.json["tax_treatment"] == treatment


def test_a_price_that_includes_tax(script: Script) -> None:
    body = {"code": "shop", "prices": {"EUR": "11.90", "USD": "12"}, "prices_include_tax": ["EUR"]}
    created: Any = script.post("/services", body)
    assert (created.status_code, created.json["prices_include_tax"]) == (201, ["EUR"])
    assert script.post("/services", body).headers["Idempotent-Replayed"] == "true"
    assert script.post("/services", body | {"prices_include_tax": []}).json["differs"] == ["prices_include_tax"]  # type: ignore[index]
    tag = {"If-Match": created.headers["ETag"]}
    wrong = script.patch("/services/shop", {"prices_include_tax": ["GBP"]}, headers=tag)
    assert (wrong.status_code, pointers(wrong)) == (422, ["/prices_include_tax"])
    changed: Any = script.patch("/services/shop", {"prices_include_tax": ["USD"]}, headers=tag).json
    assert changed["prices_include_tax"] == ["USD"]


def test_a_charge_says_whether_its_price_includes_tax(script: Script) -> None:
    net: Any = script.post("/charges", CHARGE).json
    charge: Any = script.post("/charges", CHARGE | {"unit_price": "1", "tax_included": True, "id": str(uuid4())}).json
    assert (net["tax_included"], charge["tax_included"]) == (False, True)
    again = script.post("/charges", CHARGE | {"unit_price": "1", "id": charge["id"]})
    assert (again.status_code, again.json) == (200, charge)
    changed = script.post("/charges", CHARGE | {"unit_price": "1", "tax_included": False, "id": charge["id"]})
    assert (changed.status_code, changed.json["differs"]) == (409, ["tax_included"])  # type: ignore[index]
    refused = script.post("/charges", CHARGE | {"tax_included": True})
    assert (refused.status_code, code(refused), pointers(refused)) == (422, "other_price", ["/tax_included"])


def test_rates_with_their_changes(script: Script) -> None:
    change_tax(make_tax_rate(), date(2026, 7, 1), "16")
    make_tax_rate("rc", "0", "AE")
    rates: Any = {rate["code"]: rate for rate in script.get("/tax-rates").json["data"]}  # type: ignore[index]
    assert rates["VAT19"]["changes"] == [{"valid_from": "2026-07-01", "percent": "16"}]
    assert rates["VAT19"]["note"] == ""
    assert rates["rc"]["note"] == "Reverse charge: the customer accounts for the tax"


@pytest.fixture
@prepared
def number(script: Script, session: Session) -> str:
    """Return the number of an invoice with a net line and a line whose price includes tax."""
    make_tax_rate()
    make_service(code="a", tax_rate="VAT19", prices={"EUR": Decimal("0.333")})
    make_service(code="b", tax_rate="VAT19", prices={"EUR": Decimal("0.333")}, prices_include_tax=["EUR"])
    post(make_spec("ACME", service="a"), make_spec("ACME", service="a"), make_spec("ACME", service="b"))
    bill()
    return "INV-2026-00001"


def test_an_invoice_tells_gross_and_included_tax(script: Script, number: str) -> None:
    invoice: Any = script.get(f"/invoices/{number}").json
    assert [(line["gross"], line["net"]) for line in invoice["lines"]] == [(None, "0.67"), ("0.33", "0.28")]
    assert [(tax["included"], tax["base"], tax["tax"], tax["note"]) for tax in invoice["taxes"]] == [
        (False, "0.67", "0.13", ""),
        (True, "0.28", "0.05", ""),
    ]


def test_an_invoice_is_explained(script: Script, number: str) -> None:
    explanation: Any = script.get(f"/invoices/{number}/explain").json
    assert (explanation["number"], explanation["currency"], explanation["adds_up"]) == (number, "EUR", True)
    assert explanation["total"] == {"stored": "1.13", "computed": "1.13"}
    net, inclusive = explanation["lines"]
    assert (net["exact_sum"], net["rounded"]["stored"], net["included_percent"]) == ("0.666", "0.67", None)
    assert (inclusive["rounded"]["stored"], inclusive["net"]["computed"]) == ("0.33", "0.28")
    assert [(tax["included"], tax["lines"], tax["amount"], tax["tax"]["computed"]) for tax in explanation["taxes"]] == [
        (False, [1], "0.67", "0.13"),
        (True, [2], "0.33", "0.05"),
    ]
    charges: Any = script.get(f"/charges?line={net['id']}").json
    assert [charge["amount"] for charge in charges["data"]] == ["0.333", "0.333"]


def test_there_is_nothing_to_explain_of_no_invoice(script: Script) -> None:
    response = script.get("/invoices/INV-2026-00099/explain")
    assert (response.status_code, code(response)) == (404, "unknown_invoice")

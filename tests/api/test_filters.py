"""Filters of lists and files that cannot be used: 422, or 404 for an object that does not exist, with the parameter's name."""

import pytest
from sqlalchemy.orm import Session

from tests.api.conftest import Script, code, pointers
from tests.making import make_customer, make_invoice

REVERSED = "from=2026-05-01&to=2026-01-01"


@pytest.mark.parametrize(
    ("path", "query", "status", "name", "expected"),
    [
        *((path, REVERSED, 422, "from", "out_of_order") for path in ("/charges", "/payments", "/audit-events")),
        *((f"{path}.csv", REVERSED, 422, "from", "out_of_order") for path in ("/charges", "/allocations")),
        ("/invoices", "issued_from=2026-05-01&issued_to=2026-01-01", 422, "issued_from", "out_of_order"),
        ("/invoices", "due_from=2026-05-01&due_to=2026-01-01", 422, "due_from", "out_of_order"),
        *(
            (path, "currency=QQQ", 422, "currency", "unknown_currency")
            for path in ("/invoices", "/charges", "/payments", "/customers", "/recurring-charges", "/invoices.csv")
        ),
        ("/invoices", "run=x", 422, "run", "not_a_uuid"),
        ("/invoices", "customer=nobody", 404, "customer", "unknown_customer"),
        ("/charges", "invoice=INV-9", 404, "invoice", "unknown_invoice"),
        ("/audit-events", "object=INV-2026-99999", 422, "object", "unknown_object"),
        ("/audit-events.csv", "object=INV-2026-99999", 422, "object", "unknown_object"),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(
    script: Script, path: str, query: str, status: int, name: str, expected: str
) -> None:
    response = script.get(f"{path}?{query}")
    assert (response.status_code, code(response), pointers(response)) == (status, expected, [f"/{name}"])


def test_audit_events_of_an_object_are_found_by_its_number(script: Script, session: Session) -> None:
    invoice = make_invoice(make_customer(reference="acme"))
    by_id, by_number, of_customer = (
        script.get(f"/audit-events?object={name}").get_json()["data"] for name in (invoice.id, invoice.number, "acme")
    )
    assert by_number == by_id
    assert "customer.created" in [event["action"] for event in of_customer]

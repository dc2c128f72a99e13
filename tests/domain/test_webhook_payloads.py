"""Webhook payloads: amounts with their currency's digits, dates as texts, and related documents."""

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.webhook_payloads import (
    NO_RELATED_DOCUMENTS,
    RelatedDocuments,
    charge_payload,
    invoice_payload,
)

ID, OTHER = UUID(int=1), UUID(int=2)
TODAY = date(2026, 11, 29)
RATE = {"currency": "EUR", "rate": "1.087", "day": "2026-10-30", "source": "ECB"}


def invoice(**changes: Any) -> DocumentRows:
    row: dict[str, Any] = {
        "id": ID,
        "number": "INV-2026-00001",
        "kind": "invoice",
        "status": "issued",
        "customer_reference": "ACME",
        "currency": "EUR",
        "issue_date": date(2026, 11, 1),
        "due_date": date(2026, 11, 28),
        "period_from": date(2026, 10, 1),
        "period_to": date(2026, 10, 31),
        "net": 10000,
        "tax": 1900,
        "total": 11900,
        "paid": 1900,
        "credited": 0,
        "reason": None,
        "voided_on": None,
        "note": "",
        "purchase_order": "PO-1",
        "run_id": None,
        "details": None,
        "tax_in_base": None,
        "original_date": None,
        "original_total": None,
        "original_tax": None,
    }
    line = {
        "id": OTHER,
        "position": 1,
        "service_code": "",
        "description": "Work",
        "quantity": Decimal("1.50"),
        "unit_price": None,
        "gross": None,
        "net": 10000,
        "tax_category": "S",
        "tax_percent": Decimal("19.00"),
        "charges": 2,
        "period_from": date(2026, 11, 10),
        "period_to": date(2026, 11, 19),
        "period_of_days": 30,
        "unit": "hour",
        "purchase_order": "PO-2",
        "unit_code": "HUR",
    }
    taxes = [
        {
            "category": "S",
            "position": 2,
            "percent": Decimal(19),
            "included": False,
            "base": 10000,
            "tax": 1900,
            "note": "",
            "vatex": "",
        },
        {
            "category": "E",
            "position": 1,
            "percent": Decimal(0),
            "included": False,
            "base": 0,
            "tax": 0,
            "note": "Exempt",
            "vatex": "VATEX-EU-132",
        },
    ]
    return DocumentRows(row | changes, [line], taxes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"balance": "100.00", "payment_status": "overdue", "total": "119.00", "run": None}),
        ({"due_date": TODAY}, {"payment_status": "part_paid"}),
        (
            {"status": "void", "voided_on": TODAY},
            {"balance": "0.00", "payment_status": None, "voided_on": "2026-11-29"},
        ),
        ({"currency": "JPY"}, {"total": "11900", "balance": "10000"}),
        ({"currency": "BHD"}, {"total": "11.900"}),
        (
            {"status": "draft", "number": None, "issue_date": None},
            {"number": None, "issue_date": None, "balance": "0.00"},
        ),
        ({"run_id": OTHER}, {"run": str(OTHER)}),
        ({}, {"tax_in_base": None, "base_rate": None}),
        (
            {"currency": "USD", "tax_in_base": 1748, "details": {"base_rate": RATE}},
            {"tax_in_base": "17.48", "base_rate": RATE},
        ),
        (
            {"currency": "USD", "tax_in_base": 748, "details": {"base_rate": RATE | {"currency": "JPY"}}},
            {"tax_in_base": "748"},
        ),
    ],
)
def test_an_invoice_has_its_state_and_amounts_of_the_day(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    payload = invoice_payload(invoice(**changes), NO_RELATED_DOCUMENTS, TODAY)
    assert {name: payload[name] for name in expected} == expected


def test_lines_and_taxes_are_plain_texts_by_category() -> None:
    payload = invoice_payload(invoice(), RelatedDocuments("INV-1", ("CN-1",), "INV-2", OTHER), TODAY)
    assert payload["lines"] == [
        {
            "position": 1,
            "service": None,
            "description": "Work",
            "quantity": "1.5",
            "unit_price": None,
            "gross": None,
            "net": "100.00",
            "tax_category": "S",
            "tax_percent": "19",
            "charges": 2,
            "period_from": "2026-11-10",
            "period_to": "2026-11-19",
            "period_of_days": 30,
            "unit": "hour",
            "purchase_order": "PO-2",
            "unit_code": "HUR",
            "id": str(OTHER),
        }
    ]
    assert [(tax["category"], tax["tax"], tax["note"], tax["vatex"]) for tax in payload["taxes"]] == [
        ("E", "0.00", "Exempt", "VATEX-EU-132"),
        ("S", "19.00", "", ""),
    ]
    related = [payload[name] for name in ("corrects", "credit_notes", "replaces", "replaced_by")]
    assert related == ["INV-1", ["CN-1"], "INV-2", str(OTHER)]


@pytest.mark.parametrize(("is_duplicate", "duplicates"), [(True, [str(OTHER)]), (False, [])])
def test_a_charge_names_only_likely_duplicates(is_duplicate: bool, duplicates: list[str]) -> None:
    row = SimpleNamespace(
        id=ID,
        customer_reference="ACME",
        service_code=None,
        description="Work",
        quantity=Decimal("2.0"),
        unit_price=None,
        amount=Decimal("0.0000008"),
        tax_included=False,
        currency="USD",
        incurred_on=date(2026, 11, 1),
        details=None,
        status="held",
        created_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
        created_by="token meter",
        invoice_number=None,
        late=False,
        replaces_id=None,
        replaced_by_id=OTHER,
        duplicate_of_id=OTHER,
        is_likely_duplicate=is_duplicate,
        period_from=None,
        period_to=None,
        period_of_days=None,
        purchase_order="",
    )
    payload = charge_payload(row)
    assert (payload["quantity"], payload["amount"], payload["created_at"]) == ("2", "0.0000008", "2026-11-01T12:00:00Z")
    assert (payload["metadata"], payload["replaces"], payload["replaced_by"]) == ({}, None, str(OTHER))
    assert payload["possible_duplicate_of"] == duplicates

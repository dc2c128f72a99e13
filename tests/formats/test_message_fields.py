"""The values of the fields in texts of messages, and the built-in texts as customers read them.

`RECORD=1` records the golden texts anew. Read them before you commit them.
"""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from billing_admin.domain.message_texts import TEXT_KEYS, built_in_text, fields_of, render_text
from billing_admin.domain.parties import LANGUAGES
from billing_admin.domain.receivables import make_statement
from billing_admin.formats.message_fields import MAX_LISTED, document_fields, reminder_fields, statement_fields
from billing_admin.models import Invoice
from tests.formats.test_letters import DOCUMENTS, FIRST, LAST, POSITION, entries, make_letter

GOLDEN = Path(__file__).parents[1] / "data" / "message_texts.json"


def make_document(language: str = "en", kind: str = "invoice", **values: Any) -> Invoice:
    defaults: dict[str, Any] = {
        "kind": kind,
        "status": "issued",
        "number": "INV-2026-00042" if kind == "invoice" else "CN-2026-00003",
        "currency": "EUR",
        "issue_date": date(2026, 3, 2),
        "due_date": date(2026, 3, 16),
        "period_from": date(2026, 2, 1),
        "period_to": date(2026, 2, 28),
        "total": 1_234_50,
        "paid": 0,
        "credited": 0,
        "customer_reference": "ACME",
        "customer_name": "ACME Inc.",
        "seller_name": "Cloud Example GmbH",
        "purchase_order": "4711",
        "reason": "Wrong quantity",
        "corrected": Invoice(number="INV-2026-00041") if kind == "credit_note" else None,
        "number_format": "1,234.56" if language == "en" else "1.234,56",
        "details": {"language": language, "paper": "a4", "buyer_reference": "Cost centre 7"},
    }
    return Invoice(**defaults | values)


def values_for(key: str, language: str, name: str = "") -> dict[str, str]:
    if key.startswith("reminder"):
        return reminder_fields(make_letter(language), DOCUMENTS, name)
    if key == "statement":
        statement = make_statement(entries(6), FIRST)
        return statement_fields(make_letter(language), statement, POSITION, FIRST, LAST, name)
    return document_fields(make_document(language, key), name)


@pytest.mark.parametrize("key", TEXT_KEYS)
def test_each_field_of_a_key_has_a_value(key: str) -> None:
    values = values_for(key, "en")
    assert values.keys() == {field.name for field in fields_of(key)}
    assert all(values.values())


def test_messages_match_the_golden_texts_in_each_language() -> None:
    texts = {}
    for key in TEXT_KEYS:
        for language in LANGUAGES:
            message = render_text(built_in_text(key, language), values_for(key, language, "Maria Huber"))
            texts[f"{key}, {language}"] = [message.subject, *message.body.splitlines()]
    if os.environ.get("RECORD"):
        GOLDEN.write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert texts == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_a_paid_invoice_asks_for_no_payment() -> None:
    values = document_fields(make_document(paid=1_000_00, credited=234_50))
    assert (values["open"], values["due"]) == ("", "")
    assert "Please pay" not in render_text(built_in_text("invoice", "en"), values).body


def test_a_part_payment_leaves_the_open_amount() -> None:
    values = document_fields(make_document("de", paid=1_000_00))
    assert (values["total"], values["open"], values["due"]) == ("1.234,50 EUR", "234,50 EUR", "16. März 2026")


def test_without_a_contact_the_name_is_the_customers() -> None:
    assert document_fields(make_document())["name"] == "ACME Inc."
    assert document_fields(make_document(), " ")["name"] == "ACME Inc."
    assert document_fields(make_document(), "Maria Huber")["name"] == "Maria Huber"


def test_a_document_without_details_is_in_english() -> None:
    values = document_fields(make_document("de", details=None))
    assert (values["issued"], values["buyer_reference"]) == ("2 March 2026", "")


def test_a_long_list_of_documents_is_cut() -> None:
    values = reminder_fields(make_letter("de"), DOCUMENTS * 20)
    lines = values["documents"].splitlines()
    assert len(lines) == MAX_LISTED + 1
    assert lines[-1] == "- und 20 weitere"
    assert values["open"] == "7.140,00 EUR"


def test_a_name_with_braces_is_printed_as_it_is() -> None:
    values = document_fields(make_document(customer_name="{number} {x}"))
    assert "Dear {number} {x}," in render_text(built_in_text("invoice", "en"), values).body

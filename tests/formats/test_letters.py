"""Statements and reminders: golden texts in each language, sums, and the QR code of what is due.

`RECORD=1` records the golden texts anew. Read them before you commit them.
"""

import json
import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.parties import LANGUAGES
from billing_admin.domain.receivables import ENTRY_KINDS, ZERO_POSITION, Position, StatementEntry, make_statement
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.letter_contents import (
    REMINDER_LEVELS,
    Letter,
    OverdueDocument,
    ReceivedPayment,
    receipt_contents,
    reminder_contents,
    statement_contents,
)
from billing_admin.formats.payment_code import payment_code
from billing_admin.formats.pdf import print_contents
from tests.formats.printing import DETAILS, IBAN, read_fragments, read_pages

GLYPHS = load_glyphs()
GOLDEN = Path(__file__).parents[1] / "data" / "printed_letters.json"
FIRST, LAST, TODAY = date(2026, 1, 1), date(2026, 3, 31), date(2026, 4, 2)
POSITION = Position(600_00, 0, 440_00, 10_00, (10_00, 20_00, 30_00, 40_00, 60_00))
DOCUMENTS = [
    OverdueDocument(f"INV-2026-0000{number}", date(2026, 2, number), date(2026, 2, 14 + number), 45 - number, 119_00)
    for number in (1, 2, 3)
]


def make_letter(language: str = "en", **values: Any) -> Letter:
    defaults: dict[str, Any] = {
        "details": replace(DETAILS, language=language),
        "seller_name": "Cloud Example GmbH",
        "seller_address": "Road 1\n10115 Berlin\nGermany",
        "seller_tax_id": "DE987654321",
        "customer_reference": "ACME",
        "customer_name": "ACME Inc.",
        "customer_address": "Main Street 5\n10115 Berlin",
        "number_format": "1,234.56" if language == "en" else "1.234,56",
        "currency": "EUR",
        "day": TODAY,
    }
    return Letter(**defaults | values)


KINDS = ("invoice", "void", "credit_note", "payment", "reversal", "write_off")


def test_every_kind_of_entry_has_a_label_in_each_language() -> None:
    for language in LANGUAGES:
        rows = make_statement([StatementEntry(FIRST, kind, UUID(int=1), "1", "", 1) for kind in ENTRY_KINDS], FIRST)
        table = statement_contents(make_letter(language), rows, POSITION, FIRST, LAST)["table"]["rows"][1:]
        assert len({row[1] for row in table}) == len(ENTRY_KINDS)


def entries(count: int) -> list[StatementEntry]:
    return [
        StatementEntry(
            FIRST + timedelta(number),
            KINDS[number % 6],
            UUID(int=number),
            f"INV-2026-{number:05}",
            "",
            100_00 if number % 2 == 0 else -90_00,
        )
        for number in range(count)
    ]


def printed(contents: dict[str, Any]) -> list[str]:
    return read_pages(print_contents(contents, GLYPHS, 0))


def test_letters_match_the_golden_texts_in_each_language() -> None:
    statement = make_statement(entries(6), FIRST)
    texts = {
        f"{kind}, {language}": printed(contents)
        for language in LANGUAGES
        for kind, contents in (
            ("statement", statement_contents(make_letter(language), statement, POSITION, FIRST, LAST)),
            *(
                (f"reminder {level}", reminder_contents(make_letter(language), level, DOCUMENTS))
                for level in REMINDER_LEVELS
            ),
        )
    }
    if os.environ.get("RECORD"):
        GOLDEN.write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert texts == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_a_statement_adds_up_and_shows_the_credit() -> None:
    statement = make_statement(entries(12), FIRST + timedelta(6))
    contents = statement_contents(make_letter(), statement, POSITION, FIRST + timedelta(6), LAST)
    rows = contents["table"]["rows"]
    assert rows[0] == ["7 Jan 2026", "Opening balance", "", "", "30.00 EUR"]
    assert rows[-1][-1] == contents["sums"][0][1] == "60.00 EUR"
    assert [row[1] for row in rows[1:]] == [
        *("Invoice", "Void invoice", "Credit note"),
        *("Payment", "Reversed payment", "Write-off"),
    ]
    (ageing,) = contents["tables"]
    assert ageing["rows"] == [
        ["Not due", "10.00 EUR"],
        ["1–30 days overdue", "20.00 EUR"],
        ["31–60 days overdue", "30.00 EUR"],
        ["61–90 days overdue", "40.00 EUR"],
        ["> 90 days overdue", "60.00 EUR"],
        ["Credit", "−10.00 EUR"],
    ]


def test_an_empty_statement_says_so() -> None:
    text = " ".join(printed(statement_contents(make_letter(), make_statement((), None), ZERO_POSITION, None, LAST)))
    assert "No movements in this period." in text
    assert "Closing balance 0.00 EUR" in text


@pytest.mark.parametrize("count", [1, 200])
def test_a_long_statement_has_its_head_on_each_page_and_stays_inside_the_margins(count: int) -> None:
    statement = make_statement(entries(count), None)
    pdf = print_contents(statement_contents(make_letter("de"), statement, POSITION, None, LAST), GLYPHS, 0)
    pages = read_pages(pdf)
    assert sum(page.count("INV-2026-") for page in pages) == count
    assert all(page.count("Datum Vorgang Beleg Betrag Saldo") == ("INV-2026-" in page) for page in pages)
    assert all(24.9 <= place.x <= 190 and 12 <= place.y <= 289 for place in read_fragments(pdf))


def test_a_reminder_asks_for_the_sum_of_all_documents_with_a_code() -> None:
    contents = reminder_contents(make_letter(), 1, DOCUMENTS)
    numbers = "INV-2026-00001, INV-2026-00002, INV-2026-00003"
    assert contents["sums"] == [("Total due", "357.00 EUR", True)]
    facts = dict(contents["payment"]["facts"])
    assert (facts["Amount"], facts["Reference"]) == ("357.00 EUR", numbers)
    assert "Due date" not in facts
    assert contents["payment"]["code"]["svg"] == payment_code("Cloud Example GmbH", IBAN, 357_00, "EUR", numbers)


def test_many_documents_are_paid_by_the_customer_number() -> None:
    contents = reminder_contents(make_letter(), 2, DOCUMENTS * 4)
    assert dict(contents["payment"]["facts"])["Reference"] == "ACME"


def test_a_custom_text_replaces_the_default_one() -> None:
    contents = reminder_contents(make_letter(), 3, DOCUMENTS, "Dear customer,\n\nplease call us.")
    assert contents["paragraphs"] == [["Dear customer,"], ["please call us."]]
    text = " ".join(printed(contents))
    assert "Final reminder" in text
    assert "Dear customer, please call us." in text


def test_letters_of_demo_data_are_marked() -> None:
    letter = make_letter(details=replace(DETAILS, test=True))
    assert reminder_contents(letter, 1, DOCUMENTS)["mark"] == "TEST"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_names_the_invoices_that_are_paid(language: str) -> None:
    invoices = [("INV-2026-00001", 1000), ("INV-2026-00002", 400)]
    received = ReceivedPayment(LAST, "bank_transfer", "BANK 7", 1500, 100, invoices)
    contents = receipt_contents(make_letter(language), received)
    assert [row[1] for row in contents["table"]["rows"]] == ["INV-2026-00001", "INV-2026-00002", ""]
    assert len(contents["facts"]) == 4
    assert "15" in contents["sums"][0][1]

"""The canonical content and the hash of documents. Frozen: stored hashes cover these bytes."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.document_hash import DocumentRows, canonical_content, chained_hash, document_number

INVOICE: dict[str, Any] = {
    "id": UUID(int=1),
    "kind": "invoice",
    "currency": "EUR",
    "net": 2500,
    "tax": 475,
    "total": 2975,
    "issue_date": date(2026, 3, 5),
    "due_date": date(2026, 4, 4),
    "period_from": date(2026, 2, 1),
    "period_to": date(2026, 2, 28),
    "customer_reference": "ACME",
    "customer_name": "Zoë",
    "customer_address": "1 Main St\nX",
    "customer_tax_id": "",
    "seller_name": "We",
    "seller_address": "2 Side St",
    "seller_tax_id": "DE1",
    "footer": "Thanks",
    "note": "",
    "purchase_order": "",
    "corrects_id": None,
    "replaces_id": None,
    "reason": "",
    "details": None,
    "tax_in_base": None,
}
LINE: dict[str, Any] = {
    "position": 1,
    "service_id": UUID(int=2),
    "description": "Compute",
    "quantity": Decimal("10.0"),
    "unit_price": Decimal("2.50"),
    "amount": Decimal("25.000"),
    "net": 2500,
    "gross": None,
    "tax_category": "S",
    "tax_percent": Decimal("19.00"),
    "included_percent": None,
    "charges": 3,
    "corrects_line_id": UUID(int=4),
    "period_from": None,
    "period_to": None,
    "period_of_days": None,
    "unit": None,
    "purchase_order": "",
    "unit_code": None,
}
TAX: dict[str, Any] = {
    "category": "S",
    "percent": Decimal(19),
    "base": 2500,
    "tax": 475,
    "included": False,
    "note": "",
    "vatex": "",
}

ID_1, ID_2, ID_3, ID_4 = (str(UUID(int=number)) for number in (1, 2, 3, 4))
START = f'["{ID_1}",["invoice","EUR",2500,475,2975],["2026-03-05","2026-04-04","2026-02-01","2026-02-28"],'
PARTIES = '["ACME","Zoë","1 Main St\\nX","","We","2 Side St","DE1","Thanks"],'
LINES = f'[[1,"{ID_2}","Compute","10","2.5","25",2500,"S","19",3]],'
CONTENT = f'{START}{PARTIES}{LINES}[["S","19",2500,475]]]'
# As version 0023 of the schema stored it.
HASH_OF_BEFORE = "141eec23ce54aed7dc605df7015ab2f2a563e13e2c4880a17daf0e19092e0692"


def content(invoice: dict[str, Any] = INVOICE, line: dict[str, Any] = LINE, tax: dict[str, Any] = TAX) -> str:
    return canonical_content(DocumentRows(invoice, [line], [tax]))


def test_the_content_of_an_invoice() -> None:
    assert content() == CONTENT


def test_later_columns_are_covered_only_if_they_have_a_value() -> None:
    changed = INVOICE | {"note": "Hi", "purchase_order": "PO-7", "replaces_id": UUID(int=3)}
    optional = f',{{"note":"Hi","purchase_order":"PO-7","replaces_id":"{ID_3}"}}]'
    assert content(changed) == CONTENT.removesuffix("]") + optional
    assert content(INVOICE | {"reason": "Voided later"}) == CONTENT


def test_a_hash_stored_before_details_existed_stays_true() -> None:
    assert chained_hash("", "INV-1", content()) == HASH_OF_BEFORE


def test_details_are_covered_only_if_they_were_stored() -> None:
    details = {"paper": "a4", "language": "en", "buyer": {"address": {"country": "DE", "city": "Köln"}}}
    covered = r',{"details":"{\"buyer\":{\"address\":{\"city\":\"Köln\",\"country\":\"DE\"}},'
    covered += r'\"language\":\"en\",\"paper\":\"a4\"}"'
    assert content(INVOICE | {"details": details}) == CONTENT.removesuffix("]") + covered + "}]"
    assert content(INVOICE | {"details": details, "tax_in_base": 0}).endswith(covered + ',"tax_in_base":0}]')


def test_the_codes_of_units_and_untaxed_amounts_are_covered_only_if_set() -> None:
    assert '"S","19",3,{"unit_code":"HUR"}]]' in content(line=LINE | {"unit_code": "HUR"})
    assert content(tax=TAX | {"note": "Why", "vatex": "VATEX-EU-AE"}).endswith(',"Why",{"vatex":"VATEX-EU-AE"}]]]')


def test_the_period_of_a_line_is_covered_only_if_it_has_one() -> None:
    days = {"period_from": date(2026, 2, 10), "period_to": date(2026, 2, 19)}
    assert '"S","19",3,"2026-02-10","2026-02-19"]]' in content(line=LINE | days)
    assert '"S","19",3,"2026-02-10","2026-02-19",28]]' in content(line=LINE | days | {"period_of_days": 28})


def test_the_unit_of_a_line_is_covered_only_if_it_has_one() -> None:
    assert '"S","19",3,{"unit":"hour"}]]' in content(line=LINE | {"unit": "hour"})


def test_the_purchase_order_of_a_line_is_covered_only_if_it_has_one() -> None:
    assert '"S","19",3,{"purchase_order":"PO-2"}]]' in content(line=LINE | {"purchase_order": "PO-2"})


def test_taxes_in_prices_add_columns() -> None:
    line = LINE | {"gross": 2975, "included_percent": Decimal("19.0")}
    assert '2500,"S","19",3,2975,"19"]]' in content(line=line)
    assert content(tax=TAX | {"included": True, "note": "Why"}).endswith('[["S","19",2500,475,true,"Why"]]]')


def test_a_charge_without_service_and_unit_price() -> None:
    assert '[1,"None","Compute","10",null,"25",' in content(line=LINE | {"service_id": None, "unit_price": None})


def test_a_credit_note_covers_its_reason_and_the_corrected_lines() -> None:
    note = INVOICE | {"kind": "credit_note", "corrects_id": UUID(int=3), "reason": "Too much"}
    optional = f'{{"corrects_id":"{ID_3}","reason":"Too much","corrected_lines":["{ID_4}"]}}]'
    assert content(note).endswith(optional)


def test_the_hash_covers_the_hash_before_it_and_the_number() -> None:
    """By another tool: printf '["","INV-1",[]]' | sha256sum, and so on with the first hash."""
    first = chained_hash("", "INV-1", "[]")
    assert first == "7629d808a40614f9db3577f94fb55de27e849e8f8133c2c63b8ccda1bd564237"
    assert chained_hash(first, "INV-2", "[]") == "ebf32208c05df645f10ed3f9e2527485163db3e3bb9ce3de3180984794a7e4dd"


@pytest.mark.parametrize(
    ("format", "sequence", "number"),
    [
        ("INV-{year}-{number:5}", 42, "INV-2026-00042"),
        ("INV-{year}-{number:5}", 123456, "INV-2026-123456"),
        ("{number}/{month}.{year}", 7, "7/03.2026"),
        ("{year}{month}-{number:1}", 10, "202603-10"),
    ],
)
def test_numbers_follow_their_format(format: str, sequence: int, number: str) -> None:
    assert document_number(format, date(2026, 3, 5), sequence) == number

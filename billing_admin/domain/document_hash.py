"""A document as its tables hold it: its number, its canonical content, and the hash that seals it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing_admin.domain.money import plain_decimal, plain_decimal_or_none
from billing_admin.domain.text import NUMBER_PART

# A row of a table by its columns' names.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentRows:
    """A document as its tables hold it: whole rows, lines and taxes in their order."""

    invoice: Row
    lines: Sequence[Row]
    taxes: Sequence[Row]


COPIED_COLUMNS = [
    "customer_reference",
    "customer_name",
    "customer_address",
    "customer_tax_id",
    "seller_name",
    "seller_address",
    "seller_tax_id",
    "footer",
]


def document_number(format: str, issue_date: date, sequence: int) -> str:
    """A number as people read it: `INV-{year}-{number:5}` makes INV-2026-00042 (see `text.check_number_format`)."""
    parts = {"year": f"{issue_date.year:04d}", "month": f"{issue_date.month:02d}"}
    return NUMBER_PART.sub(lambda part: parts.get(part[1]) or str(sequence).zfill(int(part[2] or 1)), format)


_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def hash_data(content: object) -> str:
    """Hex SHA-256 of plain data, written as compact JSON."""
    return _digest(_COMPACT.encode(content))


def chained_hash(previous: str, number: str, content: str) -> str:
    """The hash stored at issue: over the number, the document's content, and the hash before it in its series."""
    return _digest(f"[{_COMPACT.encode(previous)},{_COMPACT.encode(number)},{content}]")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_content(document: DocumentRows) -> str:
    """The canonical content of an issued document: what its hash covers, in a fixed order, as compact JSON.

    What was added to documents later counts only where it says something, so that hashes of before stay true.
    """
    invoice, more = document.invoice, _said(document)
    days = [invoice[name].isoformat() for name in ("issue_date", "due_date", "period_from", "period_to")]
    parts = [
        str(invoice["id"]),
        [invoice[name] for name in ("kind", "currency", "net", "tax", "total")],
        days,
        [invoice[name] for name in COPIED_COLUMNS],
        [
            [
                *(line["position"], str(line["service_id"]), line["description"], plain_decimal(line["quantity"])),
                *(plain_decimal_or_none(line["unit_price"]), plain_decimal(line["amount"]), line["net"]),
                *(line["tax_category"], plain_decimal(line["tax_percent"]), line["charges"]),
                *(() if line["gross"] is None else (line["gross"], plain_decimal(line["included_percent"]))),
            ]
            for line in document.lines
        ],
        [
            [
                *(tax["category"], plain_decimal(tax["percent"]), tax["base"], tax["tax"]),
                *((True,) if tax["included"] else ()),
                *((tax["note"],) if tax["note"] else ()),
            ]
            for tax in document.taxes
        ],
        *([more] if more else []),
    ]
    return _COMPACT.encode(parts)


def _said(document: DocumentRows) -> dict[str, Any]:
    """A void invoice's reason came after its issue: only a credit note's is part of what was issued."""
    invoice = document.invoice
    names = ["note", "purchase_order", "corrects_id", "replaces_id"]
    said = {name: str(invoice[name]) for name in names if invoice[name]}
    if invoice["kind"] == "credit_note":
        said["reason"] = invoice["reason"]
        return said | {"corrected_lines": [str(line["corrects_line_id"]) for line in document.lines]}
    return said

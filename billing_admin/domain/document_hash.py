"""The stored rows of a document: its number, its canonical content, and its hash."""

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
    """The rows of a document: the invoice, its lines and its taxes in order."""

    invoice: Row
    lines: Sequence[Row]
    taxes: Sequence[Row]


# The columns that are copied from customer and organisation at issue. Frozen: their order is hashed.
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
    """Return a document's number: `INV-{year}-{number:5}` gives INV-2026-00042.

    See `text.check_number_format` for formats.
    """
    parts = {"year": f"{issue_date.year:04d}", "month": f"{issue_date.month:02d}"}
    return NUMBER_PART.sub(lambda part: parts.get(part[1]) or str(sequence).zfill(int(part[2] or 1)), format)


_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_SORTED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def hash_data(content: object) -> str:
    """Return the hex SHA-256 of data, as compact JSON."""
    return _digest(_COMPACT.encode(content))


def chained_hash(previous: str, number: str, content: str) -> str:
    """Return the hash of an issued document.

    The hash covers its number, its content and the previous hash. `previous` is the hash of the document
    before it in its series.
    """
    return _digest(f"[{_COMPACT.encode(previous)},{_COMPACT.encode(number)},{content}]")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_content(document: DocumentRows) -> str:
    """Return the content of an issued document that its hash covers, as compact JSON.

    Frozen: stored hashes cover these bytes. Columns that were added later are included only if they
    have a value, so that the hashes of older documents do not change.
    """
    invoice, optional = document.invoice, _optional_columns(document)
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
                *_period(line),
                *(({"unit": line["unit"]},) if line["unit"] else ()),
                *(({"purchase_order": line["purchase_order"]},) if line["purchase_order"] else ()),
                *(({"unit_code": line["unit_code"]},) if line["unit_code"] else ()),
            ]
            for line in document.lines
        ],
        [
            [
                *(tax["category"], plain_decimal(tax["percent"]), tax["base"], tax["tax"]),
                *((True,) if tax["included"] else ()),
                *((tax["note"],) if tax["note"] else ()),
                *(({"vatex": tax["vatex"]},) if tax["vatex"] else ()),
            ]
            for tax in document.taxes
        ],
        *([optional] if optional else []),
    ]
    return _COMPACT.encode(parts)


def _period(line: Row) -> list[Any]:
    """Return what the hash covers of a line's period.

    It is nothing, two days, or two days and the length of the whole period.
    """
    if line["period_from"] is None:
        return []
    days = [line["period_from"].isoformat(), line["period_to"].isoformat()]
    return days if line["period_of_days"] is None else [*days, line["period_of_days"]]


def _optional_columns(document: DocumentRows) -> dict[str, Any]:
    invoice = document.invoice
    names = ["note", "purchase_order", "corrects_id", "replaces_id"]
    columns: dict[str, Any] = {name: str(invoice[name]) for name in names if invoice[name]}
    if invoice["details"] is not None:
        # As one text with sorted names: PostgreSQL stores the members of JSON in an order of its own.
        columns["details"] = _SORTED.encode(invoice["details"])
    if invoice["tax_in_base"] is not None:
        columns["tax_in_base"] = invoice["tax_in_base"]
    if invoice["kind"] == "credit_note":
        # The reason of an invoice is that of its void, which is after its issue.
        columns["reason"] = invoice["reason"]
        return columns | {"corrected_lines": [str(line["corrects_line_id"]) for line in document.lines]}
    return columns

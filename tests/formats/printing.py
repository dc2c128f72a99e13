"""Documents without a database, and where their PDF prints what."""

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from types import SimpleNamespace
from typing import Any, NamedTuple

from pypdf import PageObject, PdfReader

from billing_admin.domain.document_details import (
    Address,
    BankAccount,
    CustomLine,
    Delivery,
    DocumentDetails,
    PartyDetails,
    details_to_json,
)
from billing_admin.models import Logo

ISSUED_AT = datetime(2026, 4, 2, 9, tzinfo=UTC)
MILLIMETRE = 72 / 25.4
IBAN = "DE89370400440532013000"
DETAILS = DocumentDetails(
    seller=PartyDetails(
        Address("Road 1", "", "10115", "Berlin", "", "DE"),
        tax_number="27/123/45678",
        legal_info="HRB 1234 B, Amtsgericht Berlin\nManaging director: Ada Adams",
        contact_name="Billing",
        contact_phone="+49 30 1234567",
        contact_email="billing@example.com",
    ),
    account=BankAccount("Cloud Example GmbH", IBAN, "", "COBADEFFXXX", "Commerzbank"),
    delivery=Delivery("ACME Store", Address("Harbour 3", "", "20457", "Hamburg", "", "DE")),
    buyer_reference="04011000-1234512345-06",
    contract="C-2025-7",
    custom_lines=(CustomLine("Cost centre", "4711"),),
    terms="Payable within 14 days without deduction.",
)


def refused_logo() -> Logo:
    """A logo that the export of the PDF refuses."""
    return Logo(sha256="1", media_type="image/svg+xml", width=4, height=1, data=b"<svg", created_at=ISSUED_AT)


def make_line(position: int = 1, **values: Any) -> Any:
    """A line of 10.00 EUR with 19 % tax."""
    defaults = {
        "position": position,
        "currency": "EUR",
        "description": "Virtual server S",
        "quantity": Decimal(10),
        "unit": "hour",
        "unit_code": "HUR",
        "unit_price": Decimal(1),
        "included_percent": None,
        "tax_percent": Decimal(19),
        "tax_category": "S",
        "net": 1000,
        "period_from": date(2026, 3, 1),
        "period_to": date(2026, 3, 31),
        "period_of_days": None,
        "purchase_order": "PO-7",
    }
    return SimpleNamespace(**defaults | values)


def make_tax(**values: Any) -> Any:
    """The tax of the lines of `make_line`."""
    defaults = {"category": "S", "percent": Decimal(19), "included": False, "base": 1000, "tax": 190, "note": ""}
    return SimpleNamespace(**defaults | values)


def make_document(count: int = 1, details: DocumentDetails | None = DETAILS, **values: Any) -> Any:
    """An invoice over so many lines of 10.00 EUR and 19 % tax."""
    net, tax = 1000 * count, 190 * count
    defaults = {
        "kind": "invoice",
        "status": "issued",
        "number": "INV-2026-00042",
        "currency": "EUR",
        "number_format": "1,234.56",
        "issue_date": date(2026, 4, 2),
        "due_date": date(2026, 4, 16),
        "period_from": date(2026, 3, 1),
        "period_to": date(2026, 3, 31),
        "net": net,
        "tax": tax,
        "total": net + tax,
        "tax_in_base": None,
        "original_date": None,
        "original_total": None,
        "original_tax": None,
        "customer_reference": "ACME",
        "customer_name": "ACME Inc.",
        "customer_address": "Main Street 5\n10115 Berlin\nGermany",
        "customer_tax_id": "DE123456789",
        "seller_name": "Cloud Example GmbH",
        "seller_address": "Road 1\n10115 Berlin\nGermany",
        "seller_tax_id": "DE987654321",
        "footer": "Thank you for your business.",
        "note": "",
        "purchase_order": "PO-7",
        "reason": "",
        "voided_on": None,
        "issued_at": ISSUED_AT,
        "created_at": ISSUED_AT,
        "corrected": None,
        "replaced": None,
        "details": details_to_json(details) if details else None,
        "lines": [make_line(position) for position in range(1, count + 1)],
        "taxes": [make_tax(base=net, tax=tax)],
    }
    return SimpleNamespace(**defaults | values)


def make_credit_note(count: int = 1, **values: Any) -> Any:
    """A credit note of INV-2026-00042."""
    number = "CN-2026-00003"
    return make_document(
        count, **{"kind": "credit_note", "number": number, "corrected": make_document(), "reason": "Outage", **values}
    )


def in_dollars(document: Any) -> Any:
    """The same document in USD, with the tax in EUR."""
    document.details = document.details | {
        "base_rate": {"currency": "EUR", "rate": "1.0832", "day": "2026-04-01", "source": "ECB"}
    }
    document.currency, document.tax_in_base = "USD", 175
    for line in document.lines:
        line.currency = "USD"
    return document


class Fragment(NamedTuple):
    """A text on a page: its baseline's start and its size, in millimetres from the top left corner."""

    page: int
    x: float
    y: float
    size: float
    text: str


def read_pages(pdf: bytes) -> list[str]:
    """Return the text of each page, its white space made single."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages]


def read_fragments(pdf: bytes) -> list[Fragment]:
    """Return what is printed where."""
    return [
        fragment
        for number, page in enumerate(PdfReader(BytesIO(pdf)).pages, 1)
        for fragment in _read_page(number, page)
    ]


def _read_page(number: int, page: PageObject) -> list[Fragment]:
    height, fragments = float(page.mediabox.height), list[Fragment]()

    def visit(text: str, matrix: Any, text_matrix: Any, _font: Any, size: float) -> None:
        if text.strip():
            x = matrix[0] * text_matrix[4] + matrix[2] * text_matrix[5] + matrix[4]
            y = matrix[1] * text_matrix[4] + matrix[3] * text_matrix[5] + matrix[5]
            fragments.append(
                Fragment(number, x / MILLIMETRE, (height - y) / MILLIMETRE, size / MILLIMETRE, text.strip())
            )

    page.extract_text(visitor_text=visit)
    return fragments

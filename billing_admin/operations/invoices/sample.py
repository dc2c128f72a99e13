"""A sample invoice, which shows the layout of documents with today's settings."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.document_details import Address, DocumentDetails, PartyDetails, details_to_json
from billing_admin.domain.invoices import ChargeGroup, TaxRate, make_document_in_order
from billing_admin.domain.tax import percent_on
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.pdf import render_pdf
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax
from billing_admin.operations.invoices.invoice_rows import build_draft
from billing_admin.operations.invoices.invoices import seller_fields
from billing_admin.queries.invoices.document_details import load_detail_sources
from billing_admin.queries.invoices.printing import load_logo
from billing_admin.queries.master_data.organisation import day_of, organisation

NUMBERS = {"invoice": "SAMPLE-0001", "credit_note": "SAMPLE-CN-0001"}
_NOBODY = UUID(int=0)
_LINES = (("Consulting", 8, 120, "hour", "HUR"), ("Cloud hosting", 1, 250, "month", "MON"))
_BUYER = Address("1 Sample Street", "", "12345", "Sample Town", "", "")


def sample_pdf(session: Session, glyphs: Glyphs, now: datetime) -> bytes:
    """Return the PDF of an invoice in the base currency, marked as a test.

    Nothing is stored, and no number is used.
    """
    invoice = sample_document(session, now)
    return render_pdf(invoice, glyphs, load_logo(session, invoice.details))


def sample_document(session: Session, now: datetime, kind: str = "invoice", language: str = "") -> Invoice:
    """Return an issued document in the base currency that is not stored.

    It is in the organisation's language unless another one is given.
    """
    settings = organisation(session)
    day, sources, rate = (
        day_of(now, settings.time_zone),
        load_detail_sources(session, settings),
        settings.default_tax_rate,
    )
    tax, first = TaxRate(rate.category, percent_on(day, rate.percent, rate.changes)), day.replace(day=1)
    groups = [
        ChargeGroup(
            service_id=None,
            service_code="",
            unit_price=Decimal(unit_price),
            charge_id=None,
            description=description,
            quantity=Decimal(quantity),
            amount=Decimal(quantity * unit_price),
            charges=1,
            period_from=first,
            period_to=day,
            tax=tax,
            tax_note=rate.note,
            has_period=True,
            unit=unit,
            unit_code=unit_code,
        )
        for description, quantity, unit_price, unit, unit_code in _LINES
    ]
    details = details_to_json(
        DocumentDetails(
            language=language or sources.language,
            paper=sources.paper,
            seller=sources.seller,
            buyer=PartyDetails(_BUYER),
            account=sources.accounts.get(settings.base_currency),
            terms=sources.terms,
            accent=sources.accent,
            logo=sources.logo,
            test=True,
        )
    )
    copied = seller_fields(settings) | {
        "customer_reference": "C-0001",
        "customer_name": "Sample Customer Ltd",
        "customer_address": f"{_BUYER.street}\n{_BUYER.postcode} {_BUYER.city}",
        "customer_tax_id": "",
    }
    prepared = PreparedDocument(_NOBODY, "", "", make_document_in_order(settings.base_currency, groups))
    rows = build_draft(None, prepared, copied, now)
    issued = {
        "kind": kind,
        "status": "issued",
        "number": NUMBERS[kind],
        "issue_date": day,
        "due_date": day + timedelta(settings.payment_terms_days),
        "issued_at": now,
        "details": details,
    }
    invoice = Invoice(**rows.invoice | issued)
    set_committed_value(invoice, "lines", [InvoiceLine(**line) for line in rows.lines])
    set_committed_value(invoice, "taxes", [InvoiceTax(**row) for row in rows.taxes])
    set_committed_value(invoice, "corrected", Invoice(number=NUMBERS["invoice"]) if kind == "credit_note" else None)
    return invoice

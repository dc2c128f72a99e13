"""The export of charges, with every field that posting them needs."""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.models import Charge, Customer, Invoice, InvoiceLine, Service
from billing_admin.models.base import json_text
from billing_admin.queries.charges.charges import ChargeFilter, conditions
from billing_admin.queries.exports.columns import Export, Kind, column


def charges(session: Session, filters: ChargeFilter) -> Export:
    """Return the export of charges, newest first."""
    rows: Select[Any] = (
        select()
        .select_from(Charge)
        .join(Customer, Customer.id == Charge.customer_id)
        .outerjoin(Service, Service.id == Charge.service_id)
        .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(*conditions(session, filters))
        .order_by(Charge.created_at.desc(), Charge.id.desc())
    )
    return Export(CHARGES, rows, Charge.currency.expression)


CHARGES = (
    column("id", Kind.WORD, Charge.id),
    column("customer", Kind.TEXT, Customer.reference),
    column("service", Kind.TEXT, Service.code),
    column("description", Kind.TEXT, Charge.description),
    column("quantity", Kind.EXACT, Charge.quantity),
    column("unit_price", Kind.EXACT, Charge.unit_price),
    column("amount", Kind.EXACT, Charge.amount),
    column("currency", Kind.WORD, Charge.currency),
    column("incurred_on", Kind.DAY, Charge.incurred_on),
    column("status", Kind.WORD, Charge.status),
    column("invoice", Kind.TEXT, Invoice.number),
    column("created_at", Kind.MOMENT, Charge.created_at),
    column("late", Kind.FLAG, Charge.late),
    column("tax_included", Kind.FLAG, Charge.tax_included),
    column("metadata", Kind.TEXT, json_text(Charge.details)),
    column("status_reason", Kind.TEXT, Charge.status_reason),
    column("replaces", Kind.WORD, Charge.replaces_id),
    column("period_from", Kind.DAY, Charge.period_from),
    column("period_to", Kind.DAY, Charge.period_to),
    column("period_of_days", Kind.WHOLE, Charge.period_of_days),
    column("purchase_order", Kind.TEXT, Charge.purchase_order),
)

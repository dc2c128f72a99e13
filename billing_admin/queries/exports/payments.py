"""Exports of payments, of their allocations, and of refunds."""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.models import Allocation, Customer, Invoice, Payment, Refund
from billing_admin.queries.exports.columns import Export, Kind, column
from billing_admin.queries.payments.payments import PaymentFilter, conditions, unallocated_amount
from billing_admin.queries.payments.refunds import RefundFilter, conditions as refund_conditions


def payments(session: Session, filters: PaymentFilter) -> Export:
    """Return the export of payments and write-offs, last recorded first."""
    rows = _payments(session, filters).order_by(Payment.created_at.desc(), Payment.id.desc())
    return Export(PAYMENTS, rows, Payment.currency.expression)


def allocations(session: Session, filters: PaymentFilter) -> Export:
    """Return the export of allocations, withdrawn ones included, payment by payment."""
    rows = (
        _payments(session, filters)
        .join(Allocation, Allocation.payment_id == Payment.id)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .order_by(Payment.created_at.desc(), Payment.id.desc(), Allocation.id)
    )
    return Export(ALLOCATIONS, rows, Payment.currency.expression)


def refunds(session: Session, filters: RefundFilter) -> Export:
    """Return the export of refunds, last recorded first."""
    rows: Select[Any] = select().select_from(Refund).join(Customer, Customer.id == Refund.customer_id)
    matching = rows.where(*refund_conditions(session, filters))
    return Export(REFUNDS, matching.order_by(Refund.created_at.desc(), Refund.id.desc()), Refund.currency.expression)


def _payments(session: Session, filters: PaymentFilter) -> Select[Any]:
    joined = select().select_from(Payment).join(Customer, Customer.id == Payment.customer_id)
    return joined.where(*conditions(session, filters))


PAYMENTS = (
    column("id", Kind.WORD, Payment.id),
    column("customer", Kind.TEXT, Customer.reference),
    column("received_on", Kind.DAY, Payment.received_on),
    column("method", Kind.WORD, Payment.method),
    column("reference", Kind.TEXT, Payment.reference),
    column("currency", Kind.WORD, Payment.currency),
    column("amount", Kind.MONEY, Payment.amount),
    column("allocated", Kind.MONEY, Payment.allocated),
    column("unallocated", Kind.MONEY, unallocated_amount()),
    column("status", Kind.WORD, Payment.status),
    column("reversed_on", Kind.DAY, Payment.reversed_on),
    column("created_at", Kind.MOMENT, Payment.created_at),
    column("reason", Kind.TEXT, Payment.reason),
    column("reversal_reason", Kind.TEXT, Payment.reversal_reason),
)
ALLOCATIONS = (
    column("payment", Kind.WORD, Payment.id),
    column("invoice", Kind.TEXT, Invoice.number),
    column("customer", Kind.TEXT, Customer.reference),
    column("currency", Kind.WORD, Payment.currency),
    column("amount", Kind.MONEY, Allocation.amount),
    column("made_on", Kind.DAY, Allocation.made_on),
    column("withdrawn_on", Kind.DAY, Allocation.withdrawn_on),
    column("id", Kind.WORD, Allocation.id),
)
REFUNDS = (
    column("id", Kind.WORD, Refund.id),
    column("customer", Kind.TEXT, Customer.reference),
    column("paid_on", Kind.DAY, Refund.paid_on),
    column("method", Kind.WORD, Refund.method),
    column("reference", Kind.TEXT, Refund.reference),
    column("currency", Kind.WORD, Refund.currency),
    column("amount", Kind.MONEY, Refund.amount),
    column("status", Kind.WORD, Refund.status),
    column("reversed_on", Kind.DAY, Refund.reversed_on),
    column("reversal_reason", Kind.TEXT, Refund.reversal_reason),
    column("created_at", Kind.MOMENT, Refund.created_at),
)

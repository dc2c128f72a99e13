"""Correct invoices of the demo.

One is voided and billed again, two get a credit note, one of them paid.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.demo.usage import CURRENT, key
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import Money
from billing_admin.models import Invoice, InvoiceLine
from billing_admin.operations.invoices import credit_notes, drafts, invoices, voids
from billing_admin.queries.invoices.credit_notes import CreditSpec

Do = Callable[..., Any]

# The month, counted from the first of the demo, in which invoices are corrected.
CORRECTED = CURRENT - 1
LACKS_ORDER, VOID_REASON, ORDER = "C-0110", "Sent without the purchase order number", "PO-2207-B"
HAD_OUTAGE, OUTAGE_REASON = "C-0118", "Ten percent off for the storage outage"
SENT_BACK_REASON = "Not ordered, as agreed on the phone"


def bill_again(session: Session, do: Do, issued_on: date, now: datetime) -> None:
    """Void an invoice without the customer's order number, and issue its replacement."""
    invoice = _invoice_of(session, LACKS_ORDER, issued_on)
    _, draft_id = do(voids.void_invoice, invoice.id, VOID_REASON, "billed_again", SYSTEM, now)
    do(drafts.change, draft_id, {"purchase_order": ORDER}, None, SYSTEM, now)
    do(invoices.issue, draft_id, None, SYSTEM, now)


def credit_unpaid(session: Session, do: Do, issued_on: date, now: datetime) -> None:
    """Credit a tenth of an unpaid invoice."""
    invoice = _invoice_of(session, HAD_OUTAGE, issued_on)
    tenth = Money(invoice.total // 10, invoice.currency).decimal
    do(
        credit_notes.credit_invoice,
        invoice.id,
        CreditSpec(OUTAGE_REASON, tenth, id=key("credits", "outage")),
        SYSTEM,
        now,
    )


def credit_paid(session: Session, do: Do, now: datetime) -> None:
    """Credit the smallest line of the latest paid invoice.

    The amount becomes the customer's credit.
    """
    paid = select(Invoice).where(Invoice.paid == Invoice.total, Invoice.status == "issued", Invoice.kind == "invoice")
    invoice = session.scalars(paid.order_by(Invoice.issue_date.desc(), Invoice.number.desc()).limit(1)).one()
    lines = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id, InvoiceLine.net > 0)
    line = session.scalars(lines.order_by(InvoiceLine.net, InvoiceLine.position).limit(1)).one()
    credited = [(line.id, Money(line.net, line.currency).decimal)]
    do(
        credit_notes.credit_invoice,
        invoice.id,
        CreditSpec(SENT_BACK_REASON, None, credited, id=key("credits", "line")),
        SYSTEM,
        now,
    )


def _invoice_of(session: Session, customer: str, issued_on: date) -> Invoice:
    """Return the customer's only invoice of a day."""
    query = select(Invoice).where(Invoice.customer_reference == customer, Invoice.issue_date == issued_on)
    return session.scalars(query).one()

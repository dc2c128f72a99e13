"""Checks for documents and payments dated in the future.

These were stored before the application refused such dates, or written by other programs.
"""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing_admin.models import Invoice, Payment
from billing_admin.queries.doctor.findings import Check, Finding

FUTURE = Check("future_date", "No invoice, credit note or payment is dated after today.")
CHECKS = (FUTURE,)


def find_violations(session: Session, today: date) -> Iterator[tuple[str, Finding]]:
    """Yield every document and payment dated after `today`, the organisation's day."""
    documents = select(Invoice.id, Invoice.number, Invoice.status, Invoice.issue_date)
    for invoice in session.execute(
        documents.where(Invoice.issue_date > today).order_by(Invoice.issue_date, Invoice.id)
    ):
        void = ", void" if invoice.status == "void" else ""
        problem = (
            f"{invoice.number}{void}: is dated {invoice.issue_date.isoformat()}, after today ({today.isoformat()})"
        )
        yield FUTURE.name, Finding("invoices", str(invoice.id), problem)
    payments = select(Payment.id, Payment.received_on, Payment.reversed_on)
    in_future = or_(Payment.received_on > today, Payment.reversed_on > today)
    for payment in session.execute(payments.where(in_future).order_by(Payment.received_on, Payment.id)):
        verb, day = (
            ("received", payment.received_on) if payment.received_on > today else ("reversed", payment.reversed_on)
        )
        problem = f"is {verb} on {day.isoformat()}, after today ({today.isoformat()})"
        yield FUTURE.name, Finding("payments", str(payment.id), problem)

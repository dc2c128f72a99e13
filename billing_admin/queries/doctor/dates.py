"""Checks for entries in the future, and for voids and reversals dated too early.

These were stored before the application refused such dates, or written by other programs.
"""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing_admin.models import Allocation, Invoice, Payment, Refund
from billing_admin.queries.doctor.findings import Check, Finding

FUTURE = Check("future_date", "No invoice, credit note, payment or refund is dated after today.")
ORDER = Check("date_order", "No void is dated before its invoice, and no reversal before its payment.")
CHECKS = (FUTURE, ORDER)


def find_violations(session: Session, today: date) -> Iterator[tuple[str, Finding]]:
    """Yield the entries dated after `today`, and voids and reversals dated too early."""
    for findings in (_future_documents, _future_payments, _future_refunds, _future_allocations):
        yield from ((FUTURE.name, finding) for finding in findings(session, today))
    for finding in (*_early_voids(session), *_early_reversals(session)):
        yield ORDER.name, finding


def _future_documents(session: Session, today: date) -> Iterator[Finding]:
    documents = select(Invoice.id, Invoice.number, Invoice.status, Invoice.issue_date, Invoice.voided_on)
    in_future = or_(Invoice.issue_date > today, Invoice.voided_on > today)
    for invoice in session.execute(documents.where(in_future).order_by(Invoice.issue_date, Invoice.id)):
        if invoice.issue_date > today:
            void = ", void" if invoice.status == "void" else ""
            problem = f"{invoice.number}{void}: is dated {invoice.issue_date.isoformat()}"
        else:
            problem = f"{invoice.number}: is void on {invoice.voided_on.isoformat()}"
        yield Finding("invoices", str(invoice.id), f"{problem}, {_after_today(today)}")


def _future_payments(session: Session, today: date) -> Iterator[Finding]:
    payments = select(Payment.id, Payment.received_on, Payment.reversed_on)
    in_future = or_(Payment.received_on > today, Payment.reversed_on > today)
    for payment in session.execute(payments.where(in_future).order_by(Payment.received_on, Payment.id)):
        verb, day = (
            ("received", payment.received_on) if payment.received_on > today else ("reversed", payment.reversed_on)
        )
        yield Finding("payments", str(payment.id), f"is {verb} on {day.isoformat()}, {_after_today(today)}")


def _future_refunds(session: Session, today: date) -> Iterator[Finding]:
    refunds = select(Refund.id, Refund.paid_on, Refund.reversed_on)
    in_future = or_(Refund.paid_on > today, Refund.reversed_on > today)
    for refund in session.execute(refunds.where(in_future).order_by(Refund.paid_on, Refund.id)):
        verb, day = ("paid", refund.paid_on) if refund.paid_on > today else ("reversed", refund.reversed_on)
        yield Finding("refunds", str(refund.id), f"is {verb} on {day.isoformat()}, {_after_today(today)}")


def _future_allocations(session: Session, today: date) -> Iterator[Finding]:
    """Yield allocations in the future whose payment and invoice are not."""
    allocations = (
        select(Allocation.id, Allocation.made_on, Allocation.withdrawn_on)
        .join(Payment, Payment.id == Allocation.payment_id)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .where(
            or_(Allocation.made_on > today, Allocation.withdrawn_on > today),
            *(Payment.received_on <= today, or_(Payment.reversed_on.is_(None), Payment.reversed_on <= today)),
            Invoice.issue_date <= today,
        )
    )
    for allocation in session.execute(allocations.order_by(Allocation.made_on, Allocation.id)):
        verb, day = (
            ("made", allocation.made_on) if allocation.made_on > today else ("withdrawn", allocation.withdrawn_on)
        )
        yield Finding("allocations", str(allocation.id), f"is {verb} on {day.isoformat()}, {_after_today(today)}")


def _after_today(today: date) -> str:
    return f"after today ({today.isoformat()})"


def _early_voids(session: Session) -> Iterator[Finding]:
    columns = (Invoice.id, Invoice.number, Invoice.issue_date, Invoice.voided_on)
    voids = select(*columns).where(Invoice.voided_on < Invoice.issue_date).order_by(Invoice.number)
    for row in session.execute(voids):
        days = f"void on {row.voided_on.isoformat()}, before its date {row.issue_date.isoformat()}"
        yield Finding("invoices", str(row.id), f"{row.number}: is {days}")


def _early_reversals(session: Session) -> Iterator[Finding]:
    columns = (Payment.id, Payment.received_on, Payment.reversed_on)
    reversals = select(*columns).where(Payment.reversed_on < Payment.received_on).order_by(Payment.received_on)
    for row in session.execute(reversals):
        days = f"reversed on {row.reversed_on.isoformat()}, before its receipt on {row.received_on.isoformat()}"
        yield Finding("payments", str(row.id), f"is {days}")

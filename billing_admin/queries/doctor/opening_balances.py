"""Checks of opening balances: documents and credits of an earlier system."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.formatting import format_money_or_units
from billing_admin.domain.opening_balances import OPENING_CREDIT, OPENING_INVOICE
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax, MessageDocument, Payment
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.opening_totals import opening_totals


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _has_row(model: Any, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(model.invoice_id).where(model.invoice_id == Invoice.id, *conditions).exists()


def _documents(session: Session) -> Iterator[Finding]:
    numbered = or_(Invoice.series_id.is_not(None), Invoice.sequence.is_not(None), Invoice.hash.is_not(None))
    faults = {
        "has a number series or a hash": numbered,
        "has no date of the earlier system": Invoice.original_date.is_(None),
        "is dated after its cut-over day": Invoice.original_date > Invoice.issue_date,
        "has lines": _has_row(InvoiceLine),
        "has taxes": or_(Invoice.tax != 0, _has_row(InvoiceTax)),
        "has credit notes": Invoice.credited != 0,
        "has no open amount": Invoice.total <= 0,
        "is in a message that sends it": _has_row(MessageDocument, MessageDocument.purpose == "document"),
    }
    problem: ColumnElement[str] = case(*((fault, literal(text)) for text, fault in faults.items()), else_="")
    query = select(Invoice.id, Invoice.number, problem.label("problem"))
    for row in session.execute(query.where(Invoice.kind == OPENING_INVOICE, or_(*faults.values()))):
        yield Finding("invoices", str(row.id), f"{row.number}: {row.problem}")


def _numbers(session: Session) -> Iterator[Finding]:
    """Check that a customer has each number only once, credits included."""
    is_credit = and_(Payment.method == OPENING_CREDIT, Payment.status == "recorded")
    account = (Payment.customer_id, Payment.reference)
    repeated = select(*account, func.count()).where(is_credit).group_by(*account).having(func.count() > 1)
    for customer_id, number, count in session.execute(repeated):
        yield Finding("customers", str(customer_id), f"has {count} opening credits with the number {number}")
    credit = aliased(Payment)
    both = select(Invoice.id, Invoice.number).join(
        credit, and_(credit.customer_id == Invoice.customer_id, credit.reference == Invoice.number)
    )
    both = both.where(Invoice.kind == OPENING_INVOICE, credit.method == OPENING_CREDIT, credit.status == "recorded")
    for row in session.execute(both):
        yield Finding("invoices", str(row.id), f"{row.number} is an opening credit of the customer as well")


def _totals(session: Session) -> Iterator[Finding]:
    for total in opening_totals(session):
        if total.difference:
            balance, journal = (
                format_money_or_units(minor, total.currency) for minor in (total.balance, total.journal)
            )
            problem = f"its opening balances add up to {balance}, but the journal has {journal}"
            yield Finding("accounts", f"{total.reference} {total.currency}", problem)


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "opening_invoice", "An opening invoice has no number series, hash, lines, taxes or copies of this application."
    ): _documents,
    Check("opening_number", "A customer has each number of an earlier system once."): _numbers,
    Check("opening_total", "Opening balances add up to their account in the journal, per customer."): _totals,
}
CHECKS = tuple(_FINDERS)

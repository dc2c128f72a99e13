"""Checks of allocations, balances and ageing against recomputed values.

The sums that are stored for allocations are checked as well.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Subquery, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.charges import AccountKey
from billing_admin.domain.formatting import format_money_or_units
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.models import Allocation, Invoice, Payment, Refund, RefundPart
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.payments.receivables import booked_balances, positions

# Ageing is checked on the last day of a booking, and this many days before it.
DAYS_BEFORE: Final = (0, 31, 92, 365)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _allocations(session: Session) -> Iterator[Finding]:
    is_active = Allocation.withdrawn_on.is_(None)
    faults = {
        "its amount is not above zero": Allocation.amount <= 0,
        "its payment does not exist": Payment.id.is_(None),
        "its invoice does not exist": Invoice.id.is_(None),
        "its payment has another customer or currency": _has_other_account(Payment),
        "its invoice has another customer or currency": _has_other_account(Invoice),
        "it pays a credit note": Invoice.kind == "credit_note",
        "is not withdrawn, but its invoice is not issued": and_(is_active, Invoice.status != "issued"),
        "is not withdrawn, but its payment is reversed": and_(is_active, Payment.status == "reversed"),
        "was withdrawn before it was made": Allocation.withdrawn_on < Allocation.made_on,
        "was made before its payment was received or its invoice was issued": or_(
            Allocation.made_on < Payment.received_on, Allocation.made_on < Invoice.issue_date
        ),
    }
    problem: ColumnElement[str] = case(*((condition, literal(text)) for text, condition in faults.items()), else_="")
    query = (
        select(Allocation.id, problem.label("problem"))
        .outerjoin(Payment, Payment.id == Allocation.payment_id)
        .outerjoin(Invoice, Invoice.id == Allocation.invoice_id)
        .where(or_(*faults.values()))
    )
    for row in session.execute(query):
        yield Finding("allocations", str(row.id), row.problem)


def _has_other_account(model: Any) -> ColumnElement[bool]:
    return or_(model.customer_id != Allocation.customer_id, model.currency != Allocation.currency)


def _allocated(key: ColumnElement[Any]) -> Subquery:
    """Select the allocated amount by payment or by invoice."""
    query = select(key.label("id"), func.sum(Allocation.amount).label("amount"))
    return query.where(Allocation.withdrawn_on.is_(None)).group_by(key).subquery()


def _refunded() -> Subquery:
    """Select the refunded amount by payment."""
    query = select(RefundPart.payment_id.label("id"), func.sum(RefundPart.amount).label("amount"))
    of_recorded = query.join(Refund, Refund.id == RefundPart.refund_id).where(Refund.status == "recorded")
    return of_recorded.group_by(RefundPart.payment_id).subquery()


def _payments(session: Session) -> Iterator[Finding]:
    sums, refunds = _allocated(Allocation.payment_id.expression), _refunded()
    allocated = func.coalesce(sums.c.amount, 0) + func.coalesce(refunds.c.amount, 0)
    query = (
        select(Payment.id, Payment.currency, Payment.amount, Payment.allocated, allocated.label("computed"))
        .outerjoin(sums, sums.c.id == Payment.id)
        .outerjoin(refunds, refunds.c.id == Payment.id)
        .where(or_(Payment.amount <= 0, allocated > Payment.amount, allocated != Payment.allocated))
    )
    for row in session.execute(query):
        amount, stored, computed = (
            format_money_or_units(int(minor), row.currency) for minor in (row.amount, row.allocated, row.computed)
        )
        problem = f"{stored} of {amount} is stored as allocated, but its allocations and refunds add up to {computed}"
        yield Finding("payments", str(row.id), problem)


def _write_offs(session: Session) -> Iterator[Finding]:
    unallocated = (Payment.amount - Payment.allocated).label("unallocated")
    query = select(Payment.id, Payment.currency, unallocated).where(
        Payment.method == WRITE_OFF, Payment.status == "recorded", Payment.allocated < Payment.amount
    )
    for row in session.execute(query):
        amount = format_money_or_units(int(row.unallocated), row.currency)
        problem = f"{amount} of the write-off is not allocated, so it counts as the customer's credit: reverse it"
        yield Finding("payments", str(row.id), problem)


def _refunds(session: Session) -> Iterator[Finding]:
    """Compare refunds with their parts and the payments of these."""
    parts = (
        select(
            RefundPart.refund_id,
            func.sum(RefundPart.amount).label("amount"),
            func.max(Payment.received_on).label("last_receipt"),
            func.count(Payment.reversed_on).label("reversed_payments"),
        )
        .join(Payment, Payment.id == RefundPart.payment_id)
        .group_by(RefundPart.refund_id)
        .subquery()
    )
    computed = func.coalesce(parts.c.amount, 0)
    faults = {
        "its amount is not that of its parts": Refund.amount != computed,
        "it pays back a reversed payment": and_(Refund.status == "recorded", parts.c.reversed_payments > 0),
        "it was paid before the money was received": Refund.paid_on < parts.c.last_receipt,
    }
    problem: ColumnElement[str] = case(*((condition, literal(text)) for text, condition in faults.items()), else_="")
    query = select(Refund.id, problem.label("problem")).outerjoin(parts, parts.c.refund_id == Refund.id)
    for row in session.execute(query.where(or_(*faults.values()))):
        yield Finding("refunds", str(row.id), row.problem)


def _invoices(session: Session) -> Iterator[Finding]:
    sums, note = _allocated(Allocation.invoice_id.expression), aliased(Invoice)
    notes = (
        select(note.corrects_id.label("id"), func.sum(note.total).label("amount"))
        .where(note.kind == "credit_note", note.status == "issued")
        .group_by(note.corrects_id)
        .subquery()
    )
    paid, credited = func.coalesce(sums.c.amount, 0), func.coalesce(notes.c.amount, 0)
    covered = paid + credited
    query = (
        select(
            *(Invoice.id, Invoice.number, Invoice.currency),
            *(Invoice.total, Invoice.paid, Invoice.credited, paid, credited),
        )
        .outerjoin(sums, sums.c.id == Invoice.id)
        .outerjoin(notes, notes.c.id == Invoice.id)
        .where(
            Invoice.kind != "credit_note",
            or_(paid != Invoice.paid, credited != Invoice.credited, covered > Invoice.total, paid < 0, credited < 0),
        )
    )
    for id, number, currency, *amounts in session.execute(query):
        text = (
            "of {}, {} is stored as paid and {} as credited, but its allocations add up to {}, its credit notes to {}"
        )
        problem = text.format(*(format_money_or_units(int(minor), currency) for minor in amounts))
        yield Finding("invoices", str(id), f"{number or 'draft'}: {problem}")


def _balances(session: Session) -> Iterator[Finding]:
    """Compare the sum of entries with the sums stored with invoices and payments."""
    stored: dict[AccountKey, int] = {}
    open_amounts = select(
        Invoice.customer_id, Invoice.currency, func.sum(Invoice.total - Invoice.paid - Invoice.credited)
    )
    open_by_account = open_amounts.where(Invoice.status == "issued", Invoice.kind != "credit_note").group_by(
        Invoice.customer_id, Invoice.currency
    )
    unallocated = select(Payment.customer_id, Payment.currency, func.sum(Payment.allocated - Payment.amount))
    unallocated_by_account = unallocated.where(Payment.status == "recorded").group_by(
        Payment.customer_id, Payment.currency
    )
    for query in (open_by_account, unallocated_by_account):
        for customer_id, currency, amount in session.execute(query):
            stored[customer_id, currency] = stored.get((customer_id, currency), 0) + int(amount)
    yield from _differences(
        stored, booked_balances(session), "invoices and payments store {}, but their entries add up to {}"
    )


def _differences(stored: dict[AccountKey, int], computed: dict[AccountKey, int], text: str) -> Iterator[Finding]:
    """Yield the accounts whose amounts differ; `text` has places for both amounts."""
    for customer_id, currency in sorted(stored.keys() | computed.keys(), key=str):
        amounts = [amount_by_account.get((customer_id, currency), 0) for amount_by_account in (stored, computed)]
        if amounts[0] != amounts[1]:
            problem = text.format(*(format_money_or_units(amount, currency) for amount in amounts))
            yield Finding("accounts", f"{customer_id} {currency}", problem)


def _ageing(session: Session) -> Iterator[Finding]:
    for day in _days(session):
        aged = {key: sum(position.open) - position.unallocated for key, position in positions(session, day).items()}
        text = f"on {day.isoformat()} its buckets less unallocated money add up to {{}}, but its balance is {{}}"
        yield from _differences(aged, booked_balances(session, day), text)


def _days(session: Session) -> list[date]:
    date_columns = (
        *(Invoice.issue_date, Invoice.voided_on, Payment.received_on, Payment.reversed_on, Allocation.made_on),
        *(Refund.paid_on, Refund.reversed_on),
    )
    last_days = filter(None, (session.scalar(select(func.max(column))) for column in date_columns))
    last = max(last_days, default=None)
    return [] if last is None else [last - timedelta(days) for days in DAYS_BEFORE]


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "allocation", "An allocation is above zero, within one customer and currency, and to an issued invoice."
    ): _allocations,
    Check(
        "payment_sum",
        "The allocated amount of a payment is the sum of its allocations and refunds, and at most its amount.",
    ): _payments,
    Check("write_off", "A write-off has no unallocated amount: it is no money."): _write_offs,
    Check(
        "refund_sum", "A refund is the sum of its parts, and each part is of a payment received before it."
    ): _refunds,
    Check(
        "invoice_sum", "The paid and credited amounts of an invoice are the sums of its allocations and credit notes."
    ): _invoices,
    Check(
        "balance", "Per account, invoices − credits − payments + reversals + refunds equals the stored open amounts."
    ): _balances,
    Check("ageing", "On any day, the ageing buckets less unallocated money add up to the balance."): _ageing,
}
CHECKS = tuple(_FINDERS)

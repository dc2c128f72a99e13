"""What always holds of money received: allocations, the sums that follow them, balances and ageing, all counted anew."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Subquery, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.formatting import format_money_or_units
from billing_admin.models import Allocation, Invoice, Payment
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.payments.receivables import AccountKey, booked_balances, positions

# The days of the ageing: the last on which anything was booked, and so many days before it.
DAYS_BEFORE: Final = (0, 31, 92, 365)


def find(session: Session) -> Iterator[tuple[str, Finding]]:
    """Everything wrong, each with the name of its check."""
    for check, findings in _FINDERS.items():
        for finding in findings(session):
            yield check.name, finding


def _allocations(session: Session) -> Iterator[Finding]:
    stands = Allocation.withdrawn_on.is_(None)
    faults = {
        "is not above zero": Allocation.amount <= 0,
        "its payment does not exist": Payment.id.is_(None),
        "its invoice does not exist": Invoice.id.is_(None),
        "its payment is another customer's, or in another currency": _elsewhere(Payment),
        "its invoice is another customer's, or in another currency": _elsewhere(Invoice),
        "it pays a credit note": Invoice.kind != "invoice",
        "stands, and its invoice is not issued": and_(stands, Invoice.status != "issued"),
        "stands, and its payment is reversed": and_(stands, Payment.status == "reversed"),
        "was withdrawn before it was made": Allocation.withdrawn_on < Allocation.made_on,
        "was made before its payment was received, or its invoice issued": or_(
            Allocation.made_on < Payment.received_on, Allocation.made_on < Invoice.issue_date
        ),
    }
    wrong: ColumnElement[str] = case(*((condition, literal(words)) for words, condition in faults.items()), else_="")
    query = (
        select(Allocation.id, wrong.label("wrong"))
        .outerjoin(Payment, Payment.id == Allocation.payment_id)
        .outerjoin(Invoice, Invoice.id == Allocation.invoice_id)
        .where(or_(*faults.values()))
    )
    for row in session.execute(query):
        yield Finding("allocations", str(row.id), row.wrong)


def _elsewhere(model: Any) -> ColumnElement[bool]:
    return or_(model.customer_id != Allocation.customer_id, model.currency != Allocation.currency)


def _standing(key: ColumnElement[Any]) -> Subquery:
    """What stands allocated, by payment or by invoice."""
    query = select(key.label("id"), func.sum(Allocation.amount).label("amount"))
    return query.where(Allocation.withdrawn_on.is_(None)).group_by(key).subquery()


def _payments(session: Session) -> Iterator[Finding]:
    sums = _standing(Allocation.payment_id.expression)
    allocated = func.coalesce(sums.c.amount, 0)
    query = (
        select(Payment.id, Payment.currency, Payment.amount, Payment.allocated, allocated.label("standing"))
        .outerjoin(sums, sums.c.id == Payment.id)
        .where(or_(Payment.amount <= 0, allocated > Payment.amount, allocated != Payment.allocated))
    )
    for row in session.execute(query):
        amount, allocated_part, standing = (
            format_money_or_units(int(minor), row.currency) for minor in (row.amount, row.allocated, row.standing)
        )
        wrong = f"of {amount} {allocated_part} are allocated, its allocations make {standing}"
        yield Finding("payments", str(row.id), wrong)


def _invoices(session: Session) -> Iterator[Finding]:
    sums, note = _standing(Allocation.invoice_id.expression), aliased(Invoice)
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
            Invoice.kind == "invoice",
            or_(paid != Invoice.paid, credited != Invoice.credited, covered > Invoice.total, paid < 0, credited < 0),
        )
    )
    for id, number, currency, *amounts in session.execute(query):
        words = "of {} paid {}, credited {}; its allocations make {}, its credit notes {}"
        wrong = words.format(*(format_money_or_units(int(minor), currency) for minor in amounts))
        yield Finding("invoices", str(id), f"{number or 'draft'}: {wrong}")


def _balances(session: Session) -> Iterator[Finding]:
    """The entries, each once, against the sums that invoices and payments keep."""
    kept: dict[AccountKey, int] = {}
    left = select(Invoice.customer_id, Invoice.currency, func.sum(Invoice.total - Invoice.paid - Invoice.credited))
    owed = left.where(Invoice.status == "issued", Invoice.kind == "invoice").group_by(
        Invoice.customer_id, Invoice.currency
    )
    over = select(Payment.customer_id, Payment.currency, func.sum(Payment.allocated - Payment.amount))
    unallocated = over.where(Payment.status == "recorded").group_by(Payment.customer_id, Payment.currency)
    for query in (owed, unallocated):
        for customer_id, currency, amount in session.execute(query):
            kept[customer_id, currency] = kept.get((customer_id, currency), 0) + int(amount)
    yield from _differing(kept, booked_balances(session), "invoices and payments keep {}, their entries make {}")


def _differing(kept: dict[AccountKey, int], counted: dict[AccountKey, int], words: str) -> Iterator[Finding]:
    for customer_id, currency in sorted(kept.keys() | counted.keys(), key=str):
        one, other = kept.get((customer_id, currency), 0), counted.get((customer_id, currency), 0)
        if one != other:
            wrong = words.format(format_money_or_units(one, currency), format_money_or_units(other, currency))
            yield Finding("accounts", f"{customer_id} {currency}", wrong)


def _ageing(session: Session) -> Iterator[Finding]:
    for day in _days(session):
        aged = {
            key: sum(position.open) - position.unallocated for key, position in positions(session, day, day).items()
        }
        words = f"on {day.isoformat()} its buckets less the unallocated make {{}}, its balance is {{}}"
        yield from _differing(aged, booked_balances(session, day), words)


def _days(session: Session) -> list[date]:
    moved = (Invoice.issue_date, Invoice.voided_on, Payment.received_on, Payment.reversed_on, Allocation.made_on)
    lasts = filter(None, (session.scalar(select(func.max(column))) for column in moved))
    last = max(lasts, default=None)
    return [] if last is None else [last - timedelta(days) for days in DAYS_BEFORE]


_FINDERS: dict[Check, Callable[[Session], Iterator[Finding]]] = {
    Check(
        "allocation", "An allocation is above zero, of one customer and currency, on an issued invoice."
    ): _allocations,
    Check("payment_sum", "A payment's allocated sum is that of its allocations, and at most its amount."): _payments,
    Check(
        "invoice_sum", "What is paid and credited of an invoice is what allocations and credit notes make."
    ): _invoices,
    Check("balance", "Per account: invoices − credits − payments + reversals is what is kept as open."): _balances,
    Check("ageing", "On any day the buckets less the unallocated money make the balance."): _ageing,
}
CHECKS = tuple(_FINDERS)

"""Payments, allocations and open invoices.

Money is in minor units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import contains_text, is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.errors import NotFound
from billing_admin.domain.opening_balances import OPENING_CREDIT
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.domain.translation import Phrase
from billing_admin.models import Allocation, AuditEvent, Customer, Invoice, Payment
from billing_admin.queries.amounts import amount_conditions
from billing_admin.queries.master_data.customers import customer, matches_customer
from billing_admin.queries.selections import is_selected

STATES = ("recorded", "reversed", "unallocated")
RECEIVED: Final = "received"  # the filter for every method but write-offs


def is_open() -> ColumnElement[bool]:
    """Return the condition that an invoice is open.

    It has the words of the index of open invoices, so that the database uses the index.
    """
    has_balance = Invoice.total != Invoice.paid + Invoice.credited
    return and_(Invoice.status == "issued", Invoice.kind != "credit_note", has_balance)


def open_invoices(session: Session, customer_id: UUID, currency: str, also: Sequence[UUID] = ()) -> Sequence[Record]:
    """Return a customer's open invoices in a currency, and those with ids in `also`.

    Oldest due first.
    """
    condition = or_(is_open(), is_any_of(Invoice.id, also)) if also else is_open()
    query = select(Invoice.__table__).where(Invoice.customer_id == customer_id, Invoice.currency == currency, condition)
    return session.execute(query.order_by(Invoice.due_date, Invoice.number)).all()


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """A filter for payments.

    `from_` and `to` are the days of receipt, both included. `status` is recorded, reversed, or
    unallocated: recorded and not allocated in full. `method` may be RECEIVED. `q` is a part of the payment's reference, or of the
    customer's name or reference. `selection` is the id of the payments that a person selected.
    """

    q: str = ""
    customer: str = ""
    currency: str = ""
    status: str = ""
    method: str = ""
    from_: date | None = None
    to: date | None = None
    reference: str = ""
    selection: UUID | None = None


def is_in_state(state: str) -> ColumnElement[bool]:
    """Return the condition that a payment is in one of STATES."""
    if state == "unallocated":
        return and_(Payment.status == "recorded", Payment.allocated < Payment.amount)
    return Payment.status == state


def is_money() -> ColumnElement[bool]:
    """Return the condition that money was received.

    Write-offs and opening credits are not money.
    """
    return Payment.method.not_in((WRITE_OFF, OPENING_CREDIT))


def conditions(session: Session, filters: PaymentFilter) -> list[ColumnElement[bool]]:
    """Return the filter as SQL conditions.

    Raises:
        NotFound: The customer is unknown.
    """
    f = filters
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.q, lambda: _search(f.q)),
        (f.customer, lambda: Payment.customer_id == customer(session, f.customer).id),
        (f.currency, lambda: Payment.currency == f.currency),
        (f.status, lambda: is_in_state(f.status)),
        (f.method, lambda: is_money() if f.method == RECEIVED else Payment.method == f.method),
        (f.from_, lambda: Payment.received_on >= f.from_),
        (f.to, lambda: Payment.received_on <= f.to),
        (f.reference, lambda: Payment.reference == f.reference),
        (f.selection, lambda: is_selected(Payment.id, f.selection)),
    ]
    return [condition() for value, condition in candidates if value]


def _search(q: str) -> ColumnElement[bool]:
    text = q.strip()
    return or_(
        contains_text(Payment.reference, text),
        Payment.customer_id.in_(select(Customer.id).where(matches_customer(text))),
        *amount_conditions(text, Payment.currency, Payment.amount),
    )


def unallocated_amount() -> ColumnElement[int]:
    """Return the column of a payment's unallocated amount, 0 for a reversed payment."""
    return case((Payment.status == "recorded", Payment.amount - Payment.allocated), else_=0)


_VIEWS: Select[Any] = (
    select(
        *Payment.__table__.c,
        unallocated_amount().label("left"),
        Customer.reference.label("customer_reference"),
        Customer.name.label("customer_name"),
        AuditEvent.actor_name.label("created_by"),
    )
    .join(Customer, Customer.id == Payment.customer_id)
    .join(AuditEvent, AuditEvent.id == Payment.event_id)
)
_VIEW = _VIEWS.where(Payment.id == bindparam("id"))


def payment(session: Session, id: UUID) -> Record:
    """Return one payment with names of its customer.

    Raises:
        NotFound: No payment has this id.
    """
    row = session.execute(_VIEW, {"id": id}).one_or_none()
    if row is None:
        raise NotFound("unknown_payment", Phrase("There is no payment {id}.", id=id), "id")
    return row


def payments(session: Session, filters: PaymentFilter) -> Select[Any]:
    """Select the payments that match a filter, with names, last recorded first."""
    return _VIEWS.where(*conditions(session, filters)).order_by(Payment.created_at.desc(), Payment.id.desc())


@dataclass(frozen=True, slots=True)
class PaymentSum:
    """Sums of payments in one currency.

    Reversed payments count, but their amounts do not.
    """

    currency: str
    payments: int
    amount: int
    allocated: int
    unallocated: int


def payment_sums(session: Session, filters: PaymentFilter) -> list[PaymentSum]:
    """Return the sums of matching payments per currency."""
    is_recorded = Payment.status == "recorded"
    amounts = (Payment.amount, Payment.allocated, Payment.amount - Payment.allocated)
    amount_sums = [func.coalesce(func.sum(amount).filter(is_recorded), 0) for amount in amounts]
    query = (
        select(Payment.currency, func.count(), *amount_sums)
        .where(*conditions(session, filters))
        .group_by(Payment.currency)
        .order_by(Payment.currency)
    )
    # The columns are in the order of PaymentSum's fields.
    return [PaymentSum(row[0], *(int(value) for value in row[1:])) for row in session.execute(query)]


def count_by_state(session: Session, filters: PaymentFilter) -> dict[str, int]:
    """Count the payments that match the rest of the filter, by state.

    The empty state counts all.
    """
    without_status = conditions(session, replace(filters, status=""))
    columns = [func.count().filter(is_in_state(state)) for state in STATES]
    row = session.execute(select(func.count(), *columns).select_from(Payment).where(*without_status)).one()
    return dict(zip(("", *STATES), row, strict=True))


def allocations(session: Session, payment_ids: Sequence[UUID]) -> dict[UUID, list[Record]]:
    """Return the allocations of payments with invoice numbers, oldest first.

    Withdrawn allocations are included.
    """
    query = (
        select(*Allocation.__table__.c, Invoice.number, Invoice.due_date)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .where(is_any_of(Allocation.payment_id, payment_ids))
        .order_by(Allocation.id)
    )
    by_payment: dict[UUID, list[Record]] = {id: [] for id in payment_ids}
    for row in session.execute(query):
        by_payment[row.payment_id].append(row)
    return by_payment


def allocations_of_invoice(session: Session, invoice_id: UUID) -> Sequence[Record]:
    """Return the allocations to an invoice with their payments.

    Withdrawn allocations are included.
    """
    columns = (Payment.received_on, Payment.method, Payment.reference, Payment.status)
    query = select(*Allocation.__table__.c, *columns).join(Payment, Payment.id == Allocation.payment_id)
    return session.execute(query.where(Allocation.invoice_id == invoice_id).order_by(Allocation.id)).all()


def written_off(session: Session, invoice_id: UUID) -> int:
    """Return the minor units of an invoice that are written off."""
    query = select(func.coalesce(func.sum(Allocation.amount), 0)).join(Payment, Payment.id == Allocation.payment_id)
    is_active = (Allocation.invoice_id == invoice_id, Allocation.withdrawn_on.is_(None))
    return int(
        session.scalars(query.where(*is_active, Payment.method == WRITE_OFF, Allocation.amount == Payment.amount)).one()
    )


def payments_with_same_reference(session: Session, payment_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Return payments with the same customer and reference, by payment.

    They are not reversed, and the oldest is first.
    """
    payment, same = Payment.__table__.alias("payment"), Payment.__table__.alias("same")
    query = (
        select(payment.c.id, same.c.id)
        .join(same, (same.c.reference == payment.c.reference) & (same.c.customer_id == payment.c.customer_id))
        .where(
            payment.c.id.in_(payment_ids),
            payment.c.reference != "",
            same.c.id != payment.c.id,
            same.c.status == "recorded",
        )
        .order_by(same.c.created_at, same.c.id)
    )
    duplicates: dict[UUID, list[UUID]] = {id: [] for id in payment_ids}
    for id, duplicate in session.execute(query):
        duplicates[id].append(duplicate)
    return duplicates


def payment_ids_with_reference(session: Session, customer_id: UUID, reference: str, except_id: UUID) -> list[UUID]:
    """Return unreversed payments of a customer with a reference, except one.

    None for an empty reference.
    """
    has_reference = (Payment.customer_id == customer_id, Payment.reference == reference, Payment.reference != "")
    query = select(Payment.id).where(*has_reference, Payment.status == "recorded", Payment.id != except_id)
    return list(session.scalars(query.order_by(Payment.created_at, Payment.id)))

"""Payments and their allocations, and the invoices that are still to be paid. Money is in minor units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.errors import NotFound
from billing_admin.models import Allocation, AuditEvent, Customer, Invoice, Payment
from billing_admin.queries.master_data.customers import customer

STATES = ("recorded", "reversed", "unallocated")


def is_open() -> ColumnElement[bool]:
    """Of an invoice: something is still to be paid. Said as the index of open invoices says it."""
    owes = Invoice.total != Invoice.paid + Invoice.credited
    return and_(Invoice.status == "issued", Invoice.kind == "invoice", owes)


def open_invoices(session: Session, customer_id: UUID, currency: str, also: Sequence[UUID] = ()) -> Sequence[Record]:
    """A customer's invoices in a currency on which something is open, and some others of them; the oldest due first."""
    wanted = or_(is_open(), is_any_of(Invoice.id, also)) if also else is_open()
    query = select(Invoice.__table__).where(Invoice.customer_id == customer_id, Invoice.currency == currency, wanted)
    return session.execute(query.order_by(Invoice.due_date, Invoice.number)).all()


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments; an empty text is no filter. `from_` and `to` are days of receipt, both included.

    `status` is recorded or reversed, or unallocated: recorded, and something is left. `q` is a part of the reference, or of the
    customer's name or reference.
    """

    q: str = ""
    customer: str = ""
    currency: str = ""
    status: str = ""
    method: str = ""
    from_: date | None = None
    to: date | None = None
    reference: str = ""


def _state(state: str) -> ColumnElement[bool]:
    if state == "unallocated":
        return and_(Payment.status == "recorded", Payment.allocated < Payment.amount)
    return Payment.status == state


def conditions(session: Session, filters: PaymentFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL conditions. Raises NotFound for a customer that does not exist."""
    f = filters
    wanted: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.q, lambda: _search(f.q)),
        (f.customer, lambda: Payment.customer_id == customer(session, f.customer).id),
        (f.currency, lambda: Payment.currency == f.currency),
        (f.status, lambda: _state(f.status)),
        (f.method, lambda: Payment.method == f.method),
        (f.from_, lambda: Payment.received_on >= f.from_),
        (f.to, lambda: Payment.received_on <= f.to),
        (f.reference, lambda: Payment.reference == f.reference),
    ]
    return [condition() for given, condition in wanted if given]


def _search(q: str) -> ColumnElement[bool]:
    words = q.strip()
    named = select(Customer.id).where(
        or_(Customer.name.icontains(words, autoescape=True), Customer.reference.icontains(words, autoescape=True))
    )
    return or_(Payment.reference.icontains(words, autoescape=True), Payment.customer_id.in_(named))


def unallocated_amount() -> ColumnElement[int]:
    """What is left of a payment, to be allocated; nothing of a reversed one."""
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
    """One payment with its customer's names, or raise NotFound."""
    row = session.execute(_VIEW, {"id": id}).one_or_none()
    if row is None:
        raise NotFound("unknown_payment", f"There is no payment {id}.", "id")
    return row


def payments(session: Session, filters: PaymentFilter) -> Select[Any]:
    """The payments that a filter lets through, the last recorded first, each with its names; for `paging.page`."""
    return _VIEWS.where(*conditions(session, filters)).order_by(Payment.created_at.desc(), Payment.id.desc())


@dataclass(frozen=True, slots=True)
class PaymentSum:
    """Payments of one currency; what is reversed is counted, but its money is not."""

    currency: str
    payments: int
    amount: int
    allocated: int
    unallocated: int


def payment_sums(session: Session, filters: PaymentFilter) -> list[PaymentSum]:
    """Add the whole filter up, per currency."""
    stands = Payment.status == "recorded"
    amounts = (Payment.amount, Payment.allocated, Payment.amount - Payment.allocated)
    added = [func.coalesce(func.sum(amount).filter(stands), 0) for amount in amounts]
    query = (
        select(Payment.currency, func.count(), *added)
        .where(*conditions(session, filters))
        .group_by(Payment.currency)
        .order_by(Payment.currency)
    )
    return [PaymentSum(row[0], *(int(value) for value in row[1:])) for row in session.execute(query)]


def allocations(session: Session, payment_ids: Sequence[UUID]) -> dict[UUID, list[Record]]:
    """The allocations of payments, withdrawn ones among them, each with its invoice's number; in the order they were made."""
    query = (
        select(*Allocation.__table__.c, Invoice.number, Invoice.due_date)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .where(is_any_of(Allocation.payment_id, payment_ids))
        .order_by(Allocation.id)
    )
    found: dict[UUID, list[Record]] = {id: [] for id in payment_ids}
    for row in session.execute(query):
        found[row.payment_id].append(row)
    return found


def allocations_of_invoice(session: Session, invoice_id: UUID) -> Sequence[Record]:
    """What paid an invoice: its allocations, withdrawn ones among them, each with its payment."""
    kept = (Payment.received_on, Payment.method, Payment.reference, Payment.status)
    query = select(*Allocation.__table__.c, *kept).join(Payment, Payment.id == Allocation.payment_id)
    return session.execute(query.where(Allocation.invoice_id == invoice_id).order_by(Allocation.id)).all()


def payments_with_same_reference(session: Session, payment_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """For payments with a reference: the other payments of their customers with the same one, not reversed, oldest first."""
    first, other = Payment.__table__.alias("first"), Payment.__table__.alias("other")
    query = (
        select(first.c.id, other.c.id)
        .join(other, (other.c.reference == first.c.reference) & (other.c.customer_id == first.c.customer_id))
        .where(
            first.c.id.in_(payment_ids), first.c.reference != "", other.c.id != first.c.id, other.c.status == "recorded"
        )
        .order_by(other.c.created_at, other.c.id)
    )
    found: dict[UUID, list[UUID]] = {id: [] for id in payment_ids}
    for id, duplicate in session.execute(query):
        found[id].append(duplicate)
    return found


def payment_ids_with_reference(session: Session, customer_id: UUID, reference: str, but: UUID) -> list[UUID]:
    """Payments of a customer that carry a reference and are not reversed, but for one id; none for an empty reference."""
    carries = (Payment.customer_id == customer_id, Payment.reference == reference, Payment.reference != "")
    query = select(Payment.id).where(*carries, Payment.status == "recorded", Payment.id != but)
    return list(session.scalars(query.order_by(Payment.created_at, Payment.id)))

"""Refunds, and the credit that can be refunded.

Money is in minor units.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from billing_admin.db.lookup import contains_text, is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.errors import NotFound
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.domain.translation import Phrase
from billing_admin.models import Allocation, AuditEvent, Customer, Payment, Refund, RefundPart
from billing_admin.queries.amounts import amount_conditions
from billing_admin.queries.master_data.customers import customer, matches_customer
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments.payments import is_in_state

STATES = ("recorded", "reversed")


@dataclass(frozen=True, slots=True)
class RefundFilter:
    """A filter for refunds.

    `from_` and `to` are the days of payment, both included. `q` is a part of the refund's reference, or of the
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


def conditions(session: Session, filters: RefundFilter) -> list[ColumnElement[bool]]:
    """Return the filter as SQL conditions.

    Raises:
        NotFound: The customer is unknown.
    """
    f = filters
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.q, lambda: _search(f.q)),
        (f.customer, lambda: Refund.customer_id == customer(session, f.customer).id),
        (f.currency, lambda: Refund.currency == f.currency),
        (f.status, lambda: Refund.status == f.status),
        (f.method, lambda: Refund.method == f.method),
        (f.from_, lambda: Refund.paid_on >= f.from_),
        (f.to, lambda: Refund.paid_on <= f.to),
        (f.reference, lambda: Refund.reference == f.reference),
    ]
    return [condition() for value, condition in candidates if value]


def _search(q: str) -> ColumnElement[bool]:
    text = q.strip()
    return or_(
        contains_text(Refund.reference, text),
        Refund.customer_id.in_(select(Customer.id).where(matches_customer(text))),
        *amount_conditions(text, Refund.currency, Refund.amount),
    )


_VIEWS: Select[Any] = (
    select(
        *Refund.__table__.c,
        Customer.reference.label("customer_reference"),
        Customer.name.label("customer_name"),
        AuditEvent.actor_name.label("created_by"),
    )
    .join(Customer, Customer.id == Refund.customer_id)
    .join(AuditEvent, AuditEvent.id == Refund.event_id)
)


def refund(session: Session, id: UUID) -> Record:
    """Return one refund with names of its customer.

    Raises:
        NotFound: No refund has this id.
    """
    row = session.execute(_VIEWS.where(Refund.id == id)).one_or_none()
    if row is None:
        raise NotFound("unknown_refund", Phrase("There is no refund {id}.", id=id), "id")
    return row


def refunds(session: Session, filters: RefundFilter) -> Select[Any]:
    """Select the refunds that match a filter, with names, last recorded first."""
    return _VIEWS.where(*conditions(session, filters)).order_by(Refund.created_at.desc(), Refund.id.desc())


@dataclass(frozen=True, slots=True)
class RefundSum:
    """Number and sum of refunds in one currency.

    Reversed refunds count, but their amounts do not.
    """

    currency: str
    refunds: int
    amount: int


def refund_sums(session: Session, filters: RefundFilter) -> list[RefundSum]:
    """Return the sums of matching refunds per currency."""
    amount = func.coalesce(func.sum(Refund.amount).filter(Refund.status == "recorded"), 0)
    query = (
        select(Refund.currency, func.count(), amount)
        .where(*conditions(session, filters))
        .group_by(Refund.currency)
        .order_by(Refund.currency)
    )
    return [RefundSum(currency, count, int(minor)) for currency, count, minor in session.execute(query)]


def count_by_state(session: Session, filters: RefundFilter) -> dict[str, int]:
    """Count the refunds that match the rest of the filter, by state.

    The empty state counts all.
    """
    without_status = conditions(session, replace(filters, status=""))
    columns = [func.count().filter(Refund.status == state) for state in STATES]
    row = session.execute(select(func.count(), *columns).select_from(Refund).where(*without_status)).one()
    return dict(zip(("", *STATES), row, strict=True))


def parts_of_refunds(session: Session, refund_ids: Sequence[UUID]) -> dict[UUID, list[Record]]:
    """Return the parts of refunds with their payments, the oldest payment first."""
    query = (
        select(RefundPart.refund_id, RefundPart.payment_id, RefundPart.amount, Payment.received_on, Payment.reference)
        .join(Payment, Payment.id == RefundPart.payment_id)
        .where(is_any_of(RefundPart.refund_id, refund_ids))
        .order_by(Payment.received_on, Payment.id)
    )
    by_refund: dict[UUID, list[Record]] = {id: [] for id in refund_ids}
    for row in session.execute(query):
        by_refund[row.refund_id].append(row)
    return by_refund


def refunds_of_payments(session: Session, payment_ids: Sequence[UUID]) -> dict[UUID, list[Record]]:
    """Return the refunds of each payment, with reversed ones and their parts of it."""
    query = (
        select(RefundPart.payment_id, RefundPart.amount, Refund.id, Refund.paid_on, Refund.reversed_on, Refund.status)
        .join(Refund, Refund.id == RefundPart.refund_id)
        .where(is_any_of(RefundPart.payment_id, payment_ids))
        .order_by(Refund.paid_on, Refund.id)
    )
    by_payment: dict[UUID, list[Record]] = {id: [] for id in payment_ids}
    for row in session.execute(query):
        by_payment[row.payment_id].append(row)
    return by_payment


def refundable_payments(session: Session, customer_id: UUID, currency: str) -> Sequence[Record]:
    """Return the payments of an account with credit, for `plan_refund`.

    Write-offs are not among them: no money was received.
    """
    unallocated = (Payment.amount - Payment.allocated).label("unallocated")
    in_account = (Payment.customer_id == customer_id, Payment.currency == currency)
    query = select(Payment.id, unallocated, _last_change().label("since")).where(
        *in_account, is_in_state("unallocated")
    )
    return session.execute(query.where(Payment.method != WRITE_OFF)).all()


def last_change(session: Session, payment_id: UUID) -> date:
    """Return the last day on which a payment, or a part of it, became unallocated."""
    day: date = session.execute(select(_last_change()).where(Payment.id == payment_id)).scalar_one()
    return day


def _last_change() -> ColumnElement[Any]:
    """Return the column of the last day on which a payment became unallocated.

    That is the day of its receipt, of its last withdrawal, or of the reversal of its last refund.
    """
    withdrawn = (
        select(func.max(Allocation.withdrawn_on))
        .where(Allocation.payment_id == Payment.id, Allocation.withdrawn_on > Allocation.made_on)
        .scalar_subquery()
    )
    reversed_on = (
        select(func.max(Refund.reversed_on))
        .join(RefundPart, RefundPart.refund_id == Refund.id)
        .where(RefundPart.payment_id == Payment.id)
        .scalar_subquery()
    )
    return type_coerce(_latest(_latest(Payment.received_on, withdrawn), reversed_on), Payment.received_on.type)


def _latest(day: Any, optional_day: Any) -> ColumnElement[Any]:
    """Return the later of two days, of which the second may be null."""
    return case((optional_day > day, optional_day), else_=day)


def credit_of(session: Session, customer_id: UUID, currency: str) -> int:
    """Return the credit of an account that can be refunded."""
    return sum(payment.unallocated for payment in refundable_payments(session, customer_id, currency))


def credit_by_account(session: Session, keys: Sequence[AccountKey]) -> dict[AccountKey, int]:
    """Return the credit of accounts, without accounts that have none."""
    accounts = set(keys)
    account = (Payment.customer_id, Payment.currency)
    query = (
        select(*account, func.sum(Payment.amount - Payment.allocated))
        .where(is_any_of(Payment.customer_id, list({customer_id for customer_id, _ in accounts})))
        .where(is_in_state("unallocated"), Payment.method != WRITE_OFF)
        .group_by(*account)
    )
    rows = session.execute(query)
    return {(id, currency): int(amount) for id, currency, amount in rows if (id, currency) in accounts}


def credit_by_currency(session: Session, documents: Iterable[PreparedDocument]) -> dict[str, int]:
    """Return the credit that would pay the invoices of a preview, by currency."""
    by_currency: Counter[str] = Counter()
    amounts = [(prepared.key, prepared.document.total) for prepared in documents]
    for (_, currency), amount in credit_to_apply(session, amounts).items():
        by_currency[currency] += amount
    return dict(sorted(by_currency.items()))


def credit_to_apply(session: Session, amounts: Sequence[tuple[AccountKey, int]]) -> dict[AccountKey, int]:
    """Return the credit that would pay invoices of these amounts, by account.

    It is empty unless the organisation applies credit when invoices are issued.
    """
    if not organisation(session).applies_credit:
        return {}
    totals: Counter[AccountKey] = Counter()
    for key, amount in amounts:
        totals[key] += amount
    credits = credit_by_account(session, list(totals))
    return {key: min(credit, totals[key]) for key, credit in credits.items()}

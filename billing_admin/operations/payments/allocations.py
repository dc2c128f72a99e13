"""Plan, store and withdraw allocations, with the sums on payments and invoices.

The account's row is the lock for money: payments, credits and voids take it, after the rows of the invoices that they
change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany, insert_many
from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.formatting import format_money
from billing_admin.domain.payments import AllocationPart
from billing_admin.domain.translation import Phrase
from billing_admin.models import Allocation, Invoice, Payment
from billing_admin.operations.master_data.accounts import AccountKey, lock_accounts, open_account_if_missing
from billing_admin.queries.payments.payments import is_open


def lock_account_and_invoices(session: Session, key: AccountKey, invoices: Sequence[UUID] | None = None) -> None:
    """Lock the given invoices, or all open ones of the account, and then the account.

    Invoices are locked in the order of their keys.
    """
    customer_id, currency = key
    open_in_account = (Invoice.customer_id == customer_id, Invoice.currency == currency, is_open())
    condition = open_in_account if invoices is None else (is_any_of(Invoice.id, invoices),)
    session.execute(select(Invoice.id).where(*condition).order_by(Invoice.id).with_for_update(key_share=True))
    open_account_if_missing(session, key)
    lock_accounts(session, [key])


def load_active_allocations(session: Session, condition: ColumnElement[bool]) -> Sequence[Record]:
    """Return the active allocations that meet a condition, the latest first.

    An active allocation is not withdrawn.
    """
    query = select(Allocation.__table__).where(Allocation.withdrawn_on.is_(None), condition)
    return session.execute(query.order_by(Allocation.made_on.desc(), Allocation.id.desc())).all()


@dataclass(frozen=True, slots=True)
class PlannedAllocation:
    """A part of a payment to be allocated to an invoice.

    `amount` is in minor units and counts from the day `made_on`.
    """

    invoice_id: UUID
    number: str
    amount: int
    made_on: date


def plan_allocations(
    session: Session, key: AccountKey, parts: Sequence[AllocationPart], day: date
) -> list[PlannedAllocation]:
    """Plan the allocation of parts to invoices.

    Each counts from `day`, or from the invoice's issue date if that is later. The caller has locked the invoices and
    the account. Raises Invalid for an invoice of another account and for a credit note, and Conflict for an invoice
    that is not issued or has less left to pay than its part.
    """
    rows = session.execute(select(Invoice.__table__).where(is_any_of(Invoice.id, [id for id, _ in parts])))
    invoices = {row.id: row for row in rows}
    for place, (invoice_id, amount) in enumerate(parts):
        _check_payable(invoices[invoice_id], key, amount, place)
    return [
        PlannedAllocation(id, invoices[id].number, amount, max(day, invoices[id].issue_date)) for id, amount in parts
    ]


def _check_payable(invoice: Record, key: AccountKey, amount: int, place: int) -> None:
    name, field = invoice.number or Phrase("This draft"), ("allocate", place, "invoice")
    if (invoice.customer_id, invoice.currency) != key:
        raise Invalid(
            "another_account",
            Phrase("{name} belongs to another customer or is in another currency.", name=name),
            *field,
        )
    if invoice.kind == "credit_note":
        raise Invalid(
            "not_an_invoice", Phrase("{name} is a credit note: choose the invoice that was paid.", name=name), *field
        )
    if invoice.status != "issued":
        raise Conflict(
            "not_issued", Phrase("{name} is not issued: only an issued invoice can be paid.", name=name), *field
        )
    balance = invoice.total - invoice.paid - invoice.credited
    if amount > balance:
        message = Phrase(
            "{name} has {balance} left to pay: allocate no more than that.",
            name=name,
            balance=format_money(balance, key[1]),
        )
        raise Conflict("above_balance", message, "allocate", place, "amount")


def store_allocations(
    session: Session, payment_id: UUID, key: AccountKey, planned: Sequence[PlannedAllocation], now: datetime
) -> None:
    """Store planned allocations and update the sums.

    The caller has checked that the payment covers them.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(now),
            "payment_id": payment_id,
            "invoice_id": allocation.invoice_id,
            "customer_id": key[0],
            "currency": key[1],
            "amount": allocation.amount,
            "made_on": allocation.made_on,
            "withdrawn_on": None,
        }
        for allocation in planned
    ]
    insert_many(session, Allocation, rows)
    _add_to_sums(session, [(payment_id, allocation.invoice_id, allocation.amount) for allocation in planned])


def withdraw_allocations(session: Session, allocations: Sequence[Record], day: date) -> None:
    """Withdraw allocations on a day and update the sums.

    An allocation made later is withdrawn on the day it was made: it then counts on no day.
    """
    if not allocations:
        return
    session.execute(
        update(Allocation)
        .where(is_any_of(Allocation.id, [row.id for row in allocations]))
        .values(withdrawn_on=case((Allocation.made_on > day, Allocation.made_on), else_=day))
        .execution_options(synchronize_session=False)
    )
    _add_to_sums(session, [(row.payment_id, row.invoice_id, -row.amount) for row in allocations])


def _add_to_sums(session: Session, moves: Iterable[tuple[UUID, UUID, int]]) -> None:
    """Add allocated amounts to the sums of payments and invoices.

    `moves` are (payment id, invoice id, minor units).
    """
    allocated: Counter[UUID] = Counter()
    paid: Counter[UUID] = Counter()
    for payment_id, invoice_id, amount in moves:
        allocated[payment_id] += amount
        paid[invoice_id] += amount
    add_to_payments(session, allocated)
    _add_to_invoices(session, _sum_rows("paid", paid))


def add_to_payments(session: Session, amounts: Mapping[UUID, int]) -> None:
    """Add amounts to the allocated sums of payments, by id.

    The caller has locked the account.
    """
    _add_to_payments(session, _sum_rows("allocated", amounts))


def _sum_rows(name: str, sums: Mapping[UUID, int]) -> list[dict[str, object]]:
    return [{"id": id, name: amount} for id, amount in sorted(sums.items())]


_PAYMENT, _INVOICE = Payment.__table__.c, Invoice.__table__.c
_add_to_payments = UpdateMany(
    [_PAYMENT.id, _PAYMENT.allocated],
    lambda parameters: (
        update(Payment)
        .where(_PAYMENT.id == parameters["id"])
        .values(allocated=_PAYMENT.allocated + parameters["allocated"])
    ),
)
_add_to_invoices = UpdateMany(
    [_INVOICE.id, _INVOICE.paid],
    lambda parameters: (
        update(Invoice).where(_INVOICE.id == parameters["id"]).values(paid=_INVOICE.paid + parameters["paid"])
    ),
)

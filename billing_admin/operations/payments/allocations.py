"""Parts of payments on invoices: the locks under which they move, and the sums on invoice and payment that follow each move.

The account's row is the lock for money: whoever pays, credits or voids takes it, after the rows of the invoices concerned.
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
from billing_admin.domain.money import Money
from billing_admin.domain.payments import AllocationPart
from billing_admin.models import Account, Allocation, Invoice, Payment
from billing_admin.operations.master_data.accounts import AccountKey, lock_accounts, open_accounts
from billing_admin.queries.payments.payments import is_open


def lock_account_and_invoices(session: Session, key: AccountKey, invoices: Sequence[UUID] | None = None) -> None:
    """Lock these invoices, or all open ones of the account, in the order of their keys, and then the account."""
    customer_id, currency = key
    of_account = (Invoice.customer_id == customer_id, Invoice.currency == currency, is_open())
    wanted = of_account if invoices is None else (is_any_of(Invoice.id, invoices),)
    session.execute(select(Invoice.id).where(*wanted).order_by(Invoice.id).with_for_update(key_share=True))
    account = select(Account.currency).where(Account.customer_id == customer_id, Account.currency == currency)
    if session.scalar(account) is None:
        open_accounts(session, [key])
    lock_accounts(session, [key])


def load_active_allocations(session: Session, condition: ColumnElement[bool]) -> Sequence[Record]:
    """Allocations that are not withdrawn, the latest first."""
    query = select(Allocation.__table__).where(Allocation.withdrawn_on.is_(None), condition)
    return session.execute(query.order_by(Allocation.made_on.desc(), Allocation.id.desc())).all()


@dataclass(frozen=True, slots=True)
class PlannedAllocation:
    """A part of a payment about to be allocated: so many minor units to an invoice, from a day on."""

    invoice_id: UUID
    number: str
    amount: int
    made_on: date


def plan_allocations(
    session: Session, key: AccountKey, parts: Sequence[AllocationPart], day: date
) -> list[PlannedAllocation]:
    """What parts make of an account's invoices: each counts from the day, or from the invoice's issue date if that is later.

    The caller has locked the money. Raises Invalid for what is no invoice of the account, and Conflict for one that is not
    issued, or owes less than its part.
    """
    found = session.execute(select(Invoice.__table__).where(is_any_of(Invoice.id, [id for id, _ in parts])))
    invoices = {row.id: row for row in found}
    for place, (invoice_id, amount) in enumerate(parts):
        _check(invoices[invoice_id], key, amount, place)
    return [
        PlannedAllocation(id, invoices[id].number, amount, max(day, invoices[id].issue_date)) for id, amount in parts
    ]


def _check(invoice: Record, key: AccountKey, amount: int, place: int) -> None:
    name, where = invoice.number or "This draft", ("allocate", place, "invoice")
    if (invoice.customer_id, invoice.currency) != key:
        raise Invalid("another_account", f"{name} belongs to another customer or is in another currency.", *where)
    if invoice.kind != "invoice":
        raise Invalid("not_an_invoice", f"{name} is a credit note: choose the invoice that was paid.", *where)
    if invoice.status != "issued":
        raise Conflict("not_issued", f"{name} is not issued: only an issued invoice can be paid.", *where)
    left = invoice.total - invoice.paid - invoice.credited
    if amount > left:
        said = f"{name} has {Money(left, key[1])} {key[1]} left to pay: allocate no more than that."
        raise Conflict("above_balance", said, "allocate", place, "amount")


def store_allocations(
    session: Session, payment_id: UUID, key: AccountKey, claims: Sequence[PlannedAllocation], now: datetime
) -> None:
    """Allocate; the caller has checked what is left of the payment."""
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(now),
            "payment_id": payment_id,
            "invoice_id": claim.invoice_id,
            "customer_id": key[0],
            "currency": key[1],
            "amount": claim.amount,
            "made_on": claim.made_on,
            "withdrawn_on": None,
        }
        for claim in claims
    ]
    insert_many(session, Allocation, rows)
    _book(session, [(payment_id, claim.invoice_id, claim.amount) for claim in claims])


def withdraw_allocations(session: Session, allocations: Sequence[Record], day: date) -> None:
    """Withdraw allocations on a day, or on the day they were made if that is later: they then count on no day at all."""
    if not allocations:
        return
    session.execute(
        update(Allocation)
        .where(is_any_of(Allocation.id, [row.id for row in allocations]))
        .values(withdrawn_on=case((Allocation.made_on > day, Allocation.made_on), else_=day))
        .execution_options(synchronize_session=False)
    )
    _book(session, [(row.payment_id, row.invoice_id, -row.amount) for row in allocations])


def _book(session: Session, moves: Iterable[tuple[UUID, UUID, int]]) -> None:
    """Keep the sums on payments and invoices: `moves` are (payment, invoice, minor units)."""
    allocated: Counter[UUID] = Counter()
    paid: Counter[UUID] = Counter()
    for payment_id, invoice_id, amount in moves:
        allocated[payment_id] += amount
        paid[invoice_id] += amount
    _book_payments(session, _rows("allocated", allocated))
    _book_invoices(session, _rows("paid", paid))


def _rows(name: str, sums: Mapping[UUID, int]) -> list[dict[str, object]]:
    return [{"id": id, name: amount} for id, amount in sorted(sums.items())]


_PAYMENT, _INVOICE = Payment.__table__.c, Invoice.__table__.c
_book_payments = UpdateMany(
    [_PAYMENT.id, _PAYMENT.allocated],
    lambda given: (
        update(Payment).where(_PAYMENT.id == given["id"]).values(allocated=_PAYMENT.allocated + given["allocated"])
    ),
)
_book_invoices = UpdateMany(
    [_INVOICE.id, _INVOICE.paid],
    lambda given: update(Invoice).where(_INVOICE.id == given["id"]).values(paid=_INVOICE.paid + given["paid"]),
)

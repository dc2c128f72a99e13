"""What waits to be billed: by customer, with its age. Totals come from the accounts, where they are kept."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.money import ZERO
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Account, Charge, Customer, Service
from billing_admin.models.base import exact_sum
from billing_admin.models.charge import is_unbilled
from billing_admin.queries.charges.charges import TO_REVIEW

AGE_LIMITS = (30, 60, 90)
_ANY = (Account.pending_charges > 0) | (Account.held_charges > 0)
_PENDING = (is_unbilled(), Charge.status == "pending")  # the first part lets the index serve


@dataclass(frozen=True, slots=True)
class UnbilledTotal:
    """What is unbilled in one currency: counts and exact sums."""

    currency: str
    accounts: int
    pending_charges: int
    pending_amount: Decimal
    held_charges: int
    held_amount: Decimal


@dataclass(frozen=True, slots=True)
class UnbilledFilter:
    """Which accounts: `q` is looked for, folded, in the customer; with `through`, what is pending up to that day."""

    q: str = ""
    currency: str = ""
    through: date | None = None


NO_FILTER = UnbilledFilter()


def _of(currency: Any, customer_id: Any, filters: UnbilledFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.currency:
        conditions.append(currency == filters.currency)
    if filters.q:
        found = select(Customer.id).where(Customer.search.contains(fold_for_search(filters.q, "q"), autoescape=True))
        conditions.append(customer_id.in_(found))
    return conditions


def unbilled_totals(session: Session, filters: UnbilledFilter = NO_FILTER) -> list[UnbilledTotal]:
    """What is unbilled in all, whatever its day, per currency."""
    query = (
        select(
            Account.currency,
            func.count(),
            func.sum(Account.pending_charges),
            exact_sum(Account.pending_amount),
            func.sum(Account.held_charges),
            exact_sum(Account.held_amount),
        )
        .where(_ANY, *_of(Account.currency, Account.customer_id, filters))
        .group_by(Account.currency)
        .order_by(Account.currency)
    )
    return [
        UnbilledTotal(currency, accounts, int(pending), amount, int(held), held_amount)
        for currency, accounts, pending, amount, held, held_amount in session.execute(query)
    ]


def unbilled_accounts(filters: UnbilledFilter = NO_FILTER) -> Select[Any]:
    """The accounts with something unbilled, by customer name, with the customer's names; for `paging.page`.

    With a last day, only those with something pending up to it.
    """
    query = (
        select(*Account.__table__.c, Customer.reference, Customer.name)
        .join(Customer, Customer.id == Account.customer_id)
        .where(_ANY, *_of(Account.currency, Account.customer_id, filters))
        .order_by(Customer.name, Customer.id, Account.currency)
    )
    if filters.through is None:
        return query
    is_due = select(Charge.id).where(
        Charge.customer_id == Account.customer_id,
        Charge.currency == Account.currency,
        *_PENDING,
        Charge.incurred_on <= filters.through,
    )
    return query.where(is_due.exists())


@dataclass(frozen=True, slots=True)
class PendingCharges:
    """What one account has pending up to a day: count, exact sum, oldest day, and the exact sums per age.

    `ages` has a sum for up to 30, 31 to 60, 61 to 90 and more than 90 days before that day.
    """

    charges: int
    amount: Decimal
    oldest: date | None
    ages: tuple[Decimal, ...]


def pending_by_account(
    session: Session, customer_ids: set[UUID], through: date | None, aged_on: date | None = None
) -> dict[tuple[UUID, str], PendingCharges]:
    """What each of these customers' accounts has pending up to a day, by customer and currency.

    Without a last day it is everything pending, aged on `aged_on`; what is still to come then counts as new.
    """
    aged = aged_on or through
    if aged is None:
        raise ValueError("Ages need a day to be counted from.")
    columns = [exact_sum(case((_age(bucket, aged), Charge.amount))) for bucket in range(len(AGE_LIMITS) + 1)]
    query = (
        select(
            Charge.customer_id,
            Charge.currency,
            func.count(),
            exact_sum(Charge.amount),
            func.min(Charge.incurred_on),
            *columns,
        )
        .where(*_PENDING, is_any_of(Charge.customer_id, customer_ids))
        .group_by(Charge.customer_id, Charge.currency)
    )
    if through is not None:
        query = query.where(Charge.incurred_on <= through)
    return {(row[0], row[1]): _due(row) for row in session.execute(query)}


def _age(bucket: int, aged_on: date) -> Any:
    oldest = aged_on - timedelta(days=AGE_LIMITS[min(bucket, len(AGE_LIMITS) - 1)])
    if bucket == 0:
        return Charge.incurred_on >= oldest
    newest = aged_on - timedelta(days=AGE_LIMITS[bucket - 1] + 1)
    return Charge.incurred_on <= newest if bucket == len(AGE_LIMITS) else Charge.incurred_on.between(oldest, newest)


def _due(row: Record) -> PendingCharges:
    return PendingCharges(row[2], row[3], row[4], tuple(ZERO if amount is None else amount for amount in row[5:]))


def pending_totals(
    session: Session, through: date, filters: UnbilledFilter = NO_FILTER
) -> list[tuple[str, int, Decimal]]:
    """Currency, count and exact sum of everything pending up to a day."""
    query = (
        select(Charge.currency, func.count(), exact_sum(Charge.amount))
        .where(*_PENDING, Charge.incurred_on <= through, *_of(Charge.currency, Charge.customer_id, filters))
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [(currency, count, amount) for currency, count, amount in session.execute(query)]


@dataclass(frozen=True, slots=True)
class UnbilledSelection:
    """Which unbilled charges of one account: up to a day, of one status, among some ids; or all of them."""

    customer_id: UUID
    currency: str
    through: date | None = None
    status: str = ""
    ids: tuple[UUID, ...] | None = None


def _waiting(which: UnbilledSelection) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Charge.customer_id == which.customer_id,
        Charge.currency == which.currency,
        is_unbilled(),
    ]
    if which.through is not None:
        conditions.append(Charge.incurred_on <= which.through)
    if which.status:
        conditions.append(Charge.status == which.status)
    if which.ids is not None:
        conditions.append(is_any_of(Charge.id, which.ids))
    return conditions


def selected_charges(which: UnbilledSelection) -> Select[Any]:
    """These charges, oldest day first, each with its service's code; for `paging.page`."""
    return (
        select(
            *Charge.__table__.c,
            Service.code.label("service_code"),
            Service.name.label("service_name"),
            TO_REVIEW.label("is_likely_duplicate"),
        )
        .outerjoin(Service, Service.id == Charge.service_id)
        .where(*_waiting(which))
        .order_by(Charge.incurred_on, Charge.id)
    )


def selected_sums_by_status(session: Session, which: UnbilledSelection) -> dict[str, tuple[int, Decimal]]:
    """Count and exact sum of these charges by status; nothing is 0 and 0."""
    query = select(Charge.status, func.count(), exact_sum(Charge.amount)).where(*_waiting(which))
    found = {status: (count, amount) for status, count, amount in session.execute(query.group_by(Charge.status))}
    return {status: found.get(status, (0, ZERO)) for status in ("pending", "held")}


def selected_sum(session: Session, which: UnbilledSelection) -> tuple[int, Decimal]:
    """Count and exact sum of all these charges."""
    count, amount = session.execute(select(func.count(), exact_sum(Charge.amount)).where(*_waiting(which))).one()
    return count, amount if count else ZERO


def selected_ids(session: Session, which: UnbilledSelection) -> list[UUID]:
    """The ids of these charges."""
    return list(session.scalars(select(Charge.id).where(*_waiting(which))))

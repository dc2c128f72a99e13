"""Unbilled charges by account, with their age.

Totals come from the accounts, which store them.
"""

from collections import defaultdict
from collections.abc import Sequence
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
from billing_admin.domain.receivable_trends import Month
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Account, Charge, Customer, Service, UnbilledDay
from billing_admin.models.base import exact_sum
from billing_admin.models.charge import is_unbilled
from billing_admin.queries.charges.charges import IS_LIKELY_DUPLICATE

AGE_LIMITS = (30, 60, 90)
_HAS_UNBILLED = (Account.pending_charges > 0) | (Account.held_charges > 0)
_PENDING = (is_unbilled(), Charge.status == "pending")  # the first condition makes SQLite use the index


@dataclass(frozen=True, slots=True)
class UnbilledTotal:
    """The unbilled charges in one currency: counts and exact sums."""

    currency: str
    accounts: int
    pending_charges: int
    pending_amount: Decimal
    held_charges: int
    held_amount: Decimal


@dataclass(frozen=True, slots=True)
class UnbilledFilter:
    """A filter for accounts.

    `q` is a part of the customer; `through` selects charges pending up to a day.
    """

    q: str = ""
    currency: str = ""
    through: date | None = None


NO_FILTER = UnbilledFilter()


def _conditions(currency: Any, customer_id: Any, filters: UnbilledFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.currency:
        conditions.append(currency == filters.currency)
    if filters.q:
        customer_ids = select(Customer.id).where(
            Customer.search.contains(fold_for_search(filters.q, "q"), autoescape=True)
        )
        conditions.append(customer_id.in_(customer_ids))
    return conditions


def unbilled_totals(session: Session, filters: UnbilledFilter = NO_FILTER) -> list[UnbilledTotal]:
    """Return the totals of unbilled charges of any day, per currency."""
    query = (
        select(
            Account.currency,
            func.count(),
            func.sum(Account.pending_charges),
            exact_sum(Account.pending_amount),
            func.sum(Account.held_charges),
            exact_sum(Account.held_amount),
        )
        .where(_HAS_UNBILLED, *_conditions(Account.currency, Account.customer_id, filters))
        .group_by(Account.currency)
        .order_by(Account.currency)
    )
    return [
        UnbilledTotal(
            currency=currency,
            accounts=accounts,
            pending_charges=int(pending_charges),
            pending_amount=pending_amount,
            held_charges=int(held_charges),
            held_amount=held_amount,
        )
        for currency, accounts, pending_charges, pending_amount, held_charges, held_amount in session.execute(query)
    ]


def unbilled_by_month(session: Session, months: Sequence[Month]) -> dict[str, list[UnbilledDay | None]]:
    """Return what was unbilled at the end of each month, by currency.

    A month whose end was not recorded has None.
    """
    days = [month.last + timedelta(1) for month in months]  # the start of the day after
    query = select(UnbilledDay).where(UnbilledDay.day.in_(days))
    by_currency: dict[str, list[UnbilledDay | None]] = defaultdict(lambda: [None] * len(days))
    for row in session.scalars(query.order_by(UnbilledDay.currency)):
        by_currency[row.currency][days.index(row.day)] = row
    return dict(by_currency)


def unbilled_accounts(filters: UnbilledFilter = NO_FILTER) -> Select[Any]:
    """Select the accounts with unbilled charges, with customer names, by name.

    With `through`, only accounts with pending charges up to that day.
    """
    query = (
        select(*Account.__table__.c, Customer.reference, Customer.name)
        .join(Customer, Customer.id == Account.customer_id)
        .where(_HAS_UNBILLED, *_conditions(Account.currency, Account.customer_id, filters))
        .order_by(Customer.sort_key, Customer.id, Account.currency)
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
    """The pending charges of one account up to a day.

    They are count, exact sum, oldest day and sums by age. `ages` holds the sums for up to 30, 31 to 60, 61
    to 90 and more than 90 days before that day.
    """

    charges: int
    amount: Decimal
    oldest: date | None
    ages: tuple[Decimal, ...]


def pending_by_account(
    session: Session, customer_ids: set[UUID], through: date | None, aged_on: date | None = None
) -> dict[tuple[UUID, str], PendingCharges]:
    """Return the pending charges of customers up to a day, by customer and currency.

    Without `through`, all pending charges count, with their age on `aged_on`; those of a future day count
    as new.
    """
    age_day = aged_on or through
    if age_day is None:
        raise ValueError("Ages need a day: set aged_on or through.")
    columns = [
        exact_sum(case((_age_condition(bucket, age_day), Charge.amount))) for bucket in range(len(AGE_LIMITS) + 1)
    ]
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
    return {(row[0], row[1]): _pending_charges(row) for row in session.execute(query)}


def _age_condition(bucket: int, age_day: date) -> Any:
    oldest = age_day - timedelta(days=AGE_LIMITS[min(bucket, len(AGE_LIMITS) - 1)])
    if bucket == 0:
        return Charge.incurred_on >= oldest
    newest = age_day - timedelta(days=AGE_LIMITS[bucket - 1] + 1)
    return Charge.incurred_on <= newest if bucket == len(AGE_LIMITS) else Charge.incurred_on.between(oldest, newest)


def _pending_charges(row: Record) -> PendingCharges:
    # The row: customer id, currency, count, sum, oldest day, then a sum for each age.
    return PendingCharges(row[2], row[3], row[4], tuple(ZERO if amount is None else amount for amount in row[5:]))


def pending_totals(
    session: Session, through: date, filters: UnbilledFilter = NO_FILTER
) -> list[tuple[str, int, Decimal]]:
    """Return currency, count and exact sum of all charges pending up to a day."""
    query = (
        select(Charge.currency, func.count(), exact_sum(Charge.amount))
        .where(*_PENDING, Charge.incurred_on <= through, *_conditions(Charge.currency, Charge.customer_id, filters))
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [(currency, count, amount) for currency, count, amount in session.execute(query)]


@dataclass(frozen=True, slots=True)
class UnbilledSelection:
    """A selection of the unbilled charges of one account.

    It selects all of them, or those up to a day, of one status or with certain ids.
    """

    customer_id: UUID
    currency: str
    through: date | None = None
    status: str = ""
    ids: tuple[UUID, ...] | None = None


def _selection_conditions(selection: UnbilledSelection) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Charge.customer_id == selection.customer_id,
        Charge.currency == selection.currency,
        is_unbilled(),
    ]
    if selection.through is not None:
        conditions.append(Charge.incurred_on <= selection.through)
    if selection.status:
        conditions.append(Charge.status == selection.status)
    if selection.ids is not None:
        conditions.append(is_any_of(Charge.id, selection.ids))
    return conditions


def selected_charges(selection: UnbilledSelection) -> Select[Any]:
    """Select the charges, oldest day first, each with its service; for `paging.page`."""
    return (
        select(
            *Charge.__table__.c,
            Service.code.label("service_code"),
            Service.name.label("service_name"),
            IS_LIKELY_DUPLICATE.label("is_likely_duplicate"),
        )
        .outerjoin(Service, Service.id == Charge.service_id)
        .where(*_selection_conditions(selection))
        .order_by(Charge.incurred_on, Charge.id)
    )


def selected_sums_by_status(session: Session, selection: UnbilledSelection) -> dict[str, tuple[int, Decimal]]:
    """Return count and exact sum of pending and of held charges."""
    query = select(Charge.status, func.count(), exact_sum(Charge.amount)).where(*_selection_conditions(selection))
    sums = {status: (count, amount) for status, count, amount in session.execute(query.group_by(Charge.status))}
    return {status: sums.get(status, (0, ZERO)) for status in ("pending", "held")}


def selected_sum(session: Session, selection: UnbilledSelection) -> tuple[int, Decimal]:
    """Return count and exact sum of the charges."""
    count, amount = session.execute(
        select(func.count(), exact_sum(Charge.amount)).where(*_selection_conditions(selection))
    ).one()
    return count, amount if count else ZERO


def selected_ids(session: Session, selection: UnbilledSelection) -> list[UUID]:
    """Return the ids of the charges."""
    return list(session.scalars(select(Charge.id).where(*_selection_conditions(selection))))

"""Unbilled charges: lists of them and of their accounts, with totals and ages.

Totals come from the accounts, which store them, unless a filter selects some charges of an account.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Select, and_, case, cast, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from billing_admin.db.lookup import has_id_or_name, is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.money import ZERO, exact_sum as sum_exactly
from billing_admin.domain.receivable_trends import Month
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Account, Charge, Customer, Service, UnbilledDay
from billing_admin.models.base import exact_add, exact_sum
from billing_admin.models.charge import is_unbilled
from billing_admin.queries.charges.charges import IS_LIKELY_DUPLICATE, LARGE_RESULT, TO_REVIEW
from billing_admin.queries.selections import is_selected

UNBILLED_STATUSES = ("pending", "held")
AGE_LIMITS = (30, 60, 90)
# The ages of charges, by the names that URLs have for them.
AGES: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "0_30": (None, 30),
    "31_60": (31, 60),
    "61_90": (61, 90),
    "over_90": (91, None),
}
_HAS_UNBILLED = (Account.pending_charges > 0) | (Account.held_charges > 0)
_ACCOUNT_ORDER = (Customer.sort_key, Customer.id, Account.currency)


@dataclass(frozen=True, slots=True)
class UnbilledFilter:
    """A filter for unbilled charges, and for the accounts that have some.

    `q` is a part of the customer. `through` selects charges up to a day, `age` those of an age on the day `aged_on`.
    `min_amount` and `max_amount` are bounds of the exact amount. `likely_duplicates` selects the charges that a person has
    yet to review. `selection` is the id of the charges that a person selected.
    """

    q: str = ""
    currency: str = ""
    through: date | None = None
    customer_id: UUID | None = None
    service: str = ""
    status: str = ""
    age: str = ""
    aged_on: date | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    likely_duplicates: bool = False
    selection: UUID | None = None

    @property
    def selects_charges(self) -> bool:
        """Whether the filter selects some charges of an account.

        If not, the totals of the accounts are those of the charges.
        """
        bounds = (self.through, self.min_amount, self.max_amount, self.selection)
        return bool(self.service or self.status or self.age or self.likely_duplicates) or any(
            bound is not None for bound in bounds
        )


NO_FILTER = UnbilledFilter()


@dataclass(frozen=True, slots=True)
class UnbilledTotal:
    """The unbilled charges in one currency: counts and exact sums.

    `pending_accounts` is the number of accounts with pending charges.
    """

    currency: str
    pending_accounts: int
    pending_charges: int
    pending_amount: Decimal
    held_charges: int
    held_amount: Decimal

    @property
    def charges(self) -> int:
        """The number of pending and held charges."""
        return self.pending_charges + self.held_charges

    @property
    def amount(self) -> Decimal:
        """The exact sum of pending and held charges."""
        return sum_exactly((self.pending_amount, self.held_amount))


# --- conditions -------------------------------------------------------------------------------------------------------


def _conditions(currency: Any, customer_id: Any, filters: UnbilledFilter) -> list[ColumnElement[bool]]:
    """Return the conditions for an account, in the columns of accounts or of charges."""
    conditions: list[ColumnElement[bool]] = []
    if filters.customer_id is not None:
        conditions.append(customer_id == filters.customer_id)
    if filters.currency:
        conditions.append(currency == filters.currency)
    if filters.q:
        customer_ids = select(Customer.id).where(
            Customer.search.contains(fold_for_search(filters.q, "q"), autoescape=True)
        )
        conditions.append(customer_id.in_(customer_ids))
    return conditions


def _charge_conditions(filters: UnbilledFilter) -> list[ColumnElement[bool]]:
    """Return the conditions for a charge of an account.

    The first one makes SQLite use the index.
    """
    f = filters
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.through, lambda: Charge.incurred_on <= f.through),
        (f.service, lambda: Charge.service_id.in_(_services(f.service))),
        (f.status, lambda: Charge.status == f.status),
        (f.age, lambda: _age_condition(f.age, _age_day(f))),
        (f.min_amount is not None, lambda: _difference(f.min_amount) >= 0),
        (f.max_amount is not None, lambda: _difference(f.max_amount) <= 0),
        (f.likely_duplicates, lambda: TO_REVIEW),
        (f.selection, lambda: is_selected(Charge.id, f.selection)),
    ]
    return [is_unbilled(), *(condition() for value, condition in candidates if value)]


def charge_conditions(filters: UnbilledFilter) -> list[ColumnElement[bool]]:
    """Return the filter as conditions for charges."""
    return [*_charge_conditions(filters), *_conditions(Charge.currency, Charge.customer_id, filters)]


def _services(name: str) -> Select[UUID]:
    return select(Service.id).where(has_id_or_name(Service.id, Service.code, name))


def _age_day(filters: UnbilledFilter) -> date:
    if filters.aged_on is None:
        raise ValueError("Ages need a day: set aged_on.")
    return filters.aged_on


def _age_condition(age: str, aged_on: date) -> ColumnElement[bool]:
    youngest, oldest = AGES[age]
    conditions: list[ColumnElement[bool]] = []
    if oldest is not None:
        conditions.append(Charge.incurred_on >= aged_on - timedelta(days=oldest))
    if youngest is not None:
        conditions.append(Charge.incurred_on <= aged_on - timedelta(days=youngest))
    return and_(*conditions)


def _difference(bound: Decimal | None) -> ColumnElement[Any]:
    """Return the sign of an amount's difference from a bound, as a number.

    SQLite stores amounts as text. The exact difference becomes a float, which keeps its sign.
    """
    return cast(exact_add(Charge.amount, (bound or ZERO).copy_negate()), Float)


# --- totals -----------------------------------------------------------------------------------------------------------


def is_large(session: Session, filters: UnbilledFilter) -> bool:
    """Return whether a filter selects too many charges to add them up in a request."""
    if not filters.selects_charges:
        return False
    matches = select(Charge.id).where(*charge_conditions(filters)).limit(LARGE_RESULT + 1).subquery()
    return (session.scalar(select(func.count()).select_from(matches)) or 0) > LARGE_RESULT


def unbilled_totals(session: Session, filters: UnbilledFilter = NO_FILTER) -> list[UnbilledTotal]:
    """Return the totals of the unbilled charges that match a filter, per currency."""
    query = _totals_of_charges(filters) if filters.selects_charges else _totals_of_accounts(filters)
    return [
        UnbilledTotal(
            currency=row.currency,
            pending_accounts=row.pending_accounts,
            pending_charges=int(row.pending_charges),
            pending_amount=row.pending_amount or ZERO,
            held_charges=int(row.held_charges),
            held_amount=row.held_amount or ZERO,
        )
        for row in session.execute(query)
    ]


def _totals_of_accounts(filters: UnbilledFilter) -> Select[Any]:
    columns: tuple[Any, ...] = (
        Account.currency,
        func.count(case((Account.pending_charges > 0, 1))).label("pending_accounts"),
        func.sum(Account.pending_charges).label("pending_charges"),
        exact_sum(Account.pending_amount).label("pending_amount"),
        func.sum(Account.held_charges).label("held_charges"),
        exact_sum(Account.held_amount).label("held_amount"),
    )
    return (
        select(*columns)
        .where(_HAS_UNBILLED, *_conditions(Account.currency, Account.customer_id, filters))
        .group_by(Account.currency)
        .order_by(Account.currency)
    )


def _totals_of_charges(filters: UnbilledFilter) -> Select[Any]:
    columns: tuple[Any, ...] = (
        Charge.currency,
        func.count(case((Charge.status == "pending", Charge.customer_id)).distinct()).label("pending_accounts"),
        func.count(case((Charge.status == "pending", 1))).label("pending_charges"),
        exact_sum(case((Charge.status == "pending", Charge.amount))).label("pending_amount"),
        func.count(case((Charge.status == "held", 1))).label("held_charges"),
        exact_sum(case((Charge.status == "held", Charge.amount))).label("held_amount"),
    )
    return select(*columns).where(*charge_conditions(filters)).group_by(Charge.currency).order_by(Charge.currency)


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


# --- accounts ---------------------------------------------------------------------------------------------------------


def unbilled_accounts(filters: UnbilledFilter = NO_FILTER) -> Select[Any]:
    """Select the accounts with unbilled charges that match, by customer name."""
    query = (
        select(*Account.__table__.c, Customer.reference, Customer.name)
        .join(Customer, Customer.id == Account.customer_id)
        .where(_HAS_UNBILLED, *_conditions(Account.currency, Account.customer_id, filters))
        .order_by(*_ACCOUNT_ORDER)
    )
    if not filters.selects_charges:
        return query
    matching = select(Charge.id).where(
        Charge.customer_id == Account.customer_id, Charge.currency == Account.currency, *_charge_conditions(filters)
    )
    return query.where(matching.exists())


class Neighbour(NamedTuple):
    """An account before or after another one in the list of unbilled accounts."""

    customer_id: UUID
    currency: str
    name: str


def neighbours(
    session: Session, filters: UnbilledFilter, customer: Customer, currency: str
) -> tuple[Neighbour | None, Neighbour | None]:
    """Return the accounts before and after an account in the list of a filter.

    The account itself need not match any more: its charges may have been billed or held meanwhile.
    """
    place = tuple_(*_ACCOUNT_ORDER)
    account = tuple_(
        literal(customer.sort_key, Customer.sort_key.type), literal(customer.id, Customer.id.type), literal(currency)
    )
    accounts = unbilled_accounts(filters)
    backwards = accounts.order_by(None).order_by(*(column.desc() for column in _ACCOUNT_ORDER))
    previous = session.execute(backwards.where(place < account).limit(1)).one_or_none()
    following = session.execute(accounts.where(place > account).limit(1)).one_or_none()
    return _neighbour(previous), _neighbour(following)


def _neighbour(row: Record | None) -> Neighbour | None:
    return None if row is None else Neighbour(row.customer_id, row.currency, row.name)


@dataclass(slots=True)
class AccountFigures:
    """The unbilled charges of one account that match a filter.

    `oldest` is the day of the oldest one. `ages` holds the exact sums of the pending charges by age, in the order of
    AGES.
    """

    pending_charges: int = 0
    pending_amount: Decimal = ZERO
    held_charges: int = 0
    held_amount: Decimal = ZERO
    oldest: date | None = None
    likely_duplicates: int = 0
    ages: list[Decimal] = field(default_factory=lambda: [ZERO] * len(AGES))

    @property
    def charges(self) -> int:
        """The number of pending and held charges."""
        return self.pending_charges + self.held_charges

    @property
    def amount(self) -> Decimal:
        """The exact sum of pending and held charges."""
        return sum_exactly((self.pending_amount, self.held_amount))


def account_figures(
    session: Session, filters: UnbilledFilter, customer_ids: Collection[UUID]
) -> dict[AccountKey, AccountFigures]:
    """Return the figures of customers' accounts, by customer and currency.

    Ages are those on the filter's day.
    """
    aged_on = _age_day(filters)
    age = case(
        *((Charge.incurred_on >= aged_on - timedelta(days=limit), index) for index, limit in enumerate(AGE_LIMITS)),
        else_=len(AGE_LIMITS),
    )
    by = (Charge.customer_id, Charge.currency, Charge.status, age)
    query = (
        select(*by, func.count(), exact_sum(Charge.amount), func.min(Charge.incurred_on), func.count(_TO_REVIEW))
        .where(*charge_conditions(filters), is_any_of(Charge.customer_id, customer_ids))
        .group_by(*by)
    )
    figures: dict[AccountKey, AccountFigures] = defaultdict(AccountFigures)
    for customer_id, currency, status, age_index, charges, amount, oldest, likely_duplicates in session.execute(query):
        _add(figures[customer_id, currency], status, age_index, charges, amount, oldest, likely_duplicates)
    return dict(figures)


_TO_REVIEW = case((TO_REVIEW, 1))


def _add(
    account: AccountFigures,
    status: str,
    age_index: int,
    charges: int,
    amount: Decimal,
    oldest: date,
    likely_duplicates: int,
) -> None:
    if status == "pending":
        account.pending_charges += charges
        account.pending_amount = sum_exactly((account.pending_amount, amount))
        account.ages[age_index] = sum_exactly((account.ages[age_index], amount))
    else:
        account.held_charges += charges
        account.held_amount = sum_exactly((account.held_amount, amount))
    account.oldest = oldest if account.oldest is None else min(oldest, account.oldest)
    account.likely_duplicates += likely_duplicates


# --- charges ----------------------------------------------------------------------------------------------------------


_CHARGES: Select[Any] = select(
    *Charge.__table__.c,
    Service.code.label("service_code"),
    Service.name.label("service_name"),
    IS_LIKELY_DUPLICATE.label("is_likely_duplicate"),
    Customer.reference.label("customer_reference"),
    Customer.name.label("customer_name"),
)


def unbilled_charges(filters: UnbilledFilter = NO_FILTER) -> Select[Any]:
    """Select the charges that match, by customer name and day; for `paging.page`."""
    return (
        _CHARGES.join(Customer, Customer.id == Charge.customer_id)
        .outerjoin(Service, Service.id == Charge.service_id)
        .where(*charge_conditions(filters))
        .order_by(Customer.sort_key, Charge.customer_id, Charge.incurred_on, Charge.id)
    )


def charges_of_account(filters: UnbilledFilter) -> Select[Any]:
    """Select the charges of one account that match, oldest first; for `paging.page`."""
    return unbilled_charges(filters).order_by(None).order_by(Charge.incurred_on, Charge.id)


def unbilled_sum(session: Session, filters: UnbilledFilter) -> tuple[int, Decimal]:
    """Return count and exact sum of the charges of one account that match."""
    count, amount = session.execute(
        select(func.count(), exact_sum(Charge.amount)).where(*charge_conditions(filters))
    ).one()
    return count, amount if count else ZERO


def ticked_ids(session: Session, filters: UnbilledFilter, ids: Sequence[UUID]) -> list[UUID]:
    """Return the ids of ticked charges, of one account if the filter is for one.

    They need not match the rest of the filter any more: the next page says why they cannot be changed.
    """
    account = UnbilledFilter(customer_id=filters.customer_id, currency=filters.currency if filters.customer_id else "")
    conditions = _conditions(Charge.currency, Charge.customer_id, account)
    return list(session.scalars(select(Charge.id).where(is_any_of(Charge.id, ids), *conditions)))


def unbilled_charge_ids(
    session: Session, filters: UnbilledFilter, accounts: Sequence[tuple[UUID, str]] | None = None, limit: int = 0
) -> list[UUID]:
    """Return the ids of charges that match, up to `limit` of them.

    `accounts` are customers and currencies; without a currency, all accounts of the customer are meant.
    """
    query = select(Charge.id).where(*charge_conditions(filters))
    if accounts is not None:
        by_currency: dict[str, list[UUID]] = defaultdict(list)
        for customer_id, currency in accounts:
            by_currency[currency].append(customer_id)
        query = query.where(or_(*(_is_of(currency, ids) for currency, ids in by_currency.items())))
    return list(session.scalars(query.limit(limit) if limit else query))


def _is_of(currency: str, customer_ids: Sequence[UUID]) -> ColumnElement[bool]:
    of_customers = is_any_of(Charge.customer_id, customer_ids)
    return and_(of_customers, Charge.currency == currency) if currency else of_customers

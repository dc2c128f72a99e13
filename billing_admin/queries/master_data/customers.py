"""Customers: one, many, and what each has unbilled and open."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import has_id_or_name, is_any_of
from billing_admin.domain.errors import NotFound
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Account, Customer
from billing_admin.models.base import ByteOrderedText


def customer(session: Session, name: str) -> Customer:
    """One customer by id or reference, or raise NotFound."""
    found = session.scalar(select(Customer).where(has_id_or_name(Customer.id, Customer.reference, name)))
    if found is None:
        raise NotFound("unknown_customer", f"There is no customer “{name[:80]}”.", "customer")
    return found


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """Which customers: `q` is looked for, folded, in reference, name and e-mail."""

    q: str = ""
    currency: str = ""
    archived: bool | None = False


def customers(filters: CustomerFilter) -> Select[Customer]:
    """The customers that a filter lets through; `paging.page` orders them."""
    query = select(Customer)
    if filters.q:
        query = query.where(Customer.search.contains(fold_for_search(filters.q, "q"), autoescape=True))
    if filters.currency:
        query = query.where(Customer.currency == filters.currency)
    if filters.archived is not None:
        query = query.where(Customer.archived_at.is_not(None) if filters.archived else Customer.archived_at.is_(None))
    return query


def customers_by_name(filters: CustomerFilter) -> Select[Customer]:
    """The customers that a filter lets through, by name, capitals and accents aside; for `paging.page`.

    `search` is the folded reference, a space, and the folded name.
    """
    folded_name = func.substr(Customer.search, func.length(Customer.reference) + 2, type_=ByteOrderedText)
    return customers(filters).order_by(folded_name, Customer.id)


def count_customers(session: Session, filters: CustomerFilter) -> int:
    """How many customers a filter lets through."""
    return session.scalar(select(func.count()).select_from(customers(filters).subquery())) or 0


@dataclass(frozen=True, slots=True)
class UnbilledAmounts:
    """What is pending and held on an account: counts and exact sums."""

    customer_id: UUID
    currency: str
    pending_charges: int
    pending_amount: Decimal
    held_charges: int
    held_amount: Decimal


def unbilled_by_customer(session: Session, customer_ids: Sequence[UUID]) -> dict[UUID, list[UnbilledAmounts]]:
    """What each of these customers has unbilled, per currency; accounts with nothing unbilled are left out."""
    query = select(Account).where(
        is_any_of(Account.customer_id, customer_ids),
        (Account.pending_charges > 0) | (Account.held_charges > 0),
    )
    found: dict[UUID, list[UnbilledAmounts]] = {}
    for account in session.scalars(query.order_by(Account.currency)):
        found.setdefault(account.customer_id, []).append(_unbilled(account))
    return found


def _unbilled(account: Account) -> UnbilledAmounts:
    return UnbilledAmounts(
        account.customer_id,
        account.currency,
        account.pending_charges,
        account.pending_amount,
        account.held_charges,
        account.held_amount,
    )


def customer_choices(session: Session, most: int | None = None) -> list[tuple[str, str, str]]:
    """Reference, name and currency of customers that can be charged, by name; all, or the first of them."""
    query = select(Customer.reference, Customer.name, Customer.currency).where(Customer.archived_at.is_(None))
    rows: Sequence[Any] = session.execute(query.order_by(Customer.name, Customer.reference).limit(most)).all()
    return [(row.reference, row.name, row.currency) for row in rows]


def matching_customers(session: Session, words: str, most: int) -> Sequence[Customer]:
    """The first customers that can be charged in whose reference, name or e-mail these words are, by name."""
    return session.scalars(customers_by_name(CustomerFilter(words)).limit(most)).all()


def customer_of_same_name(session: Session, name: str, but: UUID | None = None) -> Customer | None:
    """Another customer of the same name, case and accents aside: perhaps the same one."""
    for found in session.scalars(
        select(Customer).where(Customer.search.contains(fold_for_search(name), autoescape=True)).limit(20)
    ):
        if fold_for_search(found.name.strip()) == fold_for_search(name.strip()) and found.id != but:
            return found
    return None


def account_currencies(session: Session) -> list[str]:
    """Every currency that some customer has an account in."""
    return list(session.scalars(select(Account.currency).distinct().order_by(Account.currency)))


def customer_by_search(session: Session, words: str) -> Customer:
    """The customer of this id or reference, or the only one that these words find; else raise NotFound."""
    try:
        return customer(session, words)
    except NotFound:
        found = session.scalars(customers(CustomerFilter(words, archived=None)).limit(2)).all()
        if len(found) == 1:
            return found[0]
        raise

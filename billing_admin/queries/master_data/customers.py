"""Customers: one by name, many by filter, and their unbilled amounts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, inspect, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import contains_text, is_any_of, is_any_of_named, parse_uuid
from billing_admin.db.rows import NamedRow, named_rows
from billing_admin.domain.errors import NotFound
from billing_admin.domain.text import fold_for_search
from billing_admin.domain.translation import Phrase
from billing_admin.models import Account, Customer, CustomerContact, CustomerText
from billing_admin.queries.listing import newest_first
from billing_admin.queries.master_data.customer_fields import has_values


def customer(session: Session, name: str) -> Customer:
    """Return one customer by id or reference.

    Raises:
        NotFound: No customer has this id or reference.
    """
    id = parse_uuid(name)
    by_reference = select(Customer).where(Customer.reference == name)
    customer = session.scalar(by_reference) if id is None else session.get(Customer, id)
    if customer is None:
        raise NotFound("unknown_customer", Phrase("There is no customer “{name}”.", name=name[:80]), "customer")
    return customer


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """A filter for customers.

    `q` is a part of a text of the customer, see `matches_customer`. `metadata` has values of customer fields, as
    `domain.customer_fields.read_filter` reads them.
    """

    q: str = ""
    currency: str = ""
    archived: bool | None = False
    metadata: str = ""


def matches_customer(q: str) -> ColumnElement[bool]:
    """Return the condition that a text of a customer, except the notes, matches.

    It includes earlier names and addresses that documents may show.
    """
    text, folded = q.strip(), fold_for_search(q.strip(), "q")
    columns = (Customer.purchase_order, Customer.buyer_reference, Customer.contract)
    of_contact = (contains_text(column, text) for column in (CustomerContact.name, CustomerContact.email))
    return or_(
        Customer.search.contains(folded, autoescape=True),
        *(contains_text(column, text) for column in columns),
        Customer.id.in_(select(CustomerText.customer_id).where(CustomerText.text.contains(folded, autoescape=True))),
        Customer.id.in_(select(CustomerContact.customer_id).where(or_(*of_contact)).correlate(None)),
    )


def customers(filters: CustomerFilter) -> Select[Customer]:
    """Select the customers that match a filter; the caller orders them."""
    query = select(Customer)
    if filters.q:
        query = query.where(matches_customer(filters.q))
    if filters.currency:
        query = query.where(Customer.currency == filters.currency)
    if filters.metadata:
        query = query.where(*has_values(filters.metadata))
    if filters.archived is not None:
        query = query.where(Customer.archived_at.is_not(None) if filters.archived else Customer.archived_at.is_(None))
    return query


def listed_customers(filters: CustomerFilter) -> Select[Any]:
    """Select the columns of customers that match a filter, newest first.

    Rows of columns are read in half the time that customers themselves take.
    """
    columns = [getattr(Customer, attribute.key).label(attribute.key) for attribute in inspect(Customer).column_attrs]
    return newest_first(customers(filters), Customer).with_only_columns(*columns)


def customers_by_name(filters: CustomerFilter) -> Select[Customer]:
    """Select the customers that match a filter, by name without case and accents."""
    return customers(filters).order_by(Customer.sort_key, Customer.id)


def count_customers(session: Session, filters: CustomerFilter) -> int:
    """Count the customers that match a filter."""
    return session.scalar(select(func.count()).select_from(customers(filters).subquery())) or 0


@dataclass(frozen=True, slots=True)
class UnbilledAmounts:
    """The pending and held charges of an account: counts and exact sums."""

    customer_id: UUID
    currency: str
    pending_charges: int
    pending_amount: Decimal
    held_charges: int
    held_amount: Decimal


def unbilled_by_customer(session: Session, customer_ids: Sequence[UUID]) -> dict[UUID, list[UnbilledAmounts]]:
    """Return the unbilled amounts of customers, per currency.

    Accounts without any are omitted.
    """
    query = select(Account).where(
        is_any_of(Account.customer_id, customer_ids),
        (Account.pending_charges > 0) | (Account.held_charges > 0),
    )
    by_customer: dict[UUID, list[UnbilledAmounts]] = {}
    for account in session.scalars(query.order_by(Account.currency)):
        by_customer.setdefault(account.customer_id, []).append(_unbilled(account))
    return by_customer


def _unbilled(account: Account) -> UnbilledAmounts:
    return UnbilledAmounts(
        account.customer_id,
        account.currency,
        account.pending_charges,
        account.pending_amount,
        account.held_charges,
        account.held_amount,
    )


def has_customers(session: Session) -> bool:
    """Return whether there is a customer that is not archived."""
    return session.scalar(select(exists().where(Customer.archived_at.is_(None)))) is True


def customers_of_references(session: Session, references: Collection[str]) -> Sequence[Customer]:
    """Return the unarchived customers with these references."""
    return session.scalars(
        select(Customer).where(is_any_of(Customer.reference, references), Customer.archived_at.is_(None))
    ).all()


def matching_customers(session: Session, text: str, limit: int) -> Sequence[Customer]:
    """Return unarchived customers that match a search, by name, up to a limit."""
    return session.scalars(customers_by_name(CustomerFilter(text)).limit(limit)).all()


def customer_of_same_name(session: Session, name: str, except_id: UUID | None = None) -> Customer | None:
    """Return another customer of the same name, without case and accents, or None."""
    for customer in session.scalars(
        select(Customer).where(Customer.search.contains(fold_for_search(name), autoescape=True)).limit(20)
    ):
        if fold_for_search(customer.name.strip()) == fold_for_search(name.strip()) and customer.id != except_id:
            return customer
    return None


def account_currencies(session: Session) -> list[str]:
    """Return the currencies in which any customer has an account."""
    return list(session.scalars(select(Account.currency).distinct().order_by(Account.currency)))


def customer_by_search(session: Session, text: str) -> Customer:
    """Return the customer with this id or reference, or the only match of a search.

    Raises NotFound.
    """
    try:
        return customer(session, text)
    except NotFound:
        matches = session.scalars(customers(CustomerFilter(text, archived=None)).limit(2)).all()
        if len(matches) == 1:
            return matches[0]
        raise


def load_customers(session: Session, ids: Collection[UUID]) -> dict[UUID, NamedRow]:
    """Return the rows of customers by id."""
    rows = named_rows(session.connection().execute(_CUSTOMERS_BY_ID, {"ids": ids}))
    return {row.id: row for row in rows}


_CUSTOMERS_BY_ID = select(Customer.__table__).where(is_any_of_named(Customer.id, "ids"))


def names_by_reference(session: Session, references: Collection[str]) -> dict[str, str]:
    """Return the names of customers by reference; unknown references are omitted."""
    query = select(Customer.reference, Customer.name).where(Customer.reference.in_(references))
    return dict(session.execute(query).all())

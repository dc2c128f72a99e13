"""Open and lock accounts, and update their totals of unbilled charges.

An account's row is the lock for its charges and money. Lock all accounts that an act changes before you change any,
so that two transactions never wait for each other.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany
from billing_admin.db.lookup import is_any_of_named
from billing_admin.db.rows import NamedRow, named_rows
from billing_admin.domain.money import EXACT, ZERO, refuse_unit_of_account
from billing_admin.models import Account
from billing_admin.models.base import exact_add

AccountKey = tuple[UUID, str]  # customer id, currency

# The account's columns that hold the number and the sum of its charges of a status.
_COLUMNS_BY_STATUS: Final[Mapping[str | None, tuple[str, str]]] = {
    "pending": ("pending_charges", "pending_amount"),
    "held": ("held_charges", "held_amount"),
}
_EMPTY_TOTALS: Final[Mapping[str, int | Decimal]] = {
    "pending_charges": 0,
    "pending_amount": ZERO,
    "held_charges": 0,
    "held_amount": ZERO,
}


def open_accounts(session: Session, keys: Iterable[AccountKey]) -> None:
    """Insert accounts that do not exist.

    A concurrent insert of the same key fails one transaction, which is retried.
    """
    rows = [
        {"customer_id": customer_id, "currency": currency, "billed_through": None, **_EMPTY_TOTALS}
        for customer_id, currency in sorted(keys)
    ]
    if rows:
        session.execute(insert(Account), rows)


def open_account_if_missing(session: Session, key: AccountKey) -> None:
    """Insert the account unless it exists.

    Raises Invalid for a new account in a currency that nobody pays in.
    """
    customer_id, currency = key
    stored = select(Account.currency).where(Account.customer_id == customer_id, Account.currency == currency)
    if session.scalar(stored) is None:
        refuse_unit_of_account(currency, "currency")
        open_accounts(session, [key])


def lock_accounts(session: Session, keys: Sequence[AccountKey]) -> None:
    """Lock accounts in the order of their keys.

    SQLite has one writer at a time: there the transaction is the lock.
    """
    if session.get_bind().dialect.name == "postgresql" and keys:
        lock_and_read_accounts(session, keys)


def lock_and_read_accounts(session: Session, keys: Collection[AccountKey]) -> dict[AccountKey, NamedRow]:
    """Lock accounts, with all others of their customers.

    Returns pending totals by key.
    """
    rows = named_rows(session.connection().execute(_LOCK_ACCOUNTS, {"ids": {customer_id for customer_id, _ in keys}}))
    requested = set(keys)
    return {key: row for row in rows if (key := (row.customer_id, row.currency)) in requested}


_LOCK_ACCOUNTS = (
    select(Account.customer_id, Account.currency, Account.pending_charges, Account.pending_amount)
    .where(is_any_of_named(Account.customer_id, "ids"))
    .order_by(Account.customer_id, Account.currency)
    .with_for_update(key_share=True)
)


class StatusChange(NamedTuple):
    """The status of a charge before and after an act, and its exact amount.

    None: the charge is not on the account.
    """

    customer_id: UUID
    currency: str
    before: str | None
    after: str | None
    amount: Decimal


def update_totals(session: Session, changes: Iterable[StatusChange]) -> None:
    """Add the changes to the totals of their accounts, which the caller has locked."""
    totals = AccountTotals()
    for change in changes:
        totals.add(*change)
    add_totals(session, totals.rows())


class AccountTotals:
    """The differences that status changes make to the totals of accounts.

    Only pending and held charges count.
    """

    def __init__(self) -> None:
        self._rows: dict[AccountKey, dict[str, Any]] = {}

    def add(self, customer_id: UUID, currency: str, before: str | None, after: str | None, amount: Decimal) -> None:
        """Count the status change of one charge (see `StatusChange`)."""
        row = self._rows.get((customer_id, currency))
        if row is None:
            row = {"customer_id": customer_id, "currency": currency, **_EMPTY_TOTALS}
            self._rows[customer_id, currency] = row
        if before in _COLUMNS_BY_STATUS:
            count, total = _COLUMNS_BY_STATUS[before]
            row[count] -= 1
            row[total] = EXACT.subtract(row[total], amount)
        if after in _COLUMNS_BY_STATUS:
            count, total = _COLUMNS_BY_STATUS[after]
            row[count] += 1
            row[total] = EXACT.add(row[total], amount)

    def rows(self) -> list[dict[str, Any]]:
        """Return the parameters of `add_totals`, one row for each account."""
        return list(self._rows.values())


_ACCOUNT = Account.__table__.c
# Adds to the totals of accounts.
add_totals = UpdateMany(
    [
        _ACCOUNT[name]
        for name in ("customer_id", "currency", "pending_charges", "pending_amount", "held_charges", "held_amount")
    ],
    lambda parameters: (
        update(Account)
        .where(_ACCOUNT.customer_id == parameters["customer_id"], _ACCOUNT.currency == parameters["currency"])
        .values(
            pending_charges=_ACCOUNT.pending_charges + parameters["pending_charges"],
            pending_amount=exact_add(_ACCOUNT.pending_amount, parameters["pending_amount"]),
            held_charges=_ACCOUNT.held_charges + parameters["held_charges"],
            held_amount=exact_add(_ACCOUNT.held_amount, parameters["held_amount"]),
        )
    ),
)

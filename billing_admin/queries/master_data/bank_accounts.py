"""Bank accounts of the organisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import BankAccount


@dataclass(frozen=True, slots=True)
class BankAccountFilter:
    """The filter of bank accounts, which has no conditions: the list is short."""


def select_bank_accounts() -> Select[BankAccount]:
    """Return the query of all accounts by currency, the default first.

    Archived accounts are last.
    """
    order = (BankAccount.archived_at.is_not(None), BankAccount.currency, BankAccount.is_default.desc())
    return select(BankAccount).order_by(*order, BankAccount.created_at, BankAccount.id)


def bank_accounts(session: Session) -> list[BankAccount]:
    """Return all accounts by currency, as `select_bank_accounts` orders them."""
    return list(session.scalars(select_bank_accounts()))


def bank_account(session: Session, id: str | UUID) -> BankAccount:
    """Return one account by its id.

    Raises:
        NotFound: No account has this id.
    """
    key = id if isinstance(id, UUID) else parse_uuid(id)
    account = None if key is None else session.get(BankAccount, key)
    if account is None:
        raise NotFound("unknown_bank_account", Phrase("There is no bank account {id}.", id=str(id)[:80]), "id")
    return account


def has_other_accounts(session: Session, account: BankAccount) -> bool:
    """Return whether the currency of an account has other accounts in use."""
    query = select(BankAccount.id).where(
        BankAccount.id != account.id, BankAccount.currency == account.currency, BankAccount.archived_at.is_(None)
    )
    return session.scalar(query.limit(1)) is not None


def default_accounts(session: Session) -> Mapping[str, BankAccount]:
    """Return the default account of each currency that has one."""
    rows = session.scalars(select(BankAccount).where(BankAccount.is_default))
    return {account.currency: account for account in rows}

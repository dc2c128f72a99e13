"""Add, change, archive and restore bank accounts, and choose default ones.

A document copies the default account of its currency when it is issued. The first account in a currency is its default.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.bank_accounts import (
    BANK_ACCOUNT_DEFAULTS,
    BANK_ACCOUNT_RULES,
    BankAccountFields,
    check_one_number,
)
from billing_admin.domain.errors import Conflict, Invalid, NotFound, Problem
from billing_admin.domain.master_data import (
    check_fields,
    check_new_texts,
    check_version,
    differing_fields,
    refuse_differences,
)
from billing_admin.domain.translation import Phrase
from billing_admin.formats.party_numbers import NumberCheck, check_bic, check_iban
from billing_admin.models import BankAccount
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.bank_accounts import has_other_accounts
from billing_admin.queries.master_data.organisation import organisation

_NUMBER_CHECKS: dict[str, tuple[Callable[[str], NumberCheck], str]] = {
    "iban": (check_iban, "not_an_iban"),
    "bic": (check_bic, "not_a_bic"),
}


def create(
    session: Session, fields: BankAccountFields, id: UUID | None, is_default: bool, actor: Actor, now: datetime
) -> tuple[BankAccount, bool]:
    """Create an account, or return the existing one with the same id.

    Returns it and whether it is new. The currency and a number are mandatory; the holder defaults to the legal name of
    the organisation. The account is the default of its currency if `is_default` or if the currency has none. Raises
    Conflict for an id that belongs to another account, and for a number that another account in the currency has.
    """
    values = _check_values(fields)
    existing = session.get(BankAccount, id) if id else None
    if existing is not None:
        refuse_differences(Phrase("This bank account"), differing_fields(values, _stored_fields(existing)))
        return existing, False
    check_new_texts(values)
    if "currency" not in values:
        raise Invalid("missing", Phrase("Choose the currency of the account."), "currency")
    holder = organisation(session).legal_name
    account = BankAccount(
        id=id or new_id(now), **{"holder": holder, **BANK_ACCOUNT_DEFAULTS, **values}, created_at=now, archived_at=None
    )
    check_one_number(account.iban, account.account_number)
    default = _default_of(session, account.currency)
    # The lock on the default account makes a concurrent request wait, so that both do not add the same number.
    _refuse_duplicate(session, account)
    account.is_default = default is None
    session.add(account)
    session.flush()
    if is_default and default is not None:
        _replace_default(session, default, account)
    details = _stored_fields(account) | {"default": account.is_default}
    record(session, actor, now, "bank_account.created", "bank_account", account.id, details)
    return account, True


def update(
    session: Session, account_id: UUID, fields: BankAccountFields, version: int | None, actor: Actor, now: datetime
) -> BankAccount:
    """Change the given fields; issued documents keep their copy.

    Raises NotFound, Stale when the account has changed since `version`, and Conflict for another currency and for a
    number that another account in the currency has.
    """
    account = _lock(session, account_id)
    check_version(version, account.version, Phrase("The account"))
    before = _stored_fields(account)
    values = _check_values(fields, before)
    check_new_texts(values, before)
    if values.get("currency", account.currency) != account.currency:
        message = Phrase(
            "This account stays in {currency}. Add another account for another currency, then archive this one.",
            currency=account.currency,
        )
        raise Conflict("currency_fixed", message, "currency")
    with session.no_autoflush:
        for field, value in values.items():
            setattr(account, field, value)
        check_one_number(account.iban, account.account_number)
        changed = changed_fields(before, _stored_fields(account))
        if changed.keys() & {"iban", "account_number", "bic"}:  # earlier versions accepted some duplicates
            _refuse_duplicate(session, account)
    if changed:
        session.flush()
        record(session, actor, now, "bank_account.changed", "bank_account", account.id, changed)
    return account


def make_default(session: Session, account_id: UUID, actor: Actor, now: datetime) -> bool:
    """Make an account the default of its currency.

    Returns False when it is the default already. Raises NotFound, and Conflict for an archived account.
    """
    account = _lock(session, account_id)
    if account.is_default:
        return False
    if account.archived_at is not None:
        raise Conflict(
            "archived", Phrase("This account is archived. Restore it before you make it the default."), "default"
        )
    default = _default_of(session, account.currency)
    _replace_default(session, default, account)
    details = {"default": [False, True], "replaces": default and str(default.id)}
    record(session, actor, now, "bank_account.changed", "bank_account", account.id, details)
    return True


def archive(session: Session, account_id: UUID, actor: Actor, now: datetime) -> bool:
    """Archive an account, so that no further document shows it.

    Returns False when it was already archived. Raises NotFound, and Conflict for the default of a currency that has
    other accounts.
    """
    account = _lock(session, account_id)
    if account.archived_at is not None:
        return False
    if account.is_default and has_other_accounts(session, account):
        message = Phrase(
            "This is the default account for {currency}. Make another one the default, then archive it.",
            currency=account.currency,
        )
        raise Conflict("default_account", message)
    account.archived_at, account.is_default = now, False
    session.flush()
    record(session, actor, now, "bank_account.archived", "bank_account", account.id)
    return True


def restore(session: Session, account_id: UUID, actor: Actor, now: datetime) -> bool:
    """Restore an archived account, and return whether it was archived.

    It becomes the default if its currency has none. Raises NotFound, and Conflict for a number that another account in
    the currency has.
    """
    account = _lock(session, account_id)
    if account.archived_at is None:
        return False
    _refuse_duplicate(session, account)
    is_default = _default_of(session, account.currency) is None
    account.archived_at, account.is_default = None, is_default
    session.flush()
    record(session, actor, now, "bank_account.restored", "bank_account", account.id, {"default": is_default})
    return True


def _check_values(fields: BankAccountFields, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the checked fields, with IBAN and BIC in their electronic form.

    An IBAN or BIC that is stored is not checked again.
    """
    values = check_fields(BANK_ACCOUNT_RULES, fields)
    if "account_number" in values:
        values["account_number"] = values["account_number"].strip()
    problems = []
    for field, (check, code) in _NUMBER_CHECKS.items():
        text = values.get(field, "").strip()
        if text and text != (stored or {}).get(field):
            result = check(text)
            values[field] = result.number
            problems += [Problem(code, result.problem, (field,))] if result.problem else []
        elif field in values:
            values[field] = text
    if problems:
        raise Invalid.of(problems)
    return values


def _refuse_duplicate(session: Session, account: BankAccount) -> None:
    """Raise Conflict if another account in use has the number and the currency.

    An IBAN names its bank. Two banks may use the same account number, so two different BICs make it two accounts.
    """
    field = "iban" if account.iban else "account_number"
    same = select(BankAccount.bic).where(
        BankAccount.id != account.id,
        BankAccount.currency == account.currency,
        BankAccount.archived_at.is_(None),
        BankAccount.iban == account.iban,
        BankAccount.account_number == account.account_number,
    )
    if any(account.iban or bic == account.bic or not (bic and account.bic) for bic in session.scalars(same)):
        message = Phrase("You have already added this account for {currency}.", currency=account.currency)
        raise Conflict("account_exists", message, field)


def _default_of(session: Session, currency: str) -> BankAccount | None:
    query = select(BankAccount).where(BankAccount.currency == currency, BankAccount.is_default)
    return session.scalar(query.with_for_update())


def _replace_default(session: Session, default: BankAccount | None, account: BankAccount) -> None:
    """Make an account the default; the index allows one default at a time."""
    if default is not None:
        default.is_default = False
        session.flush()
    account.is_default = True
    session.flush()


def _lock(session: Session, account_id: UUID) -> BankAccount:
    account = session.get(BankAccount, account_id, with_for_update=True)
    if account is None:
        raise NotFound(
            "unknown_bank_account", Phrase("There is no bank account {account_id}.", account_id=account_id), "id"
        )
    return account


def _stored_fields(account: BankAccount) -> dict[str, Any]:
    return {field: getattr(account, field) for field in BANK_ACCOUNT_RULES}

"""The accounting journal: transactions, their postings, and the names of accounts.

The postings of a transaction add up to zero in each currency. A debit is positive, a credit
negative, and amounts are in minor units.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.payments import METHODS
from billing_admin.domain.translation import Phrase

# Account names by key. Placeholders in braces give every customer, service and rate its own account.
DEFAULT_ACCOUNTS: Final[Mapping[str, str]] = {
    "receivable": "Assets:Receivable:{customer}",
    "customer_credit": "Assets:Receivable:{customer}:Unallocated",
    "revenue": "Income:Sales:{service}",
    "tax": "Liabilities:Tax:{rate}",
    "bank_transfer": "Assets:Bank",
    "direct_debit": "Assets:Bank",
    "card": "Assets:Card payments",
    "cash": "Assets:Cash",
    "cheque": "Assets:Bank",
    "other": "Assets:Bank",
    "write_off": "Expenses:Write-offs",
    "opening_balance": "Equity:Opening balances",
}
REQUIRED_PLACEHOLDERS: Final[Mapping[str, str]] = {"receivable": "{customer}", "customer_credit": "{customer}"}
ALLOWED_PLACEHOLDERS: Final[Mapping[str, str]] = {**REQUIRED_PLACEHOLDERS, "revenue": "{service}", "tax": "{rate}"}
NO_SERVICE = Phrase("Other")
MAX_ACCOUNT_LENGTH = 100

_NAME = re.compile(r"[^\W\d_][^:;|{}\s]*( [^:;|{}\s]+)*(:[^:;|{}\s]+( [^:;|{}\s]+)*)*")
# Characters that end an account's name or separate its parts, and the percent sign that escapes them.
_UNSAFE = re.compile(r"[%:;|\x00-\x1f\x7f-\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]| (?= )|^ | $")

assert {*METHODS, "write_off"} <= DEFAULT_ACCOUNTS.keys()  # noqa: S101 - every payment has an account


def check_account_name(value: str, *field: str | int) -> str:
    """Return an account name that hledger accepts.

    Words are separated by single spaces, parts by colons.

    Raises:
        Invalid: hledger does not accept it.
    """
    if len(value) > MAX_ACCOUNT_LENGTH or not _NAME.fullmatch(value):
        message = Phrase(
            "Begin with a letter and put colons between the parts, such as Income:Sales. Do not use double "
            "spaces, semicolons or vertical bars."
        )
        raise Invalid("not_an_account", message, *field)
    return value


def check_accounts(names: Mapping[str, str]) -> dict[str, str]:
    """Return the account names by key, each checked.

    Raises:
        Invalid: Names cannot be stored; the error has a problem for each.
    """
    problems: list[Problem] = []
    for key, name in names.items():
        try:
            _check_account(key, name)
        except Invalid as error:
            problems.extend(error.problems)
    if problems:
        raise Invalid.of(problems)
    return dict(names)


def _check_account(key: str, name: str) -> None:
    if key not in DEFAULT_ACCOUNTS:
        raise Invalid("unknown_account", Phrase("There is no account for “{key}”.", key=key[:40]), key)
    if REQUIRED_PLACEHOLDERS.get(key, "") not in name:
        message = Phrase("Include {key}, so that each customer has a separate account.", key=REQUIRED_PLACEHOLDERS[key])
        raise Invalid("not_an_account", message, key)
    # A digit in place of the placeholder: the name must begin with a letter whatever is filled in.
    check_account_name(name.replace(ALLOWED_PLACEHOLDERS.get(key, "{}"), "1"), key)


def account_part(value: str) -> str:
    """Return a text as a part of an account name.

    Different texts give different parts.
    """
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The names of the accounts by key: those of the settings, else the default names."""

    names: Mapping[str, str]

    @classmethod
    def of(cls, names: Mapping[str, str]) -> "Accounts":
        """Return the accounts with the names of the settings."""
        return cls({**DEFAULT_ACCOUNTS, **names})

    def receivable(self, customer: str) -> str:
        """Return the account of a customer's open documents."""
        return self.names["receivable"].replace("{customer}", account_part(customer))

    def credit(self, customer: str) -> str:
        """Return the account of a customer's unallocated money."""
        return self.names["customer_credit"].replace("{customer}", account_part(customer))

    def revenue(self, service: str, service_account: str | None) -> str:
        """Return the revenue account of a service.

        The account is the service's setting, or else the default.
        """
        return service_account or self.names["revenue"].replace("{service}", account_part(service or NO_SERVICE))

    def tax(self, category: str, percent: Decimal) -> str:
        """Return the account of the tax at a rate."""
        return self.names["tax"].replace("{rate}", account_part(f"{category} {plain_decimal(percent)}"))

    def opening_balance(self) -> str:
        """Return the account of the balances of an earlier system."""
        return self.names["opening_balance"]

    def money(self, method: str) -> str:
        """Return the account of a payment method or of write-offs."""
        return self.names[method]


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount on an account in minor units; a debit is positive.

    `period` has the first and last day that the revenue of a line is for, or None.
    """

    account: str
    minor: int
    currency: str
    period: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of the journal: its facts and its postings."""

    on: date
    kind: str
    number: str
    customer: str
    customer_name: str
    id: UUID | None
    postings: tuple[Posting, ...]


def merge_postings(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """Return one posting per account, currency and period, without zeros.

    They are ordered by currency, with debits first, then by account and period.

    Raises:
        ValueError: The postings do not balance.
    """
    sums: dict[tuple[str, str, tuple[date, date] | None], int] = defaultdict(int)
    balance: dict[str, int] = defaultdict(int)
    for posting in postings:
        sums[posting.account, posting.currency, posting.period] += posting.minor
        balance[posting.currency] += posting.minor
    if any(balance.values()):
        raise ValueError(f"The postings of a transaction do not balance: {dict(balance)}.")
    merged = [Posting(account, minor, currency, period) for (account, currency, period), minor in sums.items() if minor]
    return tuple(
        sorted(merged, key=lambda posting: (posting.currency, posting.minor < 0, posting.account, posting.period or ()))
    )


@dataclass(slots=True)
class JournalTotals:
    """The totals of a journal; debits and credits are positive sums per currency."""

    transactions: int
    postings: int
    debits: dict[str, int]
    credits: dict[str, int]

    @classmethod
    def empty(cls) -> "JournalTotals":
        """Return the totals of an empty journal."""
        return cls(0, 0, defaultdict(int), defaultdict(int))

    def add(self, transaction: Transaction) -> None:
        """Add a transaction to the totals."""
        self.transactions += 1
        for posting in transaction.postings:
            self.postings += 1
            side = self.debits if posting.minor > 0 else self.credits
            side[posting.currency] += abs(posting.minor)

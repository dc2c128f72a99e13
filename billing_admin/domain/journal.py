"""The accounting journal: which accounts an event moves, by how much, and what the accounts are called.

A transaction's postings add up to zero in each currency: a debit is positive, a credit negative. Money is in minor units.
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

# Each account with its usual name. What stands in braces is put in: every customer, service and rate has an account.
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
}
REQUIRED_PLACEHOLDERS: Final[Mapping[str, str]] = {"receivable": "{customer}", "customer_credit": "{customer}"}
ALLOWED_PLACEHOLDERS: Final[Mapping[str, str]] = {**REQUIRED_PLACEHOLDERS, "revenue": "{service}", "tax": "{rate}"}
NO_SERVICE = "Other"
MAX_ACCOUNT_LENGTH = 100

_NAME = re.compile(r"[^\W\d_][^:;|{}\s]*( [^:;|{}\s]+)*(:[^:;|{}\s]+( [^:;|{}\s]+)*)*")
# What would end an account's name or part it anew; and the percent sign, by which the others are written.
_UNSAFE = re.compile(r"[%:;|\x00-\x1f\x7f-\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]| (?= )|^ | $")

assert {*METHODS, "write_off"} <= DEFAULT_ACCOUNTS.keys()  # noqa: S101 - every payment has an account


def check_account_name(value: str, *field: str | int) -> str:
    """Return the name of an account as hledger takes it: words with single spaces, parts with colons. Raises Invalid."""
    if len(value) > MAX_ACCOUNT_LENGTH or not _NAME.fullmatch(value):
        said = "Begin with a letter and put colons between the parts, such as Income:Sales; no double spaces, ; or |."
        raise Invalid("not_an_account", said, *field)
    return value


def check_accounts(given: Mapping[str, str]) -> dict[str, str]:
    """Return names of accounts that may be kept; raise Invalid with each that may not."""
    problems: list[Problem] = []
    for key, value in given.items():
        try:
            _check(key, value)
        except Invalid as error:
            problems.extend(error.problems)
    if problems:
        raise Invalid.of(problems)
    return dict(given)


def _check(key: str, value: str) -> None:
    if key not in DEFAULT_ACCOUNTS:
        raise Invalid("unknown_account", f"There is no account for “{key[:40]}”.", key)
    if REQUIRED_PLACEHOLDERS.get(key, "") not in value:
        raise Invalid(
            "not_an_account",
            f"Put {REQUIRED_PLACEHOLDERS[key]} into it, so that each has an account of their own.",
            key,
        )
    check_account_name(
        value.replace(ALLOWED_PLACEHOLDERS.get(key, "{}"), "1"), key
    )  # a letter of ours comes first, whatever a customer is called


def account_part(value: str) -> str:
    """A text as a part of an account's name; two texts never become the same part."""
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), value)


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the accounts are called: the names that were set, else the usual ones."""

    names: Mapping[str, str]

    @classmethod
    def of(cls, names: Mapping[str, str]) -> "Accounts":
        """The names that were set."""
        return cls({**DEFAULT_ACCOUNTS, **names})

    def receivable(self, customer: str) -> str:
        """What a customer owes on documents."""
        return self.names["receivable"].replace("{customer}", account_part(customer))

    def credit(self, customer: str) -> str:
        """A customer's money that pays no document yet."""
        return self.names["customer_credit"].replace("{customer}", account_part(customer))

    def revenue(self, service: str, own: str | None) -> str:
        """A service's own account, else the usual one."""
        return own or self.names["revenue"].replace("{service}", account_part(service or NO_SERVICE))

    def tax(self, category: str, percent: Decimal) -> str:
        """The tax at one rate."""
        return self.names["tax"].replace("{rate}", account_part(f"{category} {plain_decimal(percent)}"))

    def money(self, method: str) -> str:
        """Where a payment arrives, or what a write-off costs."""
        return self.names[method]


@dataclass(frozen=True, slots=True)
class Posting:
    """So much on one account; a debit is positive."""

    account: str
    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """One event in the books: its day, what it is, the number or reference and the id by which it is found, and its postings."""

    on: date
    kind: str
    number: str
    customer: str
    customer_name: str
    id: UUID | None
    postings: tuple[Posting, ...]


def merge_postings(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """Each account once, debits first, then by name; what comes to nothing is left out. Raises ValueError unless they balance."""
    added: dict[tuple[str, str], int] = defaultdict(int)
    balance: dict[str, int] = defaultdict(int)
    for one in postings:
        added[one.account, one.currency] += one.minor
        balance[one.currency] += one.minor
    if any(balance.values()):
        raise ValueError(f"The postings of a transaction do not balance: {dict(balance)}.")
    left = [Posting(account, minor, currency) for (account, currency), minor in added.items() if minor]
    return tuple(sorted(left, key=lambda one: (one.currency, one.minor < 0, one.account)))


@dataclass(slots=True)
class JournalTotals:
    """What a journal adds up to: transactions, postings, and debits and credits (both positive) per currency."""

    transactions: int
    postings: int
    debits: dict[str, int]
    credits: dict[str, int]

    @classmethod
    def empty(cls) -> "JournalTotals":
        """Nothing yet."""
        return cls(0, 0, defaultdict(int), defaultdict(int))

    def add(self, transaction: Transaction) -> None:
        """Count a transaction."""
        self.transactions += 1
        for one in transaction.postings:
            self.postings += 1
            side = self.debits if one.minor > 0 else self.credits
            side[one.currency] += abs(one.minor)

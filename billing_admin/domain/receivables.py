"""Receivables: positions, ageing and statements of customers.

Amounts are in minor units of one currency. `docs/receivables.md` has the rules and worked cases; a test
checks each case.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from billing_admin.domain.opening_balances import OPENING_CREDIT, OPENING_INVOICE

# The last day after the due date of each bucket but the last, which has no end.
BUCKET_LIMITS: Final = (0, 30, 60, 90)
BUCKET_NAMES: Final = ("not_due", "1_30", "31_60", "61_90", "over_90")


@dataclass(frozen=True, slots=True)
class Bucket:
    """An ageing bucket: invoices due from `first` through `last`; None means no limit."""

    name: str
    first: date | None
    last: date | None


def ageing_buckets(day: date) -> tuple[Bucket, ...]:
    """Return the ageing buckets of a day.

    Invoices that are due on that day or later are not overdue.
    """
    starts = [*(day - timedelta(limit) for limit in BUCKET_LIMITS), None]
    ends = [None, *(start - timedelta(1) for start in starts if start is not None)]
    return tuple(Bucket(name, first, last) for name, first, last in zip(BUCKET_NAMES, starts, ends, strict=True))


def ageing_day(last: date | None, today: date) -> date:
    """Return the day of the ageing of a statement.

    It is the last day of the statement, but never a future one.
    """
    return min(last or today, today)


@dataclass(frozen=True, slots=True)
class Position:
    """The receivables of an account.

    `invoiced` − `credited` − `paid` is `open`, by ageing bucket; less `unallocated` it is the
    balance. `paid` includes write-offs; `unallocated` is the customer's credit.
    """

    invoiced: int
    credited: int
    paid: int
    unallocated: int
    open: tuple[int, ...]
    oldest_due: date | None = None

    @property
    def balance(self) -> int:
        """The amount that the customer owes; below zero it is owed to the customer."""
        return self.invoiced - self.credited - self.paid - self.unallocated

    @property
    def overdue(self) -> int:
        """The open amount after its due date."""
        return sum(self.open[1:])

    def __add__(self, addend: "Position") -> "Position":
        """Add the position of another account in the same currency."""
        return Position(
            self.invoiced + addend.invoiced,
            self.credited + addend.credited,
            self.paid + addend.paid,
            self.unallocated + addend.unallocated,
            tuple(map(int.__add__, self.open, addend.open)),
            min(filter(None, (self.oldest_due, addend.oldest_due)), default=None),
        )


ZERO_POSITION: Final = Position(0, 0, 0, 0, (0,) * len(BUCKET_NAMES))


# The order of the entries of one day on a statement.
ENTRY_KINDS: Final = (
    OPENING_INVOICE,
    OPENING_CREDIT,
    *("invoice", "void", "credit_note", "payment", "reversal", "write_off"),
    *("refund", "refund_reversal"),
)


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """A dated change of a balance.

    The amount is above zero for invoices and refunds, and below zero for payments and credits. `id` is the id of
    the invoice, credit note, payment or refund; `number` is the document's number or the payment's reference.
    """

    on: date
    kind: str
    id: UUID
    number: str
    method: str
    amount: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """An entry and the balance after it."""

    entry: StatementEntry
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Opening balance, entries with the running balance, and closing balance."""

    opening: int
    rows: tuple[StatementRow, ...]
    closing: int


def make_statement(entries: Iterable[StatementEntry], first: date | None) -> Statement:
    """Return the statement of entries from a day on.

    Earlier entries make the opening balance.
    """
    ordered = sorted(entries, key=lambda entry: (entry.on, ENTRY_KINDS.index(entry.kind), entry.number, str(entry.id)))
    balance = opening = sum(entry.amount for entry in ordered if first is not None and entry.on < first)
    rows = []
    for entry in ordered:
        if first is None or entry.on >= first:
            balance += entry.amount
            rows.append(StatementRow(entry, balance))
    return Statement(opening, tuple(rows), balance)

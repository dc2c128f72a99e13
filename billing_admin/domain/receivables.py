"""What a customer owes, on any day: positions, ageing and statements. Money is in minor units of one currency.

The rules and worked cases stand in `docs/receivables.md`; a test reads them and checks each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

# The last day after the due date of each bucket; what is later than the last has a bucket of its own.
BUCKET_LIMITS: Final = (0, 30, 60, 90)
BUCKET_NAMES: Final = ("not_due", "1_30", "31_60", "61_90", "over_90")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket on a day: invoices due from `first` through `last`, None where it is open-ended."""

    name: str
    first: date | None
    last: date | None


def ageing_buckets(day: date) -> tuple[Bucket, ...]:
    """The buckets by due date, as they lie on a day: due that day or later is not overdue."""
    starts = [*(day - timedelta(limit) for limit in BUCKET_LIMITS), None]
    ends = [None, *(start - timedelta(1) for start in starts if start is not None)]
    return tuple(Bucket(*one) for one in zip(BUCKET_NAMES, starts, ends, strict=True))


@dataclass(frozen=True, slots=True)
class Position:
    """Where an account stands: invoiced − credited − paid is open, by how long it is due; less the unallocated it is the balance.

    `paid` is what payments and write-offs cover of invoices; `unallocated` is the customer's money that covers none.
    """

    invoiced: int
    credited: int
    paid: int
    unallocated: int
    open: tuple[int, ...]
    oldest_due: date | None = None

    @property
    def balance(self) -> int:
        """What is owed in all; below zero it is the customer's."""
        return self.invoiced - self.credited - self.paid - self.unallocated

    @property
    def overdue(self) -> int:
        """What is open past its due date."""
        return sum(self.open[1:])

    def __add__(self, other: "Position") -> "Position":
        """Two accounts together; the caller sees to it that they are in one currency."""
        return Position(
            self.invoiced + other.invoiced,
            self.credited + other.credited,
            self.paid + other.paid,
            self.unallocated + other.unallocated,
            tuple(mine + theirs for mine, theirs in zip(self.open, other.open, strict=True)),
            min(filter(None, (self.oldest_due, other.oldest_due)), default=None),
        )


ZERO_POSITION: Final = Position(0, 0, 0, 0, (0,) * len(BUCKET_NAMES))


# In the order in which entries of one day stand on a statement.
ENTRY_KINDS: Final = ("invoice", "void", "credit_note", "payment", "reversal", "write_off")


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One dated change of what a customer owes: above zero for an invoice, below it for money and credits.

    `id` is that of the invoice, credit note or payment; `number` the document's number or the payment's reference.
    """

    on: date
    kind: str
    id: UUID
    number: str
    method: str
    amount: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """An entry, and the balance after it."""

    entry: StatementEntry
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Opening balance, each entry with the running balance, closing balance."""

    opening: int
    rows: tuple[StatementRow, ...]
    closing: int


def make_statement(entries: Iterable[StatementEntry], first: date | None) -> Statement:
    """Run through the entries by day: those before the first day make the opening balance."""
    ordered = sorted(entries, key=lambda entry: (entry.on, ENTRY_KINDS.index(entry.kind), entry.number, str(entry.id)))
    balance = opening = sum(entry.amount for entry in ordered if first is not None and entry.on < first)
    rows = []
    for entry in ordered:
        if first is None or entry.on >= first:
            balance += entry.amount
            rows.append(StatementRow(entry, balance))
    return Statement(opening, tuple(rows), balance)

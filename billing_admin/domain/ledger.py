"""What a customer owes, on any day: balances, statements and ageing, from dated entries in minor units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Entry:
    """One dated change of what a customer owes in a currency: positive for an invoice, negative for money and credits.

    `kind` is invoice, void, credit_note, payment, reversal or write_off.
    """

    on: date
    kind: str
    id: UUID
    number: str
    text: str
    amount: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """An entry, and the balance after it."""

    entry: Entry
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Opening balance, each document with the running balance, closing balance."""

    opening: int
    rows: tuple[StatementRow, ...]
    closing: int


_ORDER = ("invoice", "void", "credit_note", "payment", "reversal", "write_off")


def statement(entries: Iterable[Entry], from_: date, to: date) -> Statement:
    """Run through the entries up to a day: those before the first day make the opening balance."""
    ordered = sorted(entries, key=lambda entry: (entry.on, _ORDER.index(entry.kind), entry.number, str(entry.id)))
    balance = opening = sum(entry.amount for entry in ordered if entry.on < from_)
    rows = []
    for entry in ordered:
        if from_ <= entry.on <= to:
            balance += entry.amount
            rows.append(StatementRow(entry, balance))
    return Statement(opening, tuple(rows), balance)


# Days after the due date, the last of each bucket; what is later than the last one has a bucket of its own.
BUCKETS = (0, 30, 60, 90)
BUCKET_NAMES = ("not_due", "1_30", "31_60", "61_90", "over_90")


@dataclass(frozen=True, slots=True)
class Ageing:
    """What is open by days overdue, and the credit not allocated to any invoice; together they are the balance."""

    open: tuple[int, ...]
    unallocated: int

    @property
    def balance(self) -> int:
        """What is owed in all."""
        return sum(self.open) - self.unallocated


def ageing(open_items: Sequence[tuple[date, int]], unallocated: int, as_of: date) -> Ageing:
    """Put open items (due date, amount still open on that day) into buckets."""
    buckets = [0] * len(BUCKET_NAMES)
    for due_date, amount in open_items:
        buckets[bucket(due_date, as_of)] += amount
    return Ageing(tuple(buckets), unallocated)


def bucket(due_date: date, as_of: date) -> int:
    """The number of the bucket: 0 is not due yet."""
    days = (as_of - due_date).days
    return sum(days > limit for limit in BUCKETS)

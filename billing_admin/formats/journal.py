"""The accounting journal as a file: for hledger and ledger, or as CSV with a row for each posting."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from billing_admin.config import VERSION
from billing_admin.domain.journal import JournalTotals, Transaction
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.formats.csv_tables import write_csv
from billing_admin.formats.export import NullSink, Sink
from billing_admin.queries.journal import OPENING, Period, transactions

FORMATS: Final[Mapping[str, str]] = {"hledger": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8"}
SUFFIXES: Final[Mapping[str, str]] = {"hledger": "journal", "csv": "csv"}
COLUMNS = (
    "date",
    "transaction",
    "kind",
    "number",
    "customer",
    "customer_name",
    "account",
    "debit",
    "credit",
    "currency",
    "id",
)
NUMBERS = ("transaction", "debit", "credit")
AT_ONCE = 500
WIDTH = 56
_WORDS = {
    "invoice": "Invoice",
    "credit_note": "Credit note",
    "void": "Void",
    "payment": "Payment",
    "write_off": "Written off",
    "allocation": "Allocation",
    "withdrawal": "Allocation withdrawn",
    "reversal": "Payment reversed",
    OPENING: "Opening balances",
}
_UNSAFE = re.compile(r"[;|()\s]+")


@dataclass(frozen=True, slots=True)
class JournalRequest:
    """Which journal: its days, its format, and whether it begins with the balances of all that came before."""

    period: Period
    format: str = "hledger"
    opening: bool = False

    @property
    def name(self) -> str:
        """What the file is called."""
        days = [day.isoformat() for day in (self.period.first, self.period.last) if day]
        return f"{'-'.join(['journal', *days])}.{SUFFIXES[self.format]}"


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A journal that was written: what it adds up to, and the SHA-256 of its bytes."""

    totals: JournalTotals
    sha256: str


def journal_parts(session: Session, wanted: JournalRequest) -> Iterator[bytes]:
    """The file in parts."""
    found = transactions(session, wanted.period, wanted.opening)
    yield from _csv(found) if wanted.format == "csv" else _hledger(session, wanted, found)


def write_journal(session: Session, wanted: JournalRequest, sink: Sink) -> JournalFile:
    """Write the file, and say what it adds up to."""
    digest, counted = hashlib.sha256(), JournalTotals.empty()
    for one in transactions(session, wanted.period, wanted.opening):
        counted.add(one)
    for part in journal_parts(session, wanted):
        digest.update(part)
        sink.write(part)
    return JournalFile(counted, digest.hexdigest())


def journal_totals(session: Session, wanted: JournalRequest) -> JournalFile:
    """What `write_journal` would write from the same snapshot."""
    return write_journal(session, wanted, NullSink())


def describe_journal(wanted: JournalRequest, name: str, made: JournalFile, at: datetime, by: str) -> dict[str, Any]:
    """What the `.meta.json` of a journal says."""
    return {
        "name": name,
        "kind": "journal",
        "format": wanted.format,
        "filters": {
            name: day.isoformat() for name, day in (("from", wanted.period.first), ("to", wanted.period.last)) if day
        }
        | ({"opening": True} if wanted.opening else {}),
        "made_at": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "made_by": by,
        "transactions": made.totals.transactions,
        "rows": made.totals.postings,
        "debits": format_amounts(made.totals.debits),
        "credits": format_amounts(made.totals.credits),
        "sha256": made.sha256,
        "product": "billing-admin",
        "version": VERSION,
    }


def format_amounts(minor: Mapping[str, int]) -> dict[str, str]:
    """Minor units per currency as plain decimals."""
    return {currency: str(Money(amount, currency)) for currency, amount in sorted(minor.items())}


def _csv(found: Iterable[Transaction]) -> Iterator[bytes]:
    """The first part holds a transaction, if there is any: by then the database has begun to answer."""
    part = write_csv(COLUMNS, [])
    for number, one in enumerate(found, 1):
        yield part + write_csv(COLUMNS, _rows(number, one), NUMBERS, header=False)
        part = b""
    if part:
        yield part


def _rows(number: int, one: Transaction) -> Iterator[list[str]]:
    for posting in one.postings:
        amount = str(Money(abs(posting.minor), posting.currency))
        sides = (amount, "") if posting.minor > 0 else ("", amount)
        yield [
            one.on.isoformat(),
            str(number),
            one.kind,
            one.number,
            one.customer,
            one.customer_name,
            posting.account,
            *sides,
            posting.currency,
            str(one.id or ""),
        ]


def _hledger(session: Session, wanted: JournalRequest, found: Iterable[Transaction]) -> Iterator[bytes]:
    yield _head(session, wanted).encode()
    block: list[str] = []
    for one in found:
        block.append(_transaction(one))
        if len(block) == AT_ONCE:
            yield "".join(block).encode()
            block = []
    yield "".join(block).encode()


def _head(session: Session, wanted: JournalRequest) -> str:
    """Every account and commodity is declared, so that `hledger check accounts commodities` finds a misspelled one."""
    used: set[tuple[str, str]] = set()
    for one in transactions(session, wanted.period, wanted.opening):
        used.update((posting.account, posting.currency) for posting in one.postings)
    first, last = wanted.period.first or "the beginning", wanted.period.last or "the end"
    lines = [f"; billing-admin {VERSION}: the journal from {first} to {last}", ""]
    for currency in sorted({currency for _, currency in used}):
        lines += [f"commodity {currency}", *_format(currency), ""]
    lines += [f"account {account}" for account in sorted({account for account, _ in used})]
    return "\n".join([*lines, "", ""])


def _format(currency: str) -> list[str]:
    """How amounts are written. hledger wants a decimal point here, which ledger refuses where no digit follows."""
    digits = MINOR_DIGITS[currency]
    return [f"    format 1000.{'0' * digits} {currency}"] if digits else []


def _transaction(one: Transaction) -> str:
    code = _plainly(one.number)
    said = " | ".join(filter(None, (_plainly(one.customer_name), _WORDS[one.kind])))
    lines = [f"{one.on.isoformat()} *{f' ({code})' if code else ''} {said}"]
    if one.id:
        lines.append(f"    ; id:{one.id}")
    for posting in one.postings:
        amount = f"{Money(posting.minor, posting.currency)} {posting.currency}"
        lines.append(f"    {posting.account.ljust(WIDTH)}  {amount:>22}")
    return "\n".join([*lines, "", ""])


def _plainly(text: str) -> str:
    """A name or number without what would end it: semicolons, bars, parentheses, line ends."""
    return _UNSAFE.sub(" ", text).strip()

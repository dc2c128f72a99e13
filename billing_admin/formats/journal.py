"""Files of the accounting journal.

The formats are those of hledger and ledger, and CSV with a row per posting. Frozen: control totals hash
their bytes.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from billing_admin.config import VERSION
from billing_admin.domain.imports.cells import FORMULA_RULE
from billing_admin.domain.journal import JournalTotals, Transaction
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.domain.opening_balances import OPENING_CREDIT, OPENING_INVOICE
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
    "period_from",
    "period_to",
)
NUMBERS = ("transaction", "debit", "credit")
AT_ONCE = 500
WIDTH = 56
_WORDS = {
    OPENING_INVOICE: "Opening invoice",
    OPENING_CREDIT: "Opening credit",
    "invoice": "Invoice",
    "credit_note": "Credit note",
    "void": "Void",
    "payment": "Payment",
    "write_off": "Written off",
    "allocation": "Allocation",
    "withdrawal": "Allocation withdrawn",
    "reversal": "Payment reversed",
    "refund": "Refund",
    "refund_reversal": "Refund reversed",
    OPENING: "Opening balances",
}
_UNSAFE = re.compile(r"[;|()\s]+")


@dataclass(frozen=True, slots=True)
class JournalRequest:
    """A requested journal: its days, format, and whether it has opening balances."""

    period: Period
    format: str = "hledger"
    opening: bool = False

    @property
    def name(self) -> str:
        """The name of the file."""
        days = [day.isoformat() for day in (self.period.first, self.period.last) if day]
        return f"{'-'.join(['journal', *days])}.{SUFFIXES[self.format]}"

    @property
    def filters(self) -> dict[str, str | bool]:
        """The days and options as JSON values, without unset ones."""
        days = (("from", self.period.first), ("to", self.period.last))
        return {name: day.isoformat() for name, day in days if day} | ({"opening": True} if self.opening else {})

    @property
    def details(self) -> dict[str, Any]:
        """The details of the audit event of a download."""
        return {"kind": "journal", "format": self.format, "filters": self.filters}


@dataclass(frozen=True, slots=True)
class JournalFile:
    """The totals of a written journal, and the SHA-256 of its bytes."""

    totals: JournalTotals
    sha256: str


def journal_parts(session: Session, request: JournalRequest) -> Iterator[bytes]:
    """Yield the parts of a journal."""
    entries = transactions(session, request.period, request.opening)
    yield from _csv(entries) if request.format == "csv" else _hledger(session, request, entries)


def write_journal(session: Session, request: JournalRequest, sink: Sink) -> JournalFile:
    """Write a journal and return its totals."""
    digest, counted = hashlib.sha256(), JournalTotals.empty()
    for transaction in transactions(session, request.period, request.opening):
        counted.add(transaction)
    for part in journal_parts(session, request):
        digest.update(part)
        sink.write(part)
    return JournalFile(counted, digest.hexdigest())


def journal_totals(session: Session, request: JournalRequest) -> JournalFile:
    """Return the totals of the journal that `write_journal` would write.

    The data is that of the session's snapshot.
    """
    return write_journal(session, request, NullSink())


def describe_journal(
    request: JournalRequest, name: str, journal_file: JournalFile, at: datetime, by: str
) -> dict[str, Any]:
    """Return the content of the `.meta.json` of a journal.

    Frozen: users verify files with it.
    """
    return {
        "name": name,
        "kind": "journal",
        "format": request.format,
        "filters": request.filters,
        "made_at": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "made_by": by,
        "transactions": journal_file.totals.transactions,
        "rows": journal_file.totals.postings,
        "debits": format_amounts(journal_file.totals.debits),
        "credits": format_amounts(journal_file.totals.credits),
        "sha256": journal_file.sha256,
        "product": "billing-admin",
        "version": VERSION,
        "formula_rule": FORMULA_RULE,
    }


def format_amounts(minor: Mapping[str, int]) -> dict[str, str]:
    """Return minor units per currency as plain decimals."""
    return {currency: str(Money(amount, currency)) for currency, amount in sorted(minor.items())}


def _csv(entries: Iterable[Transaction]) -> Iterator[bytes]:
    """Yield the parts of a CSV file.

    The first part has a transaction, so it needs the database's answer.
    """
    part = write_csv(COLUMNS, [])
    for number, transaction in enumerate(entries, 1):
        yield part + write_csv(COLUMNS, _rows(number, transaction), NUMBERS, header=False)
        part = b""
    if part:
        yield part


def _rows(number: int, transaction: Transaction) -> Iterator[list[str]]:
    for posting in transaction.postings:
        amount = str(Money(abs(posting.minor), posting.currency))
        sides = (amount, "") if posting.minor > 0 else ("", amount)
        yield [
            transaction.on.isoformat(),
            str(number),
            transaction.kind,
            transaction.number,
            transaction.customer,
            transaction.customer_name,
            posting.account,
            *sides,
            posting.currency,
            str(transaction.id or ""),
            *(day.isoformat() for day in posting.period or ()),
            *([] if posting.period else ["", ""]),
        ]


def _hledger(session: Session, request: JournalRequest, entries: Iterable[Transaction]) -> Iterator[bytes]:
    yield _head(session, request).encode()
    block: list[str] = []
    for transaction in entries:
        block.append(_transaction(transaction))
        if len(block) == AT_ONCE:
            yield "".join(block).encode()
            block = []
    yield "".join(block).encode()


def _head(session: Session, request: JournalRequest) -> str:
    """Return the declarations of all accounts and commodities, for `hledger check`."""
    used: set[tuple[str, str]] = set()
    for transaction in transactions(session, request.period, request.opening):
        used.update((posting.account, posting.currency) for posting in transaction.postings)
    first, last = request.period.first or "the beginning", request.period.last or "the end"
    lines = [f"; billing-admin {VERSION}: the journal from {first} to {last}", ""]
    for currency in sorted({currency for _, currency in used}):
        lines += [f"commodity {currency}", *_format(currency), ""]
    lines += [f"account {account}" for account in sorted({account for account, _ in used})]
    return "\n".join([*lines, "", ""])


def _format(currency: str) -> list[str]:
    """Return the lines that define the format of a currency's amounts.

    hledger needs a decimal point, but ledger refuses one without digits.
    """
    digits = MINOR_DIGITS[currency]
    return [f"    format 1000.{'0' * digits} {currency}"] if digits else []


def _transaction(transaction: Transaction) -> str:
    code = _plainly(transaction.number)
    description = " | ".join(filter(None, (_plainly(transaction.customer_name), _WORDS[transaction.kind])))
    lines = [f"{transaction.on.isoformat()} *{f' ({code})' if code else ''} {description}"]
    if transaction.id:
        lines.append(f"    ; id:{transaction.id}")
    for posting in transaction.postings:
        amount = f"{Money(posting.minor, posting.currency)} {posting.currency}"
        period = f"  ; period:{posting.period[0]}..{posting.period[1]}" if posting.period else ""
        lines.append(f"    {posting.account.ljust(WIDTH)}  {amount:>22}{period}")
    return "\n".join([*lines, "", ""])


def _plainly(text: str) -> str:
    """Return a text without the characters that would end it in a journal.

    They are semicolons, bars, parentheses and line ends.
    """
    return _UNSAFE.sub(" ", text).strip()

"""The texts of printed letters: statements of account and payment reminders.

They have the head and the parts of documents, with the data of today. Their contents can be stored as JSON: they name
the logo by its hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from billing_admin.domain.document_details import DocumentDetails
from billing_admin.domain.formatting import format_money, format_whole
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.domain.opening_balances import OPENING_CREDIT, OPENING_INVOICE
from billing_admin.domain.receivables import BUCKET_LIMITS, Position, Statement
from billing_admin.formats.document_contents import (
    Contents,
    logo_contents,
    page_contents,
    payment_contents,
    seller_contents,
    text_lines,
)
from billing_admin.formats.document_locale import DocumentLocale
from billing_admin.formats.payment_code import MAX_TEXT
from billing_admin.models import Logo

REMINDER_LEVELS: Final = (1, 2, 3)
# The labels of the kinds of entries in `domain.receivables.ENTRY_KINDS`.
_ENTRY_LABELS: Final = {
    OPENING_INVOICE: "opening_invoice",
    OPENING_CREDIT: "opening_credit",
    "invoice": "invoice",
    "void": "voided",
    "credit_note": "credit_note",
    "payment": "received",
    "reversal": "reversal",
    "write_off": "write_off",
    "refund": "refund",
    "refund_reversal": "refund_reversal",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """The parties of a letter as they are printed, its currency and its day.

    The day of a statement is that of its ageing.
    """

    details: DocumentDetails
    seller_name: str
    seller_address: str
    seller_tax_id: str
    customer_reference: str
    customer_name: str
    customer_address: str
    number_format: str
    currency: str
    day: date


@dataclass(frozen=True, slots=True)
class OverdueDocument:
    """An invoice after its due date; `open_amount` is in minor units.

    `level` is that of its reminder, or 0 if the letter does not show it.
    """

    number: str
    issue_date: date
    due_date: date
    days_overdue: int
    open_amount: int
    level: int = 0


def statement_contents(
    letter: Letter, statement: Statement, position: Position, first: date | None, last: date
) -> Contents:
    """Return the texts of a statement, with the ageing at its end.

    The period begins with the first movement if `first` is None. `position` is the one on `last`.
    """
    with use_number_format(NumberFormat(letter.number_format)):
        locale = DocumentLocale(letter.details.language)
        label = locale.label
        begin = first_day(statement, first, last)
        rows = [[locale.day(begin), label("opening"), "", "", format_money(statement.opening, letter.currency)]]
        rows += [
            [
                locale.day(row.entry.on),
                label(_ENTRY_LABELS[row.entry.kind]),
                row.entry.number,
                format_money(row.entry.amount, letter.currency),
                format_money(row.balance, letter.currency),
            ]
            for row in statement.rows
        ]
        return _head(letter, label("statement"), locale) | {
            "facts": [
                (label("statement_period"), locale.period(begin, last)),
                (label("as_of"), locale.day(letter.day)),
                (label("customer"), letter.customer_reference),
            ],
            "table": _table([label(name) for name in ("date", "entry", "reference", "amount", "balance")], rows, 3, 2),
            "sums": [(label("closing"), format_money(statement.closing, letter.currency), True)],
            "tables": [_ageing(letter, position, locale)],
            "notes": [] if statement.rows else [[label("no_movements")]],
        }


@dataclass(frozen=True, slots=True)
class ReceivedPayment:
    """A payment as its receipt shows it; amounts are in minor units.

    `invoices` are the numbers of the invoices that it pays, with their parts.
    """

    received_on: date
    method: str
    reference: str
    amount: int
    unallocated: int
    invoices: Sequence[tuple[str, int]]


def receipt_contents(letter: Letter, payment: ReceivedPayment) -> Contents:
    """Return the texts of the receipt of a payment, with the invoices that it pays."""
    with use_number_format(NumberFormat(letter.number_format)):
        locale = DocumentLocale(letter.details.language)
        label = locale.label
        rows = [[label("invoice"), number, format_money(part, letter.currency)] for number, part in payment.invoices]
        if payment.unallocated:
            rows.append([label("your_credit"), "", format_money(payment.unallocated, letter.currency)])
        return _head(letter, label("receipt"), locale) | {
            "facts": [
                (label("date"), locale.day(payment.received_on)),
                (label("customer"), letter.customer_reference),
                (label("method"), label(payment.method)),
                *([(label("payment_reference"), payment.reference)] if payment.reference else []),
            ],
            "table": _table([label(name) for name in ("entry", "number", "amount")], rows, 2, 0),
            "sums": [(label("received_amount"), format_money(payment.amount, letter.currency), True)],
        }


def first_day(statement: Statement, first: date | None, last: date) -> date:
    """Return the first day of a statement's period.

    It is that of the first movement if `first` is None.
    """
    return first or (statement.rows[0].entry.on if statement.rows else last)


def reminder_contents(letter: Letter, level: int, documents: Sequence[OverdueDocument], text: str = "") -> Contents:
    """Return the texts of a reminder about all overdue documents in one currency.

    `level` is from 1 to 3. `text` replaces the usual one of the level. Documents show their levels if these differ.
    """
    with use_number_format(NumberFormat(letter.number_format)):
        locale = DocumentLocale(letter.details.language)
        label, total = locale.label, sum(document.open_amount for document in documents)
        shows_levels = len({document.level for document in documents}) > 1
        rows = [
            [
                document.number,
                locale.day(document.issue_date),
                locale.day(document.due_date),
                *([format_whole(document.level)] if shows_levels else []),
                format_whole(document.days_overdue),
                format_money(document.open_amount, letter.currency),
            ]
            for document in documents
        ]
        names = [
            "number",
            "issued",
            "due",
            *(["reminder_level"] if shows_levels else []),
            "overdue_days",
            "open_amount",
        ]
        numbers = ", ".join(document.number for document in documents)
        return _head(letter, label(f"reminder_{level}"), locale) | {
            "facts": [
                (label("date"), locale.day(letter.day)),
                (label("customer"), letter.customer_reference),
            ],
            "paragraphs": [[line] for line in text_lines(text or label(f"reminder_text_{level}"))],
            "table": _table([label(name) for name in names], rows, 3, 0),
            "sums": [(label("total_due"), format_money(total, letter.currency), True)],
            "payment": payment_contents(
                total,
                letter.currency,
                "",
                numbers if len(numbers) <= MAX_TEXT else letter.customer_reference,
                letter.details.account,
                letter.seller_name,
                locale,
            ),
        }


def add_logo(contents: Contents, logo: Logo | None) -> Contents:
    """Return the contents of a letter with the logo instead of its hash."""
    locale = DocumentLocale(contents["language"])
    return contents | {"logo": logo_contents(logo, contents["seller"]["name"], locale)}


def _head(letter: Letter, title: str, locale: DocumentLocale) -> Contents:
    """Return the contents that each letter has, with the hash of the logo."""
    seller = seller_contents(letter.seller_name, letter.seller_address, letter.seller_tax_id, letter.details, locale)
    return page_contents(title, seller, letter.details, locale, None) | {
        "logo": letter.details.logo or None,
        "address": [letter.customer_name, *text_lines(letter.customer_address)],
        "mark": locale.label("test") if letter.details.test else "",
    }


def _table(head: list[str], rows: list[list[str]], text_columns: int, wide_column: int) -> Contents:
    return {
        "head": head,
        "text_columns": text_columns,
        "wide_column": wide_column,
        "least_width": 35,
        "rows": rows,
        "details": [""] * len(rows),
        "sums": [],
        "sum_before": "",
        "sum_after": "",
    }


def _ageing(letter: Letter, position: Position, locale: DocumentLocale) -> Contents:
    """Return the open amounts by days overdue, less the customer's credit."""
    label = locale.label
    starts = [limit + 1 for limit in BUCKET_LIMITS]
    ranges = [f"{start}–{end}" for start, end in zip(starts, BUCKET_LIMITS[1:], strict=False)] + [
        f"> {BUCKET_LIMITS[-1]}"
    ]
    names = [label("not_due"), *(label("days_overdue", days=days) for days in ranges)]
    rows = [[name, format_money(amount, letter.currency)] for name, amount in zip(names, position.open, strict=True)]
    if position.unallocated:
        rows.append([label("unallocated"), format_money(-position.unallocated, letter.currency)])
    return {
        "title": "",
        "head": [label("ageing"), label("open_amount")],
        "rows": rows,
        "details": [[]] * len(rows),
        "short": True,
    }

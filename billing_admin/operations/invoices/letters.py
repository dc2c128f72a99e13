"""Statements of account, reminders and receipts: their contents, and the PDF.

They have the data of today. The contents of a letter that a message sends are stored with the message, and printed by
the worker.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.charges import AccountKey
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.payments import METHODS
from billing_admin.domain.receivables import ZERO_POSITION, Position, Statement, ageing_day, make_statement
from billing_admin.domain.text import file_stem
from billing_admin.domain.translation import Phrase
from billing_admin.formats.document_contents import Contents
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.letter_contents import (
    Letter,
    ReceivedPayment,
    add_logo,
    receipt_contents,
    statement_contents,
)
from billing_admin.formats.pdf import print_contents
from billing_admin.models import Customer, Logo
from billing_admin.operations.invoices.invoices import copied_fields
from billing_admin.queries.invoices.document_details import load_detail_sources, make_details
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.organisation import day_of, organisation, today
from billing_admin.queries.payments.payments import allocations, payment
from billing_admin.queries.payments.receivables import positions, statements

NAMES = frozenset({"seller_name", "seller_address", "seller_tax_id", "number_format"}) | {
    "customer_reference",
    "customer_name",
    "customer_address",
}


@dataclass(frozen=True, slots=True)
class StatementLetter:
    """A statement in one currency, with the ageing at its end.

    Without `first` it begins with the first movement.
    """

    letter: Letter
    statement: Statement
    position: Position
    first: date | None
    last: date

    @property
    def file_name(self) -> str:
        """The name of the file, with customer, currency and last day."""
        reference = file_stem(self.letter.customer_reference)
        return f"statement-{reference}-{self.letter.currency}-{self.last.isoformat()}.pdf"


def load_statement(
    session: Session, customer: Customer, currency: str, first: date | None, last: date | None, now: datetime
) -> StatementLetter:
    """Return a customer's statement for a period and currency.

    Without days it is from the first movement to today; without a currency, it is in the customer's only one. The ageing
    is that of the last day, or of today if the last day is in the future.

    Raises:
        Invalid: The first day is after the last, or the customer has several currencies.
    """
    day = today(session, now)
    by_currency = statements(session, customer.id, day, first, last)
    chosen = currency or _only_currency(customer, by_currency.keys())
    aged_on = ageing_day(last, day)
    position = positions(session, aged_on, [customer.id]).get((customer.id, chosen), ZERO_POSITION)
    statement = by_currency.get(chosen) or make_statement((), first)
    letter = replace(load_letter(session, customer, chosen, now), day=aged_on)
    return StatementLetter(letter, statement, position, first, last or day)


def contents_of_statement(statement: StatementLetter) -> Contents:
    """Return the contents of a statement."""
    return statement_contents(
        statement.letter, statement.statement, statement.position, statement.first, statement.last
    )


def print_statement(session: Session, statement: StatementLetter, glyphs: Glyphs, now: datetime) -> bytes:
    """Return a statement as PDF."""
    return print_letter(session, contents_of_statement(statement), glyphs, now)


def print_receipt(session: Session, payment_id: UUID, glyphs: Glyphs, now: datetime) -> bytes:
    """Return the receipt of a payment as PDF, with the invoices that it pays now.

    Raises:
        NotFound: There is no such payment.
        Conflict: It is reversed, or no money was received.
    """
    row = payment(session, payment_id)
    if row.status == "reversed" or row.method not in METHODS:
        raise Conflict("no_receipt", Phrase("Only a recorded payment of received money has a receipt."), "status")
    customer = load_customers(session, {row.customer_id})[row.customer_id]
    letter = load_letter(session, customer, row.currency, now)
    parts = [
        (part.number, part.amount)
        for part in allocations(session, [payment_id])[payment_id]
        if part.withdrawn_on is None
    ]
    received = ReceivedPayment(row.received_on, row.method, row.reference, row.amount, row.left, parts)
    return print_letter(session, receipt_contents(letter, received), glyphs, now)


def print_letter(session: Session, contents: Contents, glyphs: Glyphs, now: datetime) -> bytes:
    """Return a letter as PDF; its contents name the logo by its hash."""
    logo = session.get(Logo, contents["logo"]) if contents["logo"] else None
    return print_contents(add_logo(contents, logo), glyphs, int(now.timestamp()))


def load_letter(session: Session, customer: Customer, currency: str, now: datetime) -> Letter:
    """Return the parties of a letter to a customer, as they are today."""
    return load_letters(session, [(customer.id, currency)], now)[customer.id, currency]


def load_letters(session: Session, accounts: Sequence[AccountKey], now: datetime) -> dict[AccountKey, Letter]:
    """Return the parties of letters to customers, as they are today, by account."""
    settings, customers = organisation(session), load_customers(session, {id for id, _ in accounts})
    sources, day = load_detail_sources(session, settings), day_of(now, settings.time_zone)
    letters: dict[AccountKey, Letter] = {}
    for id, currency in accounts:
        columns = copied_fields(settings, customers[id])
        letters[id, currency] = Letter(
            details=make_details(sources, customers[id], currency),
            currency=currency,
            day=day,
            **{name: columns[name] for name in NAMES},
        )
    return letters


def _only_currency(customer: Customer, currencies: Collection[str]) -> str:
    """Return the currency of the only statement, or the customer's if there is none."""
    codes = sorted(currencies)
    if len(codes) > 1:
        raise Invalid("missing", Phrase("Choose a currency: {codes}.", codes=", ".join(codes)), "currency")
    return codes[0] if codes else customer.currency

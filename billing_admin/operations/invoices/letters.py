"""Statements of account and reminders as PDF.

They have the data of today, and are not stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from billing_admin.domain.document_details import details_to_json
from billing_admin.domain.errors import Invalid
from billing_admin.domain.receivables import ZERO_POSITION, Position, Statement, ageing_day, make_statement
from billing_admin.domain.text import file_stem
from billing_admin.formats.glyphs import Glyphs
from billing_admin.formats.letter_contents import Letter, OverdueDocument, reminder_contents, statement_contents
from billing_admin.formats.pdf import print_contents
from billing_admin.models import Customer
from billing_admin.operations.invoices.invoices import copied_fields
from billing_admin.queries.invoices.document_details import load_detail_sources, make_details
from billing_admin.queries.invoices.printing import load_logo
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.organisation import organisation, today
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


def print_statement(statement: StatementLetter, glyphs: Glyphs, now: datetime) -> bytes:
    """Return a statement as PDF."""
    contents = statement_contents(
        statement.letter, statement.statement, statement.position, statement.first, statement.last
    )
    return print_contents(contents, glyphs, int(now.timestamp()))


def print_reminder(
    letter: Letter, level: int, documents: Sequence[OverdueDocument], glyphs: Glyphs, now: datetime
) -> bytes:
    """Return a reminder of a level from 1 to 3 about a customer's overdue documents."""
    return print_contents(reminder_contents(letter, level, documents), glyphs, int(now.timestamp()))


def load_letter(session: Session, customer: Customer, currency: str, now: datetime) -> Letter:
    """Return the parties of a letter to a customer, as they are today."""
    settings, row = organisation(session), load_customers(session, [customer.id])[customer.id]
    details = make_details(load_detail_sources(session, settings), row, currency)
    columns = copied_fields(settings, row)
    return Letter(
        details=details,
        currency=currency,
        day=today(session, now),
        logo=load_logo(session, details_to_json(details)),
        **{name: columns[name] for name in NAMES},
    )


def _only_currency(customer: Customer, currencies: Collection[str]) -> str:
    """Return the currency of the only statement, or the customer's if there is none."""
    codes = sorted(currencies)
    if len(codes) > 1:
        raise Invalid("missing", f"Choose a currency: {', '.join(codes)}.", "currency")
    return codes[0] if codes else customer.currency

"""Send statements of account to customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from billing_admin.db.errors import explain_unavailable
from billing_admin.db.transactions import Transact
from billing_admin.domain.access import Actor
from billing_admin.domain.days import check_day_range
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.master_data import differing_fields, refuse_differences
from billing_admin.domain.message_texts import MessageText, render_text
from billing_admin.domain.messages import (
    MAX_MESSAGE_LENGTH,
    MAX_SUBJECT_LENGTH,
    STATEMENT,
    Recipient,
    archived_problem,
    check_recipients,
    greeted_name,
    mail_off,
    no_recipient,
)
from billing_admin.domain.text import check_not_blank, check_text
from billing_admin.domain.translation import Phrase
from billing_admin.formats.letter_contents import first_day
from billing_admin.formats.message_fields import statement_fields
from billing_admin.models import Customer, Message
from billing_admin.operations.invoices.letters import StatementLetter, contents_of_statement, load_statement
from billing_admin.operations.messages.outbox import NewLetter, NewMessage, check_addresses, enqueue_messages
from billing_admin.queries.master_data.organisation import organisation, today
from billing_admin.queries.messages.outbox import load_message_recipients
from billing_admin.queries.messages.recipients import load_recipients
from billing_admin.queries.messages.statements import first_statements, monthly_customers
from billing_admin.queries.messages.texts import load_template
from billing_admin.queries.payments.receivables import statements

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StatementSpec:
    """A request to send a statement.

    Without days it is from the first movement to today; without a currency, in the customer's only one. Without
    `recipients` it goes to the contacts that get statements; `subject` and `text` replace those of the message text.
    """

    currency: str = ""
    first: date | None = None
    last: date | None = None
    recipients: Sequence[Recipient] | None = None
    subject: str | None = None
    text: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ProposedStatement:
    """A statement as it would be sent: its letter, recipients, subject and text."""

    letter: StatementLetter
    recipients: Sequence[Recipient]
    text: MessageText

    @property
    def period(self) -> tuple[date, date]:
        """The first and the last day."""
        return first_day(self.letter.statement, self.letter.first, self.letter.last), self.letter.last


@dataclass(frozen=True, slots=True)
class MonthlyOutcome:
    """The number of monthly statements, and the customers that got none.

    `refused` has their references, each with the reason.
    """

    sent: int
    refused: Sequence[tuple[str, str]]


def propose_statement(session: Session, customer: Customer, spec: StatementSpec, now: datetime) -> ProposedStatement:
    """Return a statement as it is proposed to people.

    Its recipients are those of `spec`, or the contacts that get statements, which may be none.

    Raises:
        Invalid: The last day is in the future, the first day is after the last, the customer has several currencies, or has
            never used the currency.
    """
    if spec.last is not None and spec.last > today(session, now):
        raise Invalid("in_future", Phrase("Choose a last day that is not in the future."), "period_to")
    check_day_range(spec.first, spec.last, "period_from")
    _check_currency(session, customer, spec.currency, today(session, now))
    letter = load_statement(session, customer, spec.currency, spec.first, spec.last, now)
    recipients = spec.recipients
    if recipients is None:
        recipients = load_recipients(session, [customer.id], STATEMENT).get(customer.id, [])
    name = greeted_name(recipients)
    values = statement_fields(letter.letter, letter.statement, letter.position, letter.first, letter.last, name)
    template = load_template(session, "statement", letter.letter.details.language)
    return ProposedStatement(letter, recipients, render_text(template, values))


def send_statement(
    session: Session, customer_id: UUID, spec: StatementSpec, mail_on: bool, actor: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Enqueue a message with a statement, or return the one that has the same id.

    Returns its id, and whether it is new. `mail_on` tells whether a mail server is set up.

    Raises:
        Conflict: The statement of the currency and period was sent before, the customer is archived, the id belongs to
            another message, or no mail server is set up.
        Invalid: There is no recipient, or a recipient, the period, the currency, the subject or the text is wrong.
    """
    customer = _lock_customer(session, customer_id)
    recipients = None if spec.recipients is None else check_recipients(check_addresses(spec.recipients))
    stored = session.get(Message, spec.id) if spec.id else None
    if stored is not None:
        _check_same(session, stored, customer_id, spec, recipients)
        return stored.id, False
    if not mail_on:
        raise mail_off(is_demo=organisation(session).is_demo)
    if customer.archived_at is not None:
        raise Conflict("customer_archived", archived_problem(customer.name), "customer")
    proposed = propose_statement(session, customer, spec, now)
    if recipients is None and not proposed.recipients:
        raise Invalid.of([no_recipient(customer.name, STATEMENT)])
    message = _message(customer_id, proposed, spec, recipients)
    return enqueue_messages(session, [message], actor, now)[0], True


def send_all_monthly_statements(
    transact: Transact, session: Session, mail_on: bool, actor: Actor, now: datetime
) -> MonthlyOutcome:
    """Enqueue the statements for the month before, to the customers that want them.

    Repeating it sends nothing twice, and several processes may run it. Nothing is sent while no mail server is set up:
    the statements follow once there is one, for the last month. Only customers for whom one is due cost a transaction.
    """
    sent, refused = 0, []
    for id, reference in monthly_customers(session) if mail_on else ():
        if not _due_currencies(session, id, _month_before(session, now)):
            continue
        try:
            sent += transact(send_monthly_statements, id, actor, now)
        except DomainError as error:
            refused.append((reference, error.message))
        except Exception as error:  # one customer must not stop the statements of all others
            if explain_unavailable(error) is not None:
                raise
            _log.exception("monthly_statement_not_made", customer=reference)
            refused.append((reference, Phrase("The statement could not be made. The log has the reason.")))
    return MonthlyOutcome(sent, refused)


def send_monthly_statements(session: Session, customer_id: UUID, actor: Actor, now: datetime) -> int:
    """Enqueue a customer's statements for the month before, one in each currency.

    Returns their number. A currency without movements and balance has no statement, and one whose statement was cancelled
    or dropped gets no other.
    """
    _lock_customer(session, customer_id)
    period = _month_before(session, now)
    due = _due_currencies(session, customer_id, period)
    for currency in due:
        spec = StatementSpec(currency, *period)
        send_statement(session, customer_id, spec, mail_on=True, actor=actor, now=now)
    return len(due)


def _month_before(session: Session, now: datetime) -> tuple[date, date]:
    """Return the first and the last day of the month before."""
    last = today(session, now).replace(day=1) - timedelta(1)
    return last.replace(day=1), last


def _due_currencies(session: Session, customer_id: UUID, period: tuple[date, date]) -> list[str]:
    """Return the currencies in which a customer's statement of a period is due."""
    stored = first_statements(session, customer_id, period)
    return [
        currency
        for currency, statement in statements(session, customer_id, period[1], *period).items()
        if currency not in stored and (statement.rows or statement.closing)
    ]


def _check_currency(session: Session, customer: Customer, currency: str, day: date) -> None:
    """Refuse a currency that a customer has never used and that is not their own.

    Raises:
        Invalid: The customer has never used the currency.
    """
    if currency in ("", customer.currency):
        return
    used = statements(session, customer.id, day)
    if currency not in used:
        choices = ", ".join(sorted({customer.currency, *used}))
        message = Phrase(
            "{customer_name} has no documents or payments in {currency}. Choose {choices}.",
            customer_name=customer.name,
            currency=currency[:80],
            choices=choices,
        )
        raise Invalid("unused_currency", message, "currency")


def _lock_customer(session: Session, customer_id: UUID) -> Customer:
    """Lock a customer, so that requests for the same statement follow one another.

    The lock does not delay transactions that only refer to the customer.
    """
    lock_mode: Any = {"key_share": True}
    return session.get_one(Customer, customer_id, with_for_update=lock_mode, populate_existing=True)


def _message(
    customer_id: UUID,
    proposed: ProposedStatement,
    spec: StatementSpec,
    recipients: Sequence[Recipient] | None,
) -> NewMessage:
    letter = proposed.letter
    return NewMessage(
        id=spec.id,
        customer_id=customer_id,
        purpose=STATEMENT,
        currency=letter.letter.currency,
        language=letter.letter.details.language,
        recipients=proposed.recipients if recipients is None else recipients,
        subject=proposed.text.subject
        if spec.subject is None
        else check_not_blank(spec.subject, "subject", longest=MAX_SUBJECT_LENGTH),
        text=proposed.text.body
        if spec.text is None
        else check_text(spec.text, "text", longest=MAX_MESSAGE_LENGTH, lines=True),
        letters=[NewLetter(letter.file_name, contents_of_statement(letter))],
        period=proposed.period,
    )


def _check_same(
    session: Session, stored: Message, customer_id: UUID, spec: StatementSpec, recipients: Sequence[Recipient] | None
) -> None:
    """Raise Conflict if a message is not the one that a repeated request asks for.

    Values that were not given are not compared.
    """
    requested = {
        "currency": spec.currency or None,
        "period_from": spec.first,
        "period_to": spec.last,
        "recipients": recipients,
        "subject": spec.subject,
        "text": spec.text,
    }
    columns = {
        "currency": stored.currency,
        "period_from": stored.period_from,
        "period_to": stored.period_to,
        "recipients": load_message_recipients(session, stored.id),
        "subject": stored.subject,
        "text": stored.text,
    }
    differs = differing_fields({name: value for name, value in requested.items() if value is not None}, columns)
    if (stored.customer_id, stored.purpose, stored.again_of) != (customer_id, STATEMENT, None):
        differs = ["customer", *differs]
    refuse_differences(Phrase("Message {stored_id}", stored_id=stored.id), differs, "id")

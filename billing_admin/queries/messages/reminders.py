"""Overdue invoices with their reminders, and reminder runs."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Select, and_, cast, exists, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.errors import NotFound
from billing_admin.domain.messages import REMINDER, TO, UNFINISHED
from billing_admin.domain.reminders import (
    NEXT_RUN,
    InvoiceReminder,
    NextReminder,
    OverdueInvoice,
    PlannedReminder,
    RemindedAccount,
    ReminderDocument,
    ReminderLevel,
    covered_invoices,
    levels_from_json,
    next_reminder,
    reached_level,
    stop_reason,
)
from billing_admin.domain.translation import Phrase
from billing_admin.models import (
    Customer,
    Invoice,
    Message,
    MessageDocument,
    MessageRecipient,
    ReminderRun,
    ReminderRunItem,
)
from billing_admin.queries.master_data.organisation import day_of, organisation, today
from billing_admin.queries.messages.recipients import load_recipients
from billing_admin.queries.messages.reminder_pauses import current_pauses
from billing_admin.queries.payments.receivables import counted_through, invoice_amounts, positions
from billing_admin.queries.payments.refunds import credit_by_account

# A reminder counts if the customer has it, or may have it.
COUNTED = frozenset({"sent", "uncertain"})


class _AccountHistory(NamedTuple):
    """The day of the last reminder to an account, and whether one is in the outbox."""

    reminded_on: date | None = None
    has_unfinished: bool = False


def load_levels(session: Session) -> tuple[ReminderLevel, ...]:
    """Return the levels of reminders."""
    return levels_from_json(organisation(session).reminder_levels)


def load_reminded_accounts(
    session: Session, day: date, customer_ids: Sequence[UUID] | None = None, currency: str | None = None
) -> list[RemindedAccount]:
    """Return the customers that have invoices overdue on a day, per currency."""
    invoices = _overdue_invoices(session, day, customer_ids, currency)
    ids = {customer_id for customer_id, _ in invoices}
    columns = (Customer.id, Customer.reference, Customer.name, Customer.archived_at)
    customers = {row.id: row for row in session.execute(select(*columns).where(is_any_of(Customer.id, ids)))}
    pauses, recipients = current_pauses(session, ids), load_recipients(session, ids, REMINDER)
    histories, credits = _account_histories(session, ids), _credits(session, day, list(invoices))
    reminders = load_reminders(session, [row.id for rows in invoices.values() for row in rows])
    return [
        RemindedAccount(
            customer_id=key[0],
            reference=customers[key[0]].reference,
            name=customers[key[0]].name,
            currency=key[1],
            invoices=[_overdue_invoice(row, reminders[row.id], pauses.invoices.get(row.id)) for row in rows],
            recipients=recipients.get(key[0], ()),
            credit=credits.get(key, 0),
            reminded_on=histories[key].reminded_on,
            has_unfinished=histories[key].has_unfinished,
            is_archived=customers[key[0]].archived_at is not None,
            pause=pauses.customers.get(key[0]),
        )
        for key, rows in invoices.items()
    ]


def _credits(session: Session, day: date, keys: Sequence[AccountKey]) -> Mapping[AccountKey, int]:
    """Return the credit of accounts on a day."""
    if counted_through(session, day) is None:
        return credit_by_account(session, keys)
    on_day = positions(session, day, sorted({customer_id for customer_id, _ in keys}))
    return {key: position.unallocated for key, position in on_day.items()}


def _overdue_invoices(
    session: Session, day: date, customer_ids: Sequence[UUID] | None, currency: str | None
) -> dict[AccountKey, list[Any]]:
    """Return the open invoices due before a day, by account."""
    items = invoice_amounts(counted_through(session, day), customer_ids, only_open=True).c
    open_amount = cast(items.invoiced - items.credited - items.allocated, BigInteger).label("open_amount")
    columns = (
        items.id,
        items.customer_id,
        items.currency,
        items.number,
        items.document_date,
        items.due_date,
        open_amount,
    )
    query = select(*columns).where(open_amount > 0, items.due_date < day, items.issue_date <= day)
    if currency is not None:
        query = query.where(items.currency == currency)
    invoices: dict[AccountKey, list[Any]] = defaultdict(list)
    for row in session.execute(query.order_by(items.due_date, items.number)):
        invoices[row.customer_id, row.currency].append(row)
    return invoices


def _overdue_invoice(row: Any, reminders: Sequence[InvoiceReminder], pause: Any) -> OverdueInvoice:
    level, held = reached_level(reminders)
    return OverdueInvoice(
        id=row.id,
        number=row.number,
        issue_date=row.document_date,
        due_date=row.due_date,
        open_amount=int(row.open_amount),
        level=level,
        held=held,
        pause=pause,
    )


def load_reminders(session: Session, invoice_ids: Collection[UUID]) -> dict[UUID, list[InvoiceReminder]]:
    """Return the reminders of invoices, the oldest first."""
    reminders: dict[UUID, list[InvoiceReminder]] = defaultdict(list)
    at = func.coalesce(Message.finished_at, Message.created_at)
    to = (MessageRecipient.message_id == Message.id, MessageRecipient.kind == TO)
    bounced = and_(
        exists().where(*to, MessageRecipient.result == "bounced"),
        ~exists().where(*to, MessageRecipient.result == "accepted"),
    )
    query = (
        select(
            MessageDocument.invoice_id,
            MessageDocument.level,
            MessageDocument.current,
            Message.id,
            Message.state,
            at.label("at"),
            bounced.label("bounced"),
        )
        .join(Message, Message.id == MessageDocument.message_id)
        .where(is_any_of(MessageDocument.invoice_id, invoice_ids), MessageDocument.purpose == REMINDER)
    )
    for row in session.execute(query.order_by(Message.created_at, Message.id)):
        reminders[row.invoice_id].append(
            InvoiceReminder(row.id, row.level, row.state, row.at, row.current, bool(row.bounced))
        )
    return reminders


def _account_histories(session: Session, customer_ids: Collection[UUID]) -> dict[AccountKey, _AccountHistory]:
    time_zone = organisation(session).time_zone
    query = select(
        Message.customer_id,
        Message.currency,
        func.max(Message.finished_at).filter(Message.state.in_(COUNTED)).label("last"),
        func.count().filter(Message.state.in_(UNFINISHED)).label("unfinished"),
    ).where(is_any_of(Message.customer_id, customer_ids), Message.purpose == REMINDER)
    histories: dict[AccountKey, _AccountHistory] = defaultdict(_AccountHistory)
    for row in session.execute(query.group_by(Message.customer_id, Message.currency)):
        day = day_of(row.last, time_zone) if row.last else None
        histories[row.customer_id, row.currency] = _AccountHistory(day, row.unfinished > 0)
    return histories


def find_stop_reason(session: Session, message: Message, now: datetime) -> str | None:
    """Return why a waiting reminder is not sent after all, or None if it is.

    A message that repeats another one has the letter of that one. Its documents and the account are locked by the caller.
    """
    day = today(session, now)
    accounts = load_reminded_accounts(session, day, [message.customer_id], message.currency)
    covered = {id for account in accounts for id in covered_invoices(account)}
    pauses = current_pauses(session, [message.customer_id])
    first_id = message.again_of or message.id  # only the first message has items of a run
    amounts = select(ReminderRunItem.invoice_id, ReminderRunItem.open_amount).where(
        ReminderRunItem.message_id == first_id
    )
    reminded = {row.invoice_id: row.open_amount for row in session.execute(amounts)}
    query = (
        select(Invoice)
        .join(MessageDocument, MessageDocument.invoice_id == Invoice.id)
        .where(MessageDocument.message_id == message.id)
        .order_by(Invoice.number)
    )
    documents = [
        ReminderDocument(
            number=str(row.number),
            open_amount=row.total - row.paid - row.credited,
            reminded_amount=reminded.get(row.id),
            pause=pauses.invoices.get(row.id),
            is_covered=row.id in covered,
        )
        for row in session.scalars(query)
    ]
    return stop_reason(documents, pauses.customers.get(message.customer_id), day)


def invoices_of_reminders(session: Session, reminders: Sequence[PlannedReminder]) -> dict[UUID, Invoice]:
    """Return the documents of planned reminders by id."""
    ids = [item.invoice.id for reminder in reminders for item in reminder.items]
    return {row.id: row for row in session.scalars(select(Invoice).where(is_any_of(Invoice.id, ids)))}


@dataclass(frozen=True, slots=True)
class InvoiceReminders:
    """The reminders of an invoice, and its next one if it is overdue or open."""

    sent: Sequence[InvoiceReminder]
    next: NextReminder | None


def reminders_of_invoice(session: Session, invoice: Invoice) -> InvoiceReminders:
    """Return the reminders of an invoice, and the next one while it is open."""
    reminders = load_reminders(session, [invoice.id])[invoice.id]
    open_amount = invoice.total - invoice.paid - invoice.credited
    if invoice.kind == "credit_note" or invoice.status != "issued" or not open_amount:
        return InvoiceReminders(reminders, None)
    key = invoice.customer_id, invoice.currency
    reminded_on = _account_histories(session, [invoice.customer_id])[key].reminded_on
    overdue = OverdueInvoice(
        id=invoice.id,
        number=str(invoice.number),
        issue_date=invoice.original_date or invoice.issue_date,  # type: ignore[arg-type]  # issued invoices have both days
        due_date=invoice.due_date,  # type: ignore[arg-type]
        open_amount=open_amount,
        level=reached_level(reminders)[0],
    )
    return InvoiceReminders(reminders, next_reminder(overdue, reminded_on, load_levels(session)))


def reminder_runs() -> Select[ReminderRun]:
    """Select the reminder runs, newest first; for `paging.page`."""
    return select(ReminderRun).order_by(ReminderRun.created_at.desc(), ReminderRun.id.desc())


def reminder_run(session: Session, id: UUID) -> ReminderRun:
    """Return one reminder run.

    Raises:
        NotFound: There is no such run.
    """
    row = session.get(ReminderRun, id, populate_existing=True)
    if row is None:
        raise NotFound("unknown_run", Phrase("There is no reminder run {id}.", id=id), "id")
    return row


def is_full(session: Session, run_id: UUID) -> bool:
    """Return whether a run has left reminders for the next one because it was full."""
    postponed = exists().where(ReminderRunItem.run_id == run_id, ReminderRunItem.reason == NEXT_RUN)
    return bool(session.scalar(select(postponed)))


def run_items(session: Session, run_id: UUID) -> list[Any]:
    """Return the invoices of a run in its order, with the state of their messages now."""
    query = (
        select(
            *ReminderRunItem.__table__.c,
            Customer.reference.label("customer_reference"),
            Customer.name.label("customer_name"),
            Invoice.number.label("invoice_number"),
            Message.state.label("message_state"),
            Message.reason.label("message_reason"),
            Message.reason_phrase.label("message_reason_phrase"),
        )
        .join(Customer, Customer.id == ReminderRunItem.customer_id)
        .join(Invoice, Invoice.id == ReminderRunItem.invoice_id)
        .outerjoin(Message, Message.id == ReminderRunItem.message_id)
        .where(ReminderRunItem.run_id == run_id)
    )
    return list(session.execute(query.order_by(ReminderRunItem.position)))


def amounts_of_runs(session: Session, run_ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """Return the reminded amounts of runs in minor units, by currency."""
    amounts: dict[UUID, dict[str, int]] = defaultdict(dict)
    amount = cast(func.sum(ReminderRunItem.open_amount), BigInteger).label("amount")
    columns = (ReminderRunItem.run_id, ReminderRunItem.currency)
    query = select(*columns, amount).where(
        is_any_of(ReminderRunItem.run_id, run_ids), ReminderRunItem.message_id.is_not(None)
    )
    for row in session.execute(query.group_by(*columns).order_by(*columns)):
        amounts[row.run_id][row.currency] = int(row.amount)
    return amounts


def recipients_of_run(session: Session, run_id: UUID) -> dict[UUID, list[str]]:
    """Return the addresses of a run's messages."""
    addresses: dict[UUID, list[str]] = defaultdict(list)
    messages = select(ReminderRunItem.message_id).where(ReminderRunItem.run_id == run_id)
    query = select(MessageRecipient).where(MessageRecipient.message_id.in_(messages))
    for row in session.scalars(query.order_by(MessageRecipient.message_id, MessageRecipient.position)):
        addresses[row.message_id].append(row.address)
    return addresses

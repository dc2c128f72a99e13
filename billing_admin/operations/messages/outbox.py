"""The outbox: insert messages in the transaction of their act.

An act that is rolled back sends nothing, and a committed one is never lost. The worker sends the messages.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_ids
from billing_admin.db.lookup import is_any_of
from billing_admin.domain.access import Actor
from billing_admin.domain.document_hash import Row as Values
from billing_admin.domain.errors import Conflict, Invalid, Problem
from billing_admin.domain.formatting import format_period
from billing_admin.domain.mail_servers import check_mail_address
from billing_admin.domain.messages import (
    MAX_MESSAGE_LENGTH,
    MAX_SUBJECT_LENGTH,
    REMINDER,
    STATEMENT,
    WITHDRAWN,
    FirstMessage,
    Recipient,
    check_recipients,
    sent_before,
)
from billing_admin.domain.text import check_not_blank, check_text
from billing_admin.domain.translation import Phrase
from billing_admin.formats.document_contents import Contents
from billing_admin.models import (
    AuditEvent,
    Invoice,
    Message,
    MessageDocument,
    MessageFile,
    MessageLetter,
    MessageRecipient,
)
from billing_admin.operations.audit import event_row
from billing_admin.queries.master_data.organisation import day_of, organisation

DocumentRow: TypeAlias = Row[UUID, str | None, str]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document in a form of its renditions, and the name of the file."""

    invoice_id: UUID
    form: str
    name: str


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A letter that is attached to a message and printed when the message is sent.

    `contents` are its texts, which name the logo by its hash.
    """

    name: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that was made for a message, such as a printed letter."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be sent.

    `documents` are the documents that it sends, or reminds of, each with its level: 0 if the document itself is sent.
    `period` is that of a statement. `again_of` is the message that this one repeats, for `again_reason`. Without an `id`
    it gets one.
    """

    customer_id: UUID
    purpose: str
    currency: str
    language: str
    recipients: Sequence[Recipient]
    subject: str
    text: str
    documents: Sequence[tuple[UUID, int]] = ()
    attachments: Sequence[Attachment] = ()
    letters: Sequence[NewLetter] = ()
    files: Sequence[NewFile] = ()
    period: tuple[date, date] | None = None
    id: UUID | None = None
    again_of: UUID | None = None
    again_reason: str = ""


def enqueue_messages(
    session: Session, messages: Sequence[NewMessage], actor: Actor, now: datetime, marked: str = ""
) -> list[UUID]:
    """Insert messages that wait to be sent, and return their ids.

    If one of them is refused, none is inserted. With `marked`, they are not sent: a person has sent the documents by other
    means, and `marked` says how.

    Raises:
        Conflict: A document is a draft or void, or there is a first message for it already.
        Invalid: A message has no recipient, or a wrong address, subject or text.
    """
    numbers = _issued_numbers(lock_documents(session, {id for message in messages for id, _ in message.documents}))
    _refuse_second_messages(session, messages, numbers)
    _refuse_second_statements(session, messages)
    keys = new_ids(now)
    ids = [message.id or next(keys) for message in messages]
    rows = list(zip(ids, messages, strict=True))
    message_rows = [_message_row(id, message, actor, now, marked) for id, message in rows]
    recipient_rows = [row for id, message in rows for row in _recipient_rows(id, message, marked)]
    insert_many(session, Message, message_rows)
    insert_many(session, MessageRecipient, recipient_rows)
    insert_many(session, MessageDocument, [row for id, message in rows for row in _document_rows(id, message)])
    insert_many(session, MessageLetter, [row for id, message in rows for row in _letter_rows(id, message)])
    insert_many(session, MessageFile, [row for id, message in rows for row in _file_rows(id, message)])
    action = "message.marked_sent" if marked else "message.enqueued"
    events = [
        event_row(actor, now, action, "message", id, _audit_details(message, numbers, marked)) for id, message in rows
    ]
    insert_many(session, AuditEvent, events)
    return ids


def lock_documents(session: Session, ids: Iterable[UUID]) -> Sequence[DocumentRow]:
    """Lock the documents of messages, and return their ids, numbers and statuses.

    A document cannot become void while a message for it is enqueued.
    """
    query = select(Invoice.id, Invoice.number, Invoice.status).where(is_any_of(Invoice.id, ids))
    return session.execute(query.order_by(Invoice.id).with_for_update()).all()


def _issued_numbers(documents: Iterable[DocumentRow]) -> dict[UUID, str]:
    """Return the numbers of documents by id.

    Raises Conflict for a draft or a void document.
    """
    numbers: dict[UUID, str] = {}
    for id, number, status in documents:
        if number is None:
            raise Conflict("not_issued", Phrase("A draft cannot be sent. Issue it first."), "invoice")
        if status == "void":
            raise Conflict("invoice_void", Phrase("{number} is void, so it is not sent.", number=number), "invoice")
        numbers[id] = number
    return numbers


def check_addresses(recipients: Sequence[Recipient]) -> Sequence[Recipient]:
    """Return recipients that were typed, or sent by a script, if they are well-formed.

    Raises:
        Invalid: A name or an address is wrong. The error has every problem, at its place in `recipients`.
    """
    problems: list[Problem] = []
    for place, recipient in enumerate(recipients):
        for field, value, check in (
            ("name", recipient.name, check_text),
            ("address", recipient.address, _check_address),
        ):
            try:
                check(value, "recipients", place, field)
            except Invalid as error:
                problems += error.problems
    if problems:
        raise Invalid.of(problems)
    return recipients


def _check_address(value: str, *field: str | int) -> str:
    return check_mail_address(check_not_blank(value, *field), *field)


def _refuse_second_messages(session: Session, messages: Iterable[NewMessage], numbers: dict[UUID, str]) -> None:
    """Raise Conflict if a document has a first message of the level already."""
    first = {
        (id, message.purpose, level)
        for message in messages
        if message.again_of is None
        for id, level in message.documents
    }
    columns = (MessageDocument.message_id, MessageDocument.invoice_id, MessageDocument.purpose, MessageDocument.level)
    query = select(*columns).where(
        MessageDocument.current, is_any_of(MessageDocument.invoice_id, {key[0] for key in first})
    )
    for row in session.execute(query):
        if (row.invoice_id, row.purpose, row.level) in first:
            number = numbers[row.invoice_id]
            message = (
                Phrase(
                    "There is a reminder message for {number} at level {level} already.", number=number, level=row.level
                )
                if row.purpose == REMINDER
                else Phrase("There is a document message for {number} already.", number=number)
            )
            raise Conflict("already_sent", message, "invoice", message_id=str(row.message_id))


def _refuse_second_statements(session: Session, messages: Iterable[NewMessage]) -> None:
    """Raise Conflict if a customer has a first statement of the period already."""
    first = {
        (message.customer_id, message.currency, message.period)
        for message in messages
        if message.purpose == STATEMENT and message.again_of is None
    }
    if not first:
        return
    query = select(Message).where(
        Message.purpose == STATEMENT,
        Message.again_of.is_(None),
        Message.state.not_in(WITHDRAWN),
        is_any_of(Message.customer_id, {key[0] for key in first}),
    )
    for row in session.scalars(query):
        if (
            row.period_from
            and row.period_to
            and (row.customer_id, row.currency, (row.period_from, row.period_to)) in first
        ):
            day = day_of(row.finished_at or row.created_at, organisation(session).time_zone)
            first_message = FirstMessage(row.id, row.state, day, row.by_hand)
            name = Phrase(
                "The statement in {currency} for {period_from}",
                currency=row.currency,
                period_from=format_period(row.period_from, row.period_to),
            )
            problem = sent_before(name, first_message, "period")
            raise Conflict(problem.code, problem.message, *problem.field, message_id=str(row.id))


def _message_row(id: UUID, message: NewMessage, actor: Actor, now: datetime, marked: str) -> Values:
    first, last = message.period or (None, None)
    return {
        "id": id,
        "customer_id": message.customer_id,
        "purpose": message.purpose,
        "currency": message.currency,
        "language": message.language,
        "period_from": first,
        "period_to": last,
        "subject": check_not_blank(message.subject, "subject", longest=MAX_SUBJECT_LENGTH),
        "text": check_text(message.text, "text", longest=MAX_MESSAGE_LENGTH, lines=True),
        "state": "sent" if marked else "waiting",
        "reason": marked,
        "reason_phrase": None,
        "by_hand": bool(marked),
        "again_of": message.again_of,
        "again_reason": message.again_reason,
        "attachments": list(_attachments(message)),
        "content": None,
        "tries": 0,
        "next_attempt_at": None if marked else now,
        "attempted_at": None,
        "handed_over_at": None,
        "response": "",
        "worker": None,
        "held_until": None,
        "created_at": now,
        "created_by": actor.name,
        "finished_at": now if marked else None,
    }


def _attachments(message: NewMessage) -> Iterator[Values]:
    for attachment in message.attachments:
        yield {"invoice_id": str(attachment.invoice_id), "form": attachment.form, "name": attachment.name}
    for name in (*(letter.name for letter in message.letters), *(file.name for file in message.files)):
        yield {"file": name}


def _recipient_rows(id: UUID, message: NewMessage, marked: str) -> Iterator[Values]:
    recipients = () if marked else check_recipients(message.recipients)
    for position, recipient in enumerate(recipients, 1):
        yield {
            "message_id": id,
            "position": position,
            "name": recipient.name,
            "address": recipient.address,
            "kind": recipient.kind,
            "result": "",
            "code": None,
            "response": "",
            "at": None,
        }


def _document_rows(id: UUID, message: NewMessage) -> Iterator[Values]:
    for invoice_id, level in message.documents:
        yield {
            "message_id": id,
            "invoice_id": invoice_id,
            "purpose": message.purpose,
            "level": level,
            "current": message.again_of is None,
        }


def _letter_rows(id: UUID, message: NewMessage) -> Iterator[Values]:
    for letter in message.letters:
        yield {"message_id": id, "name": letter.name, "contents": letter.contents}


def _file_rows(id: UUID, message: NewMessage) -> Iterator[Values]:
    for file in message.files:
        yield file_row(id, file.name, file.media_type, file.data)


def file_row(id: UUID, name: str, media_type: str, data: bytes) -> Values:
    """Return the row of a file of a message."""
    sha256 = hashlib.sha256(data).hexdigest()
    return {"message_id": id, "name": name, "media_type": media_type, "sha256": sha256, "data": data}


def _audit_details(message: NewMessage, numbers: dict[UUID, str], marked: str) -> Values:
    details = {"customer": str(message.customer_id), "purpose": message.purpose}
    if message.documents:
        levels = [f" (level {level})" if level else "" for _, level in message.documents]
        names = [numbers[id] for id, _ in message.documents]
        details["documents"] = ", ".join(name + level for name, level in zip(names, levels, strict=True))
    if message.period:
        details["period"] = " to ".join(day.isoformat() for day in message.period)
    if marked:
        details["reason"] = marked
    else:
        details["to"] = ", ".join(recipient.address for recipient in message.recipients)
    return details | ({"again_of": str(message.again_of), "reason": message.again_reason} if message.again_of else {})

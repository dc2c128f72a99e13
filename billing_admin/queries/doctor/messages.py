"""Checks of messages to customers."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.messages import REMINDER, WITHDRAWN
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.models import Invoice, Message, MessageDocument, MessageFile, MessageRecipient, Rendition
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.invoices.invoices import is_sent

FETCH_SIZE = 100
FILE_HASH = Check("message_file_hash", "Letters of messages match their hashes.")
FILES = Check("message_files", "The files of messages that were sent are stored.")
CURRENT = Check("message_current", "A document has at most one first message of a purpose and level.")
RECIPIENTS = Check("message_recipients", "Each recipient of a sent message has a result, and one To was accepted.")
VOID = Check("message_void", "No void document was sent.")
CHECKS = (FILE_HASH, FILES, CURRENT, RECIPIENTS, VOID)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield messages that were changed, lack files or results, or are second ones."""
    files = select(MessageFile.message_id, MessageFile.name, MessageFile.sha256, MessageFile.data)
    order = files.order_by(MessageFile.message_id, MessageFile.name)
    for file in session.execute(order.execution_options(yield_per=FETCH_SIZE)):
        if hashlib.sha256(file.data).hexdigest() != file.sha256:
            problem = f"{file.name}: its bytes do not match its SHA-256"
            yield FILE_HASH.name, Finding("message_files", str(file.message_id), problem)
    yield from _missing_files(session)
    yield from _second_messages(session)
    yield from _missing_results(session)
    yield from _sent_void_documents(session)


def _missing_files(session: Session) -> Iterator[tuple[str, Finding]]:
    handed_over = or_(Message.state.in_(("sent", "uncertain")), Message.handed_over_at.is_not(None))
    query = select(Message.id, Message.attachments).where(handed_over, Message.by_hand.is_(False)).order_by(Message.id)
    for messages in session.execute(query.execution_options(yield_per=FETCH_SIZE)).partitions():
        stored = _stored_files(session, messages)
        for message in messages:
            for file in message.attachments:
                if _key(message.id, file) not in stored:
                    name = file.get("name") or file["file"]
                    yield FILES.name, Finding("messages", str(message.id), f"{name} is not stored")


def _key(message_id: object, file: dict[str, Any]) -> tuple[str, str]:
    """Return where a file is stored: its document and form, or its message and name."""
    return (file["invoice_id"], file["form"]) if "form" in file else (str(message_id), file["file"])


def _stored_files(session: Session, messages: Sequence[Any]) -> set[tuple[str, str]]:
    documents = {file["invoice_id"] for message in messages for file in message.attachments if "form" in file}
    renditions = select(Rendition.invoice_id, Rendition.form).where(is_any_of(Rendition.invoice_id, documents))
    letters = select(MessageFile.message_id, MessageFile.name).where(
        is_any_of(MessageFile.message_id, [message.id for message in messages])
    )
    return {(str(id), name) for query in (renditions, letters) for id, name in session.execute(query)}


def _second_messages(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield messages that are first ones wrongly, and second first ones."""
    row = (MessageDocument.message_id, Invoice.number, MessageDocument.current, Message.again_of, Message.state)
    query = (
        select(*row)
        .join(Message, Message.id == MessageDocument.message_id)
        .join(Invoice, Invoice.id == MessageDocument.invoice_id)
    )
    is_first = and_(Message.again_of.is_(None), Message.state.not_in(WITHDRAWN))
    repeat = aliased(Message)
    released = and_(  # a reminder that did not arrive, whose repeat was dropped
        MessageDocument.purpose == REMINDER,
        ~MessageDocument.current,
        exists().where(repeat.again_of == Message.id, repeat.state == "dropped"),
    )
    for message in session.execute(query.where(MessageDocument.current != is_first, ~released).order_by(Message.id)):
        problem = "is not marked as the first message" if not message.current else "is marked as the first message"
        yield CURRENT.name, Finding("messages", str(message.message_id), f"{problem} for {message.number}")
    earlier = aliased(MessageDocument)
    same = (earlier.invoice_id == MessageDocument.invoice_id, earlier.purpose == MessageDocument.purpose)
    second = exists().where(
        *same, earlier.level == MessageDocument.level, earlier.current, earlier.message_id < MessageDocument.message_id
    )
    for message in session.execute(query.where(MessageDocument.current, second).order_by(Message.id)):
        yield CURRENT.name, Finding("messages", str(message.message_id), f"is a second message for {message.number}")


def _missing_results(session: Session) -> Iterator[tuple[str, Finding]]:
    recipient = (MessageRecipient.message_id == Message.id,)
    without_result = exists().where(*recipient, MessageRecipient.result == "")
    accepted = exists().where(
        *recipient, MessageRecipient.kind == "to", MessageRecipient.result.in_(("accepted", "bounced"))
    )
    query = select(Message.id, Message.subject).where(
        Message.state == "sent", Message.by_hand.is_(False), or_(without_result, ~accepted)
    )
    for message in session.execute(query.order_by(Message.id)):
        yield RECIPIENTS.name, Finding("messages", str(message.id), f"{message.subject}: a recipient lacks its result")


def _sent_void_documents(session: Session) -> Iterator[tuple[str, Finding]]:
    # Reminders of an opening invoice send no document, so they do not stop its void.
    is_own = Invoice.kind != OPENING_INVOICE
    query = select(Invoice.id, Invoice.number).where(Invoice.status == "void", is_own, is_sent(Invoice.id))
    for document in session.execute(query.order_by(Invoice.id)):
        yield VOID.name, Finding("invoices", str(document.id), f"{document.number} is void, but was sent")

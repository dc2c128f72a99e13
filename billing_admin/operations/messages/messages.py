"""Cancel a message, mark it as sent, or send it again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.messages import (
    COUNTS_AS_SENT,
    DOCUMENT,
    UNFINISHED,
    WITHDRAWN,
    Recipient,
    again_problem,
    archived_problem,
    cancel_problem,
    check_recipients,
    mail_off,
    mark_problem,
    no_recipient,
)
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, Message, MessageDocument
from billing_admin.operations.audit import record
from billing_admin.operations.messages.document_messages import document_messages
from billing_admin.operations.messages.outbox import (
    Attachment,
    NewFile,
    NewLetter,
    NewMessage,
    check_addresses,
    enqueue_messages,
    lock_documents,
)
from billing_admin.operations.webhooks.outbox import enqueue_message_finished
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.documents import document_levels, load_sending_facts
from billing_admin.queries.messages.messages import later_messages
from billing_admin.queries.messages.outbox import load_files, load_letters, load_message_recipients, message
from billing_admin.queries.messages.recipients import load_recipients


def cancel_message(session: Session, id: UUID, reason: str, actor: Actor, now: datetime) -> bool:
    """Cancel a message that waits to be sent, or could not be sent.

    Returns False if it was cancelled before. The document can then be sent in another message.

    Raises:
        Conflict: The message is being sent, was sent, or another message repeats it.
        Invalid: The reason is blank.
        NotFound: There is no such message.
    """
    row = message(session, id, lock=True)
    checked_reason = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    if row.state == "cancelled":
        return False
    _refuse(cancel_problem(row.state))
    details = {"reason": checked_reason}
    if row.state == "failed":
        _refuse_repeated(session, row)
        details["was"] = row.reason
    finish(session, row, "cancelled", "message.cancelled", details, actor, now)
    return True


def mark_message_sent(session: Session, id: UUID, reason: str, actor: Actor, now: datetime) -> bool:
    """Mark a message as sent by other means, or as known to have arrived.

    `reason` says how. Returns False if it was marked before.

    Raises:
        Conflict: The message is being sent, or was sent, cancelled or dropped, or a document is void.
        Invalid: The reason is blank.
        NotFound: There is no such message.
    """
    message(session, id)
    documents = lock_documents(session, [document_id for document_id, _ in document_levels(session, id)])
    row = message(session, id, lock=True)
    checked_reason = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    if row.by_hand:
        return False
    _refuse(mark_problem(row.state))
    for document in documents:
        if document.status == "void":
            message_text = Phrase(
                "{document_number} is void, so it cannot be marked as sent. Bill its charges again.",
                document_number=document.number,
            )
            raise Conflict("invoice_void", message_text, "state")
    details = {"reason": checked_reason, "was": row.state}
    row.by_hand = True
    finish(session, row, "sent", "message.marked_sent", details, actor, now)
    return True


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise Conflict("wrong_state", problem, "state")


def _refuse_repeated(session: Session, row: Message) -> None:
    """Raise Conflict if a message that was sent, or will be, repeats this one."""
    for repeat in later_messages(session, row):
        if repeat.state in UNFINISHED | COUNTS_AS_SENT:
            problem = Phrase("This message is being sent again, or was. Open that message instead.")
            raise Conflict("wrong_state", problem, "state", message_id=str(repeat.id))


def finish(
    session: Session, row: Message, state: str, action: str, details: Mapping[str, str], actor: Actor, now: datetime
) -> None:
    """Set the end state of a message, with the audit event `action` and its `details`.

    The message has the reason of the details. If it is cancelled or dropped, other messages may be enqueued for its
    documents. Otherwise webhooks are enqueued.
    """
    row.state, row.reason, row.finished_at = state, details.get("reason", ""), now
    row.next_attempt_at = row.worker = row.held_until = row.content = None
    session.flush()
    record(session, actor, now, action, "message", row.id, details)
    if state not in WITHDRAWN:
        enqueue_message_finished(session, row.id, now)
    else:
        documents = update(MessageDocument).where(MessageDocument.message_id == row.id, MessageDocument.current)
        session.execute(documents.values(current=False).execution_options(synchronize_session=False))


def send_again(
    session: Session,
    id: UUID,
    reason: str,
    recipients: Sequence[Recipient] | None,
    new_id: UUID | None,
    mail_on: bool,
    actor: Actor,
    now: datetime,
) -> tuple[UUID, bool]:
    """Enqueue another message like one that was sent, failed or is uncertain.

    It repeats the first message, also when `id` is a repeat. Only one repeat can wait at a time.

    Without `recipients` it goes to the contacts that get such messages today, since an address may have been corrected, or
    a person may have left. `new_id` is the caller's id for the new message. Returns its id, and whether it is new.
    `mail_on` tells whether a mail server is set up.

    Raises:
        Conflict: The message or a repeat of it is waiting, it was cancelled or dropped, the document is void, the customer
            archived, or no mail server is set up.
        Invalid: The reason is blank, there is no recipient, or one is wrong.
        NotFound: There is no such message.
    """
    row = message(session, id)
    first_id = row.again_of or id
    checked_reason = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    checked = None if recipients is None else check_recipients(check_addresses(recipients))
    stored = session.get(Message, new_id) if new_id else None
    if stored is not None:
        _check_same(session, stored, first_id, checked_reason, checked)
        return stored.id, False
    if not mail_on:
        raise mail_off(is_demo=organisation(session).is_demo)
    lock_documents(session, [document_id for document_id, _ in document_levels(session, first_id)])
    first = message(session, first_id, lock=True)
    session.refresh(row)
    _refuse(again_problem(row.state))
    for repeat in later_messages(session, first):
        if repeat.state in UNFINISHED:
            waiting = Phrase("This message is already waiting to be sent again. Cancel that message first.")
            raise Conflict("already_waiting", waiting, "state", message_id=str(repeat.id))
    customer = session.get_one(Customer, row.customer_id)
    if customer.archived_at is not None:
        raise Conflict("customer_archived", archived_problem(customer.name), "customer")
    again = replace(copy_message(session, row), id=new_id, again_of=first_id, again_reason=checked_reason)
    to = checked or load_recipients(session, [row.customer_id], row.purpose).get(row.customer_id)
    if not to:
        problem = no_recipient(customer.name, row.purpose)
        raise Invalid(problem.code, problem.message, *problem.field)
    return enqueue_messages(session, [replace(again, recipients=to)], actor, now)[0], True


def _check_same(
    session: Session, stored: Message, again_of: UUID, reason: str, recipients: Sequence[Recipient] | None
) -> None:
    differs = ["message"] if stored.again_of != again_of else []
    differs += ["reason"] if stored.again_reason != reason else []
    differs += (
        ["recipients"] if recipients is not None and recipients != load_message_recipients(session, stored.id) else []
    )
    refuse_differences(Phrase("Message {stored_id}", stored_id=stored.id), differs, "id")


def copy_message(session: Session, row: Message) -> NewMessage:
    """Return the message that sends a stored one again.

    A document that a person sent by other means has no text and no attachments, so they are made.
    """
    documents = document_levels(session, row.id)
    if row.purpose == DOCUMENT and not row.attachments:
        return document_messages(session, load_sending_facts(session, [id for id, _ in documents]))[0]
    attachments = [
        Attachment(UUID(file["invoice_id"]), file["form"], file["name"]) for file in row.attachments if "form" in file
    ]
    letters = [NewLetter(letter.name, letter.contents) for letter in load_letters(session, row.id)]
    files = [NewFile(file.name, file.media_type, file.data) for file in load_files(session, row.id)]
    return NewMessage(
        customer_id=row.customer_id,
        purpose=row.purpose,
        currency=row.currency,
        language=row.language,
        recipients=load_message_recipients(session, row.id),
        subject=row.subject,
        text=row.text,
        documents=documents,
        attachments=attachments,
        letters=letters,
        files=files,
        period=(row.period_from, row.period_to) if row.period_from and row.period_to else None,
    )

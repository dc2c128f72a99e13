"""The messages that the worker sends."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from billing_admin.config import Settings
from billing_admin.domain.errors import NotFound
from billing_admin.domain.mail_servers import MailServer
from billing_admin.domain.messages import DOCUMENT, Recipient
from billing_admin.domain.translation import Phrase
from billing_admin.models import MailPause, Message, MessageDocument, MessageFile, MessageLetter, MessageRecipient
from billing_admin.queries.master_data.organisation import organisation


def can_send(session: Session, settings: Settings) -> bool:
    """Return whether there is a mail server for the data.

    Demo data is stored in a folder only: its addresses are not real.
    """
    is_server = isinstance(settings.mail_transport, MailServer)
    return settings.mail_on and not (is_server and organisation(session).is_demo)


def message(session: Session, id: UUID, lock: bool = False) -> Message:
    """Return one message as it is now, and lock its row if `lock`.

    Raises:
        NotFound: No message has this id.
    """
    row = session.get(Message, id, populate_existing=True, with_for_update=lock or None)
    if row is None:
        raise NotFound("unknown_message", Phrase("There is no message {id}.", id=id), "id")
    return row


def next_due_id(session: Session, now: datetime) -> UUID | None:
    """Return the message that has been due for the longest time."""
    # Only waiting messages have a next attempt. With a condition on the state, SQLite would take another index and sort.
    query = select(Message.id).where(Message.finished_at.is_(None), Message.next_attempt_at <= now)
    return session.scalar(query.order_by(Message.next_attempt_at, Message.created_at, Message.id).limit(1))


def current_pause(session: Session, now: datetime) -> MailPause | None:
    """Return the pause of the outbox at a moment, if any."""
    paused = select(MailPause).where(MailPause.until > now)
    return session.scalar(paused.execution_options(populate_existing=True))


def lost_ids(session: Session, now: datetime) -> list[UUID]:
    """Return the messages whose workers have not renewed their leases."""
    query = select(Message.id).where(
        Message.finished_at.is_(None), Message.state == "sending", Message.held_until < now
    )
    return list(session.scalars(query.order_by(Message.id)))


def load_message_recipients(session: Session, message_id: UUID) -> list[Recipient]:
    """Return the recipients of a message in order."""
    query = select(MessageRecipient).where(MessageRecipient.message_id == message_id)
    rows = session.scalars(query.order_by(MessageRecipient.position))
    return [Recipient(row.name, row.address, row.kind) for row in rows]


def load_files(session: Session, message_id: UUID) -> Sequence[MessageFile]:
    """Return the files that were made for a message, with their data."""
    query = select(MessageFile).where(MessageFile.message_id == message_id).options(undefer(MessageFile.data))
    return session.scalars(query.order_by(MessageFile.name)).all()


def load_letters(session: Session, message_id: UUID) -> Sequence[MessageLetter]:
    """Return the letters of a message that were not printed yet."""
    query = select(MessageLetter).where(MessageLetter.message_id == message_id)
    return session.scalars(query.order_by(MessageLetter.name).execution_options(populate_existing=True)).all()


def sent_document_message_ids(session: Session, message_id: UUID, limit: int) -> list[UUID]:
    """Return the e-mails that sent the documents of a message, oldest first."""
    documents = select(MessageDocument.invoice_id).where(MessageDocument.message_id == message_id)
    query = (
        select(Message.id)
        .join(MessageDocument, MessageDocument.message_id == Message.id)
        .where(
            MessageDocument.invoice_id.in_(documents),
            Message.purpose == DOCUMENT,
            Message.state == "sent",
            Message.by_hand.is_(False),
        )
        .distinct()
        .order_by(Message.id)
    )
    return list(session.scalars(query.limit(limit)))

"""Claim a message for one worker, and record the result of its attempt.

The state `sending` is committed before the worker connects, and the moment of the handover before the first byte of the
message is written. A worker that is killed before it leaves a message that can be sent again; one that is killed after
it leaves a message that is uncertain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.messages import (
    MAIL_PAUSE,
    REFUSALS_BEFORE_PAUSE,
    REMINDER,
    DocumentState,
    Recipient,
    RecipientAnswer,
    drop_reason,
    retry_delay,
)
from billing_admin.domain.reminders import reached_level
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, Invoice, MailPause, Message, MessageDocument, MessageRecipient
from billing_admin.operations.audit import record
from billing_admin.operations.master_data.accounts import lock_accounts
from billing_admin.operations.messages.messages import finish
from billing_admin.queries.messages.documents import document_levels
from billing_admin.queries.messages.outbox import load_message_recipients
from billing_admin.queries.messages.reminders import find_stop_reason, load_reminders

LEASE: Final = timedelta(minutes=10)  # longer than an attempt can take
RATE_LOCK: Final = 7_245_004  # the key of PostgreSQL's advisory lock
_MINUTE: Final = timedelta(minutes=1)
LOST_BEFORE: Final = Phrase("The worker stopped before it handed the message over.")
LOST_AFTER: Final = Phrase(
    "The worker stopped while it handed the message over, before it recorded the mail server’s answer."
)
FAILED_INTERNALLY: Final = Phrase(
    "The message could not be made because of an internal error, which is in the worker’s log."
)


class LeaseLost(Exception):
    """Another worker has released the message, or a person has finished it."""


class RateReached(Exception):
    """As many messages as allowed were sent in the last minute."""


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that only this worker may send, once."""

    id: UUID
    worker: str
    attempted_at: datetime
    recipients: tuple[Recipient, ...]
    content: bytes


def claim_message(
    session: Session, id: UUID, worker: str, per_minute: int, actor: Actor, now: datetime
) -> ClaimedMessage | None:
    """Claim a due message for an attempt.

    This is the final check before it is sent: its documents are locked, and the message is dropped if it should not
    be sent any more. Returns None if it was dropped, is not due, or its content was not made. `per_minute` is the number of
    attempts of all workers in a minute.

    Raises:
        RateReached: No attempt may begin at this moment.
    """
    _refuse_above_rate(session, per_minute, now)
    documents = _lock_documents(session, id)
    waiting = (Message.id == id, Message.state == "waiting", Message.next_attempt_at <= now)
    query = select(Message).where(*waiting).with_for_update(skip_locked=True)
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        return None
    customer = session.get_one(Customer, row.customer_id, populate_existing=True)
    reason = drop_reason(row.purpose, customer.name, customer.archived_at is not None, documents)
    if reason is None and row.purpose == REMINDER:
        lock_accounts(session, [(row.customer_id, row.currency)])  # the lock of unallocated money
        reason = find_stop_reason(session, row, now)
    if reason is not None:
        _drop(session, row, reason, actor, now)
        return None
    content = row.content
    if content is None:
        return None
    row.state, row.worker, row.held_until = "sending", worker, now + LEASE
    row.tries, row.attempted_at, row.next_attempt_at = row.tries + 1, now, None
    session.flush()
    return ClaimedMessage(id, worker, now, tuple(load_message_recipients(session, id)), content)


def _refuse_above_rate(session: Session, per_minute: int, now: datetime) -> None:
    """Raise RateReached if the attempts of all workers are as many as allowed."""
    # Without the lock, two workers could count at the same moment. SQLite has one writer at a time.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(RATE_LOCK)))
    attempts = select(func.count()).select_from(Message).where(Message.attempted_at.between(now - _MINUTE, now))
    if (session.scalar(attempts) or 0) >= per_minute:
        raise RateReached


def _lock_documents(session: Session, id: UUID) -> list[DocumentState]:
    """Lock the documents of a message, and return their states.

    They are locked before the message, in the order of all code that changes both.
    """
    ids = select(MessageDocument.invoice_id).where(MessageDocument.message_id == id)
    query = select(Invoice).where(Invoice.id.in_(ids)).order_by(Invoice.id).with_for_update()
    return [
        DocumentState(
            number=str(row.number),
            status=row.status,
            settled=row.kind != "credit_note" and row.paid + row.credited == row.total,
            credited_in_full=row.kind != "credit_note" and row.credited == row.total,
        )
        for row in session.scalars(query.execution_options(populate_existing=True))
    ]


def _drop(session: Session, row: Message, reason: str, actor: Actor, now: datetime) -> None:
    finish(session, row, "dropped", "message.dropped", {"reason": reason}, actor, now)
    if row.again_of is not None and row.purpose == REMINDER:
        _release_reminder(session, row.again_of)


def _release_reminder(session: Session, first_id: UUID) -> None:
    """Let a new reminder replace one that did not arrive and cannot be repeated."""
    documents = document_levels(session, first_id)
    reminders = load_reminders(session, [id for id, _ in documents])
    undelivered = [id for id, level in documents if reached_level(reminders[id])[0] < level]
    rows = update(MessageDocument).where(
        MessageDocument.message_id == first_id, MessageDocument.invoice_id.in_(undelivered)
    )
    session.execute(rows.values(current=False).execution_options(synchronize_session=False))


def record_handover(session: Session, claimed: ClaimedMessage, now: datetime) -> None:
    """Record that the content of a claimed message is about to be handed over.

    Raises:
        LeaseLost: The message is no longer this worker's, and must not be sent.
    """
    held = update(Message).where(
        Message.id == claimed.id,
        Message.state == "sending",
        Message.worker == claimed.worker,
        Message.attempted_at == claimed.attempted_at,
    )
    if session.connection().execute(held.values(handed_over_at=now, held_until=now + LEASE)).rowcount == 0:
        raise LeaseLost


def record_result(
    session: Session,
    claimed: ClaimedMessage,
    outcome: str,
    response: str,
    answers: Sequence[RecipientAnswer],
    actor: Actor,
    now: datetime,
    *,
    is_of_configuration: bool = False,
) -> None:
    """Record the result of an attempt: `sent`, `refused`, `retry` or `uncertain`.

    `is_of_configuration` tells a refusal that another configuration would avoid: several in a row pause the outbox.
    `answers` are those of the recipients, in their order. A message that another worker has released meanwhile is uncertain
    until this result, if it was sent or refused, is known.

    Raises:
        LeaseLost: The message is no longer this worker's.
    """
    row = session.get_one(Message, claimed.id, populate_existing=True, with_for_update=True)
    is_held = row.state == "sending" and row.worker == claimed.worker
    is_answered_late = row.state == "uncertain" and outcome in {"sent", "refused"}
    if row.attempted_at != claimed.attempted_at or not (is_held or is_answered_late):
        raise LeaseLost
    row.response = response
    match outcome:
        case "sent":
            _forget_refusals(session)
            _record_answers(session, row, answers, now)
            _end(session, row, "sent", "", actor, now)
        case "refused":
            _record_answers(session, row, answers, now)
            _end(session, row, "failed", response, actor, now)
        case "uncertain":
            _record_answers(session, row, answers, now)
            _end(session, row, "uncertain", response, actor, now)
        case _:
            if is_of_configuration:
                _count_refusal(session, response, now)
            _wait_or_fail(session, row, response, actor, now)


def _forget_refusals(session: Session) -> None:
    refused = update(MailPause).where(MailPause.refusals > 0)
    session.execute(
        refused.values(refusals=0, reason="", reason_phrase=None, until=None).execution_options(
            synchronize_session=False
        )
    )


def _count_refusal(session: Session, reason: str, now: datetime) -> None:
    """Count a refusal of the configuration; several in a row pause the outbox."""
    pause = session.get_one(MailPause, 1, populate_existing=True, with_for_update=True)
    pause.refusals, pause.reason = pause.refusals + 1, reason
    pause.until = now + MAIL_PAUSE if pause.refusals >= REFUSALS_BEFORE_PAUSE else None
    session.flush()


def resume_sending(session: Session, actor: Actor, now: datetime) -> int:
    """Let all waiting messages be sent now, and end a pause of the outbox.

    Returns the number of the messages.
    """
    _forget_refusals(session)
    waiting = update(Message).where(Message.finished_at.is_(None), Message.state == "waiting")
    values = waiting.values(next_attempt_at=now).execution_options(synchronize_session=False)
    count = session.connection().execute(values).rowcount
    record(session, actor, now, "outbox.resumed", "organisation", None, {"messages": count})
    return count


def _record_answers(session: Session, row: Message, answers: Sequence[RecipientAnswer], now: datetime) -> None:
    """Store the answers for the recipients, which are in their order.

    Without a code, the server was not asked for a recipient, or has not taken the message over.
    """
    for position, answer in enumerate(answers, 1):
        if answer.accepted or answer.code:
            recipient = session.get_one(MessageRecipient, (row.id, position))
            recipient.result = "accepted" if answer.accepted else "refused"
            recipient.code, recipient.response, recipient.at = answer.code, answer.response, now


def _end(session: Session, row: Message, state: str, reason: str, actor: Actor, now: datetime) -> None:
    """Finish a message after its last attempt."""
    action = {"sent": "message.sent", "failed": "message.failed", "uncertain": "message.uncertain"}[state]
    finish(session, row, state, action, {"reason": reason} if reason else {}, actor, now)


def _wait_or_fail(session: Session, row: Message, reason: str, actor: Actor, now: datetime) -> None:
    """Let a message wait for its next attempt, or finish it after the last one.

    Its content is made anew then, with the sender and the reply address of that time: they may be the cause.
    """
    delay = retry_delay(row.tries)
    row.handed_over_at = row.content = None
    if delay is None:
        _end(
            session,
            row,
            "failed",
            Phrase("Not sent in {tries} attempts within a week. {reason}", tries=row.tries, reason=reason),
            actor,
            now,
        )
        return
    row.state, row.reason, row.next_attempt_at = "waiting", reason, now + delay
    row.worker = row.held_until = None
    session.flush()


def record_failure(session: Session, id: UUID, reason: str, actor: Actor, now: datetime, *, final: bool) -> None:
    """Record that the content of a waiting message could not be made.

    A `final` failure ends the message; after another one, making it is tried again later.
    """
    row = session.get_one(Message, id, populate_existing=True, with_for_update=True)
    if row.state != "waiting":
        return
    row.tries, row.attempted_at = row.tries + 1, now
    if final:
        _end(session, row, "failed", reason, actor, now)
    else:
        _wait_or_fail(session, row, reason, actor, now)


def release_lost(session: Session, id: UUID, actor: Actor, now: datetime) -> None:
    """Take a message from a worker that has not reported a result within its lease.

    It waits again, or is uncertain if the worker had begun to hand it over.
    """
    lost = (Message.id == id, Message.state == "sending", Message.held_until < now)
    query = select(Message).where(*lost).with_for_update(skip_locked=True)
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        return
    if row.handed_over_at is not None:
        _end(session, row, "uncertain", LOST_AFTER, actor, now)
        return
    _wait_or_fail(session, row, LOST_BEFORE, actor, now)

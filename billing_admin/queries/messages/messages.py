"""Messages to customers: one with its parts, and many by filter."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from billing_admin.db.lookup import contains_text, is_any_of
from billing_admin.domain.errors import NotFound
from billing_admin.domain.messages import STATES, UNFINISHED, WITHDRAWN
from billing_admin.domain.translation import Phrase, phrase_from
from billing_admin.models import Customer, Invoice, Message, MessageDocument, MessageFile, MessageRecipient
from billing_admin.models.message import NOT_DELIVERED
from billing_admin.queries.master_data.customers import customer, matches_customer
from billing_admin.queries.master_data.organisation import start_of_day
from billing_admin.queries.object_ids import invoice_id

# The state that filters have besides those of messages: failed or uncertain, and not sent again.
ATTENTION: Final = "attention"
FILTER_STATES: Final = (ATTENTION, *STATES)
# For this time pages warn of recipients that did not get a message.
UNDELIVERED_SHOWN: Final = timedelta(days=30)
# For this time a message waits without a warning: attempts that fail for a short time are nothing to act on.
WAITING_UNNOTICED: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """A filter for messages.

    `state` is one of FILTER_STATES. `document` is the number or id of a document. `from_` and `to` are days on which
    messages were made, both included. `undelivered` messages have a recipient that was refused or bounced, and were not
    sent again. `q` is a part of the subject, of a recipient's name or address, or of the customer's name or reference.
    """

    q: str = ""
    customer: str = ""
    state: str = ""
    purpose: str = ""
    document: str = ""
    from_: date | None = None
    to: date | None = None
    undelivered: bool | None = None


def conditions(session: Session, filters: MessageFilter) -> list[ColumnElement[bool]]:
    """Return the filter as SQL conditions.

    Raises:
        NotFound: The customer or the document is unknown.
    """
    f = filters
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.q, lambda: _search(f.q)),
        (f.customer, lambda: Message.customer_id == customer(session, f.customer).id),
        (f.state, lambda: _is_in_state(f.state)),
        (f.purpose, lambda: Message.purpose == f.purpose),
        (f.document, lambda: Message.id.in_(_about(invoice_id(session, f.document, "document")))),
        (f.from_, lambda: Message.created_at >= start_of_day(session, f.from_)),
        (f.to, lambda: Message.created_at < start_of_day(session, f.to, days=1)),
        (f.undelivered is True, _is_undelivered),
        (f.undelivered is False, lambda: ~_is_undelivered()),
    ]
    return [condition() for value, condition in candidates if value]


def _is_in_state(state: str) -> ColumnElement[bool]:
    if state == ATTENTION:
        return and_(Message.state.in_(("failed", "uncertain")), ~_was_sent_again())
    return Message.state == state


def _was_sent_again() -> ColumnElement[bool]:
    """Return whether a later message repeats this one and was not withdrawn."""
    later = aliased(Message)
    first = func.coalesce(Message.again_of, Message.id)
    is_later = or_(Message.again_of.is_(None), later.created_at > Message.created_at)
    return exists().where(later.again_of == first, is_later, later.id != Message.id, later.state.not_in(WITHDRAWN))


def _is_undelivered() -> ColumnElement[bool]:
    # The condition of the index itself: with bound parameters, SQLite would read all recipients.
    query = select(MessageRecipient.message_id).where(NOT_DELIVERED)
    return and_(Message.id.in_(query), ~_was_sent_again())


def _about(document_id: UUID) -> Select[UUID]:
    return select(MessageDocument.message_id).where(MessageDocument.invoice_id == document_id)


def _search(q: str) -> ColumnElement[bool]:
    text = q.strip()
    of_recipient = select(MessageRecipient.message_id).where(
        or_(contains_text(MessageRecipient.name, text), contains_text(MessageRecipient.address, text))
    )
    return or_(
        contains_text(Message.subject, text),
        Message.id.in_(of_recipient),
        Message.customer_id.in_(select(Customer.id).where(matches_customer(text))),
    )


def messages(session: Session, filters: MessageFilter) -> Select[Message]:
    """Select messages with their parts by filter, newest first."""
    query = _load_parts(select(Message)).where(*conditions(session, filters))
    return query.order_by(Message.created_at.desc(), Message.id.desc())


def message(session: Session, id: UUID) -> Message:
    """Return one message with its recipients, documents and files.

    Raises:
        NotFound: No message has this id.
    """
    query = _load_parts(select(Message)).options(selectinload(Message.files).defer(MessageFile.data))
    row = session.scalars(query.where(Message.id == id).execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound("unknown_message", Phrase("There is no message {id}.", id=id), "id")
    return row


def messages_of_ids(session: Session, ids: Collection[UUID]) -> list[Message]:
    """Return the messages with these ids, newest first."""
    query = _load_parts(select(Message)).where(is_any_of(Message.id, ids))
    query = query.order_by(Message.created_at.desc(), Message.id.desc())
    return list(session.scalars(query.execution_options(populate_existing=True)))


def _load_parts(query: Select[Message]) -> Select[Message]:
    """Return the query so that it loads customers, recipients and documents."""
    document = selectinload(Message.documents).joinedload(MessageDocument.invoice)
    return query.options(
        joinedload(Message.customer).load_only(Customer.name, Customer.reference),
        selectinload(Message.recipients),
        document.load_only(Invoice.number, Invoice.kind),
    )


def messages_of_document(session: Session, document_id: UUID) -> list[Message]:
    """Return the messages with a document, newest first."""
    query = _load_parts(select(Message)).where(Message.id.in_(_about(document_id)))
    return list(session.scalars(query.order_by(Message.created_at.desc(), Message.id.desc())))


def count_by_state(session: Session, filters: MessageFilter) -> dict[str, int]:
    """Count the messages that match the rest of the filter, by state.

    The empty state counts all.
    """
    without_state = conditions(session, replace(filters, state=""))
    columns = [func.count().filter(_is_in_state(state)) for state in FILTER_STATES]
    row = session.execute(select(func.count(), *columns).select_from(Message).where(*without_state)).one()
    return dict(zip(("", *FILTER_STATES), row, strict=True))


def count_messages(session: Session, filters: MessageFilter) -> int:
    """Return how many messages match a filter."""
    return session.scalar(select(func.count()).select_from(Message).where(*conditions(session, filters))) or 0


def attention_count() -> Select[int]:
    """Return the query that counts the messages that need attention."""
    return select(func.count()).select_from(Message).where(_is_in_state(ATTENTION))


@dataclass(frozen=True, slots=True)
class DelayedMessages:
    """The messages that wait for longer than usual: since when, and the latest reason.

    `reason` is empty if none of them has been tried.
    """

    count: int
    since: datetime
    reason: str


def delayed_messages(session: Session, now: datetime) -> DelayedMessages | None:
    """Return the messages that have waited for more than an hour, if any."""
    delayed = _delayed(now - WAITING_UNNOTICED)
    count, since = session.execute(select(func.count(), func.min(Message.created_at)).where(*delayed)).one()
    if not count:
        return None
    tried = select(Message.reason, Message.reason_phrase).where(*delayed, Message.attempted_at.is_not(None))
    latest = session.execute(tried.order_by(Message.attempted_at.desc(), Message.id).limit(1)).one_or_none()
    return DelayedMessages(count, since, phrase_from(*latest) if latest else "")


def delayed_count(made_before: ColumnElement[datetime]) -> Select[int]:
    """Return the query that counts the messages made before a moment that still wait."""
    return select(func.count()).select_from(Message).where(*_delayed(made_before))


def _delayed(made_before: datetime | ColumnElement[datetime]) -> tuple[ColumnElement[bool], ...]:
    # Only waiting messages have a next attempt. Without a condition on the state, the small index is used.
    unfinished = (Message.finished_at.is_(None), Message.next_attempt_at.is_not(None))
    return (*unfinished, Message.created_at < made_before)


def waiting_repeats(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Return which of these first messages have a repeat that waits or is being sent."""
    query = select(Message.again_of).where(is_any_of(Message.again_of, ids), Message.state.in_(UNFINISHED))
    return {id for id in session.scalars(query) if id}


def repeated_ids(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Return which of these messages a later one repeats that was not withdrawn."""
    return set(session.scalars(select(Message.id).where(is_any_of(Message.id, ids), _was_sent_again())))


def later_messages(session: Session, row: Message) -> list[Message]:
    """Return the messages by which a message was sent again, oldest first."""
    query = select(Message).where(Message.again_of == (row.again_of or row.id))
    if row.again_of:
        query = query.where(Message.created_at > row.created_at)
    return list(session.scalars(query.order_by(Message.created_at, Message.id)))

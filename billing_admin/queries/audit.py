"""Audit events for people and scripts.

The head of the chain, and the events that are not yet sealed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, case, cast, func, null, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from billing_admin.db.lookup import is_any_of, parse_uuid
from billing_admin.domain import audit_changes
from billing_admin.domain.audit import EXACT_AMOUNTS, FIRST_PREVIOUS_HASH, MINOR_UNITS
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import (
    ApprovalRequest,
    AuditEvent,
    AuditSeal,
    BankAccount,
    BillingRun,
    Charge,
    CustomerContact,
    CustomerField,
    Invoice,
    Job,
    Message,
    RecurringCharge,
    ReminderRun,
    Role,
    SavedView,
    SendingRun,
    TaxRate,
)
from billing_admin.queries.audit_history import is_about
from billing_admin.queries.master_data.organisation import start_of_day
from billing_admin.queries.object_ids import OBJECT_NAMES, named_objects

# A transaction may commit this long after the time of its event: the search for unsealed events begins earlier.
COMMIT_DELAY = timedelta(minutes=1)
# Each column as the database writes it, so that even damaged values can be read and hashed. The names of the
# columns are frozen: `domain.audit.canonical_content` hashes all of them.
COLUMNS_AS_TEXT: Final = tuple(cast(column, Text).label(column.name) for column in AuditEvent.__table__.c)


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A place in the chain, and its hash, which covers all events up to it."""

    sequence: int
    hash: str


def chain_head(session: Session) -> ChainHead:
    """Return the last place of the chain."""
    query = select(AuditSeal.sequence, AuditSeal.hash).order_by(AuditSeal.sequence.desc()).limit(1)
    last = session.execute(query).one_or_none()
    return ChainHead(*last) if last else ChainHead(0, FIRST_PREVIOUS_HASH)


def seal_search_start(session: Session, now: datetime) -> datetime | None:
    """Return the time from which unsealed events are searched, or None.

    The time is shortly before the last sealed event.
    """
    query = select(AuditEvent.at).join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
    last = session.scalar(query.order_by(AuditSeal.sequence.desc()).limit(1))
    return None if last is None else min(last, now) - COMMIT_DELAY


def unsealed_events(session: Session, since: datetime | None, limit: int) -> Iterator[Mapping[str, Any]]:
    """Return the oldest events without a seal, each column as text."""
    query = select(*COLUMNS_AS_TEXT).where(
        ~select(AuditSeal.sequence).where(AuditSeal.event_id == AuditEvent.id).exists()
    )
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    return (dict(row) for row in session.execute(query.order_by(AuditEvent.at, AuditEvent.id).limit(limit)).mappings())


def count_unsealed(session: Session) -> int:
    """Count the events without a seal.

    The chain has no gap, so its head gives the number of sealed ones.
    """
    return max(0, (session.scalar(select(func.count(AuditEvent.id))) or 0) - chain_head(session).sequence)


def count_recent_unsealed(session: Session, now: datetime) -> int:
    """Count the events without a seal, without reading all events.

    Counts from shortly before the last sealed event.
    """
    since = seal_search_start(session, now)
    sealed = select(AuditSeal.sequence).where(AuditSeal.event_id == AuditEvent.id).exists()
    query = select(func.count(AuditEvent.id)).where(~sealed)
    return session.scalar(query if since is None else query.where(AuditEvent.at >= since)) or 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter for events.

    `actor` is a name or an id; `from_` and `to` are days, both included.
    """

    actor: str = ""
    type: str = ""
    action: str = ""
    object: UUID | None = None
    from_: date | None = None
    to: date | None = None


def events(session: Session, filters: AuditFilter) -> Select[Any]:
    """Select the events that match a filter, newest first; for `paging.page`."""
    f, columns = filters, AuditEvent.__table__.c
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.actor, lambda: _is_by(f.actor)),
        (f.type, lambda: AuditEvent.object_type == f.type),
        (f.action, lambda: AuditEvent.action == f.action),
        (f.object, lambda: is_about(session, f.object or UUID(int=0))),
        (f.from_, lambda: AuditEvent.at >= start_of_day(session, f.from_)),
        (f.to, lambda: AuditEvent.at < start_of_day(session, f.to, days=1)),
    ]
    query = select(*columns).where(*(condition() for value, condition in candidates if value))
    return query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc())


def shown_events(session: Session, filters: AuditFilter) -> Select[Any]:
    """Select the events that match a filter, with the `currency` of their amounts."""
    return events(session, filters).add_columns(AMOUNT_CURRENCY.label("currency"))


_Discarded = aliased(AuditEvent)
_OBJECT = AuditEvent.object_id
# The row of a discarded draft is deleted; its `invoice.discarded` event holds the currency.
_INVOICE_CURRENCY = func.coalesce(
    select(Invoice.currency).where(Invoice.id == _OBJECT).scalar_subquery(),
    select(_Discarded.details["currency"].as_string())
    .where(_Discarded.object_id == _OBJECT, _Discarded.action == "invoice.discarded")
    .limit(1)
    .scalar_subquery(),
)
_EXACT_CURRENCY = func.coalesce(
    select(Charge.currency).where(Charge.id == _OBJECT).scalar_subquery(),
    select(RecurringCharge.currency).where(RecurringCharge.id == _OBJECT).scalar_subquery(),
)


def _is_one_of(actions: Iterable[str]) -> ColumnElement[bool]:
    # PostgreSQL's COPY accepts no parameter that SQLAlchemy expands, as it does for IN.
    return or_(*(AuditEvent.action == action for action in actions))


# The currency of amounts in an event's details that are stored without one; null if it has none.
AMOUNT_CURRENCY: Final[ColumnElement[Any]] = case(
    (_is_one_of(MINOR_UNITS), _INVOICE_CURRENCY),
    (_is_one_of(EXACT_AMOUNTS), _EXACT_CURRENCY),
)


def minor_units_column(name: str, place: int | None = None) -> ColumnElement[Any]:
    """Return a column with an amount of an event's details, in minor units.

    For a change, `place` selects the amount before (0) or after (1) it. Null if the action has no such
    amount, its currency is unknown, or the value is not a whole number.
    """
    actions = [action for action, names in MINOR_UNITS.items() if name in names]
    is_amount = and_(_is_one_of(actions), _INVOICE_CURRENCY.is_not(None))
    text = AuditEvent.details[name].as_string()
    if place is not None:
        # PostgreSQL reads element 0 of a plain number, too.
        is_amount = and_(is_amount, text.startswith("["))
        text = AuditEvent.details[name][place].as_string()
    return case((is_amount, case((text.regexp_match("^-?[0-9]{1,18}$"), cast(text, BigInteger)))))


def _is_by(actor: str) -> ColumnElement[bool]:
    id = parse_uuid(actor)
    return func.lower(AuditEvent.actor_name) == actor.lower() if id is None else AuditEvent.actor_id == id


# The names that events show where they are not those of `OBJECT_NAMES`.
_NAMES: Final[Mapping[str, tuple[InstrumentedAttribute[UUID], ColumnElement[Any] | InstrumentedAttribute[Any]]]] = {
    **OBJECT_NAMES,
    "approval": (ApprovalRequest.id, ApprovalRequest.act),
    "bank_account": (BankAccount.id, func.coalesce(func.nullif(BankAccount.iban, ""), BankAccount.account_number)),
    "billing_run": (BillingRun.id, BillingRun.through),
    "charge": (Charge.id, Charge.description),
    "contact": (CustomerContact.id, CustomerContact.email),
    "job": (Job.id, Job.kind),
    "customer_field": (CustomerField.id, CustomerField.label),
    "message": (Message.id, Message.subject),
    "recurring_charge": (RecurringCharge.id, RecurringCharge.description),
    "role": (Role.id, Role.name),
    "saved_view": (SavedView.id, SavedView.name),
    "reminder_run": (ReminderRun.id, ReminderRun.day),
    "sending_run": (SendingRun.id, SendingRun.act),
    "tax_rate": (TaxRate.id, TaxRate.name),
}
OBJECT_TYPES: Final = (
    *sorted([*_NAMES.keys() - {"contact"}, "exchange_rate", "export", "message_text", "organisation"]),
)

_MAX_NAMED = 5


def find_object(session: Session, text: str, object_type: str = "") -> UUID:
    """Return the id of the object that a text names, of a type if one is given.

    The text is an id, a document number, or the reference, code, name, e-mail or web address of an object.
    It is looked up as typed, and else in capitals, in which most numbers are written.

    Raises:
        Invalid: No object has this name, or several do.
    """
    if (id := parse_uuid(text)) is not None:
        return id
    types = [kind for kind in OBJECT_NAMES if object_type in {"", kind}]
    matches = named_objects(session, text, types, _MAX_NAMED)
    if len(matches) == 1:
        return matches[0][1]
    if matches:
        named = ", ".join(f"{kind.replace('_', ' ')} {id}" for kind, id in matches[:_MAX_NAMED])
        raise Invalid(
            "several_objects",
            Phrase("“{text}” matches several objects. Enter one of their IDs: {named}.", text=text, named=named),
            "object",
        )
    message = Phrase(
        "No object matches “{text}”. Enter a document number, a reference, a code, a name or an ID.", text=text
    )
    raise Invalid("unknown_object", message, "object")


@dataclass(frozen=True, slots=True)
class EventNames:
    """The names of the objects of events, and of the objects that their details name.

    `objects` has the names by id; those of deleted objects come from their events, and their ids are in `deleted`.
    `named` has id and name by type and by the text in the details, an id or a name.
    """

    objects: Mapping[UUID, Any]
    deleted: frozenset[UUID]
    named: Mapping[tuple[str, str], tuple[UUID, Any]]


def load_event(session: Session, id: UUID) -> Any:
    """Return an event with its `currency` and its place in the chain.

    The place, `sequence`, is None if the event is not sealed yet.

    Raises NotFound.
    """
    query = (
        shown_events(session, AuditFilter())
        .where(AuditEvent.id == id)
        .outerjoin(AuditSeal, AuditSeal.event_id == AuditEvent.id)
        .add_columns(AuditSeal.sequence)
    )
    event = session.execute(query).one_or_none()
    if event is None:
        raise NotFound("unknown_event", Phrase("There is no event {id} in the audit log.", id=id), "id")
    return event


def load_event_names(session: Session, events: Sequence[Any], max_items: int) -> EventNames:
    """Return the names for events, with one query for each type of object.

    Of long lists in the details, the first `max_items` objects are named.
    """
    texts_by_kind: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.object_id is not None and event.object_type in _NAMES:
            texts_by_kind[event.object_type].add(str(event.object_id))
        for kind, text in audit_changes.named_objects(event.object_type, event.details, max_items):
            texts_by_kind[kind].add(text)
    named = {}
    for kind, texts in texts_by_kind.items():
        for id, key, name in session.execute(_objects_of(kind, texts)):
            named[kind, str(id)] = named[kind, key] = id, name
    objects = dict(named.values())
    missing = {event.object_id for event in events if event.object_id is not None} - objects.keys()
    deleted = dict(_last_names(session, missing)) if missing else {}
    return EventNames(deleted | objects, frozenset(deleted), named)


def _objects_of(kind: str, texts: Iterable[str]) -> Select[Any]:
    """Select id, key and name of the objects of a type that texts name by id or key."""
    id, name = _NAMES[kind]
    ids = {text: parse_uuid(text) for text in texts}
    has_id = is_any_of(id, [value for value in ids.values() if value is not None])
    if kind not in OBJECT_NAMES:
        return select(id, null(), name).where(has_id)
    _, key = OBJECT_NAMES[kind]
    return select(id, key, name).where(or_(has_id, is_any_of(key, [text for text in ids if ids[text] is None])))


def _last_names(session: Session, ids: Iterable[UUID]) -> Iterator[tuple[UUID, str]]:
    """Yield ids of deleted objects with the names in their events, oldest first."""
    query = select(AuditEvent.object_id, AuditEvent.details).where(is_any_of(AuditEvent.object_id, ids))
    for id, details in session.execute(query.order_by(AuditEvent.at, AuditEvent.id)):
        if id is not None and (name := audit_changes.stated_name(details)):
            yield id, name

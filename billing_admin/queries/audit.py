"""Audit events for people and scripts.

The head of the chain, and the events that are not yet sealed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, case, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from billing_admin.db.lookup import is_any_of, parse_uuid
from billing_admin.domain.audit import EXACT_AMOUNTS, FIRST_PREVIOUS_HASH, MINOR_UNITS
from billing_admin.domain.errors import Invalid
from billing_admin.models import (
    AuditEvent,
    AuditSeal,
    BankAccount,
    BillingRun,
    Charge,
    Invoice,
    Message,
    Payment,
    RecurringCharge,
    Refund,
    ReminderRun,
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
    "bank_account": (BankAccount.id, func.coalesce(func.nullif(BankAccount.iban, ""), BankAccount.account_number)),
    "billing_run": (BillingRun.id, BillingRun.through),
    "charge": (Charge.id, Charge.description),
    "message": (Message.id, Message.subject),
    "payment": (Payment.id, func.coalesce(func.nullif(Payment.reference, ""), "Payment")),
    "refund": (Refund.id, func.coalesce(func.nullif(Refund.reference, ""), "Refund")),
    "recurring_charge": (RecurringCharge.id, RecurringCharge.description),
    "reminder_run": (ReminderRun.id, ReminderRun.day),
    "sending_run": (SendingRun.id, SendingRun.act),
    "tax_rate": (TaxRate.id, TaxRate.name),
}
# The details of events that may be the id of an object of this type, or a pair of ids.
NAMED_DETAILS: Final = frozenset({"customer", "service"})
OBJECT_TYPES: Final = (*sorted([*_NAMES, "exchange_rate", "export", "message_text", "organisation"]),)

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
            "several_objects", f"“{text}” matches several objects. Enter one of their IDs: {named}.", "object"
        )
    message = f"No object matches “{text}”. Enter a document number, a reference, a code, a name or an ID."
    raise Invalid("unknown_object", message, "object")


def load_object_names(session: Session, events: Iterable[Any]) -> dict[UUID, Any]:
    """Return the current names of the objects of events and of their details, by id.

    Deleted objects are left out.
    """
    ids_by_type: dict[str, set[UUID]] = defaultdict(set)
    for event in events:
        if event.object_id is not None and event.object_type in _NAMES:
            ids_by_type[event.object_type].add(event.object_id)
        for name in NAMED_DETAILS & event.details.keys():
            ids_by_type[name].update(id for id in map(_detail_id, _values(event.details[name])) if id is not None)
    names: dict[UUID, Any] = {}
    for object_type, ids in ids_by_type.items():
        id, name = _NAMES[object_type]
        names.update((row[0], row[1]) for row in session.execute(select(id, name).where(is_any_of(id, ids))))
    return names


def named_detail(value: Any, names: Mapping[UUID, Any]) -> Any:
    """Return the name of the object whose id a detail is, or the detail unchanged.

    Of a change, a pair of ids, both are replaced.
    """
    if isinstance(value, list):
        return [named_detail(item, names) for item in value]
    return names.get(_detail_id(value) or UUID(int=0), value)


def _values(detail: Any) -> Sequence[Any]:
    return detail if isinstance(detail, list) else (detail,)


def _detail_id(value: Any) -> UUID | None:
    return parse_uuid(value) if isinstance(value, str) else None

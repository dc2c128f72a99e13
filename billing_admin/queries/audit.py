"""The audit log as people and scripts read it, and its chain: the head, and what is not yet sealed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, case, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from billing_admin.db.lookup import is_any_of, parse_uuid
from billing_admin.domain.audit import EXACT_AMOUNTS, FIRST_PREVIOUS_HASH, MINOR_UNITS
from billing_admin.models import (
    ApiToken,
    AuditEvent,
    AuditSeal,
    BillingRun,
    Charge,
    Customer,
    Invoice,
    Payment,
    RecurringCharge,
    Service,
    TaxRate,
    User,
    WebhookEndpoint,
)
from billing_admin.models.audit import IS_BULK_CHANGE
from billing_admin.queries.master_data.organisation import organisation

# By how much a transaction may end late and its event still be found at once.
COMMIT_DELAY = timedelta(minutes=1)
# Each column as the database itself writes it: also what somebody spoiled can be read so, and hashed.
COLUMNS_AS_TEXT: Final = tuple(cast(column, Text).label(column.name) for column in AuditEvent.__table__.c)


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A place in the chain, and the hash there, which covers everything before it."""

    sequence: int
    hash: str


def chain_head(session: Session) -> ChainHead:
    """The end of the chain."""
    query = select(AuditSeal.sequence, AuditSeal.hash).order_by(AuditSeal.sequence.desc()).limit(1)
    last = session.execute(query).one_or_none()
    return ChainHead(*last) if last else ChainHead(0, FIRST_PREVIOUS_HASH)


def seal_search_start(session: Session, now: datetime) -> datetime | None:
    """From when on unsealed events are looked for: a little before the last sealed one; None before the first."""
    query = select(AuditEvent.at).join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
    last = session.scalar(query.order_by(AuditSeal.sequence.desc()).limit(1))
    return None if last is None else min(last, now) - COMMIT_DELAY


def unsealed_events(session: Session, since: datetime | None, limit: int) -> Iterator[Mapping[str, Any]]:
    """The oldest events without a seal, each column as text."""
    query = select(*COLUMNS_AS_TEXT).where(
        ~select(AuditSeal.sequence).where(AuditSeal.event_id == AuditEvent.id).exists()
    )
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    return (dict(row) for row in session.execute(query.order_by(AuditEvent.at, AuditEvent.id).limit(limit)).mappings())


def count_unsealed(session: Session) -> int:
    """How many events have no seal yet; the chain has no gap, so its head says how many have one."""
    return max(0, (session.scalar(select(func.count(AuditEvent.id))) or 0) - chain_head(session).sequence)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events; an empty text is no filter. `actor` is a name or an id; `from_` and `to` are days, both included."""

    actor: str = ""
    type: str = ""
    action: str = ""
    object: UUID | None = None
    from_: date | None = None
    to: date | None = None


def events(session: Session, filters: AuditFilter) -> Select[Any]:
    """The events that a filter lets through, newest first; for `paging.page`."""
    f, columns = filters, AuditEvent.__table__.c
    wanted: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.actor, lambda: _by(f.actor)),
        (f.type, lambda: AuditEvent.object_type == f.type),
        (f.action, lambda: AuditEvent.action == f.action),
        (f.object, lambda: _of(f.object)),
        (f.from_, lambda: AuditEvent.at >= _begin(session, f.from_)),
        (f.to, lambda: AuditEvent.at < _begin(session, f.to, days=1)),
    ]
    query = select(*columns).where(*(condition() for given, condition in wanted if given))
    return query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc())


def shown_events(session: Session, filters: AuditFilter) -> Select[Any]:
    """The events that a filter lets through, each with `currency`, that of the amounts in its details; for `paging.page`."""
    return events(session, filters).add_columns(AMOUNT_CURRENCY.label("currency"))


_Discarded = aliased(AuditEvent)
_OBJECT = AuditEvent.object_id
# An invoice that was a draft and was discarded is no longer there: the event of that says its currency.
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
    """Whether an event's action is one of these. PostgreSQL's COPY takes no parameter that SQLAlchemy expands, as `IN` has."""
    return or_(*(AuditEvent.action == action for action in actions))


# The currency of the amounts in an event's details that are written without one; null where there are none.
AMOUNT_CURRENCY: Final[ColumnElement[Any]] = case(
    (_is_one_of(MINOR_UNITS), _INVOICE_CURRENCY),
    (_is_one_of(EXACT_AMOUNTS), _EXACT_CURRENCY),
)


def minor_units_column(name: str, place: int | None = None) -> ColumnElement[Any]:
    """An amount in an event's details, in minor units; of a change, that before (place 0) or after (1).

    Null where the action has no such amount, its currency is unknown, or it is no whole number.
    """
    actions = [action for action, names in MINOR_UNITS.items() if name in names]
    is_amount = and_(_is_one_of(actions), _INVOICE_CURRENCY.is_not(None))
    text = AuditEvent.details[name].as_string()
    if place is not None:
        is_amount = and_(
            is_amount, text.startswith("[")
        )  # PostgreSQL takes a number for an array with that number in it
        text = AuditEvent.details[name][place].as_string()
    return case((is_amount, case((text.regexp_match("^-?[0-9]{1,18}$"), cast(text, BigInteger)))))


def _by(actor: str) -> ColumnElement[bool]:
    id = parse_uuid(actor)
    return func.lower(AuditEvent.actor_name) == actor.lower() if id is None else AuditEvent.actor_id == id


def _of(object: UUID | None) -> ColumnElement[bool]:
    """A charge's history begins with its posting, one of many or not, and has the moves of many in which it was; an invoice's
    begins with the start of the run that made it.
    """
    posting = select(Charge.event_id).where(Charge.id == object).scalar_subquery()
    run = select(Invoice.run_id).where(Invoice.id == object).scalar_subquery()
    begun = (AuditEvent.object_id == run) & (AuditEvent.action == "billing_run.started")
    among_many = and_(IS_BULK_CHANGE, cast(AuditEvent.details, Text).contains(str(object)))
    return or_(AuditEvent.object_id == object, AuditEvent.id == posting, begun, among_many)


def _begin(session: Session, day: date | None, days: int = 0) -> datetime:
    """When a day begins where the organisation is; at the ends of the calendar there is none before or after."""
    zone = ZoneInfo(organisation(session).time_zone)
    try:
        begins = datetime.combine((day or date.max) + timedelta(days), time(), zone)
        return begins.astimezone(UTC)
    except OverflowError:
        return datetime.combine(date.max if days else date.min, time(), UTC)


_NAMES: Final[Mapping[str, tuple[InstrumentedAttribute[UUID], ColumnElement[Any] | InstrumentedAttribute[Any]]]] = {
    "billing_run": (BillingRun.id, BillingRun.through),
    "charge": (Charge.id, Charge.description),
    "customer": (Customer.id, Customer.reference),
    "invoice": (Invoice.id, Invoice.number),
    "payment": (Payment.id, func.coalesce(func.nullif(Payment.reference, ""), "Payment")),
    "recurring_charge": (RecurringCharge.id, RecurringCharge.description),
    "service": (Service.id, Service.code),
    "tax_rate": (TaxRate.id, TaxRate.name),
    "token": (ApiToken.id, ApiToken.name),
    "user": (User.id, User.email),
    "webhook": (WebhookEndpoint.id, WebhookEndpoint.url),
}
OBJECT_TYPES: Final = (*sorted([*_NAMES, "organisation"]),)


def load_object_names(session: Session, found: Iterable[Any]) -> dict[UUID, Any]:
    """What the objects of some events are called today, by id; what is no longer there has no name."""
    ids: dict[str, set[UUID]] = defaultdict(set)
    for event in found:
        if event.object_id is not None and event.object_type in _NAMES:
            ids[event.object_type].add(event.object_id)
    called: dict[UUID, Any] = {}
    for kind, some in ids.items():
        id, name = _NAMES[kind]
        called.update((row[0], row[1]) for row in session.execute(select(id, name).where(is_any_of(id, some))))
    return called

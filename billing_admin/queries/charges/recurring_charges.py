"""Recurring charges for people and scripts, with names and charges.

The charges are the upcoming ones and the posted ones.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, or_, select
from sqlalchemy.orm import Session, aliased

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.charges import ONE
from billing_admin.domain.dated_values import effective_on
from billing_admin.domain.errors import NotFound
from billing_admin.domain.money import multiply
from billing_admin.domain.prices import ListPrice
from billing_admin.domain.recurring_charges import DAY, IN_ADVANCE, Period, Schedule
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Customer, RecurringCharge, RecurringPosting, Service, ServicePrice
from billing_admin.queries.charges import charges
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.services import service

ListPrices: TypeAlias = Mapping[tuple[UUID, str], list[ListPrice]]  # by service and currency
STATES = ("active", "paused", "ended")
UPCOMING_SHOWN = 3


@dataclass(frozen=True, slots=True)
class RecurringFilter:
    """A filter for recurring charges; `today` decides which have ended."""

    today: date
    customer: str = ""
    service: str = ""
    status: str = ""
    currency: str = ""


def recurring_charges(session: Session, filters: RecurringFilter) -> Select[Any]:
    """Select the recurring charges that match a filter, with names, newest first.

    Raises NotFound for an unknown customer or service.
    """
    query = _VIEWS.where(*conditions(session, filters))
    return query.order_by(RecurringCharge.created_at.desc(), RecurringCharge.id.desc())


def conditions(session: Session, filters: RecurringFilter) -> list[ColumnElement[bool]]:
    """Return the filter as SQL conditions.

    Raises NotFound for an unknown customer or service.
    """
    f, row = filters, RecurringCharge
    candidates: list[tuple[str, Callable[[], ColumnElement[bool]]]] = [
        (f.customer, lambda: row.customer_id == customer(session, f.customer).id),
        (f.service, lambda: row.service_id == service(session, f.service).id),
        (f.status, lambda: _in_state(f.status, f.today)),
        (f.currency, lambda: row.currency == f.currency),
    ]
    return [condition() for value, condition in candidates if value]


def state_column(today: date) -> ColumnElement[str]:
    """Return the column of the state on a day: one of STATES."""
    states = ((_in_state(state, today), state) for state in ("ended", "paused"))
    return case(*states, else_="active")


def _in_state(state: str, today: date) -> ColumnElement[bool]:
    """Return the condition for a state, as `Schedule.state` computes it.

    A test compares the two.
    """
    ended = RecurringCharge.ends_on.is_not(None) & (RecurringCharge.ends_on < today)
    paused = RecurringCharge.paused_on.is_not(None)
    return ended if state == "ended" else ~ended & (paused if state == "paused" else ~paused)


_Next = aliased(RecurringCharge)
_VIEWS: Select[Any] = (
    select(
        *RecurringCharge.__table__.c,
        Customer.reference.label("customer_reference"),
        Customer.name.label("customer_name"),
        Service.code.label("service_code"),
        Service.name.label("service_name"),
        Service.unit.label("service_unit"),
        select(_Next.id).where(_Next.follows_id == RecurringCharge.id).scalar_subquery().label("followed_by_id"),
    )
    .join(Customer, Customer.id == RecurringCharge.customer_id)
    .join(Service, Service.id == RecurringCharge.service_id)
)


def recurring_charge(session: Session, id: UUID) -> Record:
    """Return one recurring charge with its names.

    Raises:
        NotFound: No recurring charge has this id.
    """
    row = session.execute(_VIEWS.where(RecurringCharge.id == id)).one_or_none()
    if row is None:
        raise NotFound("unknown_recurring_charge", Phrase("There is no recurring charge {id}.", id=id), "id")
    return row


def schedule_of(row: Any) -> Schedule:
    """Return the schedule of a recurring charge or of its row."""
    return Schedule(
        row.interval,
        row.anchor_on,
        row.starts_on,
        row.ends_on,
        row.posted_through,
        row.paused_on,
        row.interval_count,
        row.timing,
    )


@dataclass(frozen=True, slots=True)
class UpcomingCharge:
    """An upcoming charge at the price of its day.

    `amount` is None if there is no price. The charge of a partial period has quantity 1, an amount without a unit
    price, and `period_of_days`, the length of the whole period in days. It is posted on `incurred_on`.
    """

    incurred_on: date
    period_from: date
    period_to: date
    quantity: Decimal
    unit_price: Decimal | None
    amount: Decimal | None
    period_of_days: int | None = None


def upcoming_charges(row: Record, limit: int = UPCOMING_SHOWN, *, prices: ListPrices) -> list[UpcomingCharge]:
    """Return the next charges of a schedule.

    While it is paused, there are none, or the one of a period that began before and is posted in arrears.
    """
    if row.paused_on and row.timing == IN_ADVANCE:
        return []
    return [_upcoming_charge(row, period, prices) for period in islice(schedule_of(row).upcoming(), limit)]


def due_charges(session: Session, through: date) -> list[tuple[Record, UpcomingCharge]]:
    """Return the charges that are due up to a day, with their recurring charges."""
    rows = session.execute(_VIEWS.where(*_may_be_due(through)).order_by(Customer.reference, RecurringCharge.id)).all()
    prices = list_prices(session, rows)
    return [(row, _upcoming_charge(row, period, prices)) for row in rows for period in schedule_of(row).due(through)]


def _upcoming_charge(row: Record, period: Period, prices: ListPrices) -> UpcomingCharge:
    price = price_on(row, period.incurred_on, prices)
    unit_price = None if price is None else price.unit_price
    days = period.incurred_on, period.owed_from, period.owed_to
    if period.is_partial:
        amount = None if unit_price is None else period.partial_amount(row.quantity, unit_price)
        return UpcomingCharge(*days, ONE, None, amount, period.of_days)
    amount = None if unit_price is None else multiply(row.quantity, unit_price)
    return UpcomingCharge(*days, row.quantity, unit_price, amount)


def list_prices(session: Session, rows: Iterable[Record | RecurringCharge]) -> ListPrices:
    """Return the prices of the services of recurring charges, by service and currency."""
    service_ids = {row.service_id for row in rows if row.unit_price is None}
    prices: dict[tuple[UUID, str], list[ListPrice]] = defaultdict(list)
    query = select(*ServicePrice.__table__.c).where(is_any_of(ServicePrice.service_id, service_ids))
    for price in session.execute(query):
        prices[price.service_id, price.currency].append(
            ListPrice(price.valid_from, price.unit_price, price.includes_tax)
        )
    return prices


def price_on(row: Record | RecurringCharge, day: date, prices: ListPrices) -> ListPrice | None:
    """Return the price of a recurring charge on a day, or its service's price."""
    if row.unit_price is not None:
        return ListPrice(day, row.unit_price)
    return effective_on(day, prices.get((row.service_id, row.currency), ()))


def due_recurring_charge_ids(
    session: Session, through: date, customer_ids: Collection[UUID] | None = None, currency: str | None = None
) -> list[UUID]:
    """Return the ids of recurring charges with a period to post, in order.

    None allows all customers or currencies.
    """
    query = select(*RecurringCharge.__table__.c).where(*_may_be_due(through))
    if customer_ids is not None:
        query = query.where(is_any_of(RecurringCharge.customer_id, customer_ids))
    if currency is not None:
        query = query.where(RecurringCharge.currency == currency)
    rows = session.execute(query.order_by(RecurringCharge.id))
    return [row.id for row in rows if schedule_of(row).due(through)]


@dataclass(frozen=True, slots=True)
class PostingBacklog:
    """Recurring charges whose posting is behind.

    It holds their number, and the first day that was not posted.
    """

    recurring_charges: int
    since: date


def posting_backlog(session: Session, today: date) -> PostingBacklog | None:
    """Return what should have been posted before today, or None."""
    through = today - DAY
    rows = session.execute(select(*RecurringCharge.__table__.c).where(*_may_be_due(through)))
    first_days = [periods[0].incurred_on for row in rows if (periods := schedule_of(row).due(through))]
    return PostingBacklog(len(first_days), min(first_days)) if first_days else None


def recurring_charges_by_id(session: Session, ids: Collection[UUID]) -> dict[UUID, Record]:
    """Return recurring charges with their names, by id."""
    return {row.id: row for row in session.execute(_VIEWS.where(is_any_of(RecurringCharge.id, ids)))}


def schedules_by_charge(session: Session, charge_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the recurring charge that posted each of some charges, by ids."""
    posting = RecurringPosting
    query = select(posting.charge_id, posting.recurring_charge_id).where(is_any_of(posting.charge_id, charge_ids))
    return {row.charge_id: row.recurring_charge_id for row in session.execute(query)}


def _may_be_due(through: date) -> tuple[ColumnElement[bool], ...]:
    row = RecurringCharge
    posted = row.posted_through
    return (
        row.starts_on <= through,
        or_(posted.is_(None), posted < through),
        or_(posted.is_(None), row.ends_on.is_(None), posted < row.ends_on),
    )


def posted_charges(id: UUID) -> Select[Any]:
    """Select the charges of a schedule with names, newest period first."""
    posting = RecurringPosting
    return (
        charges.charges_with_names()
        .join(posting, posting.charge_id == Charge.id)
        .where(posting.recurring_charge_id == id)
        .order_by(posting.period_from.desc(), Charge.created_at.desc(), Charge.id.desc())
    )


def recurring_charge_of(session: Session, charge_id: UUID) -> UUID | None:
    """Return the id of the recurring charge that posted a charge, or None."""
    query = select(RecurringPosting.recurring_charge_id).where(RecurringPosting.charge_id == charge_id)
    return session.scalar(query)


@dataclass(slots=True)
class PostedPeriod:
    """A posted period: its days and its charges.

    The days are the first and last one, and the last one that is charged now. The period's own charge is
    the first; later ones take back some of its days.
    """

    first: date
    last: date
    charged_to: date
    charge_ids: list[UUID]


def periods_posted_beyond(session: Session, id: UUID, last_day: date) -> list[PostedPeriod]:
    """Return the periods of a schedule that are charged beyond a day."""
    query = select(RecurringPosting).where(RecurringPosting.recurring_charge_id == id)
    periods: dict[date, PostedPeriod] = {}
    for posting in session.scalars(query.order_by(RecurringPosting.period_from, RecurringPosting.takes_back)):
        first, last = posting.period_from, posting.period_to
        period = periods.setdefault(first, PostedPeriod(first, last, last, []))
        period.charged_to = min(period.charged_to, last)
        period.charge_ids.append(posting.charge_id)
    return [period for period in periods.values() if period.charged_to > last_day and period.charged_to >= period.first]


def existing_charge_ids(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these ids are charges."""
    return set(session.scalars(select(Charge.id).where(is_any_of(Charge.id, ids))))


def scheduled_charge_ids(session: Session, charge_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these charges a schedule posted."""
    query = select(RecurringPosting.charge_id).where(is_any_of(RecurringPosting.charge_id, charge_ids))
    return set(session.scalars(query))

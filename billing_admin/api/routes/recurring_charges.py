"""The routes of recurring charges."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    CurrencyCode,
    Day,
    Exact,
    Key,
    Listing,
    Name,
    Number,
    OptionalReasonText,
    Paging,
    Parameters,
    ResponseModel,
    ShortText,
    enumeration,
    one_line,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.routes.charges import OptionalReason
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.recurring_charges import (
    INTERVALS,
    LONGEST_DESCRIPTION,
    MAX_WEEKS,
    TIMINGS,
    RecurringChargeSpec,
)
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import recurring_charges as operations
from billing_admin.queries.charges.recurring_charges import (
    STATES,
    ListPrices,
    RecurringFilter,
    list_prices,
    recurring_charge,
    recurring_charges,
    schedule_of,
    upcoming_charges,
)
from billing_admin.queries.master_data.organisation import today

WRITE = "charges:write"
Description = Annotated[str, one_line(LONGEST_DESCRIPTION, named=True)]
Interval = Annotated[str, enumeration(*INTERVALS)]
IntervalCount = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_WEEKS})]
Timing = Annotated[str, enumeration(*TIMINGS)]


class RecurringIn(Body):
    """A new recurring charge.

    `unit_price` defaults to the list price on the day of each charge; `ends_on` is included. A period has `interval_count`
    intervals, by default one, and at most ten years. Its charge is posted on its first day, or on its last one if
    `timing` is `in_arrears`. Each charge gets the `purchase_order`, the customer's order number.
    """

    id: Key = OMITTED
    customer: Name
    service: Name
    description: Description = OMITTED
    quantity: Number = OMITTED
    unit_price: Number = OMITTED
    currency: CurrencyCode = OMITTED
    interval: Interval
    anchor_on: Day = OMITTED
    starts_on: Day
    ends_on: Day = OMITTED
    interval_count: IntervalCount = OMITTED
    timing: Timing = OMITTED
    purchase_order: ShortText = OMITTED


class Ending(Body):
    """The last day of a recurring charge, included.

    A negative charge deducts days posted after it.
    """

    ends_on: Day
    reason: OptionalReasonText = ""


class Change(Body):
    """The day of a change, and the new values.

    `id` is the ID of the recurring charge that replaces the current one. A new `interval` sets
    `interval_count` to 1, unless you send another one.
    """

    id: Key = OMITTED
    from_: Day = Field(alias="from")
    reason: OptionalReasonText = ""
    service: Name = OMITTED
    description: Description = OMITTED
    quantity: Number = OMITTED
    unit_price: Number = OMITTED
    interval: Interval = OMITTED
    anchor_on: Day = OMITTED
    ends_on: Day = OMITTED
    interval_count: IntervalCount = OMITTED
    timing: Timing = OMITTED
    purchase_order: ShortText = OMITTED


class ComingOut(ResponseModel):
    """An upcoming charge at the price of its day, both days of its period included.

    It is posted on `incurred_on`. A partial period is charged as an amount: `quantity` is 1 and `unit_price` is null.
    `period_of_days` is then the length of the whole period.
    """

    period_from: date
    period_to: date
    quantity: Exact
    unit_price: Exact | None
    amount: Exact | None
    incurred_on: date
    period_of_days: int | None


class RecurringOut(ResponseModel):
    """A recurring charge.

    `unit_price` is null if the list price applies. `next` holds the next three charges.
    """

    id: UUID
    customer: str
    service: str
    description: str
    quantity: Exact
    unit_price: Exact | None
    currency: str
    interval: Annotated[str, enumeration(*INTERVALS)]
    anchor_on: date
    starts_on: date
    ends_on: date | None
    status: Annotated[str, enumeration(*STATES)]
    paused_on: date | None
    posted_through: date | None
    follows: UUID | None
    followed_by: UUID | None
    created_at: datetime
    next: list[ComingOut]
    interval_count: int
    timing: Annotated[str, enumeration(*TIMINGS)]
    purchase_order: str


class RecurringFilters(Parameters):
    """Filters of recurring charges."""

    customer: str = ""
    service: str = ""
    status: Literal["", "active", "paused", "ended"] = ""
    currency: Currency = ""


class RecurringQuery(RecurringFilters, Paging):
    """A page of recurring charges."""


def _out(row: Any, day: date, prices: ListPrices) -> RecurringOut:
    return RecurringOut(
        id=row.id,
        customer=row.customer_reference,
        service=row.service_code,
        description=row.description,
        quantity=row.quantity,
        unit_price=row.unit_price,
        currency=row.currency,
        interval=row.interval,
        anchor_on=row.anchor_on,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        status=schedule_of(row).state(day),
        paused_on=row.paused_on,
        posted_through=row.posted_through,
        follows=row.follows_id,
        followed_by=row.followed_by_id,
        created_at=row.created_at,
        next=[ComingOut.model_validate(charge) for charge in upcoming_charges(row, prices=prices)],
        interval_count=row.interval_count,
        timing=row.timing,
        purchase_order=row.purchase_order,
    )


def _read(session: Session, id: UUID) -> RecurringOut:
    row = recurring_charge(session, id)
    return _out(row, today(session, now()), list_prices(session, [row]))


@route("GET", "/recurring-charges", scope="read", query=RecurringQuery, response=Listing[RecurringOut])
def list_recurring_charges(query: RecurringQuery) -> Reply:
    """List recurring charges, newest first."""
    session = db.session()
    day = today(session, now())
    rows = recurring_charges(session, RecurringFilter(day, **query.filters()))
    listed = page(session, rows, query.limit, query.after)
    prices = list_prices(session, listed.rows)
    return list_reply(listed, lambda row: _out(row, day, prices))


@route("GET", "/recurring-charges/{id}", scope="read", response=RecurringOut)
def get_recurring_charge(id: str) -> Reply:
    """Read one recurring charge."""
    return Reply(_read(db.session(), parse_id(id)))


@route("POST", "/recurring-charges", scope=WRITE, body=RecurringIn, response=RecurringOut, statuses=(201, 200))
def post_recurring_charge(actor: Actor, body: RecurringIn) -> Reply:
    """Add a recurring charge.

    The daily command posts its charges when they are due.
    """
    return created_reply(*bounded_transaction(_create, RecurringChargeSpec(**body.__dict__), actor, now()))


def _create(session: Session, spec: RecurringChargeSpec, actor: Actor, at: datetime) -> tuple[RecurringOut, bool]:
    row, is_new = operations.create(session, spec, actor, at)
    return _read(session, row.id), is_new


@route(
    "POST", "/recurring-charges/{id}/pause", scope=WRITE, body=OptionalReason, body_optional=True, response=RecurringOut
)
def pause_recurring_charge(actor: Actor, id: str, body: OptionalReason) -> Reply:
    """Pause a recurring charge from today on.

    No period that begins from today on is posted until you resume it.
    """
    return Reply(bounded_transaction(_apply, operations.pause, parse_id(id), (body.reason,), actor, now()))


@route(
    "POST",
    "/recurring-charges/{id}/resume",
    scope=WRITE,
    body=OptionalReason,
    body_optional=True,
    response=RecurringOut,
)
def resume_recurring_charge(actor: Actor, id: str, body: OptionalReason) -> Reply:
    """Resume a recurring charge with the first period that begins today or later.

    Periods that began during the pause are skipped.
    """
    return Reply(bounded_transaction(_apply, operations.resume, parse_id(id), (body.reason,), actor, now()))


@route("POST", "/recurring-charges/{id}/end", scope=WRITE, body=Ending, response=RecurringOut)
def end_recurring_charge(actor: Actor, id: str, body: Ending) -> Reply:
    """End a recurring charge on a day, included.

    A negative charge deducts days posted after it.
    """
    return Reply(bounded_transaction(_apply, operations.end, parse_id(id), (body.ends_on, body.reason), actor, now()))


def _apply(
    session: Session, operation: Any, id: UUID, arguments: tuple[Any, ...], actor: Actor, at: datetime
) -> RecurringOut:
    operation(session, id, *arguments, actor, at)
    return _read(session, id)


@route("POST", "/recurring-charges/{id}/change", scope=WRITE, body=Change, response=RecurringOut, statuses=(201, 200))
def change_recurring_charge(actor: Actor, id: str, body: Change) -> Reply:
    """End a recurring charge on the day before the change, and return its replacement."""
    return created_reply(*bounded_transaction(_change, parse_id(id), body, actor, now()))


def _change(session: Session, id: UUID, body: Change, actor: Actor, at: datetime) -> tuple[RecurringOut, bool]:
    fields = body.provided("id", "from_", "reason")
    row, is_new = operations.change(session, id, body.from_, fields, body.id, body.reason, actor, at)
    return _read(session, row.id), is_new

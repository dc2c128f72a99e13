"""What is due of recurring charges is posted as ordinary charges; and taken back where a posted period is cut short.

A charge's id derives from schedule and period: a second run adds nothing, and one that was interrupted goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.charging import ChargeSpec
from billing_admin.domain.errors import DomainError, Invalid
from billing_admin.domain.money import EXACT, ZERO, exact_sum
from billing_admin.domain.recurring import DAY, Period, charge_id, days_in, described, prorated
from billing_admin.models import Charge, RecurringCharge, RecurringPosting
from billing_admin.operations.charges import lock_accounts
from billing_admin.operations.posting import post
from billing_admin.queries.lookup import among
from billing_admin.queries.organisation import today
from billing_admin.queries.recurring_charges import (
    PostedPeriod,
    due_ids,
    posted_beyond,
    schedule_of,
    stored_charges,
)

AT_ONCE = 200
FARTHEST = timedelta(days=366)

Transact: TypeAlias = Callable[..., Any]


@dataclass(slots=True)
class Outcome:
    """What a run posted, and which schedules it could not post, each with the reason."""

    charges: int = 0
    refused: list[tuple[UUID, str]] = field(default_factory=list)


def post_all_due(transact: Transact, session: Session, through: date, actor: Actor, now: datetime) -> Outcome:
    """Post everything due up to a day, a part at a time, each in a transaction of its own (`transact`, handed in).

    A schedule that cannot be posted, such as one whose service was archived, holds up no other. Raises Invalid for a day more
    than a year ahead.
    """
    check_day(session, through, now)
    outcome, waiting = Outcome(), due_ids(session, through)
    for start in range(0, len(waiting), AT_ONCE):
        ids = waiting[start : start + AT_ONCE]
        try:
            outcome.charges += transact(post_due, ids, through, actor, now)
        except DomainError:
            for id in ids:
                _post_one(transact, id, through, actor, now, outcome)
    return outcome


def _post_one(transact: Transact, id: UUID, through: date, actor: Actor, now: datetime, outcome: Outcome) -> None:
    try:
        outcome.charges += transact(post_due, [id], through, actor, now)
    except DomainError as error:
        outcome.refused.append((id, error.message))


def check_day(session: Session, through: date, now: datetime) -> None:
    """Refuse a day that can only be a slip of the pen."""
    if through > today(session, now) + FARTHEST:
        raise Invalid("out_of_range", "Post up to a year ahead at the most.", "through")


def post_due(session: Session, ids: Sequence[UUID], through: date, actor: Actor, now: datetime) -> int:
    """Post what these schedules owe up to a day, all or nothing. Returns how many charges are new. Raises as `post` does."""
    rows = locked(session, ids)
    due = [(row, period) for row in rows for period in schedule_of(row).due(through)]
    if not due:
        return 0
    posted = post(session, [_spec(row, period) for row, period in due], actor, now)
    known = stored_charges(session, posted.ids)
    _note(
        session,
        (
            (id, row.id, period.owed_from, period.owed_to, False)
            for id, (row, period) in zip(posted.ids, due, strict=True)
            if id not in known
        ),
    )
    for row, period in due:
        row.posted_through = period.owed_from
    session.flush()
    return posted.created


def locked(session: Session, ids: Sequence[UUID]) -> Sequence[RecurringCharge]:
    """Lock the accounts of some schedules: from here on nobody posts or changes them but us."""
    wanted = among(session, RecurringCharge.id, ids)
    keys = session.execute(select(RecurringCharge.customer_id, RecurringCharge.currency).where(wanted).distinct())
    lock_accounts(session, [(row.customer_id, row.currency) for row in keys])
    query = select(RecurringCharge).where(wanted).order_by(RecurringCharge.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _spec(row: RecurringCharge, period: Period) -> ChargeSpec:
    return ChargeSpec(
        id=charge_id(row.id, period.owed_from),
        customer=str(row.customer_id),
        service=str(row.service_id),
        description=described(row.description, period.owed_from, period.owed_to),
        taken_over=["description"],
        quantity=period.share(row.quantity),
        unit_price=row.unit_price,
        currency=row.currency,
        incurred_on=period.owed_from,
    )


def _note(session: Session, postings: Iterable[tuple[UUID, UUID, date, date, bool]]) -> None:
    names = ("charge_id", "recurring_charge_id", "period_from", "period_to", "takes_back")
    rows = [dict(zip(names, posting, strict=True)) for posting in postings]
    if rows:
        session.execute(insert(RecurringPosting), rows)


def take_back(session: Session, row: RecurringCharge, last_day: date, actor: Actor, now: datetime) -> list[UUID]:
    """Charge the days after `last_day`, as far as they are posted, with a minus: what is left is the share of the days kept.

    What somebody cancelled or corrected counts as it is now. Returns the ids of these charges.
    """
    cuts = [
        (period, spec)
        for period in posted_beyond(session, row.id, last_day)
        if (spec := _cut(session, row, period, last_day)) is not None
    ]
    if not cuts:
        return []
    posted = post(session, [spec for _, spec in cuts], actor, now)
    _note(
        session,
        ((id, row.id, period.first, last_day, True) for id, (period, _) in zip(posted.ids, cuts, strict=True)),
    )
    return posted.ids


def _cut(session: Session, row: RecurringCharge, period: PostedPeriod, last_day: date) -> ChargeSpec | None:
    """What takes back the days of a period after `last_day`; None where nothing of it is charged any more."""
    charges = [_live(session, id) for id in period.charge_ids]
    prices = {charge.unit_price for charge in charges if charge is not None}
    unit_price = prices.pop() if len(prices) == 1 else None
    values = [_value(charge, unit_price is None) for charge in charges]
    kept = prorated(values[0], days_in(period.first, last_day), days_in(period.first, period.last))
    rest = EXACT.subtract(kept, exact_sum(values))
    if not rest:
        return None
    begin = max(period.first, last_day + DAY)
    live = next(charge for charge in charges if charge is not None)
    return ChargeSpec(
        id=charge_id(row.id, period.first, last_day),
        customer=str(row.customer_id),
        service=str(row.service_id),
        description=described(row.description, begin, period.charged_to, ", taken back"),
        taken_over=["description"],
        quantity=None if unit_price is None else rest,
        unit_price=unit_price,
        amount=rest if unit_price is None else None,
        tax_included=live.tax_included,
        currency=row.currency,
        incurred_on=begin,
    )


def _value(charge: Any, as_amount: bool) -> Decimal:
    if charge is None:
        return ZERO
    value: Decimal = charge.amount if as_amount else charge.quantity
    return value


def _live(session: Session, id: UUID) -> Any:
    """The charge, or the last of those that replaced it; None where it was cancelled for good."""
    while True:
        replacement = session.scalar(select(Charge.id).where(Charge.replaces_id == id))
        if replacement is None:
            break
        id = replacement
    return session.execute(
        select(*Charge.__table__.c).where(Charge.id == id, Charge.status != "cancelled")
    ).one_or_none()

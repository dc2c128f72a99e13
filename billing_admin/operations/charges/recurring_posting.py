"""What is due of recurring charges is posted as ordinary charges; and taken back where a posted period is cut short.

A charge's id derives from schedule and period: a second run adds nothing, and one that was interrupted goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import DomainError, Invalid
from billing_admin.domain.money import EXACT, ZERO, exact_sum, multiply
from billing_admin.domain.recurring_charges import DAY, Period, charge_description, charge_id, count_days, prorate
from billing_admin.models import Charge, RecurringCharge, RecurringPosting
from billing_admin.operations.charges.posting import post
from billing_admin.operations.master_data.accounts import lock_accounts
from billing_admin.queries.charges.recurring_charges import (
    PostedPeriod,
    charges_of_schedules,
    due_recurring_charge_ids,
    existing_charge_ids,
    list_prices,
    periods_posted_beyond,
    schedule_of,
)
from billing_admin.queries.master_data.organisation import today

BATCH_SIZE = 200
MAX_AHEAD = timedelta(days=366)

Transact: TypeAlias = Callable[..., Any]


@dataclass(slots=True)
class PostingOutcome:
    """What a run posted, and which schedules it could not post, each with the reason."""

    charges: int = 0
    refused: list[tuple[UUID, str]] = field(default_factory=list)


def post_all_due_charges(
    transact: Transact, session: Session, through: date, actor: Actor, now: datetime
) -> PostingOutcome:
    """Post everything due up to a day, a part at a time, each in a transaction of its own (`transact`, handed in).

    A schedule that cannot be posted, such as one whose service was archived, holds up no other. Raises Invalid for a day more
    than a year ahead.
    """
    check_through(session, through, now)
    outcome, waiting = PostingOutcome(), due_recurring_charge_ids(session, through)
    for start in range(0, len(waiting), BATCH_SIZE):
        ids = waiting[start : start + BATCH_SIZE]
        try:
            outcome.charges += transact(post_due_charges, ids, through, actor, now)
        except DomainError:
            for id in ids:
                _post_schedule(transact, id, through, actor, now, outcome)
    return outcome


def _post_schedule(
    transact: Transact, id: UUID, through: date, actor: Actor, now: datetime, outcome: PostingOutcome
) -> None:
    try:
        outcome.charges += transact(post_due_charges, [id], through, actor, now)
    except DomainError as error:
        outcome.refused.append((id, error.message))


def check_through(session: Session, through: date, now: datetime) -> None:
    """Refuse a day that can only be a slip of the pen."""
    if through > today(session, now) + MAX_AHEAD:
        raise Invalid("out_of_range", "Use a day up to one year from today.", "through")


def post_due_charges(session: Session, ids: Sequence[UUID], through: date, actor: Actor, now: datetime) -> int:
    """Post what these schedules owe up to a day, all or nothing. Returns how many charges are new. Raises as `post` does."""
    rows = lock_schedules(session, ids)
    due = [(row, period) for row in rows for period in schedule_of(row).due(through)]
    if not due:
        return 0
    existing = existing_charge_ids(session, [charge_id(row.id, period.owed_from) for row, period in due])
    prices = list_prices(session, [row.service_id for row, period in due if period.is_partial])
    specs = [
        _identity(row, period) if charge_id(row.id, period.owed_from) in existing else _spec(row, period, prices)
        for row, period in due
    ]
    posted = post(session, specs, actor, now)
    known = charges_of_schedules(session, posted.ids)
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


def lock_schedules(session: Session, ids: Sequence[UUID]) -> Sequence[RecurringCharge]:
    """Lock the accounts of some schedules: from here on nobody posts or changes them but us."""
    wanted = is_any_of(RecurringCharge.id, ids)
    keys = session.execute(select(RecurringCharge.customer_id, RecurringCharge.currency).where(wanted).distinct())
    lock_accounts(session, [(row.customer_id, row.currency) for row in keys])
    query = select(RecurringCharge).where(wanted).order_by(RecurringCharge.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _identity(row: RecurringCharge, period: Period) -> ChargeSpec:
    """Return what a period's charge says whatever it costs.

    A repeat sends no more than this: a stored charge keeps the amount and the description that it was posted with, by the price
    and the rules of that day.
    """
    return ChargeSpec(
        id=charge_id(row.id, period.owed_from),
        customer=str(row.customer_id),
        service=str(row.service_id),
        taken_over=["description"],
        currency=row.currency,
        incurred_on=period.owed_from,
    )


def _spec(row: RecurringCharge, period: Period, prices: Mapping[tuple[UUID, str], tuple[Decimal, bool]]) -> ChargeSpec:
    if not period.is_partial:
        description = charge_description(row.description, period.owed_from, period.owed_to)
        return replace(
            _identity(row, period), description=description, quantity=row.quantity, unit_price=row.unit_price
        )
    description = charge_description(row.description, period.owed_from, period.owed_to, period.of_days)
    list_price = prices.get((row.service_id, row.currency))
    price = list_price if row.unit_price is None else (row.unit_price, False)
    if price is None:  # `post` refuses a charge without a price
        return replace(_identity(row, period), description=description)
    unit_price, tax_included = price
    amount = period.partial_amount(row.quantity, unit_price)
    return replace(_identity(row, period), description=description, amount=amount, tax_included=tax_included)


def _note(session: Session, postings: Iterable[tuple[UUID, UUID, date, date, bool]]) -> None:
    names = ("charge_id", "recurring_charge_id", "period_from", "period_to", "takes_back")
    rows = [dict(zip(names, posting, strict=True)) for posting in postings]
    if rows:
        session.execute(insert(RecurringPosting), rows)


def post_adjustments(session: Session, row: RecurringCharge, last_day: date, actor: Actor, now: datetime) -> list[UUID]:
    """Charge the days after `last_day` that are posted with a negative amount, and return the ids of these charges.

    The charges of the period then add up to its share for the days kept. A charge that was cancelled or corrected counts as it
    is now.
    """
    cuts = [
        (period, spec)
        for period in periods_posted_beyond(session, row.id, last_day)
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
    """Return the charge that takes back a period's days after `last_day`; None where none of them is charged any more."""
    charges = [_live(session, id) for id in period.charge_ids]
    of_days = schedule_of(row).period_length(period.first)
    remaining = _remaining(row, charges[0], period, last_day, of_days)
    amount = EXACT.subtract(remaining, exact_sum(charge.amount for charge in charges if charge is not None))
    if not amount:
        return None
    begin = max(period.first, last_day + DAY)
    live = next(charge for charge in charges if charge is not None)
    return ChargeSpec(
        id=charge_id(row.id, period.first, last_day),
        customer=str(row.customer_id),
        service=str(row.service_id),
        description=charge_description(row.description, begin, period.charged_to, of_days, taken_back=True),
        amount=amount,
        taken_over=["description"],
        tax_included=live.tax_included,
        currency=row.currency,
        incurred_on=begin,
    )


def _remaining(row: RecurringCharge, charge: Any, period: PostedPeriod, last_day: date, of_days: int) -> Decimal:
    """Return what a period's charge comes to for the days up to `last_day`, rounded once.

    Quantity × price counts where the charge is as the schedule posted it, by this rule or by the earlier one that cut the
    quantity to 12 places. The amount counts where the charge was corrected.
    """
    if charge is None:
        return ZERO
    charged_days, kept_days = count_days(period.first, period.last), count_days(period.first, last_day)
    unit_price = row.unit_price if charge.unit_price is None else charge.unit_price
    if unit_price is not None:
        whole = EXACT.multiply(row.quantity, unit_price)
        cut_quantity = prorate(row.quantity, charged_days, of_days)
        if charge.amount in {prorate(whole, charged_days, of_days), multiply(cut_quantity, unit_price)}:
            return prorate(whole, kept_days, of_days)
    return prorate(charge.amount, kept_days, charged_days)


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

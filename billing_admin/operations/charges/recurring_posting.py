"""Post due periods of recurring charges as ordinary charges.

When a recurring charge ends early, negative charges take back the days after its end. The id of a charge derives from
the recurring charge and the period, so a repeated or interrupted run posts nothing twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.transactions import Transact
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.days import count_days
from billing_admin.domain.errors import DomainError, Invalid
from billing_admin.domain.money import EXACT, ZERO, exact_sum, multiply
from billing_admin.domain.recurring_charges import DAY, Period, adjustment_description, charge_id, prorate
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, RecurringCharge, RecurringPosting
from billing_admin.operations.charges.posting import post
from billing_admin.operations.master_data.accounts import lock_accounts
from billing_admin.queries.charges.recurring_charges import (
    ListPrices,
    PostedPeriod,
    due_recurring_charge_ids,
    existing_charge_ids,
    list_prices,
    periods_posted_beyond,
    price_on,
    schedule_of,
    scheduled_charge_ids,
)
from billing_admin.queries.master_data.organisation import today

BATCH_SIZE = 200
MAX_AHEAD = timedelta(days=366)


@dataclass(slots=True)
class PostingOutcome:
    """The ids of posted charges, and the refused recurring charges with reasons."""

    charge_ids: list[UUID] = field(default_factory=list)
    refused: list[tuple[UUID, str]] = field(default_factory=list)

    @property
    def charges(self) -> int:
        """Number of posted charges."""
        return len(self.charge_ids)


def post_all_due_charges(
    transact: Transact, session: Session, through: date, actor: Actor, now: datetime
) -> PostingOutcome:
    """Post all periods that are due through a day, a batch in each transaction.

    `transact` runs a function in a transaction. A recurring charge that cannot be posted, for example because its
    service is archived, does not stop the others. Raises Invalid for a day more than a year ahead.
    """
    check_through(session, through, now)
    outcome, due_ids = PostingOutcome(), due_recurring_charge_ids(session, through)
    for start in range(0, len(due_ids), BATCH_SIZE):
        batch = transact(post_possible_charges, due_ids[start : start + BATCH_SIZE], through, actor, now)
        outcome.charge_ids += batch.charge_ids
        outcome.refused += batch.refused
    return outcome


def check_through(session: Session, through: date, now: datetime) -> None:
    """Raise Invalid for a day more than a year ahead, probably a typing error."""
    if through > today(session, now) + MAX_AHEAD:
        raise Invalid("out_of_range", Phrase("Use a day up to one year from today."), "through")


def post_possible_charges(
    session: Session, ids: Sequence[UUID], through: date, actor: Actor, now: datetime
) -> PostingOutcome:
    """Post the due periods of recurring charges through a day.

    The result names those that cannot be posted. A recurring charge of which one period is refused, for example
    because its service is archived, posts nothing.
    """
    refused: dict[UUID, str] = {}
    rows = lock_schedules(session, ids)
    while True:
        due = [(row, period) for row in rows if row.id not in refused for period in schedule_of(row).due(through)]
        try:
            return PostingOutcome(_post_periods(session, due, actor, now), sorted(refused.items()))
        except DomainError as error:  # `post` names every refused charge by its index, before it stores any
            for problem in error.problems:
                row, _ = due[int(problem.field[0])]
                refused.setdefault(row.id, problem.message)


def post_due_charges(session: Session, ids: Sequence[UUID], through: date, actor: Actor, now: datetime) -> int:
    """Post the due periods of recurring charges through a day, all or none.

    Returns the number of new charges. Raises as `post` does.
    """
    rows = lock_schedules(session, ids)
    due = [(row, period) for row in rows for period in schedule_of(row).due(through)]
    return len(_post_periods(session, due, actor, now))


def _post_periods(
    session: Session, due: Sequence[tuple[RecurringCharge, Period]], actor: Actor, now: datetime
) -> list[UUID]:
    """Post periods of locked schedules, and return the ids of the new charges."""
    if not due:
        return []
    existing_ids = existing_charge_ids(session, [charge_id(row.id, period.owed_from) for row, period in due])
    prices = list_prices(session, [row for row, period in due if period.is_partial])
    specs = [
        _identifying_spec(row, period)
        if charge_id(row.id, period.owed_from) in existing_ids
        else _priced_spec(row, period, prices)
        for row, period in due
    ]
    posted = post(session, specs, actor, now, scheduled=True)
    recorded_ids = scheduled_charge_ids(session, posted.ids)
    _insert_postings(
        session,
        (
            (id, row.id, period.owed_from, period.owed_to, False)
            for id, (row, period) in zip(posted.ids, due, strict=True)
            if id not in recorded_ids
        ),
    )
    for row, period in due:
        row.posted_through = period.owed_from
    session.flush()
    return [row["id"] for row in posted.rows]


def lock_schedules(session: Session, ids: Sequence[UUID]) -> Sequence[RecurringCharge]:
    """Lock the accounts of recurring charges, and return the fresh rows.

    No one else can then post or change them.
    """
    condition = is_any_of(RecurringCharge.id, ids)
    keys = session.execute(select(RecurringCharge.customer_id, RecurringCharge.currency).where(condition).distinct())
    lock_accounts(session, [(row.customer_id, row.currency) for row in keys])
    query = select(RecurringCharge).where(condition).order_by(RecurringCharge.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _identifying_spec(row: RecurringCharge, period: Period) -> ChargeSpec:
    """Return the spec of a period's charge without price and description.

    A repeated posting sends only these fields: a stored charge keeps the amount and description that it was posted with.
    """
    return ChargeSpec(
        id=charge_id(row.id, period.owed_from),
        customer=str(row.customer_id),
        service=str(row.service_id),
        stored_texts=["description", "purchase_order"],
        currency=row.currency,
        incurred_on=period.incurred_on,
    )


def _priced_spec(row: RecurringCharge, period: Period, prices: ListPrices) -> ChargeSpec:
    spec = replace(
        _identifying_spec(row, period),
        description=row.description,
        purchase_order=row.purchase_order or None,
        period_from=period.owed_from,
        period_to=period.owed_to,
        period_of_days=period.of_days if period.is_partial else None,
    )
    if not period.is_partial:
        return replace(spec, quantity=row.quantity, unit_price=row.unit_price)
    price = price_on(row, period.incurred_on, prices)
    if price is None or price.unit_price is None:  # `post` refuses a charge without a price
        return spec
    try:
        amount = period.partial_amount(row.quantity, price.unit_price)
    except Invalid:  # `post` refuses the amount of the whole period, which is too large as well
        return replace(spec, quantity=row.quantity, unit_price=price.unit_price)
    return replace(spec, amount=amount, tax_included=price.includes_tax)


def _insert_postings(session: Session, postings: Iterable[tuple[UUID, UUID, date, date, bool]]) -> None:
    # The columns of each tuple in `postings`.
    names = ("charge_id", "recurring_charge_id", "period_from", "period_to", "takes_back")
    rows = [dict(zip(names, posting, strict=True)) for posting in postings]
    if rows:
        session.execute(insert(RecurringPosting), rows)


def post_adjustments(session: Session, row: RecurringCharge, last_day: date, actor: Actor, now: datetime) -> list[UUID]:
    """Post negative charges for posted days after `last_day`, and return their ids.

    The charges of a period then add up to its share for the remaining days. A cancelled or corrected charge counts as it is now.
    """
    adjustments = [
        (period, spec)
        for period in periods_posted_beyond(session, row.id, last_day)
        if (spec := _build_adjustment(session, row, period, last_day)) is not None
    ]
    if not adjustments:
        return []
    posted = post(session, [spec for _, spec in adjustments], actor, now)
    _insert_postings(
        session,
        ((id, row.id, period.first, last_day, True) for id, (period, _) in zip(posted.ids, adjustments, strict=True)),
    )
    return posted.ids


def _build_adjustment(
    session: Session, row: RecurringCharge, period: PostedPeriod, last_day: date
) -> ChargeSpec | None:
    """Return the charge that takes back a period's days after `last_day`.

    Returns None when there is nothing to take back.
    """
    charges = [_find_current_charge(session, id) for id in period.charge_ids]
    of_days = schedule_of(row).period_length(period.first)
    remaining = _remaining_amount(row, charges[0], period, last_day, of_days)
    amount = EXACT.subtract(remaining, exact_sum(charge.amount for charge in charges if charge is not None))
    if not amount:
        return None
    first_day = max(period.first, last_day + DAY)
    current = next(charge for charge in charges if charge is not None)
    return ChargeSpec(
        id=charge_id(row.id, period.first, last_day),
        customer=str(row.customer_id),
        service=str(row.service_id),
        description=adjustment_description(row.description),
        period_from=first_day,
        period_to=period.charged_to,
        period_of_days=of_days if count_days(first_day, period.charged_to) < of_days else None,
        amount=amount,
        purchase_order=current.purchase_order or None,
        stored_texts=["description", "purchase_order"],
        tax_included=current.tax_included,
        currency=row.currency,
        incurred_on=first_day,
    )


def _remaining_amount(row: RecurringCharge, charge: Any, period: PostedPeriod, last_day: date, of_days: int) -> Decimal:
    """Return a period's amount for the days up to `last_day`, rounded once.

    It is prorated from quantity × price if the charge is as it was posted, by the current rule or by the earlier rule
    that cut the quantity to 12 places. For a corrected charge it is prorated from the amount.
    """
    if charge is None:
        return ZERO
    charged_days, remaining_days = count_days(period.first, period.last), count_days(period.first, last_day)
    unit_price = row.unit_price if charge.unit_price is None else charge.unit_price
    if unit_price is not None:
        period_amount = EXACT.multiply(row.quantity, unit_price)
        prorated_quantity = prorate(row.quantity, charged_days, of_days)
        if charge.amount in {prorate(period_amount, charged_days, of_days), multiply(prorated_quantity, unit_price)}:
            return prorate(period_amount, remaining_days, of_days)
    return prorate(charge.amount, remaining_days, charged_days)


def _find_current_charge(session: Session, id: UUID) -> Any:
    """Return the charge or its latest replacement, or None when that is cancelled."""
    while True:
        replacement = session.scalar(select(Charge.id).where(Charge.replaces_id == id))
        if replacement is None:
            break
        id = replacement
    return session.execute(
        select(*Charge.__table__.c).where(Charge.id == id, Charge.status != "cancelled")
    ).one_or_none()

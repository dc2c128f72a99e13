"""The limits of roles: set them, and refuse an act above them.

A limit counts for all acts of a kind that a person does on one object on one day, so that it cannot be avoided in parts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_UP, Context, Decimal
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import ACTS, MAX_LIMIT, NeedsApproval, Submission, check_limits, is_within
from billing_admin.domain.document_details import BaseCurrencyRate
from billing_admin.domain.money import ZERO, plain_decimal_or_none
from billing_admin.models import LimitedAct, RoleLimit, User
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.access.limits import limit_of, limits_of_role
from billing_admin.queries.access.permissions import owner_of
from billing_admin.queries.access.roles import role_id
from billing_admin.queries.master_data.exchange_rates import base_rates
from billing_admin.queries.master_data.organisation import day_of, organisation

T = TypeVar("T")


def require_within_limit(session: Session, actor: Actor, submission: Submission, now: datetime) -> None:
    """Check that an act needs no approval.

    Each operation with a limit calls this before it writes. The command line, tokens without an owner, and approved
    requests have no limit.

    Raises:
        NeedsApproval: The act is above the limit of the actor's role, together with the person's earlier acts of that day on
            the object, or the rate of its currency is unknown.
    """
    for above in above_limit(session, actor, submission.act, [submission], now).values():
        raise NeedsApproval(above)


def above_limit(
    session: Session, actor: Actor, act: str, submissions: Iterable[Submission], now: datetime
) -> dict[int, Submission]:
    """Return the submissions of an act that need approval, by their places.

    They have their amounts in the base currency. Those within the limit are stored, and the same acts of the person on the
    same object are added to them for the rest of the day: the caller must roll back if it does not do them. Without a
    limit, the submissions are not read.
    """
    if actor.approval is not None:
        return {}
    limit = limit_of(session, actor.kind, actor.id, act)
    if limit is None:
        return {}
    settings, submissions = organisation(session), list(submissions)
    base, rates = settings.base_currency, dict[str, BaseCurrencyRate]()
    day = day_of(now, settings.time_zone)
    if any(each.minor is not None and each.currency != base for each in submissions):
        rates |= base_rates(session, base, day)
    valued = [replace(each, in_base=_in_base(each, base, rates)) for each in submissions]
    sums = _DaySums(session, owner_of(session, actor.kind, actor.id), act, day, valued)
    return {place: each for place, each in enumerate(valued) if not sums.add(each, limit, now)}


class SumKey(NamedTuple):
    """An act of a person on an object on a day.

    The currency is empty unless the limit is in percent.
    """

    act: str
    day: date
    object_id: UUID
    currency: str


DaySums = Mapping[SumKey, Decimal]
_EARLIER_SUMS: Final = "earlier_sums"  # a key of Session.info


def day_sums(session: Session, actor: Actor) -> DaySums:
    """Return the sums of the acts of an actor's person."""
    person = owner_of(session, actor.kind, actor.id)
    columns = (LimitedAct.act, LimitedAct.day, LimitedAct.object_id, LimitedAct.currency, LimitedAct.measure)
    rows = session.execute(select(*columns).where(LimitedAct.person_id == person))
    return {SumKey(row.act, row.day, row.object_id, row.currency): row.measure for row in rows}


def run_after(session: Session, actor: Actor, earlier: DaySums, work: Callable[[], T]) -> tuple[T, DaySums]:
    """Run work for whose limits earlier acts count that are not stored.

    Returns its result, and the sums of the earlier acts and its own.
    """
    before = day_sums(session, actor)
    session.info[_EARLIER_SUMS] = earlier
    try:
        result = work()
        session.flush()
    finally:
        del session.info[_EARLIER_SUMS]
    sums = dict(earlier)
    for key, measure in day_sums(session, actor).items():
        sums[key] = sums.get(key, ZERO) + measure - before.get(key, ZERO)
    return result, sums


def set_limits(session: Session, role: str, limits: Mapping[str, Decimal | None], actor: Actor, now: datetime) -> bool:
    """Set the limits of a role, by act, and return whether any changed.

    They are amounts in the base currency, or percentages; None is no limit. Raises NotFound for a role that does not
    exist, and Invalid for an unknown act or a wrong limit.
    """
    object_id = role_id(session, role)
    checked = check_limits(limits)
    before = {act: limits_of_role(session, role).get(act) for act in checked}
    changed = changed_fields(_texts(before), _texts(checked))
    if not changed:
        return False
    session.execute(delete(RoleLimit).where(RoleLimit.role == role, RoleLimit.act.in_(checked)))
    session.add_all(
        RoleLimit(role=role, act=act, amount=amount) for act, amount in checked.items() if amount is not None
    )
    session.flush()
    record(session, actor, now, "role.limits_changed", "role", object_id, {"role": role, **changed})
    return True


_Subject = tuple[UUID, str]
_UPWARDS: Final = Context(prec=100, rounding=ROUND_UP)
_PLACES: Final = Decimal("1e-12")


class _DaySums:
    """The sums of a person's acts of a day, by object, with those of `run_after`.

    Other acts of the person wait until the transaction ends.
    """

    def __init__(
        self, session: Session, person: UUID | None, act: str, day: date, submissions: Iterable[Submission]
    ) -> None:
        self._session = session
        self._day, self._values = day, {"person_id": person, "act": act, "day": day}
        objects = {each.object_id for each in submissions if each.object_id is not None and each.measure is not None}
        if objects:
            session.execute(select(User.id).where(User.id == person).with_for_update(key_share=True))
            session.execute(delete(LimitedAct).where(LimitedAct.person_id == person, LimitedAct.day < day))
        rows = session.scalars(
            select(LimitedAct).where(
                LimitedAct.person_id == person, LimitedAct.act == act, is_any_of(LimitedAct.object_id, objects)
            )
        )
        self._rows: dict[_Subject, LimitedAct] = {(row.object_id, row.currency): row for row in rows}
        self._earlier: DaySums = session.info.get(_EARLIER_SUMS, {})

    def add(self, submission: Submission, limit: Decimal, now: datetime) -> bool:
        """Add an act if the sum stays within the limit, and return whether it does.

        Amounts are in the base currency.
        """
        id, measure = submission.object_id, submission.measure
        currency = submission.currency if ACTS[submission.act].in_percent else ""
        if measure is None or id is None:
            return False
        row = self._rows.get((id, currency))
        earlier = self._earlier.get(SumKey(submission.act, self._day, id, currency), ZERO)
        if not is_within(limit, measure + earlier + (ZERO if row is None else row.measure)):
            return False
        if row is not None:
            row.measure += measure
        elif measure:
            row = LimitedAct(id=new_id(now), object_id=id, currency=currency, measure=measure, **self._values)
            self._rows[id, currency] = row
            self._session.add(row)
        return True


def _in_base(submission: Submission, base: str, rates: Mapping[str, BaseCurrencyRate]) -> Decimal | None:
    """Return the amount in the base currency, or None without amount or rate.

    It is not rounded to the currency, since many small amounts are added up.
    """
    amount, rate = submission.amount, rates.get(submission.currency)
    if amount is None or submission.currency == base:
        return amount
    if rate is None:
        return None
    converted = _UPWARDS.quantize(_UPWARDS.divide(amount, Decimal(rate.rate)), _PLACES)
    return converted if converted <= MAX_LIMIT else None


def _texts(limits: Mapping[str, Decimal | None]) -> dict[str, str | None]:
    return {act: plain_decimal_or_none(amount) for act, amount in limits.items()}

"""The limits of roles: set them, and refuse an act above them.

A limit counts for all acts of a kind that a person does on one object on one day, so that it cannot be avoided in parts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import ACTS, NeedsApproval, Submission, check_limits, is_within
from billing_admin.domain.document_details import BaseCurrencyRate
from billing_admin.domain.errors import Invalid
from billing_admin.domain.exchange_rates import convert_to_base
from billing_admin.domain.money import Money, plain_decimal_or_none
from billing_admin.models import LimitedAct, RoleLimit, User
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.access.limits import limit_of, limits_of_role
from billing_admin.queries.access.permissions import owner_of
from billing_admin.queries.access.roles import role_id
from billing_admin.queries.master_data.exchange_rates import base_rates
from billing_admin.queries.master_data.organisation import day_of, organisation


def require_within_limit(session: Session, actor: Actor, submission: Submission, now: datetime) -> None:
    """Check that an act needs no approval.

    Each operation with a limit calls this before it writes. The command line, tokens without an owner, and approved
    requests have no limit.

    Raises:
        NeedsApproval: The act is above the limit of the actor's role, alone or with those of the day before it, or the rate of
            its currency is unknown.
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
    person = owner_of(session, actor.kind, actor.id)
    above, added = dict[int, Submission](), defaultdict[_Subject, Decimal](Decimal)
    done = _lock_day(session, person, act, day)
    for place, each in enumerate(submissions):
        valued = replace(each, in_base=_in_base(each, base, rates))
        subject, measure = _subject(valued), valued.measure
        if measure is not None and is_within(limit, done[subject] + measure):
            done[subject] += measure
            added[subject] += measure
        else:
            above[place] = valued
    session.add_all(
        LimitedAct(id=new_id(now), person_id=person, act=act, object_id=id, currency=currency, day=day, measure=measure)
        for (id, currency), measure in added.items()
        if measure
    )
    return above


def set_limits(session: Session, role: str, limits: Mapping[str, Decimal | None], actor: Actor, now: datetime) -> bool:
    """Set the limits of a role, by act, and return whether any changed.

    They are amounts in the base currency; None is no limit. Raises NotFound for a role that does not exist, and Invalid
    for an unknown act or a wrong amount.
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


_Subject = tuple[UUID | None, str]


def _subject(submission: Submission) -> _Subject:
    """Return the object of an act, for prices with the currency.

    Amounts are all in the base currency.
    """
    return submission.object_id, submission.currency if ACTS[submission.act].in_percent else ""


def _lock_day(session: Session, person: UUID | None, act: str, day: date) -> defaultdict[_Subject, Decimal]:
    """Return the sums of a person's acts of a day, by object.

    Other acts of the person wait for this one.
    """
    session.execute(select(User.id).where(User.id == person).with_for_update(key_share=True))
    session.execute(delete(LimitedAct).where(LimitedAct.person_id == person, LimitedAct.day < day))
    columns = LimitedAct.object_id, LimitedAct.currency, LimitedAct.measure
    sums = defaultdict[_Subject, Decimal](Decimal)
    for id, currency, measure in session.execute(
        select(*columns).where(LimitedAct.person_id == person, LimitedAct.act == act)
    ):
        sums[id, currency] += measure
    return sums


def _in_base(submission: Submission, base: str, rates: Mapping[str, BaseCurrencyRate]) -> Decimal | None:
    """Return the amount in the base currency, or None without amount or rate."""
    if submission.minor is None:
        return None
    currency = submission.currency
    if currency == base:
        return Money(submission.minor, base).decimal
    rate = rates.get(currency)
    try:
        return None if rate is None else Money(convert_to_base(submission.minor, currency, rate), base).decimal
    except Invalid:  # it is too large for a document
        return None


def _texts(limits: Mapping[str, Decimal | None]) -> dict[str, str | None]:
    return {act: plain_decimal_or_none(amount) for act, amount in limits.items()}

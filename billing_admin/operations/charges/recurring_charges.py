"""Recurring charges begin, pause, go on, end, and change from a date; `operations.recurring_posting` posts them.

The account's row is the lock: whoever changes a schedule has it, as has whoever posts it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import ONE
from billing_admin.domain.days import LAST_DAY, check_calendar_day
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.money import plain_decimal, plain_decimal_or_none
from billing_admin.domain.recurring_charges import DAY, RecurringChargeSpec
from billing_admin.domain.text import check_text, refuse_unprintable
from billing_admin.models import Account, Customer, RecurringCharge, Service
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.charges.recurring_posting import lock_schedules, post_adjustments, post_due_charges
from billing_admin.operations.master_data.accounts import lock_accounts, open_accounts
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.master_data.services import service

# What a change from a date may change.
CHANGEABLE_FIELDS = ("service", "description", "quantity", "unit_price", "interval", "anchor_on", "ends_on")


def create(session: Session, spec: RecurringChargeSpec, actor: Actor, now: datetime) -> tuple[RecurringCharge, bool]:
    """Add a recurring charge; nothing is posted yet. Returns it, and whether it is new.

    Raises Invalid for an unknown or archived customer or service, or one without a price; Conflict for another one under the
    same id.
    """
    whom, what = _customer(session, spec.customer), _service(session, spec.service)
    facts = _facts_of(spec, whom, what)
    stored = session.get(RecurringCharge, spec.id) if spec.id else None
    if stored is not None:
        _check_same(stored, spec, facts)
        return stored, False
    refuse_unprintable(spec.description or "", "description")
    row = _add(session, facts, whom, what, None, spec.id, now)
    record(session, actor, now, "recurring_charge.created", "recurring_charge", row.id, _told(row))
    return row, True


def pause(session: Session, id: UUID, reason: str, actor: Actor, now: datetime) -> RecurringCharge:
    """From today on nothing is posted; what began before is. Raises Conflict for one that has ended."""
    check_text(reason, "reason", longest=500, stored=True)
    row, day = _locked(session, id), today(session, now)
    if row.paused_on is None:
        refuse_unprintable(reason, "reason")
        _refuse_ended(row, day)
        row.paused_on = day
        _record_move(session, row, "paused", {"reason": reason, "paused_on": [None, day.isoformat()]}, actor, now)
    return row


def resume(session: Session, id: UUID, reason: str, actor: Actor, now: datetime) -> RecurringCharge:
    """Go on from today: what began before the pause is posted, periods that began during it are skipped for good."""
    check_text(reason, "reason", longest=500, stored=True)
    row, day = _locked(session, id), today(session, now)
    if row.paused_on is not None:
        refuse_unprintable(reason, "reason")
        paused_on = row.paused_on
        post_due_charges(session, [id], day, actor, now)
        row.posted_through, row.paused_on = max(row.posted_through or date.min, day - DAY), None
        _record_move(
            session, row, "resumed", {"reason": reason, "paused_on": [paused_on.isoformat(), None]}, actor, now
        )
    return row


def end(session: Session, id: UUID, ends_on: date, reason: str, actor: Actor, now: datetime) -> RecurringCharge:
    """Let it end with a day, included. Days after it that were posted are taken back, by day.

    Raises Invalid for a day before its start, or after the end that it has already.
    """
    check_text(reason, "reason", longest=500, stored=True)
    row = _locked(session, id)
    if ends_on != row.ends_on:
        refuse_unprintable(reason, "reason")
        before, taken_back = row.ends_on, _cut(session, row, ends_on, "ends_on", actor, now)
        told = {"reason": reason, "ends_on": [_iso(before), _iso(ends_on)], "taken_back": taken_back}
        _record_move(session, row, "ended", told, actor, now)
    return row


def change(
    session: Session,
    id: UUID,
    from_: date,
    fields: Mapping[str, Any],
    new_id: UUID | None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> tuple[RecurringCharge, bool]:
    """Let it end the day before `from_`, and another follow it, with what the fields (see CHANGEABLE) say. Returns the other.

    The broken period is split by day, so that nothing is billed twice. Raises Invalid when nothing changes or the day is not
    within its run, Conflict while it is paused.
    """
    check_text(reason, "reason", longest=500, stored=True)
    row = _locked(session, id)
    spec = _changed(session, row, from_, fields, new_id)
    whom, what = _customer(session, spec.customer), _service(session, spec.service)
    facts = _facts_of(spec, whom, what)
    stored = session.get(RecurringCharge, new_id) if new_id else None
    if stored is not None:
        _check_same(stored, spec, facts | {"follows_id": id})
        return stored, False
    refuse_unprintable(reason, "reason")
    if facts["description"] != row.description:
        refuse_unprintable(spec.description or "", "description")
    _refuse_change(row, from_, facts)
    before, taken_back = _told(row), _cut(session, row, from_ - DAY, "from", actor, now)
    following = _add(session, facts, whom, what, id, new_id, now)
    changed = changed_fields(before, _told(following))
    told = {"reason": reason, "followed_by": str(following.id), "taken_back": taken_back, **changed}
    _record_move(session, row, "changed", told, actor, now)
    record(session, actor, now, "recurring_charge.created", "recurring_charge", following.id, _told(following))
    return following, True


def _changed(
    session: Session, row: RecurringCharge, from_: date, fields: Mapping[str, Any], new_id: UUID | None
) -> RecurringChargeSpec:
    """What follows: as before, but for the fields given. Where the description was the service's name, it is so again."""
    if not row.starts_on < from_ <= LAST_DAY:
        raise Invalid("out_of_range", f"Use a day after {row.starts_on.isoformat()}, its first day.", "from")
    was = session.get_one(Service, row.service_id)
    return replace(
        RecurringChargeSpec(
            customer=str(row.customer_id),
            service=str(row.service_id),
            interval=row.interval,
            starts_on=from_,
            description=None if row.description == was.name else row.description,
            quantity=row.quantity,
            unit_price=row.unit_price,
            currency=row.currency,
            anchor_on=row.anchor_on,
            ends_on=None if row.ends_on is None else max(row.ends_on, from_),
            id=new_id,
        ),
        **fields,
    )


def _refuse_change(row: RecurringCharge, from_: date, facts: Mapping[str, Any]) -> None:
    if row.paused_on is not None:
        raise Conflict(
            "recurring_charge_paused", "This recurring charge is paused. Resume it before you change it.", "status"
        )
    if row.ends_on is not None and from_ > row.ends_on:
        raise Invalid("out_of_range", f"Use {row.ends_on.isoformat()}, its last day, or an earlier day.", "from")
    if all(facts[name] == getattr(row, name) for name in facts if name != "starts_on"):
        raise Invalid("nothing_changed", "Change at least one field.")


def _cut(session: Session, row: RecurringCharge, last_day: date, field: str, actor: Actor, now: datetime) -> list[str]:
    """Let it end with a day; returns the ids of the charges that take days back."""
    check_calendar_day(last_day, field)
    if last_day < row.starts_on:
        raise Invalid("out_of_range", f"Use {row.starts_on.isoformat()}, its first day, or a later day.", field)
    if row.ends_on is not None and last_day > row.ends_on:
        message = (
            f"This recurring charge already ends on {row.ends_on.isoformat()}. Use an earlier day, or add a new one."
        )
        raise Invalid("out_of_range", message, field)
    row.ends_on = last_day
    session.flush()
    return [str(id) for id in post_adjustments(session, row, last_day, actor, now)]


def _locked(session: Session, id: UUID) -> RecurringCharge:
    found = lock_schedules(session, [id])
    if not found:
        raise NotFound("unknown_recurring_charge", f"There is no recurring charge {id}.", "id")
    return found[0]


def _refuse_ended(row: RecurringCharge, day: date) -> None:
    if row.ends_on is not None and row.ends_on < day:
        raise Conflict("recurring_charge_ended", f"This recurring charge ended on {row.ends_on.isoformat()}.", "status")


def _customer(session: Session, name: str) -> Customer:
    try:
        found = customer(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from error
    return found


def _service(session: Session, name: str) -> Service:
    try:
        found = service(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "service") from error
    return found


def _refuse_archived(whom: Customer, what: Service) -> None:
    if whom.archived_at is not None:
        raise Invalid("archived_customer", f"Customer “{whom.reference}” is archived: restore it first.", "customer")
    if what.archived_at is not None:
        raise Invalid("archived_service", f"Service “{what.code}” is archived: restore it first.", "service")


def _facts_of(spec: RecurringChargeSpec, whom: Customer, what: Service) -> dict[str, Any]:
    """What would be stored, every default filled in."""
    return {
        "customer_id": whom.id,
        "currency": spec.currency or whom.currency,
        "service_id": what.id,
        "description": what.name if spec.description is None else spec.description,
        "quantity": ONE if spec.quantity is None else spec.quantity,
        "unit_price": spec.unit_price,
        "interval": spec.interval,
        "anchor_on": spec.anchor_on or spec.starts_on,
        "starts_on": spec.starts_on,
        "ends_on": spec.ends_on,
    }


_ASKED = {"customer_id": "customer", "service_id": "service", "follows_id": "follows"}


def _check_same(stored: RecurringCharge, spec: RecurringChargeSpec, facts: Mapping[str, Any]) -> None:
    """What a repeat leaves out is not compared; nor is the end, which may have moved since."""
    names = {name: _ASKED.get(name, name) for name in facts if name != "ends_on"}
    differs = [
        said
        for name, said in names.items()
        if getattr(spec, said, said) is not None and facts[name] != getattr(stored, name)
    ]
    if differs:
        listed = ", ".join(differs)
        message = f"Recurring charge {stored.id} already exists with a different {listed}."
        raise Conflict("id_conflict", message, "id", differs=differs)


def _add(
    session: Session,
    facts: dict[str, Any],
    whom: Customer,
    what: Service,
    follows_id: UUID | None,
    id: UUID | None,
    now: datetime,
) -> RecurringCharge:
    _refuse_archived(whom, what)
    currency = facts["currency"]
    if facts["unit_price"] is None and currency not in {price.currency for price in what.prices}:
        raise Invalid("no_price", f"{what.code} has no price in {currency}: enter a unit price.", "unit_price")
    lock_accounts(session, [(whom.id, currency)])
    query = select(Account.currency).where(Account.customer_id == whom.id, Account.currency == currency)
    if session.scalar(query) is None:
        open_accounts(session, [(whom.id, currency)])
    row = RecurringCharge(
        id=id or new_id(now), posted_through=None, paused_on=None, follows_id=follows_id, created_at=now, **facts
    )
    session.add(row)
    session.flush()
    return row


def _record_move(
    session: Session, row: RecurringCharge, verb: str, details: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    session.flush()
    told = {name: value for name, value in details.items() if value or name == "reason"}
    record(session, actor, now, f"recurring_charge.{verb}", "recurring_charge", row.id, told)


def _told(row: RecurringCharge) -> dict[str, Any]:
    return {
        "customer": str(row.customer_id),
        "service": str(row.service_id),
        "description": row.description,
        "quantity": plain_decimal(row.quantity),
        "unit_price": plain_decimal_or_none(row.unit_price),
        "currency": row.currency,
        "interval": row.interval,
        "anchor_on": row.anchor_on.isoformat(),
        "starts_on": row.starts_on.isoformat(),
        "ends_on": _iso(row.ends_on),
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

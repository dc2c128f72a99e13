"""Create, pause, resume, end and change recurring charges.

`recurring_posting` posts their charges. The account's row is the lock under which a recurring charge is changed and
posted.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor, credit_denied
from billing_admin.domain.charges import ONE
from billing_admin.domain.days import LAST_DAY, check_calendar_day
from billing_admin.domain.errors import Conflict, Denied, Invalid, NotFound
from billing_admin.domain.formatting import format_day
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import multiply, plain_decimal, plain_decimal_or_none
from billing_admin.domain.prices import prices_on
from billing_admin.domain.recurring_charges import DAY, IN_ADVANCE, RecurringChargeSpec
from billing_admin.domain.text import MAX_REASON_LENGTH, check_text, refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, RecurringCharge, Service
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.charges.negative_charges import check_recurring
from billing_admin.operations.charges.recurring_posting import lock_schedules, post_adjustments, post_due_charges
from billing_admin.operations.master_data.accounts import lock_accounts, open_account_if_missing
from billing_admin.queries.charges.recurring_charges import schedule_of
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.master_data.services import service

# The fields that `change` accepts.
CHANGEABLE_FIELDS = (
    *("service", "description", "quantity", "unit_price"),
    *("interval", "interval_count", "timing", "anchor_on", "ends_on", "purchase_order"),
)


def create(session: Session, spec: RecurringChargeSpec, actor: Actor, now: datetime) -> tuple[RecurringCharge, bool]:
    """Create a recurring charge, and return it and whether it is new.

    This posts none of its charges. Raises Invalid for an unknown or archived customer or service and for a missing
    price, Conflict when the id belongs to a recurring charge with other values, and Denied for a negative price without
    the permission for negative charges.
    """
    customer_row, service_row = _find_customer(session, spec.customer), _find_service(session, spec.service)
    columns = _resolve_columns(spec, customer_row, service_row)
    stored = session.get(RecurringCharge, spec.id) if spec.id else None
    if stored is not None:
        _check_same(stored, spec, columns)
        return stored, False
    refuse_unprintable(spec.description or "", "description")
    refuse_unprintable(columns["purchase_order"], "purchase_order")
    row = _insert(session, columns, customer_row, service_row, None, spec.id, actor, now)
    record(session, actor, now, "recurring_charge.created", "recurring_charge", row.id, _audit_fields(row))
    return row, True


def pause(session: Session, id: UUID, reason: str, actor: Actor, now: datetime) -> RecurringCharge:
    """Pause a recurring charge from today, and return it.

    Periods that begin today or later are not posted. Does nothing when it is paused. Raises Conflict when it has ended.
    """
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    row, day = _lock_schedule(session, id), today(session, now)
    if row.paused_on is None:
        refuse_unprintable(reason, "reason")
        _refuse_ended(row, day)
        row.paused_on = day
        _record_change(session, row, "paused", {"reason": reason, "paused_on": [None, day.isoformat()]}, actor, now)
    return row


def resume(session: Session, id: UUID, reason: str, actor: Actor, now: datetime) -> RecurringCharge:
    """Resume a recurring charge from today, and return it.

    Periods that began before the pause are posted, those that began during it are skipped.
    """
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    row, day = _lock_schedule(session, id), today(session, now)
    if row.paused_on is not None:
        refuse_unprintable(reason, "reason")
        paused_on = row.paused_on
        post_due_charges(session, [id], day, actor, now)
        row.posted_through, row.paused_on = schedule_of(row).resumed_through(day), None
        _record_change(
            session, row, "resumed", {"reason": reason, "paused_on": [paused_on.isoformat(), None]}, actor, now
        )
    return row


def end(session: Session, id: UUID, ends_on: date, reason: str, actor: Actor, now: datetime) -> RecurringCharge:
    """End a recurring charge on a day, included, and return it.

    Posted days after it are taken back by negative charges. Raises Invalid for a day before its start or after its
    current end.
    """
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    row = _lock_schedule(session, id)
    if ends_on != row.ends_on:
        refuse_unprintable(reason, "reason")
        before, taken_back = row.ends_on, _end_on(session, row, ends_on, "ends_on", actor, now)
        details = {"reason": reason, "ends_on": [_iso_day(before), _iso_day(ends_on)], "taken_back": taken_back}
        _record_change(session, row, "ended", details, actor, now)
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
    """End a recurring charge the day before `from_`, and create its successor.

    `fields` are some of CHANGEABLE_FIELDS. Returns the successor and whether it is new. A period that `from_` divides
    is charged by day on both sides. Raises Invalid when nothing changes or `from_` is out of range, and Conflict
    while it is paused.
    """
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    row = _lock_schedule(session, id)
    spec = successor_spec(session, row, from_, fields, new_id)
    customer_row, service_row = _find_customer(session, spec.customer), _find_service(session, spec.service)
    columns = _resolve_columns(spec, customer_row, service_row)
    stored = session.get(RecurringCharge, new_id) if new_id else None
    if stored is not None:
        _check_same(stored, spec, columns | {"follows_id": id})
        return stored, False
    refuse_unprintable(reason, "reason")
    if columns["description"] != row.description:
        refuse_unprintable(spec.description or "", "description")
    if columns["purchase_order"] != row.purchase_order:
        refuse_unprintable(columns["purchase_order"], "purchase_order")
    _refuse_change(row, from_, columns)
    before, taken_back = _audit_fields(row), _end_on(session, row, from_ - DAY, "from", actor, now)
    successor = _insert(session, columns, customer_row, service_row, id, new_id, actor, now)
    changed = changed_fields(before, _audit_fields(successor))
    details = {"reason": reason, "followed_by": str(successor.id), "taken_back": taken_back, **changed}
    _record_change(session, row, "changed", details, actor, now)
    record(session, actor, now, "recurring_charge.created", "recurring_charge", successor.id, _audit_fields(successor))
    return successor, True


def successor_spec(
    session: Session, row: Any, from_: date, fields: Mapping[str, Any], new_id: UUID | None
) -> RecurringChargeSpec:
    """Return the spec of the successor: as before, except for the given fields.

    A description that is the name of the service follows the new service. A new interval has the count 1.
    Raises Invalid for a day before the second day of the schedule, and as RecurringChargeSpec does.
    """
    if not row.starts_on < from_ <= LAST_DAY:
        raise Invalid(
            "out_of_range",
            Phrase(
                "Use a day after {starts_on}, the first day of this recurring charge.",
                starts_on=row.starts_on.isoformat(),
            ),
            "from",
        )
    service_before = session.get_one(Service, row.service_id)
    return replace(
        RecurringChargeSpec(
            customer=str(row.customer_id),
            service=str(row.service_id),
            interval=row.interval,
            interval_count=row.interval_count if fields.get("interval", row.interval) == row.interval else None,
            timing=row.timing,
            starts_on=from_,
            description=None if row.description == service_before.name else row.description,
            quantity=row.quantity,
            unit_price=row.unit_price,
            currency=row.currency,
            anchor_on=row.anchor_on,
            ends_on=None if row.ends_on is None else max(row.ends_on, from_),
            id=new_id,
            purchase_order=row.purchase_order,
        ),
        **fields,
    )


def _refuse_change(row: RecurringCharge, from_: date, columns: Mapping[str, Any]) -> None:
    if row.paused_on is not None:
        raise Conflict(
            "recurring_charge_paused",
            Phrase("This recurring charge is paused. Resume it before you change it."),
            "status",
        )
    if row.ends_on is not None and from_ > row.ends_on:
        raise Invalid(
            "out_of_range",
            Phrase(
                "Use {ends_on}, the last day of this recurring charge, or an earlier day.",
                ends_on=row.ends_on.isoformat(),
            ),
            "from",
        )
    if all(columns[name] == getattr(row, name) for name in columns if name != "starts_on"):
        raise Invalid("nothing_changed", Phrase("Change at least one field."))


def _end_on(
    session: Session, row: RecurringCharge, last_day: date, field: str, actor: Actor, now: datetime
) -> list[str]:
    """Set the last day.

    Returns the ids of the negative charges that take back posted days after it.
    """
    check_calendar_day(last_day, field)
    if last_day < row.starts_on:
        raise Invalid(
            "out_of_range",
            Phrase(
                "Use {starts_on}, the first day of this recurring charge, or a later day.",
                starts_on=row.starts_on.isoformat(),
            ),
            field,
        )
    if row.ends_on is not None and last_day > row.ends_on:
        message = Phrase(
            "This recurring charge already ends on {ends_on}. Use an earlier day, or add a new one.",
            ends_on=row.ends_on.isoformat(),
        )
        raise Invalid("out_of_range", message, field)
    row.ends_on = last_day
    session.flush()
    try:
        return [str(id) for id in post_adjustments(session, row, last_day, actor, now)]
    except Denied as error:
        if not actor.may_credit:
            raise credit_denied(field) from error
        message = Phrase(
            "The deduction of posted days is above the limit of your role. A person with a higher limit can do this."
        )
        raise Denied("above_limit", message, field) from error


def _lock_schedule(session: Session, id: UUID) -> RecurringCharge:
    rows = lock_schedules(session, [id])
    if not rows:
        raise NotFound("unknown_recurring_charge", Phrase("There is no recurring charge {id}.", id=id), "id")
    return rows[0]


def _refuse_ended(row: RecurringCharge, day: date) -> None:
    if row.ends_on is not None and row.ends_on < day:
        raise Conflict(
            "recurring_charge_ended",
            Phrase("This recurring charge ended on {ends_on}.", ends_on=row.ends_on.isoformat()),
            "status",
        )


def _find_customer(session: Session, name: str) -> Customer:
    try:
        return customer(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from error


def _find_service(session: Session, name: str) -> Service:
    try:
        return service(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "service") from error


def _refuse_archived(customer_row: Customer, service_row: Service) -> None:
    if customer_row.archived_at is not None:
        raise Invalid(
            "archived_customer",
            Phrase(
                "Customer “{customer_row_reference}” is archived: restore it first.",
                customer_row_reference=customer_row.reference,
            ),
            "customer",
        )
    if service_row.archived_at is not None:
        raise Invalid(
            "archived_service",
            Phrase("Service “{service_row_code}” is archived: restore it first.", service_row_code=service_row.code),
            "service",
        )


def _resolve_columns(spec: RecurringChargeSpec, customer_row: Customer, service_row: Service) -> dict[str, Any]:
    """Return the columns to store, with defaults filled in."""
    return {
        "customer_id": customer_row.id,
        "currency": spec.currency or customer_row.currency,
        "service_id": service_row.id,
        "description": service_row.name if spec.description is None else spec.description,
        "quantity": ONE if spec.quantity is None else spec.quantity,
        "unit_price": spec.unit_price,
        "interval": spec.interval,
        "interval_count": spec.interval_count or 1,
        "timing": spec.timing or IN_ADVANCE,
        "anchor_on": spec.anchor_on or spec.starts_on,
        "starts_on": spec.starts_on,
        "ends_on": spec.ends_on,
        "purchase_order": spec.purchase_order or "",
    }


# The names that columns have in the API.
_API_NAMES = {"customer_id": "customer", "service_id": "service", "follows_id": "follows"}


def _check_same(stored: RecurringCharge, spec: RecurringChargeSpec, columns: Mapping[str, Any]) -> None:
    """Raise Conflict when a repeated request gives other values.

    The end is not compared: it may have been moved since.
    """
    api_names = {column: _API_NAMES.get(column, column) for column in columns if column != "ends_on"}
    differs = [
        name
        for column, name in api_names.items()
        if getattr(spec, name, name) is not None and columns[column] != getattr(stored, column)
    ]
    refuse_differences(Phrase("Recurring charge {stored_id}", stored_id=stored.id), differs, "id")


def _insert(
    session: Session,
    columns: dict[str, Any],
    customer_row: Customer,
    service_row: Service,
    follows_id: UUID | None,
    id: UUID | None,
    actor: Actor,
    now: datetime,
) -> RecurringCharge:
    _refuse_archived(customer_row, service_row)
    row = RecurringCharge(
        id=id or new_id(now), posted_through=None, paused_on=None, follows_id=follows_id, created_at=now, **columns
    )
    unit_price = _first_list_price(service_row, row) if row.unit_price is None else row.unit_price
    amount = multiply(row.quantity, unit_price)
    if amount < 0 and not actor.may_credit:
        raise credit_denied("quantity" if row.quantity < 0 else "unit_price")
    lock_accounts(session, [(customer_row.id, row.currency)])
    check_recurring(session, customer_row, amount, row.currency, actor, now)
    open_account_if_missing(session, (customer_row.id, row.currency))
    session.add(row)
    session.flush()
    return row


def _first_list_price(service_row: Service, row: RecurringCharge) -> Decimal:
    """Return the price of the service on the day of the first charge.

    Raises Invalid when it has none.
    """
    first = next(schedule_of(row).upcoming(), None)
    currency, day = row.currency, row.starts_on if first is None else first.incurred_on
    price = prices_on(day, service_row.prices).get(currency)
    if price is None or price.unit_price is None:
        message = (
            Phrase(
                "{service_row_code} has no price in {currency} on {day}: enter a unit price.",
                service_row_code=service_row.code,
                currency=currency,
                day=format_day(day),
            )
            if any(price.currency == currency for price in service_row.prices)
            else Phrase(
                "{service_row_code} has no price in {currency}: enter a unit price.",
                service_row_code=service_row.code,
                currency=currency,
            )
        )
        raise Invalid("no_price", message, "unit_price")
    return price.unit_price


def _record_change(
    session: Session, row: RecurringCharge, verb: str, details: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    session.flush()
    recorded = {name: value for name, value in details.items() if value or name == "reason"}
    record(session, actor, now, f"recurring_charge.{verb}", "recurring_charge", row.id, recorded)


def _audit_fields(row: RecurringCharge) -> dict[str, Any]:
    return {
        "customer": str(row.customer_id),
        "service": str(row.service_id),
        "description": row.description,
        "quantity": plain_decimal(row.quantity),
        "unit_price": plain_decimal_or_none(row.unit_price),
        "currency": row.currency,
        "interval": row.interval,
        "interval_count": row.interval_count,
        "timing": row.timing,
        "anchor_on": row.anchor_on.isoformat(),
        "starts_on": row.starts_on.isoformat(),
        "ends_on": _iso_day(row.ends_on),
        "purchase_order": row.purchase_order,
    }


def _iso_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

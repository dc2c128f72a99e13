"""A charge is never edited: what was wrong is cancelled, and its replacement added, in one step, each naming the other."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db import lookup
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import LIKELY_DUPLICATE, ChargeSpec, corrected_spec
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.money import plain_decimal, plain_decimal_or_none
from billing_admin.domain.text import check_not_blank, refuse_unprintable
from billing_admin.models import Charge, Customer
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.charges.posting import post
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.webhooks.outbox import enqueue_charges_held


def correct_charge(
    session: Session,
    id: UUID,
    fields: Mapping[str, Any],
    new_id: UUID | None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> tuple[UUID, bool]:
    """Cancel a pending or held charge and post another in its place. Returns the other's id, and whether it is new.

    `fields` are those of a ChargeSpec that change; all others are taken over. Who corrects a held charge gets a held one.
    Raises Invalid when nothing changes, Conflict for a charge that is billed or cancelled, or another one under the same id.
    """
    check_not_blank(reason, "reason", longest=500, stored=True)
    _lock(session, id, fields.get("customer"))
    original = _row(session, id)
    spec = corrected_spec(original, fields, new_id)
    if new_id is not None and _is_stored(session, new_id, id):
        return _posted(session, spec, actor, now), False
    refuse_unprintable(reason, "reason")
    if original.status not in {"pending", "held"}:
        raise Conflict(f"charge_{original.status}", _why_not(session, original), "status")
    _move(session, original, "cancelled", status_reason=reason)
    id_of_new = _posted(session, spec, actor, now)
    replacement = _row(session, id_of_new)
    changed = changed_fields(_facts(original), _facts(replacement))
    if not changed:
        raise Invalid("nothing_changed", "Change at least one field, or cancel the charge instead.")
    stays_held = _is_held_on_purpose(original) and replacement.status == "pending"
    held = {"status_reason": original.status_reason} if stays_held else {}
    status = "held" if stays_held else replacement.status
    _move(session, replacement, status, replaces_id=id, **held)
    enqueue_charges_held(session, [id_of_new] if status == "held" else [], now)
    told = {"reason": reason, "replaced_by": str(id_of_new), **changed}
    record(session, actor, now, "charge.corrected", "charge", id, told)
    return id_of_new, True


def _is_held_on_purpose(charge: Any) -> bool:
    """One held only for looking like another is looked at anew once it is corrected."""
    return bool(charge.status == "held" and charge.status_reason != LIKELY_DUPLICATE)


def _lock(session: Session, id: UUID, customer: str | None) -> None:
    """Lock the accounts of both customers at once, in their order."""
    query = select(Charge.customer_id, Charge.currency).where(Charge.id == id)
    keys = [(row.customer_id, row.currency) for row in session.execute(query)]
    if customer is not None:
        other = select(Customer.id, Customer.currency).where(
            lookup.has_id_or_name(Customer.id, Customer.reference, customer)
        )
        keys += [(row.id, row.currency) for row in session.execute(other)]
    lock_accounts(session, keys)


def _row(session: Session, id: UUID) -> Any:
    row = session.execute(select(*Charge.__table__.c).where(Charge.id == id)).one_or_none()
    if row is None:
        raise NotFound("unknown_charge", f"There is no charge {id}.", "id")
    return row


def _is_stored(session: Session, new_id: UUID, id: UUID) -> bool:
    """Whether the replacement is there already. Raises Conflict for an id that another charge has."""
    found = session.execute(select(Charge.id, Charge.replaces_id).where(Charge.id == new_id)).one_or_none()
    if found is not None and found.replaces_id != id:
        raise Conflict(
            "id_conflict", f"Charge {new_id} already exists and does not replace {id}.", "id", differs=["replaces"]
        )
    return found is not None


def _posted(session: Session, spec: ChargeSpec, actor: Actor, now: datetime) -> UUID:
    try:
        return post(session, [spec], actor, now, webhooks=False).ids[0]
    except DomainError as error:  # one charge has no place in a list
        error.problems = tuple(replace(one, field=one.field[1:]) for one in error.problems)
        raise


def _why_not(session: Session, charge: Any) -> str:
    if charge.status == "billed":
        return f"Charge {charge.id} is billed. Credit its invoice instead."
    replacement = session.scalar(select(Charge.id).where(Charge.replaces_id == charge.id))
    if replacement is None:
        return f"Charge {charge.id} is cancelled. Add a new charge instead."
    return f"Charge {charge.id} has already been corrected. Correct its replacement: {replacement}."


def _move(session: Session, charge: Any, to: str, **values: Any) -> None:
    """Set a charge's status and more, and keep its account's totals."""
    session.execute(
        update(Charge)
        .where(Charge.id == charge.id)
        .values(status=to, **values)
        .execution_options(synchronize_session=False)
    )
    update_totals(session, [StatusChange(charge.customer_id, charge.currency, charge.status, to, charge.amount)])


def _facts(charge: Any) -> dict[str, Any]:
    return {
        "customer": str(charge.customer_id),
        "service": str(charge.service_id) if charge.service_id else None,
        "description": charge.description,
        "quantity": plain_decimal(charge.quantity),
        "unit_price": plain_decimal_or_none(charge.unit_price),
        "amount": plain_decimal(charge.amount),
        "tax_included": charge.tax_included,
        "currency": charge.currency,
        "incurred_on": charge.incurred_on.isoformat(),
        "metadata": dict(charge.details or {}),
    }

"""Correct charges: cancel a charge and post its replacement in one act.

Charges are never edited.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db import lookup
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import LIKELY_DUPLICATE, ChargeSpec, charge_name, corrected_spec, status_refusal
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.money import plain_decimal, plain_decimal_or_none
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank, refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Customer
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.charges.posting import post
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.webhooks.outbox import enqueue_charges_held
from billing_admin.queries.charges.charges import charge_states


def correct_charge(
    session: Session,
    id: UUID,
    fields: Mapping[str, Any],
    new_id: UUID | None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> tuple[UUID, bool]:
    """Cancel a pending or held charge and post its replacement.

    Returns the replacement's id and whether it is new. `fields` are the fields of a ChargeSpec that change. The
    replacement of a held charge is held as well. Raises Invalid when nothing changes, and Conflict for a billed or
    cancelled charge and for a `new_id` that another charge has.
    """
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    _lock_accounts(session, id, fields.get("customer"))
    original = _load_charge(session, id)
    spec = corrected_spec(original, fields, new_id)
    if new_id is not None and _is_replacement_stored(session, new_id, original):
        return _post_replacement(session, spec, actor, now), False
    refuse_unprintable(reason, "reason")
    if original.status not in {"pending", "held"}:
        raise Conflict(f"charge_{original.status}", _refusal_message(session, original), "status")
    _change_status(session, original, "cancelled", status_reason=reason)
    replacement_id = _post_replacement(session, spec, actor, now)
    replacement = _load_charge(session, replacement_id)
    changed = changed_fields(_compared_fields(original), _compared_fields(replacement))
    if not changed:
        raise Invalid("nothing_changed", Phrase("Change at least one field, or cancel the charge instead."))
    stays_held = _is_held_on_purpose(original) and replacement.status == "pending"
    status_values = {"status_reason": original.status_reason} if stays_held else {}
    status = "held" if stays_held else replacement.status
    _change_status(session, replacement, status, replaces_id=id, **status_values)
    enqueue_charges_held(session, [replacement_id] if status == "held" else [], now)
    details = {"reason": reason, "replaced_by": str(replacement_id), **changed}
    record(session, actor, now, "charge.corrected", "charge", id, details)
    return replacement_id, True


def _is_held_on_purpose(charge: Any) -> bool:
    """Return whether a person held the charge, not the check for likely duplicates."""
    return bool(charge.status == "held" and charge.status_reason != LIKELY_DUPLICATE)


def _lock_accounts(session: Session, id: UUID, customer: str | None) -> None:
    """Lock the accounts of the old and the new customer, in the order of their keys."""
    query = select(Charge.customer_id, Charge.currency).where(Charge.id == id)
    keys = [(row.customer_id, row.currency) for row in session.execute(query)]
    if customer is not None:
        new_account = select(Customer.id, Customer.currency).where(
            lookup.has_id_or_name(Customer.id, Customer.reference, customer)
        )
        keys += [(row.id, row.currency) for row in session.execute(new_account)]
    lock_accounts(session, keys)


def _load_charge(session: Session, id: UUID) -> Any:
    row = session.execute(select(*Charge.__table__.c).where(Charge.id == id)).one_or_none()
    if row is None:
        raise NotFound("unknown_charge", Phrase("There is no charge {id}.", id=id), "id")
    return row


def _is_replacement_stored(session: Session, new_id: UUID, original: Any) -> bool:
    """Return whether the replacement is stored.

    Raises Conflict for an id that another charge has.
    """
    stored = session.execute(select(*Charge.__table__.c).where(Charge.id == new_id)).one_or_none()
    if stored is not None and stored.replaces_id != original.id:
        message = Phrase(
            "This ID belongs to {charge_name}, which does not replace {charge_name2}.",
            charge_name=charge_name(stored),
            charge_name2=charge_name(original),
        )
        raise Conflict("id_conflict", message, "id", differs=["replaces"])
    return stored is not None


def _post_replacement(session: Session, spec: ChargeSpec, actor: Actor, now: datetime) -> UUID:
    try:
        return post(session, [spec], actor, now, webhooks=False).ids[0]
    except DomainError as error:  # drop the list index from the fields: there is one charge
        error.problems = tuple(replace(problem, field=problem.field[1:]) for problem in error.problems)
        raise


def _refusal_message(session: Session, charge: Any) -> str:
    replacement = session.execute(select(*Charge.__table__.c).where(Charge.replaces_id == charge.id)).one_or_none()
    if replacement is not None:
        return Phrase(
            "{charge_name} was already corrected. Correct its replacement, {charge_name2}.",
            charge_name=charge_name(charge),
            charge_name2=charge_name(replacement),
        )
    (state,) = charge_states(session, [charge.id])
    return status_refusal(state, state.status, state.invoice_number)


def _change_status(session: Session, charge: Any, status: str, **values: Any) -> None:
    """Set the status and other columns of a charge, and its account's totals."""
    session.execute(
        update(Charge)
        .where(Charge.id == charge.id)
        .values(status=status, **values)
        .execution_options(synchronize_session=False)
    )
    update_totals(session, [StatusChange(charge.customer_id, charge.currency, charge.status, status, charge.amount)])


def _compared_fields(charge: Any) -> dict[str, Any]:
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
        "period_from": _iso_day(charge.period_from),
        "period_to": _iso_day(charge.period_to),
        "period_of_days": charge.period_of_days,
        "purchase_order": charge.purchase_order,
    }


def _iso_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

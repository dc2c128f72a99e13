"""Hold, release and cancel charges, one or many, under the lock of their accounts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import status_refusal
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.selections import ActPlan, plan_act
from billing_admin.domain.text import refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge
from billing_admin.operations.audit import record
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.webhooks.outbox import enqueue_charges_held
from billing_admin.queries.charges.charges import charge_states, selected_charges

SELECTION_CHANGED: Final = Phrase("These charges changed after you selected them. Check the new sum below.")
# By act: the statuses in which it changes a charge.
ALLOWED_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "hold": frozenset({"pending"}),
    "release": frozenset({"held"}),
    "cancel": frozenset({"pending", "held"}),
}
_NEW_STATUS: Final[Mapping[str, str]] = {"hold": "held", "release": "pending", "cancel": "cancelled"}
# By new status: the statuses that a charge may leave for it, and the action of the audit event.
_TRANSITIONS: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "held": (ALLOWED_STATUSES["hold"], "charge.held"),
    "pending": (ALLOWED_STATUSES["release"], "charge.released"),
    "cancelled": (ALLOWED_STATUSES["cancel"], "charge.cancelled"),
}


def hold(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Keep pending charges off the next invoice; held ones stay held.

    Returns the number of newly held charges.
    """
    held_ids = _change_status(session, ids, "held", reason, actor, now)
    enqueue_charges_held(session, held_ids, now)
    return len(held_ids)


def release(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Release held charges, and return their number.

    They can be billed again.
    """
    return len(_change_status(session, ids, "pending", reason, actor, now))


def cancel(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Cancel charges that are not billed.

    Returns the number of newly cancelled charges.
    """
    return len(_change_status(session, ids, "cancelled", reason, actor, now))


def _change_status(
    session: Session, ids: Sequence[UUID], status: str, reason: str, actor: Actor, now: datetime
) -> list[UUID]:
    """Set the status of all charges, or raise and change none.

    Returns the ids of those that did not have it before. Raises NotFound for an unknown id, and Conflict for a charge
    whose status does not allow the change.
    """
    lock_accounts_of_charges(session, ids)
    rows = load_charge_states(session, ids)
    allowed, action = _TRANSITIONS[status]
    changing = [row for row in rows if row.status != status]
    for row in changing:
        if row.status not in allowed:
            raise Conflict(f"charge_{row.status}", status_refusal(row, row.status, row.invoice_number), "status")
    if not changing:
        return []
    refuse_unprintable(reason, "reason")
    changed_ids = [row.id for row in changing]
    session.execute(
        update(Charge)
        .where(is_any_of(Charge.id, changed_ids))
        .values(status=status, status_reason=reason or None)
        .execution_options(synchronize_session=False)
    )
    update_totals(
        session, (StatusChange(row.customer_id, row.currency, row.status, status, row.amount) for row in changing)
    )
    single_id = changed_ids[0] if len(changed_ids) == 1 else None
    record(
        session, actor, now, action, "charge", single_id, {"reason": reason, "charges": [str(id) for id in changed_ids]}
    )
    return changed_ids


_ACTS: Final[Mapping[str, Callable[[Session, Sequence[UUID], str, Actor, datetime], int]]] = {
    "hold": hold,
    "release": release,
    "cancel": cancel,
}


def plan_selected(session: Session, act: str, ids: Sequence[UUID]) -> ActPlan:
    """Return which selected charges an act would change, and which not."""
    return plan_act(selected_charges(session, ids), ALLOWED_STATUSES[act], _NEW_STATUS[act])


def change_selected(
    session: Session, act: str, ids: Sequence[UUID], reason: str, confirmed: str | None, actor: Actor, now: datetime
) -> ActPlan:
    """Change the selected charges whose status allows it.

    Returns which charges were changed and left out.

    `confirmed` is the digest of the plan that a person or a script has seen, None if a script did not ask for it. A
    repeated request finds no charge to change.

    Raises:
        Conflict: The charges have changed since, so that the act would change others.
    """
    lock_accounts_of_charges(session, ids)
    plan = plan_selected(session, act, ids)
    if plan.ids and confirmed is not None and plan.digest() != confirmed:
        raise Conflict("selection_changed", SELECTION_CHANGED, "confirmed")
    _ACTS[act](session, plan.ids, reason, actor, now)
    return plan


def load_charge_states(session: Session, ids: Sequence[UUID]) -> Sequence[Record]:
    """Return charges with the numbers of their invoices.

    Raises NotFound if one does not exist.
    """
    rows = charge_states(session, ids)
    if missing := set(ids) - {row.id for row in rows}:
        raise NotFound("unknown_charge", Phrase("There is no charge {missing}.", missing=min(missing)), "id")
    return rows


def lock_accounts_of_charges(session: Session, charge_ids: Sequence[UUID]) -> None:
    """Lock the accounts of the charges.

    No other transaction can then post to these accounts, bill them or change their charges.
    """
    keys = session.execute(
        select(Charge.customer_id, Charge.currency).where(is_any_of(Charge.id, charge_ids)).distinct()
    )
    lock_accounts(session, [(row.customer_id, row.currency) for row in keys])

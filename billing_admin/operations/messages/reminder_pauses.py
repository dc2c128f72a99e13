"""Pause the reminders of a customer or an invoice, and resume them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.master_data import check_new_texts, refuse_differences
from billing_admin.domain.reminders import Pause, check_pause
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, ReminderPause
from billing_admin.operations.audit import record
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.messages.reminder_pauses import current_pause


def pause_customer(
    session: Session, customer_id: UUID, pause: Pause, id: UUID | None, actor: Actor, now: datetime
) -> tuple[ReminderPause, bool]:
    """Pause the reminders of a customer; a pause so far ends.

    Returns the pause and whether it is new. A repeated id returns the existing one.

    Raises:
        Conflict: The id belongs to another pause.
        Invalid: The last day is before today, or there is no reason.
    """
    return _pause(session, customer_id, None, pause, id, actor, now)


def pause_invoice(
    session: Session, invoice_id: UUID, pause: Pause, id: UUID | None, actor: Actor, now: datetime
) -> tuple[ReminderPause, bool]:
    """Pause the reminders of an invoice, as `pause_customer` does.

    Raises:
        Conflict: The id belongs to another pause, or the document is not an issued invoice.
        Invalid: The last day is before today, or there is no reason.
    """
    invoice = session.get_one(Invoice, invoice_id)
    if invoice.kind == "credit_note" or invoice.status != "issued":
        raise Conflict("not_an_invoice", Phrase("Only issued invoices have reminders."), "invoice")
    return _pause(session, invoice.customer_id, invoice_id, pause, id, actor, now)


def _pause(
    session: Session,
    customer_id: UUID,
    invoice_id: UUID | None,
    pause: Pause,
    id: UUID | None,
    actor: Actor,
    now: datetime,
) -> tuple[ReminderPause, bool]:
    existing = session.get(ReminderPause, id) if id else None
    if existing is not None:
        _check_same(existing, customer_id, invoice_id, pause)
        return existing, False
    check_new_texts({"reason": check_pause(pause, today(session, now)).reason})
    current = current_pause(session, customer_id, invoice_id)
    if current is not None:
        current.ended_at = now
        session.flush()
    row = ReminderPause(
        id=id or new_id(now),
        customer_id=customer_id,
        invoice_id=invoice_id,
        through=pause.through,
        reason=pause.reason,
        created_at=now,
        created_by=actor.name,
        ended_at=None,
    )
    session.add(row)
    session.flush()
    details = {"through": pause.through.isoformat(), "reason": pause.reason}
    record(session, actor, now, f"{_kind(row)}.reminders_paused", _kind(row), invoice_id or customer_id, details)
    return row, True


def _check_same(existing: ReminderPause, customer_id: UUID, invoice_id: UUID | None, pause: Pause) -> None:
    pairs = {
        "customer": (existing.customer_id, customer_id),
        "invoice": (existing.invoice_id, invoice_id),
        "through": (existing.through, pause.through),
        "reason": (existing.reason, pause.reason),
    }
    differs = [name for name, (stored, value) in pairs.items() if stored != value]
    refuse_differences(Phrase("Pause {existing_id}", existing_id=existing.id), differs)


def resume(session: Session, pause_id: UUID, actor: Actor, now: datetime) -> bool:
    """End a pause, and return whether it had not ended yet."""
    row = session.scalars(select(ReminderPause).where(ReminderPause.id == pause_id).with_for_update()).one()
    if row.ended_at is not None:
        return False
    row.ended_at = now
    session.flush()
    details = {"through": row.through.isoformat(), "reason": row.reason}
    object_id = row.invoice_id or row.customer_id
    record(session, actor, now, f"{_kind(row)}.reminders_resumed", _kind(row), object_id, details)
    return True


def _kind(row: ReminderPause) -> str:
    return "customer" if row.invoice_id is None else "invoice"

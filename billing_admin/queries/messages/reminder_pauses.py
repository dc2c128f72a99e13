"""Pauses of reminders."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Session, joinedload

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.errors import NotFound
from billing_admin.domain.reminders import Pause
from billing_admin.domain.translation import Phrase
from billing_admin.models import ReminderPause


@dataclass(frozen=True, slots=True)
class CurrentPauses:
    """The current pauses of customers and of invoices, by id."""

    customers: dict[UUID, Pause]
    invoices: dict[UUID, Pause]


def current_pause(session: Session, customer_id: UUID, invoice_id: UUID | None = None) -> ReminderPause | None:
    """Return the current pause of a customer, or of one of its invoices.

    Its last day may be over.
    """
    about = (
        and_(ReminderPause.customer_id == customer_id, ReminderPause.invoice_id.is_(None))
        if invoice_id is None
        else ReminderPause.invoice_id == invoice_id
    )
    return session.scalar(select(ReminderPause).where(about, _is_current()))


def current_pauses(session: Session, customer_ids: Collection[UUID]) -> CurrentPauses:
    """Return the current pauses of customers and of their invoices."""
    pauses = CurrentPauses({}, {})
    query = select(ReminderPause).where(is_any_of(ReminderPause.customer_id, customer_ids), _is_current())
    for row in session.scalars(query):
        pause = Pause(row.through, row.reason)
        if row.invoice_id is None:
            pauses.customers[row.customer_id] = pause
        else:
            pauses.invoices[row.invoice_id] = pause
    return pauses


def _is_current() -> ColumnElement[bool]:
    return ReminderPause.ended_at.is_(None)


def pauses() -> Select[ReminderPause]:
    """Select the current pauses, newest first; for `paging.page`."""
    query = select(ReminderPause).options(joinedload(ReminderPause.customer), joinedload(ReminderPause.invoice))
    return query.where(_is_current()).order_by(ReminderPause.created_at.desc(), ReminderPause.id.desc())


def pause_of_id(session: Session, id: UUID) -> ReminderPause:
    """Return one pause.

    Raises:
        NotFound: There is no such pause.
    """
    row = session.get(ReminderPause, id, populate_existing=True)
    if row is None:
        raise NotFound("unknown_pause", Phrase("There is no pause {id}.", id=id), "id")
    return row

"""Late charges: those whose day lay in a period that was billed already when they were posted."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.models import Charge, InvoiceLine
from billing_admin.models.charge import is_unbilled


def count_pending_late(session: Session, customer_ids: Iterable[UUID], through: date) -> dict[tuple[UUID, str], int]:
    """How many late charges these customers have pending up to a day, by customer and currency; accounts without are left out."""
    query = (
        select(Charge.customer_id, Charge.currency, func.count())
        .where(
            is_any_of(Charge.customer_id, customer_ids),
            is_unbilled(),  # lets the index serve
            Charge.status == "pending",
            Charge.incurred_on <= through,
            Charge.late,
        )
        .group_by(Charge.customer_id, Charge.currency)
    )
    return {(customer_id, currency): count for customer_id, currency, count in session.execute(query)}


def count_late_by_line(session: Session, invoice_id: UUID) -> dict[UUID, int]:
    """How many late charges each line of an invoice has; lines without are left out."""
    lines = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    query = (
        select(Charge.invoice_line_id, func.count())
        .where(Charge.invoice_line_id.in_(lines), Charge.late)
        .group_by(Charge.invoice_line_id)
    )
    return {line_id: count for line_id, count in session.execute(query) if line_id is not None}

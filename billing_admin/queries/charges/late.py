"""Late charges: posted when the period of their day was already billed."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.models import Charge, InvoiceLine
from billing_admin.models.charge import is_unbilled


def count_pending_late(session: Session, customer_ids: Iterable[UUID], through: date) -> dict[tuple[UUID, str], int]:
    """Return the number of pending late charges up to a day, by account.

    The key is customer and currency; accounts without such charges are left out.
    """
    query = (
        select(Charge.customer_id, Charge.currency, func.count())
        .where(
            is_any_of(Charge.customer_id, customer_ids),
            is_unbilled(),  # makes SQLite use the index
            Charge.status == "pending",
            Charge.incurred_on <= through,
            Charge.late,
        )
        .group_by(Charge.customer_id, Charge.currency)
    )
    return {(customer_id, currency): count for customer_id, currency, count in session.execute(query)}


def count_late_by_line(session: Session, invoice_id: UUID) -> dict[UUID, int]:
    """Count the late charges on each line of an invoice, zeros omitted."""
    lines = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    query = (
        select(Charge.invoice_line_id, func.count())
        .where(Charge.invoice_line_id.in_(lines), Charge.late)
        .group_by(Charge.invoice_line_id)
    )
    return {line_id: count for line_id, count in session.execute(query) if line_id is not None}

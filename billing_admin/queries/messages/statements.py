"""Messages that sent statements of account."""

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.messages import STATEMENT
from billing_admin.models import Message


def first_statements(session: Session, customer_id: UUID, period: tuple[date, date]) -> dict[str, Message]:
    """Return the latest first message with a statement of a period, by currency.

    It may have been cancelled or dropped.
    """
    query = select(Message).where(
        Message.customer_id == customer_id,
        Message.purpose == STATEMENT,
        Message.period_from == period[0],
        Message.period_to == period[1],
        Message.again_of.is_(None),
    )
    return {row.currency: row for row in session.scalars(query.order_by(Message.created_at, Message.id))}

"""Messages that sent statements of account."""

from datetime import date
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from billing_admin.domain.messages import STATEMENT, TO
from billing_admin.models import Customer, CustomerContact, Message


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


def monthly_customers(session: Session) -> list[tuple[UUID, str]]:
    """Return the customers that get monthly statements: their ids and references.

    They are in use, and have a contact that gets statements.
    """
    query = select(Customer.id, Customer.reference).where(_WANTS_MONTHLY, _HAS_RECIPIENT)
    return [(row.id, row.reference) for row in session.execute(query.order_by(Customer.reference))]


def unreachable_monthly_customers(session: Session) -> list[tuple[UUID, str]]:
    """Return ids and names of customers whose monthly statements nobody gets."""
    query = select(Customer.id, Customer.name).where(_WANTS_MONTHLY, ~_HAS_RECIPIENT)
    return [(row.id, row.name) for row in session.execute(query.order_by(Customer.sort_key, Customer.id))]


def lacks_statement_recipient(session: Session, customer_id: UUID) -> bool:
    """Return whether a customer wants monthly statements that nobody gets."""
    return bool(session.scalar(select(Customer.id).where(Customer.id == customer_id, _WANTS_MONTHLY, ~_HAS_RECIPIENT)))


_WANTS_MONTHLY = and_(Customer.monthly_statements, Customer.archived_at.is_(None))
_HAS_RECIPIENT = (
    select(CustomerContact.id)
    .where(CustomerContact.customer_id == Customer.id, CustomerContact.statements == TO)
    .correlate(Customer)
    .exists()
)

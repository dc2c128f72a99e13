"""The contacts of customers."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import CustomerContact


def contacts(session: Session, customer_id: UUID) -> Sequence[CustomerContact]:
    """Return the contacts of a customer, in the order in which they were added."""
    query = select(CustomerContact).where(CustomerContact.customer_id == customer_id)
    return session.scalars(query.order_by(CustomerContact.created_at, CustomerContact.id)).all()


def contact(session: Session, customer_id: UUID, id: UUID) -> CustomerContact:
    """Return one contact of a customer.

    Raises:
        NotFound: The customer has no such contact.
    """
    row = session.get(CustomerContact, id)
    if row is None or row.customer_id != customer_id:
        raise NotFound("unknown_contact", Phrase("This contact does not exist, or it has been removed."), "id")
    return row


def contact_with_email(session: Session, customer_id: UUID, email: str) -> CustomerContact | None:
    """Return the contact of a customer with an address, upper and lower case alike."""
    rows = contacts(session, customer_id)
    return next((row for row in rows if row.email.casefold() == email.casefold()), None)

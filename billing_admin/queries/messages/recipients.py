"""The recipients of customers' messages, by their contacts."""

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.messages import Recipient, recipients_of
from billing_admin.models import CustomerContact


def load_recipients(session: Session, customer_ids: Collection[UUID], purpose: str) -> dict[UUID, list[Recipient]]:
    """Return the recipients of a purpose, by customer.

    Customers without a recipient of kind `to` are left out.
    """
    query = select(CustomerContact).where(is_any_of(CustomerContact.customer_id, customer_ids))
    contacts: dict[UUID, list[CustomerContact]] = defaultdict(list)
    for contact in session.scalars(query.order_by(CustomerContact.created_at, CustomerContact.id)):
        contacts[contact.customer_id].append(contact)
    recipients = {customer_id: recipients_of(rows, purpose) for customer_id, rows in contacts.items()}
    return {customer_id: people for customer_id, people in recipients.items() if people}

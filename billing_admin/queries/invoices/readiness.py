"""Drafts that cannot be issued yet.

The current data of customers and organisation decides.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.readiness import IssueFacts, Party, Shortcoming, find_shortcomings
from billing_admin.models import Customer, Invoice, InvoiceLine, Organisation
from billing_admin.queries.master_data.organisation import organisation


@dataclass(frozen=True, slots=True)
class UnreadyDraft:
    """A draft that cannot be issued yet, its customer, and what is missing."""

    id: UUID
    customer_id: UUID
    shortcomings: tuple[Shortcoming, ...]


def seller_party(settings: Organisation) -> Party:
    """Return the organisation as a party of a document."""
    return Party(settings.legal_name, settings.address, settings.tax_id)


def unready_drafts(session: Session, ids: Collection[UUID]) -> list[UnreadyDraft]:
    """Return the drafts that cannot be issued yet, by customer reference."""
    categories: dict[UUID, set[str]] = defaultdict(set)
    lines = select(InvoiceLine.invoice_id, InvoiceLine.tax_category).distinct()
    for invoice_id, category in session.execute(lines.where(is_any_of(InvoiceLine.invoice_id, ids))):
        categories[invoice_id].add(category)
    seller = seller_party(organisation(session))
    columns = (Customer.name, Customer.address, Customer.tax_id, Customer.tax_treatment)
    drafts = select(Invoice.id, Invoice.customer_id, *columns).join(Customer, Customer.id == Invoice.customer_id)
    drafts = drafts.where(is_any_of(Invoice.id, ids), Invoice.status == "draft")
    unready = []
    for row in session.execute(drafts.order_by(Customer.reference, Invoice.id)):
        buyer = Party(row.name, row.address, row.tax_id)
        missing = find_shortcomings(IssueFacts(seller, buyer, row.tax_treatment, categories[row.id]))
        if missing:
            unready.append(UnreadyDraft(row.id, row.customer_id, missing))
    return unready

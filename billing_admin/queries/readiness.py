"""What is missing on drafts before they may be issued, as customers and organisation stand now."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.readiness import IssueFacts, Party, Shortcoming, shortcomings
from billing_admin.models import Customer, Invoice, InvoiceLine, Organisation
from billing_admin.queries.lookup import among
from billing_admin.queries.organisation import organisation


@dataclass(frozen=True, slots=True)
class UnreadyDraft:
    """A draft that cannot be issued yet, its customer, and what is missing."""

    id: UUID
    customer_id: UUID
    shortcomings: tuple[Shortcoming, ...]


def seller(own: Organisation) -> Party:
    """The organisation as a party of a document."""
    return Party(own.legal_name, own.address, own.tax_id)


def unready_drafts(session: Session, ids: Collection[UUID]) -> list[UnreadyDraft]:
    """Those of these drafts that cannot be issued yet, by their customers' references."""
    categories: dict[UUID, set[str]] = defaultdict(set)
    lines = select(InvoiceLine.invoice_id, InvoiceLine.tax_category).distinct()
    for invoice_id, category in session.execute(lines.where(among(session, InvoiceLine.invoice_id, ids))):
        categories[invoice_id].add(category)
    own = seller(organisation(session))
    columns = (Customer.name, Customer.address, Customer.tax_id, Customer.tax_treatment)
    drafts = select(Invoice.id, Invoice.customer_id, *columns).join(Customer, Customer.id == Invoice.customer_id)
    drafts = drafts.where(among(session, Invoice.id, ids), Invoice.status == "draft")
    unready = []
    for row in session.execute(drafts.order_by(Customer.reference, Invoice.id)):
        buyer = Party(row.name, row.address, row.tax_id)
        missing = shortcomings(IssueFacts(own, buyer, row.tax_treatment, categories[row.id]))
        if missing:
            unready.append(UnreadyDraft(row.id, row.customer_id, missing))
    return unready

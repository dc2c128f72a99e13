"""The details that a document would be issued with today.

They are made of the current data of organisation and customer, here and nowhere else: issue freezes
them, and readiness checks the same ones.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from billing_admin.db.paging import Record
from billing_admin.domain.document_details import DocumentDetails, PartyDetails
from billing_admin.models import Organisation


@dataclass(frozen=True, slots=True)
class DetailSources:
    """The organisation's part of the details, loaded once for many documents."""

    seller: PartyDetails
    test: bool


def load_detail_sources(session: Session, organisation: Organisation) -> DetailSources:  # noqa: ARG001 - bank accounts, rates
    """Return the organisation's part of the details of documents."""
    return DetailSources(PartyDetails(), organisation.is_demo)


def make_details(sources: DetailSources, customer: Record, currency: str) -> DocumentDetails:  # noqa: ARG001 - account, rate
    """Return the details of a customer's document in a currency."""
    return DocumentDetails(seller=sources.seller, test=sources.test)

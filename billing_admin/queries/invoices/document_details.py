"""The details that a document would be issued with today.

They are made of the current data of organisation and customer, here and nowhere else: issue freezes
them, and readiness checks the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy.orm import Session

from billing_admin.db.rows import NamedRow
from billing_admin.domain.document_details import BankAccount, CustomLine, Delivery, DocumentDetails, PartyDetails
from billing_admin.domain.parties import ADDRESS_PARTS, address_of, paper_of
from billing_admin.models import Organisation
from billing_admin.queries.master_data.bank_accounts import default_accounts


@dataclass(frozen=True, slots=True)
class DetailSources:
    """The organisation's part of the details, loaded once for many documents."""

    seller: PartyDetails
    accounts: Mapping[str, BankAccount]
    language: str
    paper: str
    terms: str
    accent: str
    logo: str
    test: bool


def load_detail_sources(session: Session, organisation: Organisation) -> DetailSources:
    """Return the organisation's part of the details of documents."""
    return DetailSources(
        seller=_seller(organisation),
        accounts={
            currency: BankAccount(
                holder=account.holder,
                iban=account.iban,
                account_number=account.account_number,
                bic=account.bic,
                bank_name=account.bank_name,
            )
            for currency, account in default_accounts(session).items()
        },
        language=organisation.language,
        paper=organisation.paper,
        terms=organisation.terms,
        accent=organisation.accent,
        logo=organisation.logo or "",
        test=organisation.is_demo,
    )


def _seller(organisation: Organisation) -> PartyDetails:
    return PartyDetails(
        address=address_of(organisation),
        registration_id=organisation.registration_id,
        registration_scheme=organisation.registration_scheme,
        electronic_address=organisation.electronic_address,
        electronic_scheme=organisation.electronic_scheme,
        tax_number=organisation.tax_number,
        legal_info=organisation.legal_info,
        contact_name=organisation.contact_name,
        contact_phone=organisation.contact_phone,
        contact_email=organisation.contact_email,
    )


def make_details(sources: DetailSources, customer: NamedRow, currency: str) -> DocumentDetails:
    """Return the details of a customer's document in a currency.

    The document has the default account of its currency, if there is one.
    """
    return DocumentDetails(
        language=customer.language or sources.language,
        paper=paper_of(customer.paper, customer.country, sources.paper),
        e_invoice=customer.e_invoice,
        seller=sources.seller,
        buyer=_buyer(customer),
        delivery=_delivery(customer),
        account=sources.accounts.get(currency),
        buyer_reference=customer.buyer_reference,
        contract=customer.contract,
        custom_lines=tuple([CustomLine(**line) for line in customer.custom_lines]),
        terms=sources.terms,
        accent=sources.accent,
        logo=sources.logo,
        test=sources.test,
    )


def _buyer(customer: NamedRow) -> PartyDetails:
    return PartyDetails(
        address=address_of(customer),
        registration_id=customer.registration_id,
        registration_scheme=customer.registration_scheme,
        electronic_address=customer.electronic_address,
        electronic_scheme=customer.electronic_scheme,
    )


def _delivery(customer: NamedRow) -> Delivery | None:
    if not any(_DELIVERY_FIELDS(customer)):
        return None
    return Delivery(customer.delivery_name, address_of(customer, "delivery_"))


_DELIVERY_FIELDS = attrgetter("delivery_name", *(f"delivery_{part}" for part in ADDRESS_PARTS))

"""Drafts and customers whose documents lack something.

The current data of customers and organisation decides.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.lookup import is_any_of
from billing_admin.db.rows import NamedRow
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.document_details import BaseCurrencyRate, DocumentDetails, details_from_json
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.readiness import IssueFacts, Party, Shortcoming, find_shortcomings
from billing_admin.domain.tax import UNTAXED_RATES, percent_on
from billing_admin.models import Customer, Invoice, InvoiceTax, Organisation
from billing_admin.queries.invoices.document_details import DetailSources, load_detail_sources, make_details
from billing_admin.queries.invoices.number_checks import check_numbers
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.exchange_rates import base_rates
from billing_admin.queries.master_data.organisation import day_of, organisation


@dataclass(frozen=True, slots=True)
class FactSources:
    """The organisation's part of the facts, loaded once for many documents.

    `usual_rate` is that of charges without a service.
    """

    seller: Party
    details: DetailSources
    base_currency: str
    issue_date: date
    base_rates: Mapping[str, BaseCurrencyRate]
    usual_rate: TaxRate
    requires_complete_details: bool


def load_fact_sources(session: Session, organisation: Organisation, issue_date: date | None = None) -> FactSources:
    """Return the organisation's part of the facts of documents.

    Exchange rates are those for `issue_date`, by default today.
    """
    day = issue_date or day_of(clock.now(), organisation.time_zone)
    rate = organisation.default_tax_rate
    return FactSources(
        seller=_party(organisation.legal_name, organisation),
        details=load_detail_sources(session, organisation),
        base_currency=organisation.base_currency,
        issue_date=day,
        base_rates=base_rates(session, organisation.base_currency, day),
        usual_rate=TaxRate(rate.category, percent_on(day, rate.percent, rate.changes)),
        requires_complete_details=organisation.requires_complete_details,
    )


def make_facts(sources: FactSources, customer: NamedRow, currency: str) -> IssueFacts:
    """Return the facts of a customer's document in a currency.

    A document replaces the usual tax rate by its own rates, and adds its purchase order.
    """
    buyer = _party(customer.name, customer)
    details = make_details(sources.details, customer, currency)
    return IssueFacts(
        seller=sources.seller,
        buyer=buyer,
        tax_treatment=customer.tax_treatment,
        rates=(UNTAXED_RATES.get(customer.tax_treatment, sources.usual_rate),),
        details=details,
        currency=currency,
        has_exchange_rate=currency == sources.base_currency or currency in sources.base_rates,
        issue_date=sources.issue_date,
        numbers=check_numbers(sources.seller.tax_id, buyer.tax_id, details.buyer_reference),
        requires_complete_details=sources.requires_complete_details,
    )


@dataclass(frozen=True, slots=True)
class PartyData:
    """The current data of seller and customers, of which documents are made.

    `facts` are by account, without those of a document. Exchange rates are by currency.
    """

    organisation: Organisation
    customers: Mapping[UUID, NamedRow]
    facts: Mapping[AccountKey, IssueFacts]
    base_rates: Mapping[str, BaseCurrencyRate]


def load_party_data(
    session: Session, organisation: Organisation, accounts: Collection[AccountKey], issue_date: date | None = None
) -> PartyData:
    """Return the data of which documents of accounts are made.

    Exchange rates are those for `issue_date`, by default today.
    """
    sources = load_fact_sources(session, organisation, issue_date)
    customers = load_customers(session, {customer_id for customer_id, _ in accounts})
    facts = {(id, currency): make_facts(sources, customers[id], currency) for id, currency in accounts}
    return PartyData(organisation, customers, facts, sources.base_rates)


def _party(name: str, row: Any) -> Party:
    """Return a party.

    Once its address has a country, the printed address is made of its parts.
    """
    return Party(name, row.country or row.address, row.tax_id)


@dataclass(frozen=True, slots=True)
class IncompleteDraft:
    """A draft that lacks something, its customer, and all that it lacks."""

    id: UUID
    customer_id: UUID
    reference: str
    name: str
    shortcomings: tuple[Shortcoming, ...]

    @property
    def stops(self) -> list[Shortcoming]:
        """All that stops the draft from being issued."""
        return [shortcoming for shortcoming in self.shortcomings if shortcoming.stops]

    @property
    def warnings(self) -> list[Shortcoming]:
        """All that is missing, but does not stop the issue."""
        return [shortcoming for shortcoming in self.shortcomings if not shortcoming.stops]


def incomplete_drafts(session: Session, ids: Collection[UUID], issue_date: date | None = None) -> list[IncompleteDraft]:
    """Return the drafts that lack something, by customer reference.

    Exchange rates are those for `issue_date`, by default today.
    """
    taxes: dict[UUID, list[InvoiceTax]] = defaultdict(list)
    for tax in session.scalars(select(InvoiceTax).where(is_any_of(InvoiceTax.invoice_id, ids))):
        taxes[tax.invoice_id].append(tax)
    columns = (Invoice.id, Invoice.customer_id, Invoice.currency, Invoice.purchase_order)
    query = select(*columns).join(Customer, Customer.id == Invoice.customer_id)
    query = query.where(is_any_of(Invoice.id, ids), Invoice.status == "draft")
    drafts = session.execute(query.order_by(Customer.reference, Invoice.id)).all()
    accounts = {(draft.customer_id, draft.currency) for draft in drafts}
    parties = load_party_data(session, organisation(session), accounts, issue_date)
    incomplete = []
    for draft in drafts:
        customer = parties.customers[draft.customer_id]
        facts = parties.facts[draft.customer_id, draft.currency]
        shortcomings = find_shortcomings(facts.with_document(_totals(taxes[draft.id]), draft.purchase_order))
        if shortcomings:
            incomplete.append(IncompleteDraft(draft.id, customer.id, customer.reference, customer.name, shortcomings))
    return incomplete


def customer_shortcomings(session: Session, customer_id: UUID) -> tuple[Shortcoming, ...]:
    """Return all that a customer's documents lack in the usual currency."""
    customer = load_customers(session, [customer_id])[customer_id]
    return _usual_shortcomings(load_fact_sources(session, organisation(session)), customer)


def _usual_shortcomings(sources: FactSources, customer: NamedRow) -> tuple[Shortcoming, ...]:
    facts = make_facts(sources, customer, customer.currency)
    return find_shortcomings(facts._replace(purchase_order=customer.purchase_order))


def organisation_shortcomings(session: Session) -> Mapping[Shortcoming, int | None]:
    """Return all that the organisation lacks for documents of active customers.

    The value is the number of customers that it concerns, None if it concerns all.
    """
    sources = load_fact_sources(session, organisation(session))
    # Customers who differ in nothing that concerns the seller lack the same.
    place = func.row_number().over(partition_by=_SELLER_DEPENDS_ON, order_by=Customer.id).label("place")
    size = func.count().over(partition_by=_SELLER_DEPENDS_ON).label("size")
    kinds = select(Customer.id, place, size).where(Customer.archived_at.is_(None)).subquery()
    query = select(kinds.c.id, kinds.c.size).where(kinds.c.place == 1)
    sizes: dict[UUID, int] = {row.id: row.size for row in session.execute(query)}
    concerned: Counter[Shortcoming] = Counter()
    for id, customer in load_customers(session, sizes).items():
        for item in _usual_shortcomings(sources, customer):
            if item.page in {"organisation", "bank_account"}:
                concerned[item] += sizes[id]
    if not concerned:
        return {item: None for item in _without_customer(sources) if item.page == "organisation"}
    total = sum(sizes.values())
    return {item: None if customers == total else customers for item, customers in concerned.items()}


_SELLER_DEPENDS_ON = (Customer.currency, Customer.tax_treatment, Customer.e_invoice, Customer.country)


def _without_customer(sources: FactSources) -> tuple[Shortcoming, ...]:
    details = DocumentDetails(seller=sources.details.seller)
    numbers = check_numbers(sources.seller.tax_id, "", "")
    return find_shortcomings(
        IssueFacts(
            sources.seller, Party("", "", ""), "standard", (sources.usual_rate,), details, "EUR", numbers=numbers
        )
    )


def _totals(taxes: Iterable[InvoiceTax]) -> list[tuple[TaxRate, int, int]]:
    return [(TaxRate(tax.category, tax.percent), tax.base, tax.tax) for tax in taxes]


def document_shortcomings(invoice: Invoice, format: str = "") -> tuple[Shortcoming, ...]:
    """Return all that an issued document lacks, by the facts that were frozen on it.

    Without a `format` of an e-invoice, it is the customer's at the time of the issue.
    """
    details = details_from_json(invoice.details)
    if format:
        details = replace(details, e_invoice=format)
    buyer = Party(invoice.customer_name, invoice.customer_address, invoice.customer_tax_id)
    facts = IssueFacts(
        seller=Party(invoice.seller_name, invoice.seller_address, invoice.seller_tax_id),
        buyer=buyer,
        tax_treatment="standard",  # the categories of the lines say the same
        rates=(),
        details=details,
        currency=invoice.currency,
        is_credit_note=invoice.kind == "credit_note",
        numbers=check_numbers(invoice.seller_tax_id, buyer.tax_id, details.buyer_reference),
    )
    return find_shortcomings(facts.with_document(_totals(invoice.taxes), invoice.purchase_order))


def shortcomings_of(session: Session, invoice: Invoice) -> tuple[str, tuple[Shortcoming, ...]]:
    """Return the e-invoice format of a document, and all that the document lacks."""
    details = details_of(session, invoice)
    if invoice.status != "draft":
        return details.e_invoice, document_shortcomings(invoice)
    incomplete = incomplete_drafts(session, [invoice.id])
    return details.e_invoice, incomplete[0].shortcomings if incomplete else ()


def details_of(session: Session, invoice: Invoice) -> DocumentDetails:
    """Return the details of a document.

    Those of a draft are as they would be frozen now.
    """
    if invoice.status != "draft":
        return details_from_json(invoice.details)
    customer = load_customers(session, [invoice.customer_id])[invoice.customer_id]
    return make_details(load_detail_sources(session, organisation(session)), customer, invoice.currency)


def all_drafts(session: Session) -> Sequence[UUID]:
    """Return the ids of all drafts."""
    return session.scalars(select(Invoice.id).where(Invoice.status == "draft")).all()

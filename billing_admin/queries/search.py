"""The search field: exact matches and a few hits of each kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.amount_input import AmountInput, possible_amounts
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.models import BillingRun, Charge, Customer, Invoice, Payment, Service
from billing_admin.queries.master_data.customers import CustomerFilter, customers_by_name
from billing_admin.queries.master_data.services import ServiceFilter, services_by_code

_NAMES: tuple[tuple[str, InstrumentedAttribute[UUID], InstrumentedAttribute[Any]], ...] = (
    ("invoice", Invoice.id, Invoice.number),
    ("customer", Customer.id, Customer.reference),
    ("service", Service.id, Service.code),
)
_IDS: tuple[tuple[str, InstrumentedAttribute[UUID]], ...] = (
    ("charge", Charge.id),
    ("invoice", Invoice.id),
    ("customer", Customer.id),
    ("service", Service.id),
    ("billing_run", BillingRun.id),
    ("payment", Payment.id),
)


def exact_match(session: Session, text: str) -> tuple[str, UUID] | None:
    """Return kind and id of the only object that a text names, or None.

    The text is its id, number, reference or code.
    """
    id = parse_uuid(text)
    matches = _by_name(session, text) if id is None else _by_id(session, id)
    return matches[0] if len(matches) == 1 else None


def _by_name(session: Session, text: str) -> list[tuple[str, UUID]]:
    """Match the text as typed, or else in capitals, in which most names are written."""
    for spelling in dict.fromkeys((text, text.upper())):
        ids = [(kind, session.scalar(select(key).where(name == spelling))) for kind, key, name in _NAMES]
        matches = [(kind, id) for kind, id in ids if id is not None]
        if matches:
            return matches
    return []


def _by_id(session: Session, id: UUID) -> list[tuple[str, UUID]]:
    return [(kind, id) for kind, key in _IDS if session.scalar(select(key).where(key == id)) is not None]


@dataclass(frozen=True, slots=True)
class SearchHits:
    """The first few objects of each kind."""

    customers: list[Customer]
    invoices: list[Invoice]
    services: list[Service]

    def __bool__(self) -> bool:
        return bool(self.customers or self.invoices or self.services)


def search_hits(session: Session, text: str, limit: int) -> SearchHits:
    """Return customers, services and invoices that match a text.

    Customers and services match by name without case and accents, invoices by number, customer or total.
    """
    invoices = select(Invoice).where(or_(*_invoice_conditions(text)))
    return SearchHits(
        list(session.scalars(customers_by_name(CustomerFilter(q=text, archived=None)).limit(limit))),
        list(session.scalars(invoices.order_by(Invoice.created_at.desc(), Invoice.id.desc()).limit(limit))),
        list(session.scalars(services_by_code(ServiceFilter(q=text, archived=None)).limit(limit))),
    )


def _invoice_conditions(text: str) -> Iterable[ColumnElement[bool]]:
    yield Invoice.number.icontains(text, autoescape=True)
    yield Invoice.customer_name.icontains(text, autoescape=True)
    yield Invoice.customer_reference.icontains(text, autoescape=True)
    for amount in _amounts(text):
        yield from _total_conditions(amount)


def _amounts(text: str) -> list[AmountInput]:
    try:
        return possible_amounts(text)
    except Invalid:
        return []


def _total_conditions(amount: AmountInput) -> Iterable[ColumnElement[bool]]:
    # Totals are stored in minor units, whose number of digits depends on the currency.
    for digits in sorted(set(MINOR_DIGITS.values())):
        codes = [code for code, places in MINOR_DIGITS.items() if places == digits]
        currencies = [code for code in codes if amount.may_be(code)]
        try:
            minor = Money.exactly(amount.in_currency(currencies[0]), currencies[0]).minor if currencies else None
        except Invalid:
            continue
        if minor is not None:
            yield and_(Invoice.currency.in_(currencies), Invoice.total == minor)

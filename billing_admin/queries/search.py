"""The search field: exact matches and a few hits of each kind."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.search_acts import has_short_number, parse_short_number
from billing_admin.domain.translation import Phrase
from billing_admin.models import BillingRun, Charge, Customer, Invoice, Payment, Refund, Service
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoices
from billing_admin.queries.master_data.customers import CustomerFilter, customers_by_name
from billing_admin.queries.master_data.services import ServiceFilter, services_by_code
from billing_admin.queries.object_ids import OBJECT_NAMES, named_objects
from billing_admin.queries.payments.payments import PaymentFilter, payments

MAX_SHORT_NUMBERS = 1_000  # numbers that a short one may mean
_NAMED = ("invoice", "customer", "service")
_IDS: tuple[tuple[str, InstrumentedAttribute[UUID]], ...] = (
    ("charge", Charge.id),
    ("invoice", Invoice.id),
    ("customer", Customer.id),
    ("service", Service.id),
    ("billing_run", BillingRun.id),
    ("payment", Payment.id),
    ("refund", Refund.id),
)


def exact_match(session: Session, text: str) -> tuple[str, UUID] | None:
    """Return kind and id of the only object that a text names, or None.

    The text is its id, number, reference or code.
    """
    id = parse_uuid(text)
    matches = named_objects(session, text, _NAMED, 1) if id is None else _by_id(session, id)
    if not matches and id is None:
        matches = _by_short_number(session, text)
    return matches[0] if len(matches) == 1 else None


def _by_short_number(session: Session, text: str) -> list[tuple[str, UUID]]:
    """Return the document that a short number such as `INV 42` names.

    Of several years, it is that of the last one.
    """
    short = parse_short_number(text)
    if short is None:
        return []
    letters, value = short
    query = (
        select(Invoice.id, Invoice.number)
        .where(Invoice.number.like(f"{letters}%{value}"))
        .order_by(Invoice.number.desc())
        .limit(MAX_SHORT_NUMBERS)
    )
    ids = [id for id, number in session.execute(query) if number and has_short_number(number, letters, value)]
    return [("invoice", id) for id in ids[:1]]


def object_name(session: Session, kind: str, id: UUID) -> str:
    """Return the name of an object as pages show it."""
    names = {
        "charge": (Charge.id, Charge.description),
        "billing_run": (BillingRun.id, func.concat(Phrase("Billing run "), cast(BillingRun.through, Text))),
        "customer": (Customer.id, Customer.name),
    }
    key, name = names.get(kind) or OBJECT_NAMES[kind]
    return session.scalar(select(name).where(key == id)) or kind.replace("_", " ").capitalize()


def _by_id(session: Session, id: UUID) -> list[tuple[str, UUID]]:
    return [(kind, id) for kind, key in _IDS if session.scalar(select(key).where(key == id)) is not None]


@dataclass(frozen=True, slots=True)
class SearchHits:
    """The first few objects of each kind."""

    customers: list[Customer]
    invoices: list[Invoice]
    payments: list[Any]
    services: list[Service]

    def __bool__(self) -> bool:
        return bool(self.customers or self.invoices or self.payments or self.services)


def search_hits(session: Session, text: str, limit: int, today: date) -> SearchHits:
    """Return customers, invoices, payments and services that match a text.

    The lists of each kind find the same objects by their filter `q`.
    """
    return SearchHits(
        list(session.scalars(customers_by_name(CustomerFilter(q=text, archived=None)).limit(limit))),
        list(session.scalars(invoices(session, InvoiceFilter(today, q=text)).limit(limit))),
        list(session.execute(payments(session, PaymentFilter(q=text)).limit(limit))),
        list(session.scalars(services_by_code(ServiceFilter(q=text, archived=None)).limit(limit))),
    )

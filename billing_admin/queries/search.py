"""The search field: exact matches and a few hits of each kind."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import contains_text, parse_uuid
from billing_admin.db.paging import Record
from billing_admin.domain.search_acts import has_short_number, parse_short_number
from billing_admin.domain.translation import Phrase
from billing_admin.models import (
    BillingRun,
    Charge,
    Customer,
    Invoice,
    Message,
    MessageRecipient,
    Payment,
    Refund,
    Service,
)
from billing_admin.queries.charges.charges import charges_by_id
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoices
from billing_admin.queries.master_data.customers import CustomerFilter, customers_by_name
from billing_admin.queries.master_data.services import ServiceFilter, services_by_code
from billing_admin.queries.messages.messages import messages_of_ids
from billing_admin.queries.object_ids import OBJECT_NAMES, named_objects
from billing_admin.queries.payments.payments import PaymentFilter, payments

MAX_SHORT_NUMBERS = 1_000  # numbers that a short one may mean
# Texts of charges and messages have no index, which each posted charge would pay for: the latest of them are searched.
SEARCHED_CHARGES: Final = 10_000
SEARCHED_MESSAGES: Final = 5_000
_ID_PREFIX = re.compile(r"[0-9a-f]{8}(?:-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-[0-9a-f-]{0,17}))?", re.IGNORECASE)
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
        "billing_run": (BillingRun.id, BillingRun.through),
        "customer": (Customer.id, Customer.name),
    }
    key, name = names.get(kind) or OBJECT_NAMES[kind]
    stored = session.scalar(select(name).where(key == id))
    if isinstance(stored, date):
        return Phrase("Billing run {day}", day=stored)
    return stored or kind.replace("_", " ").capitalize()


def _by_id(session: Session, id: UUID) -> list[tuple[str, UUID]]:
    return [(kind, id) for kind, key in _IDS if session.scalar(select(key).where(key == id)) is not None]


@dataclass(frozen=True, slots=True)
class SearchHits:
    """The first few objects of each kind."""

    customers: list[Customer]
    invoices: list[Invoice]
    payments: list[Any]
    services: list[Service]
    charges: list[Record]
    messages: list[Message]

    def __bool__(self) -> bool:
        return any((self.customers, self.invoices, self.payments, self.services, self.charges, self.messages))


def search_hits(session: Session, text: str, limit: int, today: date) -> SearchHits:
    """Return the first objects of each kind that match a text.

    The lists of the first four kinds find the same objects by their filter `q`.
    """
    return SearchHits(
        list(session.scalars(customers_by_name(CustomerFilter(q=text, archived=None)).limit(limit))),
        list(session.scalars(invoices(session, InvoiceFilter(today, q=text)).limit(limit))),
        list(session.execute(payments(session, PaymentFilter(q=text)).limit(limit))),
        list(session.scalars(services_by_code(ServiceFilter(q=text, archived=None)).limit(limit))),
        _charges(session, text, limit),
        _messages(session, text, limit),
    )


def _charges(session: Session, text: str, limit: int) -> list[Record]:
    """Return the latest charges with a text in description or purchase order.

    A text that may be the beginning of an id finds the charges with such ids.
    """
    if _ID_PREFIX.fullmatch(text):
        digits = text.replace("-", "")
        first, last = (UUID(digits.ljust(32, filler)) for filler in "0f")
        query: Select[UUID] = select(Charge.id).where(Charge.id.between(first, last)).order_by(Charge.id.desc())
    else:
        latest = (
            select(Charge.id, Charge.description, Charge.purchase_order)
            .order_by(Charge.created_at.desc(), Charge.incurred_on.desc(), Charge.id.desc())
            .limit(SEARCHED_CHARGES)
            .subquery()
        )
        row = latest.c
        query = select(row.id).where(or_(contains_text(row.description, text), contains_text(row.purchase_order, text)))
    ids = session.scalars(query.limit(limit)).all()
    charges = charges_by_id(session, ids) if ids else {}
    return [charges[id] for id in ids]


def _messages(session: Session, text: str, limit: int) -> list[Message]:
    """Return the latest messages with a text in subject or recipients."""
    latest = (
        select(Message.id, Message.subject)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(SEARCHED_MESSAGES)
        .subquery()
    )
    row, recipient = latest.c, MessageRecipient
    is_recipient = or_(contains_text(recipient.name, text), contains_text(recipient.address, text))
    of_recipient = exists().where(recipient.message_id == row.id, is_recipient)
    ids = session.scalars(select(row.id).where(or_(contains_text(row.subject, text), of_recipient)).limit(limit)).all()
    return messages_of_ids(session, ids) if ids else []

"""Ids of objects that people name by a number, reference, code or name."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import has_id_or_name
from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import (
    ApiToken,
    BankAccount,
    Customer,
    Invoice,
    Payment,
    Refund,
    Service,
    TaxRate,
    User,
    WebhookEndpoint,
)

# By type of object: the columns of its id, and of its name on its page and in messages.
OBJECT_NAMES: Final[Mapping[str, tuple[InstrumentedAttribute[UUID], InstrumentedAttribute[Any]]]] = {
    "bank_account": (BankAccount.id, BankAccount.iban),
    "customer": (Customer.id, Customer.reference),
    "invoice": (Invoice.id, Invoice.number),
    "payment": (Payment.id, Payment.reference),
    "refund": (Refund.id, Refund.reference),
    "service": (Service.id, Service.code),
    "tax_rate": (TaxRate.id, TaxRate.code),
    "token": (ApiToken.id, ApiToken.name),
    "user": (User.id, User.email),
    "webhook": (WebhookEndpoint.id, WebhookEndpoint.url),
}


def named_objects(session: Session, text: str, types: Iterable[str], limit: int) -> list[tuple[str, UUID]]:
    """Return type and id of the objects that a text names, up to a limit per type.

    It is looked up as typed, and else in capitals, in which most names are written.
    """
    columns = [(type, *OBJECT_NAMES[type]) for type in types]
    for spelling in dict.fromkeys((text, text.upper())):
        matches = [
            (type, id)
            for type, key, name in columns
            for id in session.scalars(select(key).where(name == spelling).order_by(key).limit(limit))
        ]
        if matches:
            return matches
    return []


def invoice_id(session: Session, name: str, field: str = "invoice") -> UUID:
    """Return the id of an invoice, named by its id or number in a field.

    Raises:
        NotFound: No invoice has this id or number.
    """
    id = session.scalar(select(Invoice.id).where(has_id_or_name(Invoice.id, Invoice.number, name)))
    if id is None:
        raise NotFound("unknown_invoice", Phrase("There is no invoice “{name}”.", name=name[:80]), field)
    return id

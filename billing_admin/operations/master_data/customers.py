"""Customers are added, changed, archived and restored."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import CustomerFields, check_fields, check_new_texts, differing_fields
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Account, Customer
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.master_data.accounts import open_accounts

_OWN_REFERENCE = re.compile("C-([0-9]+)")  # SQLite's LIKE takes c-0007 for one, too
FIELDS = ("reference", "name", "email", "address", "tax_id", "tax_treatment", "currency", "payment_terms_days", "notes")

_DEFAULTS: Mapping[str, Any] = {
    "email": "",
    "address": "",
    "tax_id": "",
    "tax_treatment": "standard",
    "payment_terms_days": None,
    "notes": "",
}


def create(
    session: Session, fields: CustomerFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[Customer, bool]:
    """Add a customer, or answer with the one of the same id or reference; returns it and whether it is new.

    Name and currency are needed. Without a reference the next free one such as C-0007 is taken. Raises Conflict, naming
    what differs, when id or reference belong to a customer with other values.
    """
    given = check_fields(fields)
    existing = _existing(session, id, given.get("reference"))
    if existing is not None:
        _check_same(existing, given, id)
        return existing, False
    check_new_texts(given)
    for needed in ("name", "currency"):
        if needed not in given:
            raise Invalid("missing", f"Enter the customer's {needed}.", needed)
    reference = given.get("reference") or _next_reference(session)
    customer = Customer(id=id or new_id(now), **{**_DEFAULTS, **given, "reference": reference}, created_at=now)
    customer.archived_at = None
    _index(customer)
    session.add(customer)
    session.flush()
    open_accounts(session, [(customer.id, customer.currency)])
    record(session, actor, now, "customer.created", "customer", customer.id, _facts(customer))
    return customer, True


def _existing(session: Session, id: UUID | None, reference: str | None) -> Customer | None:
    by_id = session.get(Customer, id) if id else None
    if by_id is not None or reference is None:
        return by_id
    return session.scalar(select(Customer).where(Customer.reference == reference))


def _check_same(existing: Customer, given: dict[str, Any], id: UUID | None) -> None:
    if id is not None and existing.id != id:
        raise Conflict(
            "reference_taken",
            f"Reference {existing.reference} belongs to another customer.",
            "reference",
            differs=["id"],
        )
    differs = differing_fields(given, _facts(existing))
    if differs:
        listed = ", ".join(differs)
        raise Conflict(
            "id_conflict",
            f"Customer {existing.reference} already exists with a different {listed}.",
            *differs[:1],
            differs=differs,
        )


def _next_reference(session: Session) -> str:
    """The reference after the highest of the form C-0007."""
    taken = session.scalars(select(Customer.reference).where(Customer.reference.like("C-%"))).all()
    numbers = [int(found[1]) for reference in taken if (found := _OWN_REFERENCE.fullmatch(reference))]
    return f"C-{max(numbers, default=0) + 1:04d}"


def _facts(customer: Customer) -> dict[str, Any]:
    return {field: getattr(customer, field) for field in FIELDS}


def _index(customer: Customer) -> None:
    customer.search = fold_for_search(f"{customer.reference} {customer.name} {customer.email}")


def update(
    session: Session, customer_id: UUID, fields: CustomerFields, version: int | None, actor: Actor, now: datetime
) -> Customer:
    """Change the fields given. `version` is that of what was read: raises Stale when somebody changed it since."""
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    if version is not None and version != customer.version:
        raise Stale(
            "stale", f"{customer.reference} has been changed by someone else. Review the change, then try again."
        )
    given = check_fields(fields)
    _check_free(session, customer, given)
    before = _facts(customer)
    check_new_texts(given, before)
    for field, value in given.items():
        setattr(customer, field, value)
    changed = changed_fields(before, _facts(customer))
    if changed:
        _index(customer)
        session.flush()
        _open_account(session, customer)
        record(session, actor, now, "customer.changed", "customer", customer.id, changed)
    return customer


def _check_free(session: Session, customer: Customer, given: dict[str, Any]) -> None:
    other = session.scalar(
        select(Customer).where(Customer.reference == given.get("reference", ""), Customer.id != customer.id)
    )
    if other is not None:
        raise Conflict("reference_taken", f"{other.reference} is already the reference of {other.name}.", "reference")


def _open_account(session: Session, customer: Customer) -> None:
    key = (customer.id, customer.currency)
    if session.get(Account, key) is None:
        open_accounts(session, [key])


def archive(session: Session, customer_id: UUID, actor: Actor, now: datetime) -> bool:
    """Take a customer out of use. Returns False when it was already. Raises Conflict while something is unbilled."""
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    if customer.archived_at is not None:
        return False
    unbilled = select(Account).where(
        Account.customer_id == customer_id, (Account.pending_charges > 0) | (Account.held_charges > 0)
    )
    if session.scalars(unbilled.with_for_update()).first() is not None:
        raise Conflict("unbilled_charges", f"{customer.reference} has unbilled charges: bill or cancel them first.")
    customer.archived_at = now
    record(session, actor, now, "customer.archived", "customer", customer.id)
    return True


def restore(session: Session, customer_id: UUID, actor: Actor, now: datetime) -> bool:
    """Bring an archived customer back. Returns False when it was not archived."""
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    if customer.archived_at is None:
        return False
    customer.archived_at = None
    record(session, actor, now, "customer.restored", "customer", customer.id)
    return True

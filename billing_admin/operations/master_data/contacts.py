"""Add, change and remove the contacts of customers.

The e-mail address of a customer is that of its first contact that gets invoices as To. It is stored with the contact only.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.master_data import (
    CONTACT_DEFAULTS,
    CONTACT_RULES,
    ContactFields,
    check_fields,
    check_new_texts,
    check_version,
    differing_fields,
    refuse_differences,
)
from billing_admin.domain.text import fold_for_search, sort_key
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, CustomerContact
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.contacts import contacts

MAX_CONTACTS: Final = 50  # of a customer


def create(
    session: Session, customer_id: UUID, fields: ContactFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[CustomerContact, bool]:
    """Add a contact to a customer, or return the existing one with the same id.

    Returns it and whether it is new. The e-mail address is mandatory.

    Raises:
        Conflict: The id belongs to a contact with other values, or another contact of the customer has the address.
    """
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    values = check_fields(CONTACT_RULES, fields)
    existing = session.get(CustomerContact, id) if id else None
    if existing is not None:
        _check_same(existing, customer_id, values)
        return existing, False
    if "email" not in values:
        raise Invalid("missing", Phrase("Enter the contact's e-mail address."), "email")
    check_new_texts(values)
    contact = _add(session, customer, values, id, now)
    _update_customer(session, customer)
    details = {"contact": str(contact.id), **_stored_fields(contact)}
    record(session, actor, now, "customer.contact_added", "customer", customer_id, details)
    return contact, True


def _check_same(existing: CustomerContact, customer_id: UUID, values: dict[str, Any]) -> None:
    differs = differing_fields(values, _stored_fields(existing))
    if existing.customer_id != customer_id:
        differs = ["customer", *differs]
    refuse_differences(Phrase("Contact {existing_id}", existing_id=existing.id), differs)


def _stored_fields(contact: CustomerContact) -> dict[str, Any]:
    return {field: getattr(contact, field) for field in CONTACT_RULES}


def _add(
    session: Session, customer: Customer, values: dict[str, Any], id: UUID | None, now: datetime
) -> CustomerContact:
    if len(contacts(session, customer.id)) >= MAX_CONTACTS:
        raise Conflict(
            "too_many_contacts",
            Phrase("A customer has at most {max_contacts} contacts. Remove one first.", max_contacts=MAX_CONTACTS),
            "email",
        )
    _refuse_taken_address(session, customer.id, values["email"])
    contact = CustomerContact(
        id=id or new_id(now), customer_id=customer.id, **{**CONTACT_DEFAULTS, **values}, created_at=now
    )
    session.add(contact)
    session.flush()
    return contact


def _refuse_taken_address(session: Session, customer_id: UUID, email: str, except_id: UUID | None = None) -> None:
    """Raise Conflict if another contact of the customer has the address.

    Its mailbox would get each document twice.
    """
    for contact in contacts(session, customer_id):
        if contact.email.casefold() == email.casefold() and contact.id != except_id:
            raise Conflict(
                "email_taken",
                Phrase("{email} is the address of another contact of this customer.", email=contact.email),
                "email",
            )


def update(
    session: Session, contact_id: UUID, fields: ContactFields, version: int | None, actor: Actor, now: datetime
) -> CustomerContact:
    """Change the given fields of a contact.

    Raises:
        Conflict: Another contact of the customer has the address.
        NotFound: The contact has been removed.
        Stale: `version` is set, and the contact has been changed since that version.
    """
    customer, contact = _lock(session, contact_id)
    check_version(version, contact.version, contact.email)
    values = check_fields(CONTACT_RULES, fields)
    before = _stored_fields(contact)
    check_new_texts(values, before)
    if "email" in values:
        _refuse_taken_address(session, customer.id, values["email"], contact_id)
    for field, value in values.items():
        setattr(contact, field, value)
    changed = changed_fields(before, _stored_fields(contact))
    if changed:
        _update_customer(session, customer)
        details = {"contact": str(contact_id), **changed}
        record(session, actor, now, "customer.contact_changed", "customer", customer.id, details)
    return contact


def _lock(session: Session, contact_id: UUID) -> tuple[Customer, CustomerContact]:
    """Lock the customer of a contact, and return both as they are then.

    Another request may have changed or removed the contact before the customer was locked.
    """
    customer_id = session.scalar(select(CustomerContact.customer_id).where(CustomerContact.id == contact_id))
    customer = session.get_one(Customer, customer_id, with_for_update=True) if customer_id else None
    contact = session.get(CustomerContact, contact_id, populate_existing=True)
    if customer is None or contact is None:
        raise NotFound("unknown_contact", Phrase("This contact does not exist, or it has been removed."), "id")
    return customer, contact


def remove(session: Session, contact_id: UUID, actor: Actor, now: datetime) -> None:
    """Remove a contact from its customer.

    Raises:
        NotFound: The contact has been removed already.
    """
    customer, contact = _lock(session, contact_id)
    details = {"contact": str(contact_id), **_stored_fields(contact)}
    session.delete(contact)
    _update_customer(session, customer)
    record(session, actor, now, "customer.contact_removed", "customer", customer.id, details)


def set_email(session: Session, customer: Customer, email: str, actor: Actor, now: datetime) -> None:
    """Make an address that of the first contact that gets invoices.

    Without such a contact, the one with the address gets invoices from now on, or one is added. An empty address means
    that no contact gets invoices as To: each stays, with its other roles. The caller records the change of the address,
    and sets the search text.

    Raises:
        Conflict: Another contact of the customer has the address.
    """
    if email == customer.email:
        return
    rows = contacts(session, customer.id)
    recipients = [row for row in rows if row.invoices == "to"]
    same = next((row for row in rows if row.email.casefold() == email.casefold()), None)
    if not email:
        for contact in recipients:
            _change(session, contact, {"invoices": "none"}, actor, now)
    elif recipients:
        _refuse_taken_address(session, customer.id, email, recipients[0].id)
        recipients[0].email = email
    elif same is not None:
        _change(session, same, {"invoices": "to", "email": email}, actor, now)
    else:
        _add(session, customer, {"email": email}, None, now)
    _reload_email(session, customer)


def _change(session: Session, contact: CustomerContact, values: dict[str, str], actor: Actor, now: datetime) -> None:
    before = _stored_fields(contact)
    for field, value in values.items():
        setattr(contact, field, value)
    details = {"contact": str(contact.id), **changed_fields(before, _stored_fields(contact))}
    record(session, actor, now, "customer.contact_changed", "customer", contact.customer_id, details)


def _update_customer(session: Session, customer: Customer) -> None:
    _reload_email(session, customer)
    set_search_text(customer, customer.email)
    session.flush()


def _reload_email(session: Session, customer: Customer) -> None:
    session.flush()
    session.refresh(customer, ["email"])


def set_search_text(customer: Customer, email: str) -> None:
    """Set the texts by which customers are searched and sorted."""
    customer.sort_key = sort_key(customer.name)
    customer.search = fold_for_search(f"{customer.reference} {customer.name} {email}")

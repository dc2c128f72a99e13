"""Create, change, archive and restore customers."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified, set_committed_value

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.customer_fields import folded_value, merge_values
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.master_data import (
    CUSTOMER_DEFAULTS,
    CUSTOMER_RULES,
    CustomerFields,
    check_fields,
    check_new_texts,
    check_version,
    differing_fields,
    refuse_differences,
)
from billing_admin.domain.parties import ADDRESS_PARTS, LANGUAGES
from billing_admin.domain.text import fold_texts
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word
from billing_admin.formats.addresses import print_address
from billing_admin.models import Account, Customer, CustomerText, CustomerValue
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.master_data.accounts import open_account_if_missing, open_accounts
from billing_admin.operations.master_data.contacts import set_email, set_search_text
from billing_admin.operations.master_data.party_checks import (
    compact_identifiers,
    find_address_problems,
    find_party_problems,
)
from billing_admin.queries.master_data.customer_fields import field_terms

# The attributes of fields that have another name there.
ATTRIBUTES = {"metadata": "own_values"}
_GENERATED_REFERENCE = re.compile("C-([0-9]+)")  # checked after LIKE, which ignores case on SQLite


def create(
    session: Session, fields: CustomerFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[Customer, bool]:
    """Create a customer, or return the existing one with the same id or reference.

    Returns it and whether it is new. Name and currency are mandatory. Without a reference, the next free one such as
    C-0007 is used. Raises Conflict, with the fields that differ, when the id or reference belongs to a customer with
    other values.
    """
    values = check_fields(CUSTOMER_RULES, fields)
    existing = _find_existing(session, id, values.get("reference"))
    if existing is not None:
        _check_same(session, existing, values, id)
        return existing, False
    check_new_texts(values)
    for field in ("name", "currency"):
        if field not in values:
            raise Invalid("missing", Phrase("Enter the customer's {field}.", field=word(field)), field)
    values = {**CUSTOMER_DEFAULTS, **values, "reference": values.get("reference") or _next_reference(session)}
    _check_details(values, {})
    values = compact_identifiers(values, {})
    email, own_values = values.pop("email"), values.pop("metadata")
    own_values = merge_values(field_terms(session), {}, own_values, is_new=True)
    customer = Customer(id=id or new_id(now), **values, own_values=own_values, created_at=now)
    customer.archived_at = None
    set_committed_value(customer, "email", "")
    set_search_text(customer, email)
    session.add(customer)
    session.flush()
    _keep_document_text(session, customer)
    _index_values(session, customer)
    set_email(session, customer, email, actor, now)
    open_accounts(session, [(customer.id, customer.currency)])
    record(session, actor, now, "customer.created", "customer", customer.id, _stored_fields(customer))
    return customer, True


def _find_existing(session: Session, id: UUID | None, reference: str | None) -> Customer | None:
    by_id = session.get(Customer, id) if id else None
    if by_id is not None or reference is None:
        return by_id
    return session.scalar(select(Customer).where(Customer.reference == reference))


def _check_same(session: Session, existing: Customer, values: dict[str, Any], id: UUID | None) -> None:
    if id is not None and existing.id != id:
        raise Conflict(
            "reference_taken",
            Phrase(
                "Reference {existing_reference} belongs to another customer.", existing_reference=existing.reference
            ),
            "reference",
            differs=["id"],
        )
    stored = _stored_fields(existing)
    if "metadata" in values:
        own_values = merge_values(field_terms(session), stored["metadata"], values["metadata"], is_new=False)
        values = {**values, "metadata": own_values}
    compact = compact_identifiers({**stored, **values}, {})
    differs = differing_fields({field: compact[field] for field in values}, compact_identifiers(stored, {}))
    refuse_differences(Phrase("Customer {existing_reference}", existing_reference=existing.reference), differs)


def _check_details(values: dict[str, Any], stored: dict[str, Any]) -> None:
    """Raise Invalid with the problems that `party_checks` finds."""
    problems = [*find_party_problems(values, stored), *find_address_problems(values, stored, "delivery_")]
    if problems:
        raise Invalid.of(problems)


def _next_reference(session: Session) -> str:
    """Return the reference after the highest of the form C-0007."""
    references = session.scalars(select(Customer.reference).where(Customer.reference.like("C-%"))).all()
    numbers = [int(match[1]) for reference in references if (match := _GENERATED_REFERENCE.fullmatch(reference))]
    return f"C-{max(numbers, default=0) + 1:04d}"


def _stored_fields(customer: Customer) -> dict[str, Any]:
    return {field: getattr(customer, ATTRIBUTES.get(field, field)) for field in CUSTOMER_RULES}


def update(
    session: Session, customer_id: UUID, fields: CustomerFields, version: int | None, actor: Actor, now: datetime
) -> Customer:
    """Change the given fields.

    Raises Stale when `version` is set and the customer has been changed since that version.
    """
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    check_version(version, customer.version, customer.reference)
    values = check_fields(CUSTOMER_RULES, fields)
    _refuse_taken_reference(session, customer, values)
    before = _stored_fields(customer)
    check_new_texts(values, before)
    _refuse_unprinted_address(values, before)
    _check_details({**before, **values}, before)
    values = compact_identifiers(values, before)
    set_email(session, customer, values.pop("email", before["email"]), actor, now)
    if "metadata" in values:
        terms = field_terms(session)
        values["metadata"] = merge_values(terms, before["metadata"], values["metadata"], is_new=False)
    for field, value in values.items():
        setattr(customer, ATTRIBUTES.get(field, field), value)
    changed = changed_fields(before, _stored_fields(customer))
    if changed:
        set_search_text(customer, customer.email)
        flag_modified(customer, "search")  # the version counts changes of the e-mail address as well
        session.flush()
        _keep_document_text(session, customer)
        if "metadata" in changed:
            _index_values(session, customer)
        open_account_if_missing(session, (customer.id, customer.currency))
        record(session, actor, now, "customer.changed", "customer", customer.id, changed)
    return customer


def _keep_document_text(session: Session, customer: Customer) -> None:
    """Store the text by which documents made from now on are found.

    Earlier texts stay.
    """
    countries = {print_address(customer, language) for language in LANGUAGES}
    parts = (customer.reference, customer.name, customer.tax_id, customer.address, *sorted(countries))
    text = fold_texts(parts)
    id = uuid5(customer.id, text)
    if session.get(CustomerText, id) is None:
        session.add(CustomerText(id=id, customer_id=customer.id, text=text))


def _index_values(session: Session, customer: Customer) -> None:
    """Store the values of customer fields by which lists find the customer."""
    session.execute(delete(CustomerValue).where(CustomerValue.customer_id == customer.id))
    rows = [
        {"customer_id": customer.id, "key": key, "value": folded_value(value)}
        for key, value in customer.own_values.items()
    ]
    insert_many(session, CustomerValue, rows)


def _refuse_unprinted_address(values: dict[str, Any], before: dict[str, Any]) -> None:
    """Raise Invalid for a new address as text if the stored address has parts.

    Documents print the parts, so the change would have no effect. Both may be changed together.
    """
    address = values.get("address", before["address"])
    if address == before["address"] or not address.strip() or any(part in values for part in ADDRESS_PARTS):
        return
    if before["country"] and any(before[part] for part in ADDRESS_PARTS if part != "country"):
        message = Phrase(
            "Change the street, postcode and city instead: documents print these. To print an address as "
            "text, clear them first."
        )
        raise Invalid("address_has_parts", message, "address")


def _refuse_taken_reference(session: Session, customer: Customer, values: dict[str, Any]) -> None:
    holder = session.scalar(
        select(Customer).where(Customer.reference == values.get("reference", ""), Customer.id != customer.id)
    )
    if holder is not None:
        raise Conflict(
            "reference_taken",
            Phrase(
                "{holder_reference} is already the reference of {holder_name}.",
                holder_reference=holder.reference,
                holder_name=holder.name,
            ),
            "reference",
        )


def archive(session: Session, customer_id: UUID, actor: Actor, now: datetime) -> bool:
    """Archive a customer.

    Returns False when it was already archived. Raises Conflict while it has unbilled charges.
    """
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    if customer.archived_at is not None:
        return False
    unbilled = select(Account).where(
        Account.customer_id == customer_id, (Account.pending_charges > 0) | (Account.held_charges > 0)
    )
    if session.scalars(unbilled.with_for_update()).first() is not None:
        raise Conflict(
            "unbilled_charges",
            Phrase(
                "{customer_reference} has unbilled charges: bill or cancel them first.",
                customer_reference=customer.reference,
            ),
        )
    customer.archived_at = now
    record(session, actor, now, "customer.archived", "customer", customer.id)
    return True


def restore(session: Session, customer_id: UUID, actor: Actor, now: datetime) -> bool:
    """Restore an archived customer, and return whether it was archived."""
    customer = session.get_one(Customer, customer_id, with_for_update=True)
    if customer.archived_at is None:
        return False
    customer.archived_at = None
    record(session, actor, now, "customer.restored", "customer", customer.id)
    return True

"""Define, change, archive and restore customer fields."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.customer_fields import (
    CUSTOMER_FIELD_DEFAULTS,
    CUSTOMER_FIELD_RULES,
    MAX_FIELDS,
    CustomerFieldFields,
    check_choices,
)
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.master_data import check_fields, check_version, differing_fields, refuse_differences
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word
from billing_admin.models import CustomerField
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.customer_fields import customer_field


def create(
    session: Session, fields: CustomerFieldFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[CustomerField, bool]:
    """Define a field, or return the existing one with the same id.

    Returns it and whether it is new. Key and label are mandatory. Raises Conflict for an id with other values, a key that
    another field has, archived or not, and more fields than MAX_FIELDS.
    """
    values = check_fields(CUSTOMER_FIELD_RULES, fields)
    existing = session.get(CustomerField, id) if id else None
    if existing is not None:
        refuse_differences(Phrase("This customer field"), differing_fields(values, _stored_fields(existing)))
        return existing, False
    for field in ("key", "label"):
        if field not in values:
            raise Invalid("missing", Phrase("Enter the {field} of the field.", field=word(field)), field)
    _refuse_taken_key(session, values["key"])
    _refuse_another(session)
    stored = CustomerField(id=id or new_id(now), **{**CUSTOMER_FIELD_DEFAULTS, **values}, created_at=now)
    stored.archived_at = None
    check_choices(stored.type, stored.choices)
    session.add(stored)
    session.flush()
    record(session, actor, now, "customer_field.created", "customer_field", stored.id, _stored_fields(stored))
    return stored, True


def update(
    session: Session, field_id: UUID, fields: CustomerFieldFields, version: int | None, actor: Actor, now: datetime
) -> CustomerField:
    """Change a field; customers keep the values that they have.

    Raises NotFound, Stale when the field has changed since `version`, and Conflict for another key or type.
    """
    stored = _lock(session, field_id)
    check_version(version, stored.version, stored.label)
    values = check_fields(CUSTOMER_FIELD_RULES, fields)
    before = _stored_fields(stored)
    for field in ("key", "type"):
        if values.get(field, before[field]) != before[field]:
            message = Phrase(
                "The {field} cannot change: scripts and values depend on it. Add another field, then archive this one.",
                field=word(field),
            )
            raise Conflict("fixed", message, field)
    for field, value in values.items():
        setattr(stored, field, value)
    check_choices(stored.type, stored.choices)
    changed = changed_fields(before, _stored_fields(stored))
    if changed:
        session.flush()
        record(session, actor, now, "customer_field.changed", "customer_field", stored.id, changed)
    return stored


def archive(session: Session, field_id: UUID, actor: Actor, now: datetime) -> bool:
    """Archive a field, so that it is no longer offered; customers keep their values.

    Returns False when it was already archived. Raises NotFound.
    """
    stored = _lock(session, field_id)
    if stored.archived_at is not None:
        return False
    stored.archived_at = now
    session.flush()
    record(session, actor, now, "customer_field.archived", "customer_field", stored.id)
    return True


def restore(session: Session, field_id: UUID, actor: Actor, now: datetime) -> bool:
    """Restore an archived field, and return whether it was archived.

    Customers have their values of it. Raises NotFound, and Conflict when there are MAX_FIELDS fields in use.
    """
    stored = _lock(session, field_id)
    if stored.archived_at is None:
        return False
    _refuse_another(session)
    stored.archived_at = None
    session.flush()
    record(session, actor, now, "customer_field.restored", "customer_field", stored.id)
    return True


def _refuse_taken_key(session: Session, key: str) -> None:
    holder = session.scalar(select(CustomerField).where(CustomerField.key == key))
    if holder is not None:
        message = (
            Phrase(
                "{key} is already the key of “{holder}”, which is archived: restore it instead.",
                key=key,
                holder=holder.label,
            )
            if holder.archived_at
            else Phrase("{key} is already the key of “{holder}”.", key=key, holder=holder.label)
        )
        raise Conflict("key_taken", message, "key")


def _refuse_another(session: Session) -> None:
    in_use = select(func.count()).select_from(CustomerField).where(CustomerField.archived_at.is_(None))
    if (session.scalar(in_use) or 0) >= MAX_FIELDS:
        raise Conflict(
            "too_many",
            Phrase("There are {max_fields} customer fields already: archive one first.", max_fields=MAX_FIELDS),
        )


def _lock(session: Session, field_id: UUID) -> CustomerField:
    customer_field(session, field_id)
    return session.get_one(CustomerField, field_id, with_for_update=True)


def _stored_fields(stored: CustomerField) -> dict[str, Any]:
    return {field: getattr(stored, field) for field in CUSTOMER_FIELD_RULES}

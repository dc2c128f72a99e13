"""Customer fields: their definitions, and the customers with a value."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.customer_fields import FieldTerms, folded_value, read_filter
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, CustomerField, CustomerValue


def select_customer_fields() -> Select[CustomerField]:
    """Return the query of all fields in the order of their creation.

    Archived ones are last.
    """
    order = (CustomerField.archived_at.is_not(None), CustomerField.created_at, CustomerField.id)
    return select(CustomerField).order_by(*order)


def customer_fields(session: Session) -> list[CustomerField]:
    """Return all fields, as `select_customer_fields` orders them."""
    return list(session.scalars(select_customer_fields()))


def fields_in_use(session: Session) -> list[CustomerField]:
    """Return the fields that are not archived."""
    return list(session.scalars(select_customer_fields().where(CustomerField.archived_at.is_(None))))


def field_terms(session: Session) -> list[FieldTerms]:
    """Return the terms of all fields."""
    return [
        FieldTerms(row.key, row.label, row.type, row.is_required, row.choices, row.archived_at is not None)
        for row in customer_fields(session)
    ]


def customer_field(session: Session, id: str | UUID) -> CustomerField:
    """Return one field by its id.

    Raises:
        NotFound: No field has this id.
    """
    key = id if isinstance(id, UUID) else parse_uuid(id)
    field = None if key is None else session.get(CustomerField, key)
    if field is None:
        raise NotFound("unknown_customer_field", Phrase("There is no customer field {id}.", id=str(id)[:80]), "id")
    return field


def customers_by_field(session: Session) -> dict[str, int]:
    """Return the number of customers with a value, by key."""
    query = select(CustomerValue.key, func.count()).group_by(CustomerValue.key)
    return dict(session.execute(query).all())


def has_values(filter_text: str) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a customer has the values of a filter.

    Raises:
        Invalid: The filter is no list of keys and values.
    """
    return [
        Customer.id.in_(
            select(CustomerValue.customer_id).where(
                CustomerValue.key == key, CustomerValue.value == folded_value(value)
            )
        )
        for key, value in read_filter(filter_text).items()
    ]


def check_filter_keys(session: Session, filter_text: str) -> None:
    """Raise Invalid if a filter names a field that does not exist."""
    keys = read_filter(filter_text).keys() if filter_text else set()
    unknown = sorted(keys - set(session.scalars(select(CustomerField.key))))
    if unknown:
        raise Invalid(
            "unknown_field", Phrase("There is no customer field “{unknown}”.", unknown=unknown[0][:40]), "metadata"
        )

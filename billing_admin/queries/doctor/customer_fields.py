"""Checks of the values of customer fields."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.customer_fields import folded_value
from billing_admin.models import Customer, CustomerField, CustomerValue
from billing_admin.queries.doctor.findings import Check, Finding

FETCH_SIZE = 1000
INDEX = Check("customer_values", "The index of customer fields has the values of each customer.")
KEYS = Check("customer_field_keys", "Each value of a customer belongs to a customer field.")
CHECKS = (INDEX, KEYS)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield customers whose values differ from their index, or have no field."""
    keys = set(session.scalars(select(CustomerField.key)))
    indexed: dict[object, dict[str, str]] = {}
    for row in session.execute(select(CustomerValue.customer_id, CustomerValue.key, CustomerValue.value)):
        indexed.setdefault(row.customer_id, {})[row.key] = row.value
    query = select(Customer.id, Customer.own_values).order_by(Customer.id).execution_options(yield_per=FETCH_SIZE)
    for id, values in session.execute(query):
        if {key: folded_value(value) for key, value in values.items()} != indexed.get(id, {}):
            yield INDEX.name, Finding("customers", str(id), "its values are not those of customer_values")
        for key in sorted(values.keys() - keys):
            yield KEYS.name, Finding("customers", str(id), f"there is no customer field {key}")

"""Customer fields: defined, changed, archived; and the values of customers."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.customer_fields import MAX_FIELDS
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.models import AuditEvent, Customer, CustomerField, CustomerValue
from billing_admin.operations.master_data import customer_fields as operations, customers
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.master_data.customers import CustomerFilter, customers as select_customers
from tests.making import NOW, make_customer, make_customer_field

A = UUID(int=0xA)


def define(id: UUID | None = None, **fields: Any) -> tuple[CustomerField, bool]:
    given: Any = {"key": "region", "label": "Region", **fields}
    return transaction(operations.create, given, id, SYSTEM, NOW)


def change(customer: Customer, **metadata: str) -> Customer:
    return transaction(customers.update, customer.id, {"metadata": metadata}, None, SYSTEM, NOW)


def found(session: Session, metadata: str) -> list[str]:
    session.rollback()
    rows = session.scalars(select_customers(CustomerFilter(metadata=metadata)).order_by(Customer.reference))
    return [row.reference for row in rows]


def test_a_field_is_defined_once(session: Session) -> None:
    field, is_new = define(A, type="choice", choices=["South", "North"])
    assert is_new
    assert define(A, type="choice", choices=["South", "North"])[1] is False
    with pytest.raises(Conflict) as refusal:
        define(A, label="Area")
    assert refusal.value.extra["differs"] == ["label"]
    with pytest.raises(Conflict, match="already the key of “Region”"):
        define()
    transaction(operations.archive, field.id, SYSTEM, NOW)
    with pytest.raises(Conflict, match="restore it instead"):
        define()
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "customer_field.created"))
    assert event.details["choices"] == ["South", "North"]


def test_key_and_type_never_change(session: Session) -> None:
    field, _ = define()
    fixed: list[Any] = [{"key": "area"}, {"type": "number"}]
    for changes in fixed:
        with pytest.raises(Conflict, match="cannot change"):
            transaction(operations.update, field.id, changes, None, SYSTEM, NOW)
    version = field.version
    changed = transaction(operations.update, field.id, {"label": "Area", "key": "region"}, version, SYSTEM, NOW)
    assert changed.label == "Area"
    with pytest.raises(Stale):
        transaction(operations.update, field.id, {"label": "Zone"}, version, SYSTEM, NOW)


def test_the_number_of_fields_in_use_is_limited(session: Session) -> None:
    fields = [define(key=f"field_{number}")[0] for number in range(MAX_FIELDS)]
    with pytest.raises(Conflict, match="archive one first"):
        define()
    assert transaction(operations.archive, fields[0].id, SYSTEM, NOW)
    define()
    with pytest.raises(Conflict, match="archive one first"):
        transaction(operations.restore, fields[0].id, SYSTEM, NOW)


@pytest.mark.both_databases
def test_customers_are_found_by_their_values_with_an_index(session: Session) -> None:
    make_customer_field()
    make_customer_field(key="tier", label="Tier", type="choice", choices=["Gold", "Silver"])
    first = make_customer(reference="A", metadata={"region": "Südwest", "tier": "gold"})
    make_customer(reference="B", metadata={"region": "South"})
    assert first.own_values == {"region": "Südwest", "tier": "Gold"}
    assert found(session, "region=sudwest") == ["A"]
    assert found(session, "region=south&tier=Gold") == []
    assert found(session, "region=S%C3%BCdwest&tier=Gold") == ["A"]
    change(first, region="South", tier="")
    assert found(session, "region=south") == ["A", "B"]
    assert session.scalars(select(CustomerValue.value).where(CustomerValue.customer_id == first.id)).all() == ["south"]
    if session.get_bind().dialect.name == "sqlite":
        plan = session.execute(
            text("EXPLAIN QUERY PLAN SELECT customer_id FROM customer_values WHERE key = 'region' AND value = 'south'")
        )
        assert "ix_customer_values_key_value_customer_id" in str(plan.all())


def test_a_change_is_audited_and_counts_as_a_version(session: Session) -> None:
    make_customer_field()
    customer = make_customer(metadata={"region": "South"})
    version = customer.version
    assert change(customer, region="North").version == version + 1
    assert change(customer, region=" North ").version == version + 1
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "customer.changed"))
    assert event.details == {"metadata": [{"region": "South"}, {"region": "North"}]}


def test_a_repeated_request_is_compared_in_the_stored_form(session: Session) -> None:
    make_customer_field(key="seats", label="Seats", type="number")
    given: Any = {"reference": "A", "name": "A", "currency": "EUR", "metadata": {"seats": "12.50"}}
    stored, _ = transaction(customers.create, given, A, SYSTEM, NOW)
    assert stored.own_values == {"seats": "12.5"}
    assert transaction(customers.create, given, A, SYSTEM, NOW)[1] is False
    with pytest.raises(Conflict) as refusal:
        transaction(customers.create, given | {"metadata": {"seats": "13"}}, A, SYSTEM, NOW)
    assert refusal.value.extra["differs"] == ["metadata"]


def test_an_archived_field_keeps_its_values(session: Session) -> None:
    field = make_customer_field(is_required=True)
    with pytest.raises(Invalid, match="Enter a value for “Region”"):
        make_customer(reference="NONE")
    customer = make_customer(metadata={"region": "South"})
    transaction(operations.archive, field.id, SYSTEM, NOW)
    assert change(customer, region="South").own_values == {"region": "South"}
    with pytest.raises(Invalid, match="archived"):
        change(customer, region="North")
    make_customer(reference="NONE")
    assert transaction(operations.restore, field.id, SYSTEM, NOW)
    assert change(customer, region="North").own_values == {"region": "North"}


def test_the_doctor_compares_values_and_index(session: Session) -> None:
    make_customer_field()
    customer = make_customer(metadata={"region": "South"})

    def broken() -> set[str]:
        session.rollback()
        return {result.check.name for result in run_checks(session, NOW) if result.count}

    assert broken() == set()
    transaction(lambda session: session.execute(text("UPDATE customer_values SET value = 'north'")))
    assert broken() == {"customer_values"}
    transaction(lambda session: session.execute(text("DELETE FROM customer_values")))
    transaction(lambda session: session.execute(text("UPDATE customer_fields SET key = 'area'")))
    assert broken() == {"customer_values", "customer_field_keys"}
    assert change(customer).own_values == {"region": "South"}

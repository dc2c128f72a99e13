"""The order of lists, the same on both databases: names by sort key, charges of one request by day."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from billing_admin.db.paging import page
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.master_data import customers as operations
from billing_admin.queries.charges.charges import ChargeFilter, charges
from billing_admin.queries.charges.unbilled import unbilled_accounts
from billing_admin.queries.master_data.customers import CustomerFilter, customers_by_name, matching_customers
from billing_admin.queries.master_data.services import ServiceFilter, services_by_code
from tests.making import NOW, make_customer, make_service, make_spec, post

NAMES = ["Ångström", "apple", "Cable", "Çelik", "Łódź", "Öl", "Österreich", "Zebra"]

pytestmark = pytest.mark.both_databases


def test_each_list_sorts_names_by_one_collation(session: Session) -> None:
    for number, name in enumerate(reversed(NAMES)):
        post(make_spec(make_customer(reference=f"c{number}", name=name), "1"))
    assert [customer.name for customer in session.scalars(customers_by_name(CustomerFilter()))] == NAMES
    assert [customer.name for customer in matching_customers(session, "", 100)] == NAMES
    assert [row.name for row in page(session, unbilled_accounts(), 100).rows] == NAMES
    first = page(session, customers_by_name(CustomerFilter()), 3)
    second = page(session, customers_by_name(CustomerFilter()), 3, first.next)
    assert [customer.name for customer in second.rows] == NAMES[3:6]


def test_a_renamed_customer_moves_in_the_list(session: Session) -> None:
    moved = make_customer(reference="a", name="Alpha")
    make_customer(reference="b", name="Beta")
    transaction(operations.update, moved.id, {"name": "Ćma"}, None, SYSTEM, NOW)
    session.rollback()
    assert [customer.name for customer in session.scalars(customers_by_name(CustomerFilter()))] == ["Beta", "Ćma"]


def test_services_are_sorted_by_code_without_case_and_accents(session: Session) -> None:
    for code in ("Zebra", "łoś", "apple", "Öl"):
        make_service(code=code)
    assert [service.code for service in session.scalars(services_by_code(ServiceFilter()))] == [
        *("apple", "łoś", "Öl", "Zebra"),
    ]


def test_the_charges_of_a_batch_are_listed_in_the_order_of_their_days(session: Session) -> None:
    make_customer(reference="acme")
    first = date(2026, 3, 1)
    days = [first + timedelta(days=number) for number in (3, 1, 4, 0, 2)]
    specs = [
        make_spec("acme", str(number), incurred_on=day, id=UUID(int=(number * 7) % 11 + 1))
        for number, day in enumerate(days)
    ]
    post(*specs)
    query = charges(session, ChargeFilter())
    listed, cursor = [], None
    while True:
        part = page(session, query, 2, cursor)
        listed += [row.incurred_on for row in part.rows]
        cursor = part.next
        if cursor is None:
            break
    assert listed == sorted(days, reverse=True)
    assert sum((row.amount for row in page(session, query, 100).rows), Decimal(0)) == 10

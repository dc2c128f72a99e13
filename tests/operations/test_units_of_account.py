"""Funds and other units of ISO 4217: refused for new rows, while old rows stay valid."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.prices import PriceSpec
from billing_admin.models import Account, Customer, Service, ServicePrice
from billing_admin.operations.master_data import customers, services
from tests.making import (
    NOW,
    change_settings,
    make_bank_account,
    make_customer,
    make_payment_spec,
    make_service,
    make_spec,
    pay,
    post,
)


def change_customer() -> None:
    customer = make_customer()
    transaction(customers.update, customer.id, {"currency": "CHE"}, None, SYSTEM, NOW)


def change_price() -> None:
    service = make_service()
    transaction(services.set_price, service.id, PriceSpec("CLF", Decimal(1), None, None), None, SYSTEM, NOW)


NEW: dict[str, tuple[Callable[[], Any], tuple[str | int, ...]]] = {
    "a customer": (lambda: make_customer(currency="CHE"), ("currency",)),
    "a changed customer": (change_customer, ("currency",)),
    "the base currency": (lambda: change_settings(base_currency="USN"), ("base_currency",)),
    "a service": (lambda: make_service(prices={"EUR": Decimal(1), "MXV": Decimal(1)}), ("prices", "MXV")),
    "a price": (change_price, ("currency",)),
    "a bank account": (lambda: make_bank_account(currency="COU"), ("currency",)),
    "a charge": (lambda: post(make_spec(make_customer(), "1", currency="UYI")), (0, "currency")),
    "a payment": (lambda: pay(make_payment_spec(make_customer(), "1", currency="BOV")), ("currency",)),
}


@pytest.mark.parametrize("name", NEW)
def test_a_new_row_is_refused(session: Session, name: str) -> None:
    make, field = NEW[name]
    with pytest.raises(Invalid) as refused:
        make()
    assert (refused.value.code, refused.value.problems[0].field) == ("unit_of_account", field)
    assert "Use a currency such as EUR." in refused.value.message


def test_old_rows_stay_valid(session: Session) -> None:
    customer, service = make_customer(), make_service(prices={"EUR": Decimal(5)})

    def age(session: Session) -> None:
        """Write what earlier versions accepted."""
        session.execute(update(Customer).where(Customer.id == customer.id).values(currency="CLF"))
        session.execute(update(Account).where(Account.customer_id == customer.id).values(currency="CLF"))
        session.execute(update(ServicePrice).where(ServicePrice.service_id == service.id).values(currency="CLF"))

    transaction(age)
    changed = transaction(customers.update, customer.id, {"name": "New", "currency": "CLF"}, None, SYSTEM, NOW)
    assert (changed.name, changed.currency) == ("New", "CLF")
    assert post(make_spec(changed, "1")).created == 1
    pay(make_payment_spec(changed, "1"))
    spec = PriceSpec("CLF", Decimal(6), None, None)
    assert transaction(services.set_price, service.id, spec, None, SYSTEM, NOW)[1]
    session.expire_all()
    assert session.get_one(Service, service.id).prices[-1].currency == "CLF"

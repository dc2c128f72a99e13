"""`add_line_item`, the call of the former `InvoiceClient`."""

from decimal import Decimal
from uuid import UUID

import pytest
from billing_client import Client, Conflict, Forbidden, Invalid, NotConfigured, Unauthorized, add_line_item, charge_id
from flask import Flask

from tests.client.conftest import make_token


@pytest.fixture(autouse=True)
def _variables(home: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_URL", home)
    monkeypatch.setenv("BILLING_TOKEN", token)


def test_the_function_of_the_former_client_is_imported_and_charges_once(billing: Client) -> None:
    """The README had the function as a snippet that each script had to copy."""
    first = add_line_item("ACME", "hosting", 58, "meter-7/2026-11-24")
    again = add_line_item(
        customer_id="ACME", service="hosting", units_consumed=Decimal("58.0"), unique_charge_id="meter-7/2026-11-24"
    )
    assert (first.id, first.amount, first.replayed) == (charge_id("meter-7/2026-11-24"), Decimal("2.9"), False)
    assert (again.id, again.replayed) == (first.id, True)
    assert [charge.id for charge in billing.charges.list()] == [first.id]


def test_each_unique_charge_id_is_one_charge(billing: Client) -> None:
    """A number, its text and a UUID derive an id as they did with the snippet."""
    unique = UUID("3135f216-5533-4c18-882a-f96c09cfc73c")
    posted = {add_line_item("ACME", "hosting", "1.5", part).id for part in (4711, "4711", unique, str(unique))}
    assert posted == {charge_id("4711"), charge_id(unique)}
    with pytest.raises(Conflict) as refused:
        add_line_item("ACME", "hosting", 2, 4711)
    assert refused.value.differs == ("quantity",)


def test_nothing_is_charged_that_is_not_exact_or_not_identified(billing: Client) -> None:
    with pytest.raises(TypeError):
        add_line_item("ACME", "hosting", 58.5, "meter-7")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        add_line_item("ACME", "hosting", 58, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one part"):
        add_line_item("ACME", "hosting", 58, "")
    with pytest.raises(Invalid):
        add_line_item("NOBODY", "hosting", 58, "meter-7")
    assert list(billing.charges.list()) == []


def test_the_client_of_the_variables_is_shared_until_they_change(
    app: Flask, home: str, billing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_line_item("ACME", "hosting", 1, "first")
    monkeypatch.setenv("BILLING_TOKEN", make_token(app, "read"))
    with pytest.raises(Forbidden):
        add_line_item("ACME", "hosting", 1, "second")
    assert add_line_item("ACME", "hosting", 1, "second", client=billing).replayed is False
    monkeypatch.setenv("BILLING_TOKEN", "bil_no")
    with pytest.raises(Unauthorized):
        add_line_item("ACME", "hosting", 1, "third")
    monkeypatch.delenv("BILLING_TOKEN")
    with pytest.raises(NotConfigured):
        add_line_item("ACME", "hosting", 1, "third")

"""Each kind of problem of the real API, and the exception that it becomes, with its attributes."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from billing_client import (
    BadRequest,
    BillingError,
    Client,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Refused,
    Stale,
    TooLarge,
    Unauthorized,
    Unavailable,
    VersionNeeded,
)
from billing_client.calls import CHARGE_CREATE
from billing_client.transport import Request
from flask import Flask

from tests.client.conftest import make_token

A = UUID(int=0xA)
Do = Callable[[Client], object]


def twice(client: Client, **second: Any) -> None:
    client.charges.create(id=A, customer="ACME", service="hosting", quantity="1")
    client.charges.create(id=A, customer="ACME", service="hosting", **second)


def stale(client: Client) -> None:
    read = client.customers.get("ACME")
    client.customers.update(read, notes="First")
    client.customers.update(read, notes="Second")


def from_a_list(client: Client) -> None:
    client.customers.update(next(client.customers.list()), notes="Unread")


def raw(client: Client, body: bytes) -> None:
    transport = client._transport
    transport.ask(Request(CHARGE_CREATE, transport.base + "/charges", body))


TABLE: dict[str, tuple[Do, type[BillingError], int, str]] = {
    "not JSON": (lambda client: raw(client, b"{"), BadRequest, 400, "not_json"),
    "no such thing": (lambda client: client.charges.get(A), NotFound, 404, "unknown_charge"),
    "no such name": (lambda client: client.customers.get("A/B é"), NotFound, 404, "unknown_customer"),
    "another under the id": (lambda client: twice(client, quantity="2"), Conflict, 409, "id_conflict"),
    "stale": (stale, Stale, 412, "stale"),
    "version needed": (from_a_list, VersionNeeded, 428, "version_needed"),
    "wrong": (lambda client: client.charges.create(customer="NOBODY", amount="1"), Invalid, 422, ""),
    "wrong filter": (lambda client: list(client.charges.list(currency="euro")), Invalid, 422, "unknown_currency"),
}


@pytest.mark.parametrize("problem_name", TABLE)
def test_each_problem_has_its_exception(billing: Client, problem_name: str) -> None:
    do, kind, status, code = TABLE[problem_name]
    with pytest.raises(kind) as caught:
        do(billing)
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, Refused)
    assert error.status == status
    assert code in {"", error.code}
    assert str(UUID(error.request_id)) == error.request_id
    assert error.detail
    assert error.worth_retrying is False


def test_a_conflict_says_what_differs(billing: Client) -> None:
    with pytest.raises(Conflict) as caught:
        twice(billing, quantity="2", incurred_on="2026-01-01")
    assert set(caught.value.differs) == {"quantity", "incurred_on"}
    assert caught.value.id == str(A)


def test_what_is_invalid_says_where(billing: Client) -> None:
    with pytest.raises(Invalid) as caught:
        billing.charges.create(customer="ACME", service="hosting", quantity="many", unit_price="1.2.3")
    assert {(problem.pointer, problem.field) for problem in caught.value.errors} == {
        ("/quantity", "quantity"),
        ("/unit_price", "unit_price"),
    }
    assert "/quantity: " in str(caught.value)


@pytest.mark.parametrize(
    ("pointer", "row", "field"),
    [("/charges/7/quantity", 7, "quantity"), ("/charges/7", 7, ""), ("/quantity", None, "quantity"), ("", None, "")],
)
def test_a_pointer_names_row_and_field(pointer: str, row: int | None, field: str) -> None:
    error = FieldError(pointer, "wrong", "Mend it.")
    assert (error.row, error.field) == (row, field)


def test_a_traceback_names_few_of_many() -> None:
    error = Invalid("7 problems.", errors=tuple(FieldError(f"/{n}", "wrong", "Mend it.") for n in range(7)))
    assert str(error).count("Mend it.") == 5
    assert str(error).endswith("and 2 more")


def test_a_token_that_is_none_and_one_without_the_scope(app: Flask, home: str, token: str) -> None:
    with pytest.raises(Unauthorized) as unknown:
        Client(home, "bil_unknown").charges.get(A)
    with pytest.raises(Forbidden) as short:
        Client(home, make_token(app, "read")).charges.create(customer="ACME", amount="1", description="Work")
    assert (unknown.value.status, short.value.status) == (401, 403)
    assert Client(home, "bil_unknown").health().status == "ok"


def test_a_body_that_is_too_large(billing: Client) -> None:
    with pytest.raises(TooLarge) as caught:
        billing.charges.create(customer="ACME", description="x" * 17 * 1024 * 1024, amount="1")
    assert caught.value.status == 413
    assert caught.value.tries == 1


def test_a_database_that_is_away(app: Flask, home: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr("billing_admin.api.frame.bearer.bearer_of_secret", away)
    with pytest.raises(Unavailable) as caught:
        Client(home, token, deadline=2).charges.get(A)
    error = caught.value
    assert (error.status, error.code, error.retry_after, error.worth_retrying) == (503, "database_away", 5, True)

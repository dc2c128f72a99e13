"""Payments: requests, allocation to the oldest invoices, and repeated requests."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from billing_admin.domain.errors import Invalid
from billing_admin.domain.payments import (
    AllocationSpec,
    PaymentSpec,
    PaymentSplit,
    allocate_oldest_first,
    allocation_parts,
    allocation_text,
    differing_fields,
)

FIRST, SECOND = UUID(int=1), UUID(int=2)


@dataclass(frozen=True)
class Invoice:
    id: UUID
    number: str | None
    due_date: date | None
    total: int
    paid: int = 0
    credited: int = 0


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"amount": Decimal(0)}, "amount", "out_of_range"),
        ({"amount": Decimal(-1)}, "amount", "out_of_range"),
        ({"amount": Decimal("NaN")}, "amount", "not_a_number"),
        ({"method": "write_off"}, "method", "unknown_method"),
        ({"currency": "EURO"}, "currency", "unknown_currency"),
        ({"received_on": date(1969, 12, 31)}, "received_on", "out_of_range"),
        ({"reference": "x" * 201}, "reference", "too_long"),
    ],
)
def test_a_wrong_request_names_its_field(changes: dict[str, Any], field: str, code: str) -> None:
    values: dict[str, Any] = {"customer": "ACME", "amount": Decimal(1), "method": "cash", "allocate": ()}
    PaymentSpec(**values)
    with pytest.raises(Invalid) as refused:
        PaymentSpec(**values | changes)
    assert (refused.value.field, refused.value.code) == ((field,), code)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1, [(1, 1)]),
        (60, [(1, 60)]),
        (61, [(1, 60), (2, 1)]),
        (1_000, [(1, 60), (2, 100), (3, 100)]),
        (0, []),
    ],
)
def test_the_oldest_invoices_are_paid_whole_before_the_next(amount: int, expected: list[tuple[int, int]]) -> None:
    invoices = [
        Invoice(UUID(int=4), "INV-4", None, 50, paid=50),
        Invoice(UUID(int=3), "INV-3", date(2026, 2, 1), 100),
        Invoice(UUID(int=2), "INV-2", date(2026, 2, 1), 100),
        Invoice(UUID(int=1), "INV-9", date(2026, 1, 1), 100, paid=30, credited=10),
    ]
    assert [(id.int, part) for id, part in allocate_oldest_first(invoices, amount)] == expected


def test_requested_parts_are_minor_units() -> None:
    specs = [AllocationSpec("INV-1", Decimal("19.99")), AllocationSpec("INV-2", Decimal(5))]
    assert allocation_parts(specs, [FIRST, SECOND], "EUR") == ((FIRST, 1999), (SECOND, 500))


@pytest.mark.parametrize(
    ("amounts", "currency", "code", "field"),
    [
        (["0"], "EUR", "out_of_range", ("allocate", 0, "amount")),
        (["1", "-1"], "EUR", "out_of_range", ("allocate", 1, "amount")),
        (["0.001"], "EUR", "too_precise", ("allocate", 0, "amount")),
        (["0.1"], "JPY", "too_precise", ("allocate", 0, "amount")),
        (["1", "2"], "EUR", "invoice_twice", ("allocate", 1, "invoice")),
    ],
)
def test_wrong_parts_are_refused(amounts: list[str], currency: str, code: str, field: tuple[str | int, ...]) -> None:
    invoices = [FIRST, FIRST if code == "invoice_twice" else SECOND]
    specs = [AllocationSpec("INV-1", Decimal(amount)) for amount in amounts]
    with pytest.raises(Invalid) as refused:
        allocation_parts(specs, invoices[: len(specs)], currency)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_repeated_request_compares_what_it_has() -> None:
    assert allocation_text("oldest") == "oldest"
    assert allocation_text(()) == ""
    assert allocation_text([(SECOND, 5), (FIRST, 7)]) == f"{FIRST}=7 {SECOND}=5"
    stored = SimpleNamespace(amount=100, method="cash", reference="R")
    assert differing_fields({"amount": 100, "method": None, "reference": "S"}, stored) == ["reference"]


def test_a_split_is_exact_and_can_be_negative() -> None:
    assert PaymentSplit(Decimal("0.30"), Decimal("0.10")).left == Decimal("0.20")
    assert PaymentSplit(Decimal(1), Decimal(3)).left == -2

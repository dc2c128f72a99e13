"""Payments: their requests, their allocation to invoices, and repeated requests.

Amounts are in minor units unless noted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, Protocol
from uuid import UUID

from billing_admin.domain.days import LAST_DAY, check_calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import EXACT, Money, currency_code, exact_decimal
from billing_admin.domain.text import check_text
from billing_admin.domain.translation import Phrase

# Payment methods with their labels. Write-offs have their own operation.
METHODS: Final[Mapping[str, str]] = {
    "bank_transfer": Phrase("Bank transfer"),
    "direct_debit": Phrase("Direct debit"),
    "card": Phrase("Card"),
    "cash": Phrase("Cash"),
    "cheque": Phrase("Cheque"),
    "other": Phrase("Other"),
}
WRITE_OFF: Final = "write_off"
OLDEST: Final = "oldest"


@dataclass(frozen=True, slots=True)
class AllocationSpec:
    """The part of a payment for an invoice.

    The invoice is an id or a number. `amount` is in major units, as 19.99.
    """

    invoice: str
    amount: Decimal


# `oldest`: the oldest invoices first. An empty tuple: no invoice, the money is the customer's credit.
AllocationRequest = Literal["oldest"] | tuple[AllocationSpec, ...]


def check_transfer(amount: Decimal, method: str, currency: str | None, reference: str | None) -> None:
    """Check what payments and refunds have in common.

    Raises:
        Invalid: A value is out of range or unknown.
    """
    if exact_decimal(amount, "amount") <= 0:
        raise Invalid("out_of_range", Phrase("Enter an amount above zero."), "amount")
    if method not in METHODS:
        raise Invalid("unknown_method", Phrase("Use one of {methods}.", methods=", ".join(METHODS)), "method")
    if currency is not None:
        currency_code(currency)
    check_text(reference or "", "reference", stored=True)


@dataclass(frozen=True, slots=True)
class PaymentSpec:
    """A request to record a payment; None means not given.

    `customer` is an id or a reference. `amount` is in major units, and above zero.

    Raises:
        Invalid: A value is out of range or unknown.
    """

    customer: str
    amount: Decimal
    method: str
    allocate: AllocationRequest
    currency: str | None = None
    received_on: date | None = None
    reference: str | None = None
    id: UUID | None = None

    def __post_init__(self) -> None:
        check_transfer(self.amount, self.method, self.currency, self.reference)
        if self.received_on is not None:
            check_calendar_day(self.received_on, "received_on")


# An invoice's id, and the minor units allocated to it.
AllocationPart = tuple[UUID, int]


def allocation_parts(
    allocate: Sequence[AllocationSpec], invoices: Sequence[UUID], currency: str
) -> tuple[AllocationPart, ...]:
    """Return the requested minor units per invoice.

    Raises:
        Invalid: An amount is not above zero, or an invoice is named twice.
    """
    parts: dict[UUID, int] = {}
    for index, (spec, invoice_id) in enumerate(zip(allocate, invoices, strict=True)):
        minor = Money.exactly(
            exact_decimal(spec.amount, "allocate", index, "amount"), currency, "allocate", index, "amount"
        ).minor
        if minor <= 0:
            raise Invalid("out_of_range", Phrase("Enter an amount above zero."), "allocate", index, "amount")
        if invoice_id in parts:
            raise Invalid(
                "invoice_twice",
                Phrase("Enter each invoice only once, with the total amount for it."),
                "allocate",
                index,
                "invoice",
            )
        parts[invoice_id] = minor
    return tuple(parts.items())


def allocation_text(allocation: Literal["oldest"] | Sequence[AllocationPart]) -> str:
    """Return a requested allocation as text, to compare it with a repeated request.

    The text is stored in rows: its form is frozen.
    """
    if isinstance(allocation, str):
        return allocation
    return " ".join(sorted(f"{invoice_id}={minor}" for invoice_id, minor in allocation))


class OpenInvoice(Protocol):
    """An invoice with an open balance."""

    @property
    def id(self) -> UUID: ...
    @property
    def number(self) -> str | None: ...
    @property
    def due_date(self) -> date | None: ...
    @property
    def total(self) -> int: ...
    @property
    def paid(self) -> int: ...
    @property
    def credited(self) -> int: ...


def allocate_oldest_first(invoices: Iterable[OpenInvoice], amount: int) -> list[AllocationPart]:
    """Allocate an amount to open invoices by due date, then by number.

    A remainder is not allocated.
    """
    parts = []
    for invoice in sorted(invoices, key=lambda invoice: (invoice.due_date or LAST_DAY, invoice.number or "")):
        part = min(invoice.total - invoice.paid - invoice.credited, amount)
        if part > 0:
            parts.append((invoice.id, part))
            amount -= part
    return parts


def differing_fields(requested: Mapping[str, Any], stored: Any) -> list[str]:
    """Return the fields in which a repeated request differs from the stored payment.

    Fields that are None in the request are not compared.
    """
    return [name for name, value in requested.items() if value is not None and getattr(stored, name) != value]


@dataclass(frozen=True, slots=True)
class PaymentSplit:
    """The split of a payment in a form: received = allocated + left, in major units."""

    received: Decimal
    allocated: Decimal

    @property
    def left(self) -> Decimal:
        """The part that becomes the customer's credit; below zero, too much is allocated."""
        return EXACT.subtract(self.received, self.allocated)

"""What may be asked of a payment, how it is spread over invoices, and when two payments are the same. Money is in minor units."""

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

# How money comes in; writing off is not among them, as it has an operation of its own.
METHODS: Final[Mapping[str, str]] = {
    "bank_transfer": "Bank transfer",
    "direct_debit": "Direct debit",
    "card": "Card",
    "cash": "Cash",
    "cheque": "Cheque",
    "other": "Other",
}
WRITE_OFF: Final = "write_off"
OLDEST: Final = "oldest"


@dataclass(frozen=True, slots=True)
class AllocationSpec:
    """So much of a payment for one invoice, named by id or number. `amount` is in major units, such as 19.99."""

    invoice: str
    amount: Decimal


# The oldest invoices first, or these invoices, or, when empty, none: the money is the customer's credit.
AllocationRequest = Literal["oldest"] | tuple[AllocationSpec, ...]


@dataclass(frozen=True, slots=True)
class PaymentSpec:
    """One payment as the caller asks for it; None means left out. `customer` is an id or a reference.

    `amount` is in major units, and above zero. Raises Invalid for what no payment can be.
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
        if exact_decimal(self.amount, "amount") <= 0:
            raise Invalid("out_of_range", "Enter an amount above zero.", "amount")
        if self.method not in METHODS:
            raise Invalid("unknown_method", f"Use one of {', '.join(METHODS)}.", "method")
        if self.currency is not None:
            currency_code(self.currency)
        if self.received_on is not None:
            check_calendar_day(self.received_on, "received_on")
        check_text(self.reference or "", "reference", stored=True)


AllocationPart = tuple[UUID, int]


def allocation_parts(
    allocate: Sequence[AllocationSpec], invoices: Sequence[UUID], currency: str
) -> tuple[AllocationPart, ...]:
    """The minor units asked for each invoice. Raises Invalid for an amount that is not above zero, or an invoice named twice."""
    parts: dict[UUID, int] = {}
    for index, (spec, invoice_id) in enumerate(zip(allocate, invoices, strict=True)):
        minor = Money.exactly(
            exact_decimal(spec.amount, "allocate", index, "amount"), currency, "allocate", index, "amount"
        ).minor
        if minor <= 0:
            raise Invalid("out_of_range", "Enter an amount above zero.", "allocate", index, "amount")
        if invoice_id in parts:
            raise Invalid(
                "invoice_twice", "Name each invoice once, with its whole amount.", "allocate", index, "invoice"
            )
        parts[invoice_id] = minor
    return tuple(parts.items())


def allocation_text(asked: Literal["oldest"] | Sequence[AllocationPart]) -> str:
    """How a payment was to be allocated, in the one spelling that a repeat under the same id is compared with."""
    return asked if isinstance(asked, str) else " ".join(sorted(f"{invoice_id}={minor}" for invoice_id, minor in asked))


class OpenInvoice(Protocol):
    """An invoice that is still to be paid."""

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
    """Spread an amount over open invoices by due date, then number, each paid whole before the next; what is left stays over."""
    parts = []
    for invoice in sorted(invoices, key=lambda one: (one.due_date or LAST_DAY, one.number or "")):
        part = min(invoice.total - invoice.paid - invoice.credited, amount)
        if part > 0:
            parts.append((invoice.id, part))
            amount -= part
    return parts


def differing_fields(asked: Mapping[str, Any], stored: Any) -> list[str]:
    """Name the fields in which a repeat differs from the payment stored under its id; what it leaves out is not compared."""
    return [name for name, value in asked.items() if value is not None and getattr(stored, name) != value]


@dataclass(frozen=True, slots=True)
class PaymentSplit:
    """How a payment is about to be divided: received = allocated + left, in major units."""

    received: Decimal
    allocated: Decimal

    @property
    def left(self) -> Decimal:
        """What becomes the customer's credit; below zero, more is allocated than was received."""
        return EXACT.subtract(self.received, self.allocated)

"""Refunds: money paid back to a customer from their credit.

Amounts are in minor units unless noted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_money
from billing_admin.domain.payments import check_transfer
from billing_admin.domain.translation import Phrase


@dataclass(frozen=True, slots=True)
class RefundSpec:
    """A request to record a refund; None means not given.

    `customer` is an id or a reference. `amount` is in major units, and above zero.

    Raises:
        Invalid: A value is out of range or unknown.
    """

    customer: str
    amount: Decimal
    method: str
    currency: str | None = None
    paid_on: date | None = None
    reference: str | None = None
    id: UUID | None = None

    def __post_init__(self) -> None:
        check_transfer(self.amount, self.method, self.currency, self.reference)
        if self.paid_on is not None:
            check_calendar_day(self.paid_on, "paid_on")


class Refundable(Protocol):
    """A payment with an unallocated amount."""

    @property
    def id(self) -> UUID:
        """The payment's id."""

    @property
    def unallocated(self) -> int:
        """The amount that is not allocated."""

    @property
    def since(self) -> date:
        """The day from which the payment is unallocated to that amount at least."""


# A payment's id, and the minor units of it that are paid back.
RefundPart = tuple[UUID, int]


def oldest_first(payments: Iterable[Refundable]) -> list[Refundable]:
    """Return payments in the order in which their credit is used."""
    return sorted(payments, key=lambda payment: (payment.since, payment.id))


def plan_refund(payments: Iterable[Refundable], amount: int, day: date, currency: str) -> list[RefundPart]:
    """Return the parts of payments that a refund pays back, the oldest credit first.

    Raises:
        Invalid: The customer's credit is below the amount, now or on that day.
    """
    by_day = oldest_first(payments)
    credit = sum(payment.unallocated for payment in by_day)
    if not credit:
        raise Invalid(
            "above_credit", Phrase("This customer has no credit in {currency} to refund.", currency=currency), "amount"
        )
    if amount > credit:
        message = Phrase(
            "Enter at most {credit}: this is the customer's credit.", credit=format_money(credit, currency)
        )
        raise Invalid("above_credit", message, "amount")
    parts, remainder, last = [], amount, day
    for payment in by_day:
        part = min(payment.unallocated, remainder)
        if part:
            parts.append((payment.id, part))
            remainder, last = remainder - part, payment.since
    if last > day:
        message = Phrase(
            "Use {last} or later: before that day, the customer's credit was below this amount.", last=last.isoformat()
        )
        raise Invalid("before_credit", message, "paid_on")
    return parts

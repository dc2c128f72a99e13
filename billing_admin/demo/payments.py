"""Plan the payments of the demo's customers.

Most are on time, some late, in two parts, or never.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing_admin.demo.usage import CURRENT, key
from billing_admin.domain.money import Money
from billing_admin.domain.payments import AllocationSpec, PaymentSpec

# Months, counted from the first of the demo, whose first payment is special.
A_CENT_SHORT, BOUNCES, TOO_MUCH = CURRENT - 5, CURRENT - 4, CURRENT - 2
BOUNCE_REASON = "Returned by the bank: the account has no funds"
CENT_REASON = "A cent short: the customer's system rounds down"


@dataclass(frozen=True, slots=True)
class PlannedPayment:
    """A payment of all or a part of an invoice on a day; `amount` is in minor units."""

    invoice: Any
    day: date
    amount: int
    part: int

    def spec(self, difference: int = 0) -> PaymentSpec:
        """Return the payment with a difference in minor units.

        Above zero, the difference is unallocated money; below zero, the payment is short.
        """
        currency = self.invoice.currency
        received, allocated = (_major(self.amount + extra, currency) for extra in (difference, min(difference, 0)))
        return PaymentSpec(
            customer=str(self.invoice.customer_id),
            amount=received,
            method=("bank_transfer", "bank_transfer", "direct_debit", "card")[_dice(self.invoice) % 4],
            allocate=(AllocationSpec(str(self.invoice.id), allocated),),
            currency=currency,
            received_on=self.day,
            reference=f"{self.invoice.number}{'/2' if self.part else ''}",
            id=key("payments", self.invoice.number, self.part),
        )


def _major(minor: int, currency: str) -> Decimal:
    return Money(minor, currency).decimal


def _dice(invoice: Any) -> int:
    """Return a number from 0 to 99 that is the same in every demo."""
    return key("payments", invoice.number).int % 100


def planned_payments(invoice: Any) -> Iterator[PlannedPayment]:
    """Yield the payments of an invoice; none for the few that are never paid."""
    owed = invoice.total - invoice.credited
    dice, half = _dice(invoice), owed * 3 // 5
    if dice < 58:
        yield _payment(invoice, -(dice % 7), owed)
    elif dice < 82:
        yield _payment(invoice, 3 + dice % 24, owed)
    elif dice < 90:
        yield _payment(invoice, -2, half)
        yield _payment(invoice, 27, owed - half, part=1)
    elif dice < 97:
        yield _payment(invoice, 48 + dice, owed)


def _payment(invoice: Any, days_after_due: int, amount: int, part: int = 0) -> PlannedPayment:
    day = max(invoice.due_date + timedelta(days_after_due), invoice.issue_date + timedelta(1))
    return PlannedPayment(invoice, day, amount, part)

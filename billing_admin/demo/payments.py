"""How the demo's customers pay: most on time, some late, in two parts or never; and the odd things that come with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing_admin.demo.usage import CURRENT, key
from billing_admin.domain.money import Money
from billing_admin.domain.payments import AllocationSpec, PaymentSpec

# Months, counted as the demo counts them, in which the first payment is an odd one.
A_CENT_SHORT, BOUNCES, TOO_MUCH = CURRENT - 5, CURRENT - 4, CURRENT - 2
BOUNCE_REASON = "Returned by the bank: the account has no funds"
CENT_REASON = "A cent short: the customer's system rounds down"


@dataclass(frozen=True, slots=True)
class Planned:
    """A part of an invoice, in minor units, that its customer pays on a day."""

    invoice: Any
    day: date
    amount: int
    part: int

    def spec(self, more: int = 0) -> PaymentSpec:
        """The payment; `more` minor units come with it that no invoice gets, or, below zero, are missing."""
        currency = self.invoice.currency
        received, allocated = (_major(self.amount + extra, currency) for extra in (more, min(more, 0)))
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
    """A number from 0 to 99 that is the same in every demo."""
    return key("payments", invoice.number).int % 100


def planned(invoice: Any) -> Iterator[Planned]:
    """When, and in which parts, an invoice is paid; nothing for the few that never are."""
    owed = invoice.total - invoice.credited
    dice, half = _dice(invoice), owed * 3 // 5
    if dice < 58:
        yield _on(invoice, -(dice % 7), owed)
    elif dice < 82:
        yield _on(invoice, 3 + dice % 24, owed)
    elif dice < 90:
        yield _on(invoice, -2, half)
        yield _on(invoice, 27, owed - half, part=1)
    elif dice < 97:
        yield _on(invoice, 48 + dice, owed)


def _on(invoice: Any, days_after_due: int, amount: int, part: int = 0) -> Planned:
    day = max(invoice.due_date + timedelta(days_after_due), invoice.issue_date + timedelta(1))
    return Planned(invoice, day, amount, part)

"""Words for states and counts, as pages show them."""

from datetime import date
from decimal import Decimal
from typing import Protocol

from billing_admin.domain.fields import TAX_CATEGORIES
from billing_admin.domain.invoicing import LEFT_OUT_REASONS, Receivable, payment_status
from billing_admin.domain.money import plain


class RateLike(Protocol):
    """A tax rate with a name."""

    @property
    def name(self) -> str: ...
    @property
    def percent(self) -> Decimal: ...


def invoice_state(invoice: Receivable, today: date) -> str:
    """Draft, void, or how far an issued invoice is paid."""
    return (payment_status(invoice, today) or invoice.status).replace("_", " ")


def counted(number: int, noun: str) -> str:
    """`1 charge`, `2,000 charges`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def padded(amount: Decimal, digits: int) -> str:
    """`34.90`: exact, with at least this many digits after the point."""
    whole, _, decimals = plain(amount).partition(".")
    decimals = decimals.ljust(digits, "0")
    return f"{whole}.{decimals}" if decimals else whole


def percent(rate: Decimal) -> str:
    """`19 %`, `7.5 %`."""
    return f"{plain(rate)} %"


def tax_rate(rate: RateLike) -> str:
    """A rate's name, with its percentage where the name does not say it."""
    digits = plain(rate.percent)
    return rate.name if digits in rate.name or not rate.percent else f"{rate.name} ({digits} %)"


def tax_words(category: str, rate: Decimal) -> str:
    """`Standard rate 19 %`, `Reverse charge, 0 %`: a category of EN 16931 in words, with its percentage."""
    words = TAX_CATEGORIES.get(category, category)
    return f"{words} {percent(rate)}" if rate else f"{words}, {percent(rate)}"


def left_out_reason(reason: str) -> str:
    """Why billing leaves something out, in words."""
    return LEFT_OUT_REASONS.get(reason, reason)

"""How pages write values: one filter for each kind."""

from collections.abc import Collection
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from zoneinfo import ZoneInfo

from flask import Flask

from billing_admin.domain.invoicing import balance
from billing_admin.domain.money import MINOR_DIGITS, Money, plain
from billing_admin.queries.billing import CurrencyTotal
from billing_admin.web.people import house, today
from billing_admin.web.wording import (
    RateLike,
    counted,
    invoice_state,
    left_out_reason,
    padded,
    payment_method,
    percent,
    ranges,
    reason_for_no_tax,
    tax_words,
)
from billing_admin.web.wording import tax_rate as tax_rate_on

_SIX_PLACES = Decimal("1E-6")
MINUS = "\N{MINUS SIGN}"


def init_filters(app: Flask) -> None:
    """Give the templates their filters."""
    of_values = (money, amounts, exact, unrounded, about, number, plain, day, moment)
    of_words = (
        counted,
        percent,
        ranges,
        invoice_state,
        payment_method,
        left_out_reason,
        reason_for_no_tax,
        tax_rate,
        tax_words,
    )
    for written in (*of_values, *of_words):
        app.add_template_filter(written)
    app.add_template_filter(balance, "invoice_balance")


def money(minor: int, currency: str) -> str:
    """`10,000.00 EUR`, from minor units; with a true minus sign."""
    return f"{_grouped(Money(minor, currency).decimal)} {currency}"


def amounts(totals: Collection[CurrencyTotal]) -> str:
    """`12,340.00 EUR and 5.00 USD`: the totals of some documents, per currency."""
    *most, last = [money(total.total, total.currency) for total in totals] or ["nothing"]
    return f"{', '.join(most)} and {last}" if most else last


def exact(amount: Decimal, currency: str) -> str:
    """`0.0000008 USD`: never rounded, and never fewer digits than the currency has."""
    return f"{_grouped(Decimal(padded(amount, MINOR_DIGITS[currency])))} {currency}"


def unrounded(minor: Decimal, currency: str) -> str:
    """`1.4269 USD`, from minor units that were not rounded yet: at most six places of them, cut off with an ellipsis."""
    shown = minor.quantize(_SIX_PLACES, ROUND_DOWN)
    amount = Decimal(padded(shown.scaleb(-MINOR_DIGITS[currency]), MINOR_DIGITS[currency]))
    return f"{_grouped(amount)}{'' if shown == minor else '…'} {currency}"


def about(amount: Decimal, currency: str) -> str:
    """`≈ 57,744.68 EUR`, to read beside the exact amount; exact where rounding leaves out no digit, or nothing but zero."""
    rounded = Money.rounded(amount, currency).decimal
    return f"≈ {_grouped(rounded)} {currency}" if rounded and rounded != amount else exact(amount, currency)


def number(amount: Decimal) -> str:
    """`1,500.5`: exact, without trailing zeros."""
    return _grouped(Decimal(plain(amount)))


def _grouped(amount: Decimal) -> str:
    return f"{amount:,f}".replace("-", MINUS)


def tax_rate(rate: RateLike) -> str:
    """A rate's name, with its percentage of today where the name does not say it."""
    return tax_rate_on(rate, today())


def day(value: date) -> str:
    """`22 Nov 2026`."""
    return f"{value.day} {value:%b} {value.year}"


def moment(value: datetime) -> str:
    """`22 Nov 2026, 14:05 CET`: where the organisation is, always with the zone."""
    there = value.astimezone(ZoneInfo(house().time_zone))
    return f"{day(there)}, {there:%H:%M %Z}"

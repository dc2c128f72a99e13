"""How pages write values: one filter for each kind."""

from collections.abc import Collection
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from zoneinfo import ZoneInfo

from flask import Flask

from billing_admin.domain.formatting import (
    day,
    exact,
    grouped,
    money,
    number,
    padded,
    percent,
    reason_for_no_tax,
    tax_words,
)
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import MINOR_DIGITS, Money, plain
from billing_admin.queries.billing.preview import CurrencyTotal
from billing_admin.web.frame.labels import (
    RateLike,
    invoice_state,
    left_out_reason,
    number_ranges,
    payment_method,
    pluralise,
    quoted,
    tax_rate as tax_rate_on,
)
from billing_admin.web.frame.signed_in import current_organisation, today

# Some of them are for the views, too.
__all__ = ["amounts", "day", "exact", "init_filters", "moment", "money", "number"]

_SIX_PLACES = Decimal("1E-6")


def init_filters(app: Flask) -> None:
    """Give the templates their filters."""
    of_values = (money, amounts, exact, unrounded, approximate, number, plain, day, moment)
    of_words = (
        pluralise,
        percent,
        quoted,
        number_ranges,
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


def amounts(totals: Collection[CurrencyTotal]) -> str:
    """`12,340.00 EUR and 5.00 USD`: the totals of some documents, per currency."""
    *most, last = [money(total.total, total.currency) for total in totals] or ["nothing"]
    return f"{', '.join(most)} and {last}" if most else last


def unrounded(minor: Decimal, currency: str) -> str:
    """`1.4269 USD`, from minor units that were not rounded yet: at most six places of them, cut off with an ellipsis."""
    shown = minor.quantize(_SIX_PLACES, ROUND_DOWN)
    amount = Decimal(padded(shown.scaleb(-MINOR_DIGITS[currency]), MINOR_DIGITS[currency]))
    return f"{grouped(amount)}{'' if shown == minor else '…'} {currency}"


def approximate(amount: Decimal, currency: str) -> str:
    """`≈ 57,744.68 EUR`, to read beside the exact amount; exact where rounding leaves out no digit, or nothing but zero."""
    rounded = Money.rounded(amount, currency).decimal
    return f"≈ {grouped(rounded)} {currency}" if rounded and rounded != amount else exact(amount, currency)


def tax_rate(rate: RateLike) -> str:
    """A rate's name, with its percentage of today where the name does not say it."""
    return tax_rate_on(rate, today())


def moment(value: datetime) -> str:
    """`22 Nov 2026, 14:05 CET`: where the organisation is, always with the zone."""
    there = value.astimezone(ZoneInfo(current_organisation().time_zone))
    return f"{day(there)}, {there:%H:%M %Z}"

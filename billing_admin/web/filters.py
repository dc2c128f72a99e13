"""How pages write values: one filter for each kind."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from flask import Flask

from billing_admin.domain.invoicing import balance
from billing_admin.domain.money import MINOR_DIGITS, Money, plain
from billing_admin.web.people import house
from billing_admin.web.wording import counted, invoice_state, left_out_reason, percent, tax_rate


def init_filters(app: Flask) -> None:
    """Give the templates their filters."""
    for written in (money, exact, about, day, moment, counted, percent, invoice_state, left_out_reason, tax_rate):
        app.add_template_filter(written)
    app.add_template_filter(balance, "invoice_balance")


def money(minor: int, currency: str) -> str:
    """`10,000.00 EUR`, from minor units."""
    return f"{Money(minor, currency).decimal:,f} {currency}"


def exact(amount: Decimal, currency: str) -> str:
    """`0.0000008 USD`: never rounded, and never fewer digits than the currency has."""
    whole, _, decimals = plain(amount).partition(".")
    decimals = decimals.ljust(MINOR_DIGITS[currency], "0")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{'.' if decimals else ''}{decimals} {currency}"


def about(amount: Decimal, currency: str) -> str:
    """`57,744.68`: rounded, without the currency, for columns that help the eye beside an exact one."""
    return f"{Money.rounded(amount, currency).decimal:,f}"


def day(value: date) -> str:
    """`22 Nov 2026`."""
    return f"{value.day} {value:%b} {value.year}"


def moment(value: datetime) -> str:
    """`22 Nov 2026, 14:05 CET`: where the organisation is, always with the zone."""
    there = value.astimezone(ZoneInfo(house().time_zone))
    return f"{day(there)}, {there:%H:%M %Z}"

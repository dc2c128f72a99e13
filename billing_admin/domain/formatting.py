"""How amounts, days and taxes are written for people: the same on a page and on paper."""

from datetime import date
from decimal import Decimal
from typing import Protocol

from billing_admin.domain.master_data import TAX_CATEGORIES
from billing_admin.domain.money import MINOR_DIGITS, Money, plain_decimal

MINUS = "\N{MINUS SIGN}"


class TaxLike(Protocol):
    """The tax of a document at one rate."""

    @property
    def category(self) -> str: ...
    @property
    def note(self) -> str: ...


def format_money(minor: int, currency: str) -> str:
    """`10,000.00 EUR`, from minor units; with a true minus sign."""
    return f"{format_grouped(Money(minor, currency).decimal)} {currency}"


def format_money_or_units(minor: object, currency: object) -> str:
    """`13,113.80 EUR`; `1311380 minor units` where the data does not say in which currency; other values as they stand."""
    if type(minor) is not int:
        return str(minor)
    if isinstance(currency, str) and currency in MINOR_DIGITS:
        return format_money(minor, currency)
    return f"{minor} minor units"


def format_exact(amount: Decimal, currency: str) -> str:
    """`0.0000008 USD`: never rounded, and never fewer digits than the currency has."""
    return f"{format_grouped(Decimal(format_padded(amount, MINOR_DIGITS[currency])))} {currency}"


def format_number(amount: Decimal) -> str:
    """`1,500.5`: exact, without trailing zeros."""
    return format_grouped(Decimal(plain_decimal(amount)))


def format_grouped(amount: Decimal) -> str:
    """`1,234.50`, with a true minus sign."""
    return f"{amount:,f}".replace("-", MINUS)


def format_day(value: date) -> str:
    """`22 Nov 2026`."""
    return f"{value.day} {value:%b} {value.year}"


def format_padded(amount: Decimal, digits: int) -> str:
    """`34.90`: exact, with at least this many digits after the point."""
    whole, _, decimals = plain_decimal(amount).partition(".")
    decimals = decimals.ljust(digits, "0")
    return f"{whole}.{decimals}" if decimals else whole


def format_percent(rate: Decimal) -> str:
    """`19 %`, `7.5 %`."""
    return f"{plain_decimal(rate)} %"


def format_tax(category: str, rate: Decimal, included: bool = False) -> str:
    """`Tax 7 % (S)`, `Tax 7 % (S), included`, `Reverse charge, 0 % (AE)`: a percentage with its category of EN 16931."""
    words = (
        f"Tax {format_percent(rate)}" if rate else f"{TAX_CATEGORIES.get(category, category)}, {format_percent(rate)}"
    )
    return f"{words} ({category}){', included' if included else ''}"


def tax_note(tax: TaxLike) -> str:
    """The reason that an invoice prints; those made before they kept it have one for reverse charge."""
    return tax.note or ("Reverse charge: the customer accounts for the tax." if tax.category == "AE" else "")

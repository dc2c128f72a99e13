"""Amounts, days and taxes as texts for people, on pages and in PDF documents.

Numbers are shown in the format in use (`domain.number_format`); the examples here are in `1,234.56`.
"""

from datetime import date
from decimal import Decimal
from typing import Protocol

from billing_admin.domain.days import count_days
from billing_admin.domain.master_data import TAX_CATEGORIES
from billing_admin.domain.money import MINOR_DIGITS, Money, plain_decimal
from billing_admin.domain.number_format import format_in_use
from billing_admin.domain.translation import Phrase, plural

_MONTHS = (
    Phrase("Jan"),
    Phrase("Feb"),
    Phrase("Mar"),
    Phrase("Apr"),
    Phrase("May"),
    Phrase("Jun"),
    Phrase("Jul"),
    Phrase("Aug"),
    Phrase("Sep"),
    Phrase("Oct"),
    Phrase("Nov"),
    Phrase("Dec"),
)
_LONG_MONTHS = (
    Phrase("January"),
    Phrase("February"),
    Phrase("March"),
    Phrase("April"),
    Phrase("May"),
    Phrase("June"),
    Phrase("July"),
    Phrase("August"),
    Phrase("September"),
    Phrase("October"),
    Phrase("November"),
    Phrase("December"),
)


class TaxLike(Protocol):
    """The tax of a document at one rate."""

    @property
    def category(self) -> str: ...
    @property
    def note(self) -> str: ...


def format_money(minor: int, currency: str) -> str:
    """Format minor units, as in `10,000.00 EUR`, with a typographic minus sign."""
    return f"{format_grouped(Money(minor, currency).decimal)} {currency}"


def format_money_or_units(minor: object, currency: object) -> str:
    """Format minor units of a currency that may be unknown.

    Returns `13,113.80 EUR`, or `1311380 minor units` without a currency; other values as text.
    """
    if type(minor) is not int:
        return str(minor)
    if isinstance(currency, str) and currency in MINOR_DIGITS:
        return format_money(minor, currency)
    return f"{minor} minor units"


def format_exact(amount: Decimal, currency: str) -> str:
    """Format an exact amount, as in `0.0000008 USD`.

    The amount is not rounded, and has at least the currency's digits.
    """
    return f"{format_grouped(Decimal(format_padded(amount, MINOR_DIGITS[currency])))} {currency}"


def format_rounded(amount: Decimal, currency: str) -> str:
    """Format an exact amount with the currency's decimals, as in `1,234.57 EUR`.

    An amount that would round to zero is shown by its limit: `< 0.01 EUR`, or `> −0.01 EUR` if it is negative.
    """
    if rounded := Money.rounded(amount, currency).minor:
        return format_money(rounded, currency)
    if not amount:
        return format_money(0, currency)
    return f"< {format_money(1, currency)}" if amount > 0 else f"> {format_money(-1, currency)}"


def format_number(amount: Decimal) -> str:
    """Format an exact number without trailing zeros, as in `1,500.5`."""
    return format_grouped(Decimal(plain_decimal(amount)))


def format_grouped(amount: Decimal) -> str:
    """Format a number with thousands separators, as in `1,234.50`.

    The minus sign is the typographic one.
    """
    return format_in_use().group(amount)


def format_whole(number: int) -> str:
    """Format a count, as in `2,000`."""
    return format_grouped(Decimal(number))


def format_typed(amount: Decimal, digits: int = 0) -> str:
    """Format a number as people type it, without thousands separators: `1234.50`."""
    return format_in_use().type(format_padded(amount, digits))


def format_day(value: date) -> str:
    """Format a day, as in `22 Nov 2026`."""
    return Phrase("{day} {month} {year}", day=value.day, month=_MONTHS[value.month - 1], year=value.year)


def format_day_of_month(value: date) -> str:
    """Format a day without its year, as in `22 Nov`."""
    return Phrase("{day} {month}", day=value.day, month=_MONTHS[value.month - 1])


def format_month(value: date) -> str:
    """Format the month of a day, as in `Nov 2026`."""
    return Phrase("{month} {year}", month=_MONTHS[value.month - 1], year=value.year)


def format_long_month(value: date) -> str:
    """Format the month of a day, as in `November 2026`."""
    return Phrase("{month} {year}", month=_LONG_MONTHS[value.month - 1], year=value.year)


def month_name(value: date) -> str:
    """Return the short name of the month of a day, as in `Nov`."""
    return _MONTHS[value.month - 1]


def format_period(first: date, last: date, of_days: int | None = None) -> str:
    """Format a period, as in `10 – 19 Nov 2026 (10 of 30 days)`.

    `of_days` is the length of the whole period if only some of its days are charged.
    """
    period = format_day(last)
    if first != last:
        period = Phrase("{first} – {last}", first=_format_start(first, last), last=period)
    if of_days is None:
        return period
    return Phrase("{period} ({share})", period=period, share=format_share(first, last, of_days))


def _format_start(first: date, last: date) -> str:
    if first.year != last.year:
        return format_day(first)
    return format_day_of_month(first) if first.month != last.month else Phrase("{day}", day=first.day)


def format_share(first: date, last: date, of_days: int) -> str:
    """Format the share of a period that is charged, as in `10 of 30 days`."""
    return plural("{days} of {count} day", "{days} of {count} days", of_days, days=count_days(first, last))


def format_padded(amount: Decimal, digits: int) -> str:
    """Format an exact number with at least `digits` decimal places, as in `34.90`."""
    whole, _, decimals = plain_decimal(amount).partition(".")
    decimals = decimals.ljust(digits, "0")
    return f"{whole}.{decimals}" if decimals else whole


def format_percent(rate: Decimal) -> str:
    """Format a percentage, as in `7.5 %`."""
    return f"{format_typed(rate)} %"


def format_tax(category: str, rate: Decimal, included: bool = False) -> str:
    """Format a tax rate with its EN 16931 category.

    Returns `Tax 7 % (S)`, `Tax 7 % (S), included` or `Reverse charge, 0 % (AE)`.
    """
    percent = format_percent(rate)
    if rate:
        text = Phrase("Tax {percent} ({category})", percent=percent, category=category)
    else:
        name = TAX_CATEGORIES.get(category, category)
        text = Phrase("{name}, {percent} ({category})", name=name, percent=percent, category=category)
    return Phrase("{tax}, included", tax=text) if included else text


def tax_note(tax: TaxLike) -> str:
    """Return the printed reason for charging no tax.

    Documents issued before reasons were stored have the usual reason for reverse charge.
    """
    return tax.note or (Phrase("Reverse charge: the customer accounts for the tax.") if tax.category == "AE" else "")

"""Conditions to find money by an amount that a person typed."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import InstrumentedAttribute

from billing_admin.domain.amount_input import AmountInput, possible_amounts
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import MINOR_DIGITS, Money


def amount_conditions(
    text: str, currency: InstrumentedAttribute[str], minor: InstrumentedAttribute[Any]
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that an amount in minor units is the typed one.

    The text is read in every number format, with or without a currency. A text that is no amount yields none.
    """
    try:
        amounts = possible_amounts(text)
    except Invalid:
        return
    for amount in amounts:
        yield from _conditions(amount, currency, minor)


def _conditions(
    amount: AmountInput, currency: InstrumentedAttribute[str], minor: InstrumentedAttribute[Any]
) -> Iterator[ColumnElement[bool]]:
    # Amounts are stored in minor units, whose number of digits depends on the currency.
    for digits in sorted(set(MINOR_DIGITS.values())):
        codes = [code for code, places in MINOR_DIGITS.items() if places == digits]
        currencies = [code for code in codes if amount.may_be(code)]
        try:
            value = Money.exactly(amount.in_currency(currencies[0]), currencies[0]).minor if currencies else None
        except Invalid:
            continue
        if value is not None:
            yield and_(currency.in_(currencies), minor == value)

"""The choices of currencies: those in use, then the common ones, then all others."""

from typing import Final

from flask import g

from billing_admin.db.engine import db
from billing_admin.domain.money import MINOR_DIGITS, UNITS_OF_ACCOUNT
from billing_admin.domain.translation import Phrase
from billing_admin.queries.master_data.currencies import currencies_in_use

COMMON: Final = ("EUR", "USD", "GBP", "CHF", "JPY", "AUD", "CAD", "CNY", "CZK", "DKK", "NOK", "PLN", "SEK")

Choices = dict[str, str | dict[str, str]]


def currency_choices() -> Choices:
    """Return the codes of currencies in three groups, for a SelectField.

    Units that nobody pays in are among them only if they are in use.
    """
    used = _in_use()
    groups: dict[str, list[str]] = {
        Phrase("In use"): used,
        Phrase("Common"): [code for code in COMMON if code not in used],
    }
    groups[Phrase("Other")] = sorted(MINOR_DIGITS.keys() - UNITS_OF_ACCOUNT - {*COMMON, *used})
    return {label: {code: code for code in codes} for label, codes in groups.items()}


def currency_choices_after(value: str) -> Choices:
    """Return the choices after a first one without a currency, whose label is `value`."""
    return {"": value, **currency_choices()}


def currency_codes() -> list[str]:
    """Return the codes of currencies in the order of the choices."""
    return [code for group in currency_choices().values() for code in group]


def _in_use() -> list[str]:
    """Return the currencies in use, read once a request."""
    if "currencies_in_use" not in g:
        g.currencies_in_use = currencies_in_use(db.session())
    codes: list[str] = g.currencies_in_use
    return codes

"""Exchange rates, by which documents state their tax in the base currency.

A rate is the price of one unit of the base currency, as the European Central Bank publishes it:
1 EUR = 1.0832 USD. `docs/money.md` has worked numbers; a test checks each row of its table.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.document_details import BaseCurrencyRate
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import EXACT, LARGEST_MINOR, MINOR_DIGITS, ROUNDING, currency_code, refuse_inexact
from billing_admin.domain.text import check_text
from billing_admin.domain.translation import Phrase

MAX_AGE_DAYS = 7
MAX_SOURCE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class RateSpec:
    """A rate to store: the price of one unit of the base currency on a day.

    Raises:
        Invalid: A value is out of range.
    """

    currency: str
    day: date
    rate: Decimal
    source: str = ""

    def __post_init__(self) -> None:
        currency_code(self.currency)
        check_calendar_day(self.day, "day")
        refuse_inexact(self.rate, "rate")
        if self.rate <= 0:
            raise Invalid("out_of_range", Phrase("Enter a rate above 0, such as 1.0832."), "rate")
        check_text(self.source, "source", longest=MAX_SOURCE_LENGTH)


def check_foreign(currency: str, base_currency: str) -> None:
    """Raise Invalid for a rate between a currency and itself."""
    if currency == base_currency:
        message = Phrase("{currency} is your base currency. Enter the rate of another currency.", currency=currency)
        raise Invalid("base_currency", message, "currency")


def oldest_day(issue_date: date) -> date:
    """Return the first day whose rate still counts for a document."""
    return issue_date - timedelta(days=MAX_AGE_DAYS)


def convert_to_base(minor: int, currency: str, base_rate: BaseCurrencyRate) -> int:
    """Return an amount in minor units of the base currency, rounded once, half up.

    A negative half is rounded away from zero.

    Raises:
        Invalid: The amount is too large for a document, as the rate is too small.
    """
    amount = EXACT.scaleb(Decimal(minor), MINOR_DIGITS[base_rate.currency] - MINOR_DIGITS[currency])
    converted = int(ROUNDING.quantize(ROUNDING.divide(amount, Decimal(base_rate.rate)), Decimal(1)))
    if abs(converted) > LARGEST_MINOR:
        message = Phrase(
            "The tax in {currency} is too large, because on {day} 1 {currency} costs only {rate} "
            "{currency2}. Correct this exchange rate in the settings.",
            currency=base_rate.currency,
            day=base_rate.day,
            rate=base_rate.rate,
            currency2=currency,
        )
        raise Invalid("out_of_range", message, "issue_date")
    return converted


def credited_in_base(tax: int, credited_before: int, currency: str, base_rate: BaseCurrencyRate) -> int:
    """Return the tax of a credit note in the base currency, at its invoice's rate.

    It is that of all credits, less that of the earlier ones, so that the credits of a whole invoice add up to the tax
    of the invoice.
    """
    total = convert_to_base(credited_before + tax, currency, base_rate)
    return total - convert_to_base(credited_before, currency, base_rate)

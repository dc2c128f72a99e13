"""Money: exact decimals on charges, whole minor units on documents.

An amount is rounded once, between the two. `docs/money.md` has the rules and worked numbers; a test checks
each row of its table.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from functools import reduce
from math import floor

from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase

INTEGER_DIGITS = 18
DECIMAL_PLACES = 12
# Longer texts are refused unread: 18 and 12 digits with sign, separators and currency are shorter.
LONGEST_NUMBER = 60
LARGEST_MINOR = 2**63 - 1

# Python's default context rounds to 28 digits without an error. This one raises instead, and its
# precision suffices for the product of two exact decimals.
EXACT = Context(prec=100, rounding=ROUND_HALF_UP, traps=[Inexact, InvalidOperation, Overflow])
ROUNDING = Context(prec=100, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])

_PLAIN = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_STEP = Decimal(1).scaleb(-DECIMAL_PLACES)
_LIMIT = Decimal(10) ** INTEGER_DIGITS
ZERO = Decimal(0)

# ISO 4217, by digits after the point; a test compares this table with the published list.
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW"
    " CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR"
    " ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV"
    " MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD"
    " SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
# Codes of ISO 4217 that are no money: funds, units of account, bonds, metals and codes for tests. Those with a minor unit
# are also in the table above; rows that have them stay valid.
_UNITS = "BOV CHE CHW CLF COU MXV USN UYI UYW XAD XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX"
UNITS_OF_ACCOUNT = frozenset(_UNITS.split())
MINOR_DIGITS = {code: digits for digits, codes in _CODES.items() for code in codes.split()}


def currency_code(code: str) -> str:
    """Return the code of a currency that has a minor unit in ISO 4217.

    Raises:
        Invalid: ISO 4217 has no such currency.
    """
    if code not in MINOR_DIGITS:
        if code in UNITS_OF_ACCOUNT:
            raise Invalid("unknown_currency", _unit_message(code), "currency")
        raise Invalid(
            "unknown_currency",
            Phrase("“{code}” is not an ISO 4217 currency code such as EUR.", code=code[:40]),
            "currency",
        )
    return code


def refuse_unit_of_account(code: str, *field: str | int) -> None:
    """Check the currency of a new row.

    Raises:
        Invalid: The code is that of a fund, a unit of account, a bond, a metal or a test.
    """
    if code in UNITS_OF_ACCOUNT:
        raise unit_of_account(code, *field)


def unit_of_account(code: str, *field: str | int) -> Invalid:
    """Return the error for a new row in a unit that is no currency."""
    return Invalid("unit_of_account", _unit_message(code), *field)


def _unit_message(code: str) -> str:
    return Phrase(
        "{code} is a fund, a metal or another unit, and not a currency to pay in. Use a currency such as EUR.",
        code=code,
    )


def exact_decimal(value: str | int | Decimal, *field: str | int) -> Decimal:
    """Return an exact decimal: up to 18 digits before and 12 after the point.

    A text must be ASCII digits with at most one point.

    Raises:
        Invalid: The value is no plain decimal, NaN, infinity, −0 or out of range.
    """
    if isinstance(value, str):
        if not _PLAIN.fullmatch(value):
            raise Invalid("not_a_number", _explain(value), *field)
        value = Decimal(value)
    elif isinstance(value, int):
        value = Decimal(value)
    refuse_inexact(value, *field)
    return _trim(value)


def refuse_inexact(value: Decimal, *field: str | int) -> None:
    """Check that a number can be stored exactly.

    Raises:
        Invalid: The number is NaN, infinite or −0, or has more than 18 digits before or 12 after the point.
    """
    if not value.is_finite():
        raise Invalid("not_a_number", Phrase("Enter a number; NaN and infinity are not amounts."), *field)
    if not value:
        if value.is_signed():
            raise Invalid("negative_zero", Phrase("Enter 0, not −0."), *field)
        return
    text = str(value)
    if len(text) <= DECIMAL_PLACES and "E" not in text:  # fast path: `as_tuple` is slow
        return
    exponent = int(value.as_tuple().exponent)
    if value.adjusted() >= INTEGER_DIGITS or exponent < -DECIMAL_PLACES - INTEGER_DIGITS:
        raise Invalid("out_of_range", Phrase("Use at most 18 digits before and 12 after the point."), *field)
    if exponent < -DECIMAL_PLACES and int(_trim(value).as_tuple().exponent) < -DECIMAL_PLACES:
        raise Invalid("out_of_range", Phrase("Use at most 18 digits before and 12 after the point."), *field)


def _explain(text: str) -> str:
    whole, _, decimals = text.removeprefix("-").partition(".")
    if _DIGITS.fullmatch(whole + decimals):
        return Phrase("Use at most 18 digits before and 12 after the point, such as 1234.50.")
    return Phrase("“{text}” is not a plain decimal such as 1234.50.", text=text[:40])


def _trim(value: Decimal) -> Decimal:
    """Remove trailing zeros and the exponent, so that equal numbers have equal texts."""
    value = EXACT.normalize(value)
    return EXACT.quantize(value, Decimal(1)) if "E+" in str(value) else value


def plain_decimal(value: Decimal) -> str:
    """Format an exact decimal without exponent and trailing zeros; zero is `0`."""
    text = str(value) if value else "0"
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_decimal_or_none(value: Decimal | None) -> str | None:
    """Format an exact decimal, or return None for None."""
    return None if value is None else plain_decimal(value)


def multiply(quantity: Decimal, unit_price: Decimal, *field: str | int) -> Decimal:
    """Return a charge's amount: quantity × unit price, rounded half up to 12 places.

    Raises:
        Invalid: The amount has more than 18 digits before the point.
    """
    amount = _trim(ROUNDING.quantize(EXACT.multiply(quantity, unit_price), _STEP))
    if abs(amount) >= _LIMIT:
        raise Invalid("out_of_range", Phrase("Quantity times price has more than 18 digits before the point."), *field)
    return amount or ZERO


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """Return the sum of exact decimals, unrounded."""
    total = reduce(EXACT.add, values, ZERO)
    return _trim(total) if total else ZERO


def rounded_quotient(dividend: int, divisor: int) -> int:
    """Return dividend / divisor, rounded half up; `divisor` is above zero.

    A negative half is rounded away from zero.
    """
    quotient = (2 * abs(dividend) + divisor) // (2 * divisor)
    return quotient if dividend >= 0 else -quotient


def percentage(base: int, percent: Decimal) -> int:
    """Return `percent` of a base in minor units, rounded half up.

    A negative half is rounded away from zero.
    """
    return int(ROUNDING.quantize(EXACT.multiply(Decimal(base), EXACT.scaleb(percent, -2)), Decimal(1)))


def included_tax(gross: int, percent: Decimal) -> int:
    """Return the tax in a gross amount, in minor units, rounded half up.

    The tax is gross × percent / (100 + percent).
    """
    return int(ROUNDING.quantize(unrounded_included_tax(gross, percent), Decimal(1)))


def unrounded_included_tax(gross: int, percent: Decimal) -> Decimal:
    """Return the tax in a gross amount before rounding.

    The result has 100 digits, which is enough to see a half.
    """
    return ROUNDING.divide(EXACT.multiply(Decimal(gross), percent), EXACT.add(Decimal(100), percent))


def nets_without_tax(grosses: Sequence[int], percent: Decimal) -> list[int]:
    """Return the nets of gross amounts in minor units.

    The sum of the nets is the gross sum less its tax. Nets are rounded down; the missing units go to the
    largest remainders, the first of equals first.
    """
    net = sum(grosses) - included_tax(sum(grosses), percent)
    unrounded = [Fraction(gross * 100, 100 + Fraction(percent)) for gross in grosses]
    nets = [floor(amount) for amount in unrounded]
    by_remainder = sorted(range(len(nets)), key=lambda index: nets[index] - unrounded[index])
    for index in by_remainder[: net - sum(nets)]:
        nets[index] += 1
    return nets


def minor_units(amount: Decimal, currency: str) -> int:
    """Return an exact amount in whole minor units, rounded half up.

    A negative half is rounded away from zero.
    """
    digits = MINOR_DIGITS[currency_code(currency)]
    return int(ROUNDING.quantize(EXACT.scaleb(amount, digits), Decimal(1)))


@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of minor units of a currency.

    Raises:
        Invalid: Amounts in two currencies are added.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise Invalid("not_whole", Phrase("Use a whole number of minor units."), "amount")
        currency_code(self.currency)

    @classmethod
    def rounded(cls, amount: Decimal, currency: str) -> "Money":
        """Round an exact amount once; see `minor_units`."""
        return cls(minor_units(amount, currency), currency)

    @classmethod
    def exactly(cls, amount: Decimal, currency: str, *field: str | int) -> "Money":
        """Return an amount that needs no rounding.

        Raises:
            Invalid: The amount has more digits than its currency, or is too large for a document.
        """
        money = cls.rounded(amount, currency)
        if money.decimal != amount:
            digits = MINOR_DIGITS[currency]
            raise Invalid(
                "too_precise",
                Phrase("Use at most {digits} digits after the point for {currency}.", digits=digits, currency=currency),
                *field,
            )
        if abs(money.minor) > LARGEST_MINOR:
            raise Invalid(
                "out_of_range", Phrase("Enter a smaller amount: this one is too large for a document."), *field
            )
        return money

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, with the currency's number of digits."""
        return EXACT.scaleb(Decimal(self.minor), -MINOR_DIGITS[self.currency])

    def __str__(self) -> str:
        return format(self.decimal, "f")

    def __add__(self, addend: "Money") -> "Money":
        self._check_currency(addend)
        return Money(self.minor + addend.minor, self.currency)

    def __sub__(self, subtrahend: "Money") -> "Money":
        self._check_currency(subtrahend)
        return Money(self.minor - subtrahend.minor, self.currency)

    def _check_currency(self, amount: "Money") -> None:
        if self.currency != amount.currency:
            raise Invalid(
                "mixed_currencies",
                Phrase(
                    "{currency} and {currency2} cannot be added.", currency=self.currency, currency2=amount.currency
                ),
                "currency",
            )

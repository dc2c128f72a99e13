"""Money: exact decimals while it is measured, whole minor units once it is on a document, and the one rounding between.

The rules and worked numbers stand in `docs/money.md`; a test reads that table and checks each row.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from functools import reduce
from math import floor

from billing_admin.domain.errors import Invalid

INTEGER_DIGITS = 18
DECIMAL_PLACES = 12
# A longer text is no number, whatever it holds: 18 and 12 digits with signs, separators and a currency need less.
LONGEST_NUMBER = 60
LARGEST_MINOR = 2**63 - 1

# Python's own context silently rounds to 28 digits. This one holds any product of two exact decimals, and loses no digit.
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
MINOR_DIGITS = {code: digits for digits, codes in _CODES.items() for code in codes.split()}


def currency_code(code: str) -> str:
    """Return `code` if ISO 4217 knows it as a currency with a minor unit; raise Invalid otherwise."""
    if code not in MINOR_DIGITS:
        raise Invalid("unknown_currency", f"“{code[:40]}” is not an ISO 4217 currency code such as EUR.", "currency")
    return code


def exact_decimal(value: str | int | Decimal, *field: str | int) -> Decimal:
    """Read an exact decimal as it is written: up to 18 digits before and 12 after the point.

    Text must be plain ASCII digits with at most one point. Raises Invalid for NaN, infinity, −0 and anything out of range.
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
    """Raise Invalid for NaN, infinity, −0 and anything with more than 18 digits before or 12 after the point."""
    if not value.is_finite():
        raise Invalid("not_a_number", "NaN and infinity are not amounts.", *field)
    if not value:
        if value.is_signed():
            raise Invalid("negative_zero", "Write 0, not −0.", *field)
        return
    text = str(value)
    if len(text) <= DECIMAL_PLACES and "E" not in text:  # as most are; to take it apart is slow
        return
    exponent = int(value.as_tuple().exponent)
    if value.adjusted() >= INTEGER_DIGITS or exponent < -DECIMAL_PLACES - INTEGER_DIGITS:
        raise Invalid("out_of_range", "Use at most 18 digits before and 12 after the point.", *field)
    if exponent < -DECIMAL_PLACES and int(_trim(value).as_tuple().exponent) < -DECIMAL_PLACES:
        raise Invalid("out_of_range", "Use at most 18 digits before and 12 after the point.", *field)


def _explain(text: str) -> str:
    whole, _, decimals = text.removeprefix("-").partition(".")
    if _DIGITS.fullmatch(whole + decimals):
        return "Use at most 18 digits before and 12 after the point, such as 1234.50."
    return f"“{text[:40]}” is not a plain decimal such as 1234.50."


def _trim(value: Decimal) -> Decimal:
    """Drop trailing zeros and the exponent, so that equal numbers are written alike."""
    value = EXACT.normalize(value)
    return EXACT.quantize(value, Decimal(1)) if "E+" in str(value) else value


def plain_decimal(value: Decimal) -> str:
    """Write an exact decimal: no exponent, no trailing zeros, `0` for zero."""
    text = str(value) if value else "0"
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_decimal_or_none(value: Decimal | None) -> str | None:
    """Write an exact decimal that may be left out."""
    return None if value is None else plain_decimal(value)


def multiply(quantity: Decimal, unit_price: Decimal, *field: str | int) -> Decimal:
    """A charge's amount: the exact product, kept to 12 places (half up). Raises Invalid above 18 digits before the point."""
    amount = _trim(ROUNDING.quantize(EXACT.multiply(quantity, unit_price), _STEP))
    if abs(amount) >= _LIMIT:
        raise Invalid("out_of_range", "Quantity times price has more than 18 digits before the point.", *field)
    return amount or ZERO


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """Add exact decimals without losing a digit."""
    total = reduce(EXACT.add, values, ZERO)
    return _trim(total) if total else ZERO


def percentage(base: int, percent: Decimal) -> int:
    """`percent` of a base in minor units, rounded once, half up (away from zero for negatives)."""
    return int(ROUNDING.quantize(EXACT.multiply(Decimal(base), EXACT.scaleb(percent, -2)), Decimal(1)))


def included_tax(gross: int, percent: Decimal) -> int:
    """The tax within a gross amount in minor units: gross × percent / (100 + percent), rounded once, half up."""
    return int(ROUNDING.quantize(unrounded_included_tax(gross, percent), Decimal(1)))


def unrounded_included_tax(gross: int, percent: Decimal) -> Decimal:
    """The same before it is rounded. Its hundred digits are far more than tell whether it is a half."""
    return ROUNDING.divide(EXACT.multiply(Decimal(gross), percent), EXACT.add(Decimal(100), percent))


def nets_without_tax(grosses: Sequence[int], percent: Decimal) -> list[int]:
    """The nets within gross amounts (minor units), which add up to their sum less the tax within it.

    Each is rounded down or up to a whole unit; those with the largest remainder go up, the first of equals first.
    """
    net = sum(grosses) - included_tax(sum(grosses), percent)
    exactly = [Fraction(gross * 100, 100 + Fraction(percent)) for gross in grosses]
    nets = [floor(one) for one in exactly]
    by_remainder = sorted(range(len(nets)), key=lambda place: nets[place] - exactly[place])
    for place in by_remainder[: net - sum(nets)]:
        nets[place] += 1
    return nets


def minor_units(amount: Decimal, currency: str) -> int:
    """Round an exact amount once, half up (away from zero for negatives), to a whole count of the currency's minor unit."""
    digits = MINOR_DIGITS[currency_code(currency)]
    return int(ROUNDING.quantize(EXACT.scaleb(amount, digits), Decimal(1)))


@dataclass(frozen=True, slots=True)
class Money:
    """A rounded amount: a whole count of the currency's minor units. Amounts of different currencies never meet."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise Invalid("not_whole", "Minor units are whole numbers.", "amount")
        currency_code(self.currency)

    @classmethod
    def rounded(cls, amount: Decimal, currency: str) -> "Money":
        """Round an exact amount once; see `minor_units`."""
        return cls(minor_units(amount, currency), currency)

    @classmethod
    def exactly(cls, amount: Decimal, currency: str, *field: str | int) -> "Money":
        """Read an amount that must already be whole minor units; raise Invalid if it has more digits than the currency."""
        money = cls.rounded(amount, currency)
        if money.decimal != amount:
            digits = MINOR_DIGITS[currency]
            raise Invalid("too_precise", f"{currency} has {digits} digits after the point.", *field)
        if abs(money.minor) > LARGEST_MINOR:
            raise Invalid("out_of_range", "The amount is too large for a document.", *field)
        return money

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, with exactly the currency's digits."""
        return EXACT.scaleb(Decimal(self.minor), -MINOR_DIGITS[self.currency])

    def __str__(self) -> str:
        return format(self.decimal, "f")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise Invalid("mixed_currencies", f"{self.currency} and {other.currency} cannot be added.", "currency")

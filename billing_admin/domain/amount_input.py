"""Amounts that people type, with currency signs and separators.

An amount is read exactly or refused.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from billing_admin.domain.currency_signs import currencies_of
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import LONGEST_NUMBER, exact_decimal, plain_decimal

_EXAMPLE = "such as 1,234.50"
# A space or an apostrophe can only separate thousands.
_GAP = "[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000'\u2019]"
_MINUS = "[-\u2212]"
# A currency sign or code before or after the digits, such as €, kr. or EUR.
_MARK = r"[^0-9\s.,'\u2019+\-\u2212]+(?:\.(?=\s|$))?"
_TYPED = re.compile(  # each \s* follows something, so that spaces match in one way only
    rf"(?:(?P<minus>{_MINUS})\s*)?(?:(?P<before>{_MARK})\s*)?(?:(?P<inner_minus>{_MINUS})\s*)?"
    rf"(?:(?P<digits>[0-9.,](?:{_GAP}?[0-9.,])*)\s*)?(?P<after>{_MARK})?"
)
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_THOUSANDS = re.compile(rf"[1-9][0-9]{{0,2}}(?:,[0-9]{{3}}(?=[.,])(?:,[0-9]{{3}})*|(?:{_GAP}[0-9]{{3}})+)(?:\.[0-9]+)?")
_TWO_READINGS = re.compile(
    rf"(?P<whole>[1-9][0-9]{{0,2}}(?:{_GAP}[0-9]{{3}})*),(?P<decimals>[0-9]{{3}}(?:{_GAP}[0-9]{{3}})*)"
    rf"|(?P<first>[0-9]+){_GAP}(?P<second>[0-9]+)"
)
_DECIMAL_COMMA = re.compile(
    rf"(?P<whole>[0-9]+|[0-9]{{1,3}}(?:\.[0-9]{{3}})+|[0-9]{{1,3}}(?:{_GAP}[0-9]{{3}})+),(?P<decimals>[0-9]+)"
)
_SEPARATOR = re.compile(f"[.,]|{_GAP}")


@dataclass(frozen=True, slots=True)
class AmountInput:
    """A typed number, and the currencies that its sign or code can mean.

    The currencies are None if no sign or code was typed. Read the number with `in_currency` or
    `without_currency`, so that no sign is ignored.
    """

    _number: Decimal
    mark: str = ""
    currencies: frozenset[str] | None = None

    @property
    def currency(self) -> str | None:
        """The currency, if the sign or code means exactly one."""
        return next(iter(self.currencies)) if self.currencies and len(self.currencies) == 1 else None

    def may_be(self, currency: str) -> bool:
        """Return whether the amount can be in this currency."""
        return self.currencies is None or currency in self.currencies

    def in_currency(self, currency: str) -> Decimal:
        """Return the amount in a currency.

        Raises:
            Invalid: Its sign or code is of another currency.
        """
        if self.may_be(currency):
            return self._number
        if self.currency:
            raise Invalid("other_currency", f"Enter the amount in {currency}: this amount is in {self.currency}.")
        raise Invalid("other_currency", f"Enter the amount in {currency}: “{self.mark}” is another currency.")

    def without_currency(self, noun: str = "number") -> Decimal:
        """Return a number without a currency, such as a quantity.

        Raises:
            Invalid: The number has a currency sign or code.
        """
        if self.currencies is None:
            return self._number
        raise Invalid("other_currency", f"Remove {self.mark}: a {noun} has no currency.")


def parse_amount(value: str) -> AmountInput:
    """Return the amount of `1,234.50`, `EUR 1 234.50` or `−12 €`.

    A point is always the decimal point. A comma separates thousands only if it cannot be a decimal
    comma.

    Raises:
        Invalid: The text is no number, or can be read in two ways; the message gives both.
    """
    numbers, mark, currencies = _parse(value)
    if len(numbers) > 1:
        readings = [plain_decimal(number) for number in numbers]
        message = f"“{value.strip()}” can mean {' or '.join(readings)}: enter {' or '.join(readings)}."
        raise Invalid("two_readings", message)
    return AmountInput(numbers[0], mark, currencies)


def possible_amounts(value: str) -> list[AmountInput]:
    """Return every reading of a text, such as both of `1,125`.

    Raises:
        Invalid: The text has no reading.
    """
    numbers, mark, currencies = _parse(value)
    return [AmountInput(number, mark, currencies) for number in numbers]


def _parse(value: str) -> tuple[list[Decimal], str, frozenset[str] | None]:
    text = value.strip()
    if len(text) > LONGEST_NUMBER:
        raise Invalid("not_a_number", f"Use at most {LONGEST_NUMBER} characters, {_EXAMPLE}.")
    parts = _TYPED.fullmatch(text)
    if parts is None or (parts["minus"] and parts["inner_minus"]) or (parts["before"] and parts["after"]):
        raise _not_a_number(text)
    mark, digits = parts["before"] or parts["after"] or "", parts["digits"] or ""
    currencies = _currencies(mark, text) if mark else None
    minus = "-" if parts["minus"] or parts["inner_minus"] else ""
    readings = _readings(digits, minus, text)
    if digits.startswith(".") and currencies_of(f"{parts['before']}."):  # Rs.5 and kr.5
        readings.append(_plain_digits(digits[1:]))
    numbers = [exact_decimal(reading) for reading in readings]
    if minus:  # `copy_negate` never rounds, but `-number` does
        numbers = [number.copy_negate() if number else number for number in numbers]
    return numbers, mark.upper() if _is_code(mark) else mark, currencies


def _is_code(mark: str) -> bool:
    return len(mark) == 3 and mark.isascii() and mark.isalpha()


def _currencies(mark: str, text: str) -> frozenset[str]:
    currencies = currencies_of(mark)
    if currencies is not None:
        return currencies
    if _is_code(mark):
        message = f"“{mark.upper()}” is not a currency. Enter a number {_EXAMPLE}."
    elif any(unicodedata.category(character) == "Sc" for character in mark):
        message = f"“{mark}” is not a known currency sign. Enter a number {_EXAMPLE}."
    else:
        raise _not_a_number(text)
    raise Invalid("unknown_currency", message)


def _readings(digits: str, minus: str, text: str) -> list[str]:
    """Return the one or two readings of digits with separators, as plain decimals."""
    if _PLAIN.fullmatch(digits) or _THOUSANDS.fullmatch(digits):
        return [_plain_digits(*digits.split(".", 1))]
    if parts := _TWO_READINGS.fullmatch(digits):
        whole, decimals = parts["whole"] or parts["first"], parts["decimals"] or parts["second"]
        return [_plain_digits(whole, decimals), _plain_digits(whole + decimals)]
    if parts := _DECIMAL_COMMA.fullmatch(digits):
        with_point = _plain_digits(parts["whole"], parts["decimals"])
        raise Invalid(
            "comma_decimal",
            f"Use a point before the decimals, and commas only between thousands, such as {minus}{with_point}.",
        )
    raise _not_a_number(text)


def _plain_digits(whole: str, decimals: str = "") -> str:
    whole = _SEPARATOR.sub("", whole).lstrip("0") or "0"
    return f"{whole}.{_SEPARATOR.sub('', decimals)}" if decimals else whole


def _not_a_number(text: str) -> Invalid:
    return Invalid("not_a_number", f"“{text[:40]}” is not a number {_EXAMPLE}.")

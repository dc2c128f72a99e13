"""Numbers that people type, with currency signs and separators.

A number is read exactly by a number format, or refused. `docs/typed-values.md` has a table of what is read; a
test checks each row of it.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from billing_admin.domain.currency_signs import currencies_of
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import LONGEST_NUMBER, exact_decimal, plain_decimal, refuse_inexact
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import either

# A space or an apostrophe can only separate thousands.
_GAP = "[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000'\u2019]"
_MINUS = "[-\u2212]"
# A currency sign or code before or after the digits, such as €, kr. or EUR.
_MARK = r"[^0-9\s.,'\u2019+\-\u2212]+(?:\.(?=\s|$))?"
_TYPED = re.compile(  # each \s* follows something, so that spaces match in one way only
    rf"(?:(?P<minus>{_MINUS})\s*)?(?:(?P<before>{_MARK})\s*)?(?:(?P<inner_minus>{_MINUS})\s*)?"
    rf"(?:(?P<digits>[0-9.,](?:{_GAP}?[0-9.,])*)\s*)?(?P<after>{_MARK})?"
)
_SCIENTIFIC = re.compile(
    rf"(?P<minus>{_MINUS})?(?P<whole>[0-9])(?:[.,](?P<decimals>[0-9]+))?[Ee](?P<power>[+-]?[0-9]{{1,3}})"
)
_BRACKETED = re.compile(r"\(([^()]*)\)")
_TRAILING_MINUS = re.compile(rf"([^-\u2212]*[^-\u2212\s])\s?{_MINUS}")
_SEPARATOR = re.compile(f"[.,]|{_GAP}")


class _Separators:
    """The patterns of numbers with a decimal sign and a sign between thousands."""

    def __init__(self, decimal: str, group: str) -> None:
        self.decimal, self.group = decimal, group
        sign, group = re.escape(decimal), re.escape(group)
        self.plain = re.compile(rf"[0-9]+(?:{sign}[0-9]+)?|{sign}[0-9]+")
        # One group alone can be the decimals: more must follow.
        self.thousands = re.compile(
            rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}}(?=[.,])(?:{group}[0-9]{{3}})*|(?:{_GAP}[0-9]{{3}})+)(?:{sign}[0-9]+)?"
        )
        self.one_group = re.compile(
            rf"(?P<whole>[1-9][0-9]{{0,2}}(?:{_GAP}[0-9]{{3}})*){group}(?P<decimals>[0-9]{{3}}(?:{_GAP}[0-9]{{3}})*)"
        )

    def read(self, digits: str) -> str | None:
        """Return the only reading as a plain decimal, or None."""
        if self.plain.fullmatch(digits) or self.thousands.fullmatch(digits):
            return _plain_digits(*digits.split(self.decimal, 1))
        return None


_NUMBER = Phrase("number")
_POINT, _COMMA = _Separators(".", ","), _Separators(",", ".")
_TWO_NUMBERS = re.compile(rf"(?P<whole>[0-9]+){_GAP}(?P<decimals>[0-9]+)")


@dataclass(frozen=True, slots=True)
class AmountInput:
    """A typed number, and the currencies that its sign or code can mean.

    The currencies are None if no sign or code was typed. Read the number with `in_currency` or
    `without_currency`, so that no sign is ignored.
    """

    _number: Decimal
    typed: str
    written: str
    """The number in the number format, without thousands separators."""
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
        message = Phrase(
            "Enter the amount in {currency}: “{typed}” is in {currency2}.",
            currency=currency,
            typed=self.typed,
            currency2=self.currency or Phrase("another currency"),
        )
        raise Invalid(
            "other_currency",
            Phrase(
                "{message} If you mean {written} {currency}, enter {written}.",
                message=message,
                written=self.written,
                currency=currency,
            ),
        )

    def without_currency(self, noun: str = _NUMBER) -> Decimal:
        """Return a number without a currency, such as a quantity.

        Raises:
            Invalid: The number has a currency sign or code.
        """
        if self.currencies is None:
            return self._number
        raise Invalid("other_currency", Phrase("Remove {mark}: a {noun} has no currency.", mark=self.mark, noun=noun))


def parse_amount(value: str, number_format: NumberFormat, *, accounting: bool = False) -> AmountInput:
    """Return the amount of `1,234.50`, `EUR 1 234.50`, `−12 €` or `8E-07`.

    The decimal sign of the number format is always read as one. So is the point of a plain decimal such as
    `1234.5`, unless it can separate thousands. With `accounting`, `(1.00)` and `1.00-` are negative.

    Raises:
        Invalid: The text is no number or −0, or can be read in two ways; the message gives both.
    """
    numbers, mark, currencies = _parse(value, number_format, accounting)
    written = [number_format.type(plain_decimal(number)) for number in numbers]
    if len(numbers) > 1:
        readings = either(*written)
        raise Invalid(
            "two_readings",
            Phrase("“{value}” can mean {readings}: enter {readings}.", value=value.strip(), readings=readings),
        )
    return AmountInput(numbers[0], value.strip(), written[0], mark, currencies)


def possible_amounts(value: str) -> list[AmountInput]:
    """Return every reading of a text in any number format, such as both of `1,125`.

    Raises:
        Invalid: The text has no reading.
    """
    amounts: dict[Decimal, AmountInput] = {}
    refusal: Invalid | None = None
    for number_format in (NumberFormat.COMMA_POINT, NumberFormat.POINT_COMMA):
        try:
            numbers, mark, currencies = _parse(value, number_format)
        except Invalid as error:
            refusal = error
            continue
        for number in numbers:
            written = number_format.type(plain_decimal(number))
            amounts.setdefault(number, AmountInput(number, value.strip(), written, mark, currencies))
    if not amounts and refusal is not None:
        raise refusal
    return list(amounts.values())


def _parse(
    value: str, number_format: NumberFormat, accounting: bool = False
) -> tuple[list[Decimal], str, frozenset[str] | None]:
    text = value.strip()
    if len(text) > LONGEST_NUMBER:
        raise Invalid(
            "not_a_number",
            Phrase(
                "Use at most {longest_number} characters, {example}.",
                longest_number=LONGEST_NUMBER,
                example=_example(number_format),
            ),
        )
    if accounting and (match := _BRACKETED.fullmatch(text) or _TRAILING_MINUS.fullmatch(text)):
        text = f"-{match[1].strip()}"  # a second minus is refused below
    if parts := _SCIENTIFIC.fullmatch(text):
        return [_negate(_scientific(parts, text), bool(parts["minus"]))], "", None
    parts = _TYPED.fullmatch(text)
    if parts is None or (parts["minus"] and parts["inner_minus"]) or (parts["before"] and parts["after"]):
        raise _not_a_number(text, number_format)
    mark, digits = parts["before"] or parts["after"] or "", parts["digits"] or ""
    if not digits:
        raise _not_a_number(text, number_format)
    currencies = _currencies(mark, text, number_format) if mark else None
    minus = "-" if parts["minus"] or parts["inner_minus"] else ""
    readings = _readings(digits, minus, number_format)
    if digits.startswith(".") and currencies_of(f"{parts['before']}."):  # Rs.5 and kr.5
        readings.extend(_readings(digits[1:], minus, number_format))
    if not readings:
        raise _not_a_number(text, number_format)
    numbers = [_negate(exact_decimal(Decimal(reading)), bool(minus)) for reading in dict.fromkeys(readings)]
    return numbers, mark.upper() if _is_code(mark) else mark, currencies


def _negate(number: Decimal, is_negative: bool) -> Decimal:
    if not is_negative:
        return number
    number = number.copy_negate()  # never rounds, but `-number` does
    refuse_inexact(number)
    return number


def _scientific(parts: re.Match[str], text: str) -> Decimal:
    """Return a number such as `8E-07`, whose digits are all written."""
    decimals, power = parts["decimals"] or "", int(parts["power"])
    if power > len(decimals):  # 1.23457E+11: a spreadsheet shows fewer digits than it has
        raise Invalid("shortened", Phrase("“{text}” may be rounded. Enter all digits of the number.", text=text))
    return exact_decimal(Decimal(f"{parts['whole']}.{decimals or '0'}E{power}"))


def _is_code(mark: str) -> bool:
    return len(mark) == 3 and mark.isascii() and mark.isalpha()


def _currencies(mark: str, text: str, number_format: NumberFormat) -> frozenset[str]:
    currencies = currencies_of(mark)
    if currencies is not None:
        return currencies
    if _is_code(mark):
        message = Phrase(
            "“{mark}” is not a currency. Enter a number {example}.", mark=mark.upper(), example=_example(number_format)
        )
    elif any(unicodedata.category(character) == "Sc" for character in mark):
        message = Phrase(
            "“{mark}” is not a known currency sign. Enter a number {example}.",
            mark=mark,
            example=_example(number_format),
        )
    else:
        raise _not_a_number(text, number_format)
    raise Invalid("unknown_currency", message)


def _readings(digits: str, minus: str, number_format: NumberFormat) -> list[str]:
    """Return the readings of digits with separators, as plain decimals.

    There are two if one group of digits can be thousands or decimals, and none for other texts.

    Raises:
        Invalid: The separators contradict the number format.
    """
    by_format, opposite = (_POINT, _COMMA) if number_format.decimal_sign == "." else (_COMMA, _POINT)
    if (reading := by_format.read(digits)) is not None:
        return [reading]
    if parts := by_format.one_group.fullmatch(digits) or _TWO_NUMBERS.fullmatch(digits):
        return [_plain_digits(parts["whole"], parts["decimals"]), _plain_digits(parts["whole"] + parts["decimals"])]
    if (reading := opposite.read(digits)) is None:
        return []
    if _POINT.plain.fullmatch(digits):
        return [reading]
    raise Invalid("other_format", _contradiction(digits, reading, minus, by_format, number_format))


def _contradiction(digits: str, reading: str, minus: str, by_format: _Separators, number_format: NumberFormat) -> str:
    """Return the message for a number in another format, with its meanings in both."""
    readings = [reading]
    whole, *decimals = digits.replace(by_format.group, "").split(by_format.decimal)
    if len(decimals) <= 1 and not whole.startswith("0"):
        readings.append(_plain_digits(whole, *decimals))
    written = either(*(minus + number_format.type(number) for number in readings))
    if len(readings) > 1:
        return Phrase(
            "“{typed}” is not in the number format {number_format}. It can mean {written}: enter {written}.",
            typed=minus + digits,
            number_format=number_format,
            written=written,
        )
    return Phrase(
        "“{typed}” is not in the number format {number_format}. Enter {written}.",
        typed=minus + digits,
        number_format=number_format,
        written=written,
    )


def _plain_digits(whole: str, decimals: str = "") -> str:
    whole = _SEPARATOR.sub("", whole).lstrip("0") or "0"
    return f"{whole}.{_SEPARATOR.sub('', decimals)}" if decimals else whole


def _example(number_format: NumberFormat) -> str:
    return Phrase("such as {number}", number=number_format.group(Decimal("1234.50")))


def _not_a_number(text: str, number_format: NumberFormat) -> Invalid:
    return Invalid(
        "not_a_number", Phrase("“{text}” is not a number {example}.", text=text[:40], example=_example(number_format))
    )

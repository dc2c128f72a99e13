"""Amounts as people type them, with currency signs and separators of thousands; read exactly or refused with a reason."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import MINOR_DIGITS, exact

_SIGNS = {"€": "EUR", "£": "GBP"}  # a $ or ¥ is that of many countries
_CODE = re.compile(r"(?P<before>[A-Za-z]{3})?(?P<rest>[^A-Za-z]*)(?P<after>[A-Za-z]{3})?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_COMMA_DECIMAL = re.compile(r"(?:[0-9]{1,3}(?:[.,][0-9]{3})+|[0-9]+),[0-9]+")
_SPACES_IN_NUMBERS = re.compile(r"(?<=[0-9])[\s'’](?=[0-9])")


@dataclass(frozen=True, slots=True)
class TypedAmount:
    """An exact amount, and the currency that stood beside it, if any."""

    amount: Decimal
    currency: str | None


def typed_amount(value: str, *field: str | int) -> TypedAmount:
    """Read `1,234.50`, `EUR 1 234.50` or `−12 €`. A comma is for thousands only, so `1.234,50` is refused, not guessed at."""
    rest, currency = _without_currency(value.strip(), *field)
    negative, digits = _without_minus(_SPACES_IN_NUMBERS.sub(",", rest))
    if _GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    elif _COMMA_DECIMAL.fullmatch(digits):
        raise Invalid("comma_decimal", _say_it_with_a_point(digits), *field)
    if digits.startswith("."):
        digits = f"0{digits}"
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", digits):
        raise Invalid("not_a_number", f"“{value.strip()[:40]}” is not a number such as 1,234.50.", *field)
    whole, point, decimals = digits.partition(".")
    amount = exact((whole.lstrip("0") or "0") + point + decimals, *field)
    return TypedAmount(-amount if negative and amount else amount, currency)


def _without_currency(value: str, *field: str | int) -> tuple[str, str | None]:
    """Take off one ISO code or currency sign, before or after."""
    found = _CODE.fullmatch(value)
    if found is None:
        return value, None
    codes = [code.upper() for code in (found["before"], found["after"]) if code]
    unknown = next((code for code in codes if code not in MINOR_DIGITS), None)
    if unknown:
        raise Invalid("unknown_currency", f"“{unknown}” is not a currency. Write a number such as 1,234.50.", *field)
    signs = [c for c in found["rest"] if unicodedata.category(c) == "Sc"]
    if len(codes) + len(signs) > 1:
        return value, None
    rest = "".join(c for c in found["rest"] if c not in signs).strip()
    return rest, codes[0] if codes else _SIGNS.get(signs[0]) if signs else None


def _without_minus(value: str) -> tuple[bool, str]:
    negative = value.startswith(("-", "−"))
    return negative, value[1:].strip() if negative else value


def _say_it_with_a_point(digits: str) -> str:
    whole, _, decimals = digits.rpartition(",")
    meant = re.sub(r"[.,]", "", whole) + "." + decimals
    return (
        f"Use a point before the decimals, and commas only between thousands: write {meant} if that is what you mean."
    )

"""The audit log: the hash chain over its events, and the amounts in their details."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_exact, format_grouped, format_money_or_units
from billing_admin.domain.money import MINOR_DIGITS, exact_decimal as read_exact

# The first event of the chain has this in place of the hash of an earlier event.
FIRST_PREVIOUS_HASH = "0" * 64


def canonical_content(event: Mapping[str, str | None]) -> bytes:
    """Return the bytes of an event that its seal covers.

    The bytes are the JSON of all its columns, as texts. Times and JSON have different texts on the two
    databases, so both are parsed first; a text that cannot be parsed is used unchanged. Frozen: these bytes
    are hashed.
    """
    columns = {**event, "at": _moment(event["at"]), "details": _data(event["details"])}
    return json.dumps(columns, sort_keys=True, separators=(",", ":")).encode()


def chained_hash(before: str, content: bytes) -> str:
    """Return an event's seal: the hex SHA-256 of the previous seal and its content.

    Frozen: stored events have these seals.
    """
    return sha256(before.encode() + b"\n" + content).hexdigest()


def _moment(text: str | None) -> str | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def _data(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return text


# The details that are amounts, by action. A sealed event never changes, so its amounts are formatted only for display.
# Whole minor units, in the currency of the event's invoice:
MINOR_UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "credit_note.issued": ("total", "became_credit"),
    "invoice.charges_moved": ("total",),
    "invoice.discarded": ("total",),
    "invoice.voided": ("total",),
}
# Exact decimals, in the currency of the event's charge or recurring charge:
EXACT_AMOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "charge.corrected": ("unit_price", "amount"),
    "recurring_charge.changed": ("unit_price",),
    "recurring_charge.created": ("unit_price",),
    "service.price_changed": ("unit_price",),
}
# Exact decimals by currency, `{"EUR": "0.05"}`:
AMOUNTS_BY_CURRENCY: Final[Mapping[str, tuple[str, ...]]] = {
    "import.finished": ("sums", "added"),
    "service.changed": ("prices",),
    "service.created": ("prices",),
}
# Texts with a currency, `"119.00 EUR"`, or an object of such texts by invoice:
AMOUNTS_WITH_CURRENCY: Final[Mapping[str, tuple[str, ...]]] = {
    "opening_balance.recorded": ("open_amount", "original_total", "original_tax"),
    "payment.allocated": ("allocated",),
    "payment.allocation_withdrawn": ("amount",),
    "payment.recorded": ("amount", "allocated"),
    "payment.written_off": ("amount", "allocated"),
    "refund.recorded": ("amount",),
}
_WITH_CURRENCY = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3})", re.ASCII)


def readable_details(action: str, details: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
    """Return an event's details with formatted amounts, such as `13,113.80 EUR`.

    `currency` is the currency of the event's object, None if unknown. A change, a pair of values,
    remains a pair.
    """
    before, after = _currencies(details, currency)
    formatters: list[tuple[Mapping[str, tuple[str, ...]], Callable[[Any, str | None], Any]]] = [
        (MINOR_UNITS, format_money_or_units),
        (EXACT_AMOUNTS, _exact),
        (AMOUNTS_BY_CURRENCY, lambda value, _: _by_currency(value)),
        (AMOUNTS_WITH_CURRENCY, lambda value, _: _with_currency(value)),
    ]
    readable = dict(details)
    for names_by_action, formatter in formatters:
        for name in names_by_action.get(action, ()):
            match readable.get(name):
                case None:
                    continue
                case [first, second]:
                    readable[name] = [
                        None if first is None else formatter(first, before),
                        None if second is None else formatter(second, after),
                    ]
                case value:
                    readable[name] = formatter(value, after)
    return readable


def _currencies(details: Mapping[str, Any], currency: str | None) -> tuple[str | None, str | None]:
    """Return the currency before and after the event, which can change the currency."""
    match details.get("currency"):
        case [str(before), str(after)]:
            return before, after
        case str(named):
            return named, named
        case _:
            return currency, currency


def _exact(value: Any, currency: str | None) -> Any:
    try:
        return (
            format_exact(read_exact(value), currency) if isinstance(value, str) and currency in MINOR_DIGITS else value
        )
    except Invalid:
        return value


def _by_currency(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {code: _exact(amount, code) for code, amount in value.items()}


def _with_currency(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_currency(amount) for name, amount in value.items()}
    match = _WITH_CURRENCY.fullmatch(value) if isinstance(value, str) else None
    return f"{format_grouped(Decimal(match[1]))} {match[2]}" if match else value

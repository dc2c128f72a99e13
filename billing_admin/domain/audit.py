"""The audit log: its chain of hashes, and how the amounts in an event's details are written for people."""

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

# What the first seal covers in place of a hash before it.
FIRST_PREVIOUS_HASH = "0" * 64


def canonical_content(event: Mapping[str, str | None]) -> bytes:
    """An event's one spelling: plain JSON of all its columns, each handed over as the database writes it as text.

    Databases write moments and JSON differently, so these two are read first; what cannot be read counts as it stands.
    """
    spelled = {**event, "at": _moment(event["at"]), "details": _data(event["details"])}
    return json.dumps(spelled, sort_keys=True, separators=(",", ":")).encode()


def chained_hash(before: str, content: bytes) -> str:
    """The hash of an event that is sealed after the hash before it."""
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


# Which details hold amounts, by action. A sealed event is never rewritten, so that each amount gets its currency for display.
# Whole minor units, in the currency of the invoice that the event is about:
MINOR_UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "credit_note.issued": ("total", "became_credit"),
    "invoice.charges_moved": ("total",),
    "invoice.discarded": ("total",),
    "invoice.voided": ("total",),
}
# Exact decimals, in the currency of the charge or recurring charge that the event is about:
EXACT_AMOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "charge.corrected": ("unit_price", "amount"),
    "recurring_charge.changed": ("unit_price",),
    "recurring_charge.created": ("unit_price",),
}
# Exact decimals by currency, `{"EUR": "0.05"}`:
AMOUNTS_BY_CURRENCY: Final[Mapping[str, tuple[str, ...]]] = {
    "import.finished": ("sums", "added"),
    "service.changed": ("prices",),
    "service.created": ("prices",),
}
# Texts with a currency, `"119.00 EUR"`, or one for each invoice:
AMOUNTS_WITH_CURRENCY: Final[Mapping[str, tuple[str, ...]]] = {
    "payment.allocated": ("allocated",),
    "payment.allocation_withdrawn": ("amount",),
    "payment.recorded": ("amount", "allocated"),
    "payment.written_off": ("amount", "allocated"),
}
_WITH_CURRENCY = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3})", re.ASCII)


def readable_details(action: str, details: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
    """Return an event's details with each amount as people write it, such as `13,113.80 EUR`; all else stays.

    `currency` is that of the object that the event is about, None where it is unknown. A change, which is a pair of values,
    remains one.
    """
    before, after = _currencies(details, currency)
    writers: list[tuple[Mapping[str, tuple[str, ...]], Callable[[Any, str | None], Any]]] = [
        (MINOR_UNITS, format_money_or_units),
        (EXACT_AMOUNTS, _exact),
        (AMOUNTS_BY_CURRENCY, lambda value, _: _by_currency(value)),
        (AMOUNTS_WITH_CURRENCY, lambda value, _: _with_currency(value)),
    ]
    shown = dict(details)
    for actions, write in writers:
        for name in actions.get(action, ()):
            match shown.get(name):
                case None:
                    continue
                case [first, second]:
                    shown[name] = [_unless_empty(write, first, before), _unless_empty(write, second, after)]
                case value:
                    shown[name] = write(value, after)
    return shown


def _currencies(details: Mapping[str, Any], currency: str | None) -> tuple[str | None, str | None]:
    """Return the currency before and after; they differ where it is itself what changed."""
    match details.get("currency"):
        case [str(before), str(after)]:
            return before, after
        case str(named):
            return named, named
        case _:
            return currency, currency


def _unless_empty(write: Callable[[Any, str | None], Any], value: Any, currency: str | None) -> Any:
    return value if value is None else write(value, currency)


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
    return ", ".join(str(_exact(amount, code)) for code, amount in value.items())


def _with_currency(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_currency(amount) for name, amount in value.items()}
    written = _WITH_CURRENCY.fullmatch(value) if isinstance(value, str) else None
    return f"{format_grouped(Decimal(written[1]))} {written[2]}" if written else value

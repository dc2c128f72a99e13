"""Words for states and counts, as pages show them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from billing_admin.domain.formatting import format_percent
from billing_admin.domain.invoices import LEFT_OUT_REASONS
from billing_admin.domain.lifecycle import Receivable, payment_status
from billing_admin.domain.money import MINOR_DIGITS, plain_decimal
from billing_admin.domain.payments import METHODS, WRITE_OFF
from billing_admin.domain.tax import RateChange, percent_on

PAYMENT_METHODS = {**METHODS, WRITE_OFF: "Written off"}


class RateLike(Protocol):
    """A tax rate with a name."""

    @property
    def name(self) -> str: ...
    @property
    def percent(self) -> Decimal: ...
    @property
    def changes(self) -> Sequence[RateChange]: ...


def invoice_state(invoice: Receivable, today: date) -> str:
    """Draft, void, or how far an issued invoice is paid; what a credit note alone reduced is not called paid."""
    state = payment_status(invoice, today) or invoice.status
    return "part credited" if state == "part_paid" and not invoice.paid else state.replace("_", " ")


def payment_method(method: str) -> str:
    """How money came, or that it never will."""
    return PAYMENT_METHODS[method]


def quoted(names: Iterable[str]) -> str:
    """Return `“ACME”, “ACME,Inc”`: a list of names that may hold commas."""
    return ", ".join(f"“{name}”" for name in names)


def pluralise(number: int, noun: str) -> str:
    """`1 charge`, `2,000 charges`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def number_ranges(numbers: Sequence[int]) -> str:
    """`1–3, 7`: numbers in rising order."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first:,}" if first == last else f"{first:,}–{last:,}" for first, last in runs)


def rounding(currency: str) -> str:
    """What amounts of a currency are rounded to: `2 digits`, `whole units`."""
    digits = MINOR_DIGITS[currency]
    return pluralise(digits, "digit") if digits else "whole units"


def tax_rate(rate: RateLike, on: date) -> str:
    """A rate's name, with its percentage of a day where the name does not say it."""
    holds = percent_on(on, rate.percent, rate.changes)
    return rate.name if plain_decimal(holds) in rate.name or not holds else f"{rate.name} ({format_percent(holds)})"


def left_out_reason(reason: str) -> str:
    """Why billing leaves something out, in words."""
    return LEFT_OUT_REASONS.get(reason, reason)


def humanise(name: str) -> str:
    """`Billing run started`, of `billing_run.started`."""
    return name.replace("_", " ").replace(".", " ").capitalize()


# Lists of ids in an audit event.
COUNTED = {"charges", "invoices", "added", "removed"}


def event_details(details: Mapping[str, Any]) -> list[tuple[str, str | None, str]]:
    """An audit event's details: what, its value before where it changed, and its value."""
    return [_told(name, value) for name, value in details.items()]


def _told(name: str, value: Any) -> tuple[str, str | None, str]:
    """A change is a pair. Lists of ids are told by their length: each could hold ten thousand."""
    if isinstance(value, list) and name in COUNTED:
        return humanise(name), None, f"{len(value):,}"
    if isinstance(value, list) and len(value) == 2:
        return humanise(name), _said(value[0]), _said(value[1])
    return humanise(name), None, _said(value)


def _said(value: Any) -> str:
    match value:
        case None | "":
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name}: {_said(one)}" for name, one in value.items()) or "nothing"
        case list():
            return ", ".join(map(_said, value)) or "nothing"
        case _:
            return str(value)

"""Labels for states, counts and audit events."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from billing_admin.domain.billing_review import CHANGED_AMOUNT, DUPLICATES, INCOMPLETE, LATE, NEW, PRICE_CHANGED
from billing_admin.domain.billing_runs import LEFT_OUT_REASONS
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.formatting import format_day, format_exact, format_money, format_percent, format_whole
from billing_admin.domain.lifecycle import Receivable, payment_status
from billing_admin.domain.message_texts import TEXT_KEYS
from billing_admin.domain.money import MINOR_DIGITS, plain_decimal
from billing_admin.domain.opening_balances import OPENING_CREDIT
from billing_admin.domain.payments import METHODS, WRITE_OFF
from billing_admin.domain.recurring_charges import IN_ADVANCE, IN_ARREARS
from billing_admin.domain.reminders import LEVELS
from billing_admin.domain.tax import RateChange, percent_on
from billing_admin.models import Invoice

PAYMENT_METHODS = {**METHODS, WRITE_OFF: "Written off", OPENING_CREDIT: "Opening credit"}
INTERVAL_NOUNS = {
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "half_yearly": "half-year",
    "yearly": "year",
}
INTERVAL_LABELS = {name: noun.capitalize() for name, noun in INTERVAL_NOUNS.items()}
TIMING_LABELS = {
    IN_ADVANCE: "In advance, on the first day of each period",
    IN_ARREARS: "In arrears, on the last day of each period",
}
# The labels of the terms of a recurring charge, in its form and its history.
TERM_LABELS = {
    "interval_count": "Repeat every",
    "timing": "When to charge",
    "starts_on": "First day",
    "ends_on": "Last day",
    "anchor_on": "Periods start from",
    "purchase_order": "Purchase order number",
}
# The names of the reminders, by level.
REMINDER_NAMES = {level: TEXT_KEYS[f"reminder-{level}"] for level in LEVELS}
# The flags of documents in a preview of a billing run.
FLAG_LABELS = {
    NEW: "New",
    CHANGED_AMOUNT: "Amount changed",
    PRICE_CHANGED: "Price changed",
    DUPLICATES: "Likely duplicates",
    INCOMPLETE: "Incomplete",
    LATE: "Late charges",
}
# The message if a repeated request finds all selected charges changed.
NOTHING_CHANGED = "Nothing changed. This was already done."


class RateLike(Protocol):
    """A tax rate with a name: a row or a domain value."""

    @property
    def name(self) -> str:
        """The name on documents."""
        ...

    @property
    def percent(self) -> Decimal:
        """The first percentage."""
        ...

    @property
    def changes(self) -> Sequence[RateChange]:
        """The later percentages, each valid from a day."""
        ...


def invoice_state(invoice: Receivable, today: date) -> str:
    """Return the invoice's label: draft, void or its payment state.

    `part credited` if only credit notes reduced it.
    """
    state = payment_status(invoice, today) or invoice.status
    return "part credited" if state == "part_paid" and not invoice.paid else state.replace("_", " ")


def payment_method(method: str) -> str:
    """Return the label of a payment method; a write-off is one, too."""
    return PAYMENT_METHODS[method]


def quoted(names: Iterable[str]) -> str:
    """Return names in quotation marks: `“ACME”, “ACME,Inc”`.

    The marks are needed because names may have commas.
    """
    return ", ".join(f"“{name}”" for name in names)


def pluralise(number: int, noun: str) -> str:
    """Return a number with its noun: `1 charge`, `2,000 charges`."""
    return f"{format_whole(number)} {noun}{'' if number == 1 else 's'}"


def number_ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as ranges: `1–3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join("–".join(map(format_whole, (first, last)[first == last :])) for first, last in runs)


def rounding(currency: str) -> str:
    """Return the precision of a currency's amounts: `2 digits`, `whole units`."""
    digits = MINOR_DIGITS[currency]
    return pluralise(digits, "digit") if digits else "whole units"


def tax_rate(rate: RateLike, on: date) -> str:
    """Return the rate's name, followed by its percentage on a day.

    The percentage is left out if the name contains it.
    """
    percentage = percent_on(on, rate.percent, rate.changes)
    return (
        rate.name
        if plain_decimal(percentage) in rate.name or not percentage
        else f"{rate.name} ({format_percent(percentage)})"
    )


def left_out_reason(reason: str) -> str:
    """Return why a billing run left charges out."""
    return LEFT_OUT_REASONS.get(reason, reason)


# Actions that would be unclear as words alone.
_ACTION_LABELS = {"billing_run.billed": "Invoices made by billing run"}


def humanise(name: str) -> str:
    """Return an identifier as words: `billing_run.started` as `Billing run started`."""
    return _ACTION_LABELS.get(name) or name.replace("_", " ").replace(".", " ").capitalize()


# Details of audit events whose values have labels of their own.
_VALUE_LABELS: Mapping[str, Mapping[str, str]] = {"interval": INTERVAL_LABELS, "timing": TIMING_LABELS}
_DAY_NAME = re.compile(r"(.*_)?(day|from|to|on|through|date)")


def detail_label(path: Sequence[str]) -> str:
    """Return the label of a detail of an audit event, such as `Prices › EUR`."""
    return " › ".join(TERM_LABELS.get(name) or (humanise(name) if _is_identifier(name) else name) for name in path)


def detail_text(path: Sequence[str], value: Any) -> str:
    """Return a value in the details of an audit event in words."""
    name = next((part for part in reversed(path) if not part.isdigit()), "")
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{key}: {detail_text(path, item)}" for key, item in value.items()) or "none"
        case list():
            return ", ".join(detail_text(path, item) for item in value) or "none"
        case _:
            return (
                _day_text(str(value))
                if _DAY_NAME.fullmatch(name)
                else _VALUE_LABELS.get(name, {}).get(value, str(value))
            )


def _is_identifier(name: str) -> bool:
    return name.isascii() and name.islower() and name.isidentifier()


def _day_text(text: str) -> str:
    try:
        return format_day(date.fromisoformat(text))
    except ValueError:
        return text


def tax_in_base(invoice: Invoice) -> str:
    """Return the tax of a document in the base currency with its rate, or nothing."""
    rate = details_from_json(invoice.details).base_rate
    if rate is None or invoice.tax_in_base is None:
        return ""
    amount = format_money(invoice.tax_in_base, rate.currency)
    price = format_exact(Decimal(rate.rate), invoice.currency)
    source = f", {rate.source}" if rate.source else ""
    day = format_day(date.fromisoformat(rate.day))
    return f"Tax in {rate.currency}: {amount} (1 {rate.currency} = {price}, {day}{source})"

"""Labels for states, counts and details."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from billing_admin.domain.billing_runs import LEFT_OUT_REASONS
from billing_admin.domain.charges import LIKELY_DUPLICATE
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
from billing_admin.domain.translation import Phrase, join, plural
from billing_admin.models import Invoice
from billing_admin.web.frame.field_labels import field_label

PAYMENT_METHODS = {**METHODS, WRITE_OFF: Phrase("Written off"), OPENING_CREDIT: Phrase("Opening credit")}
# How often a recurring charge is posted, by its interval and their number.
INTERVAL_PERIODS: Mapping[str, Callable[[int], Phrase]] = {
    "weekly": lambda number: plural("Every week", "Every {count} weeks", number),
    "monthly": lambda number: plural("Every month", "Every {count} months", number),
    "quarterly": lambda number: plural("Every quarter", "Every {count} quarters", number),
    "half_yearly": lambda number: plural("Every half-year", "Every {count} half-years", number),
    "yearly": lambda number: plural("Every year", "Every {count} years", number),
}
INTERVAL_LABELS = {
    "weekly": Phrase("Week"),
    "monthly": Phrase("Month"),
    "quarterly": Phrase("Quarter"),
    "half_yearly": Phrase("Half-year"),
    "yearly": Phrase("Year"),
}
TIMING_LABELS = {
    IN_ADVANCE: Phrase("In advance, on the first day of each period"),
    IN_ARREARS: Phrase("In arrears, on the last day of each period"),
}
# The names of the reminders, by level.
REMINDER_NAMES = {level: TEXT_KEYS[f"reminder-{level}"] for level in LEVELS}
# The message if a repeated request finds all selected charges changed.
NOTHING_CHANGED = Phrase("Nothing changed. This was already done.")


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


# The nouns of counted things.
_COUNTED: Mapping[str, Callable[[int], Phrase]] = {
    "active person": lambda number: plural("{count} active person", "{count} active people", number),
    "active token": lambda number: plural("{count} active token", "{count} active tokens", number),
    "role": lambda number: plural("{count} role", "{count} roles", number),
    "API token": lambda number: plural("{count} API token", "{count} API tokens", number),
    "act": lambda number: plural("{count} act", "{count} acts", number),
    "endpoint": lambda number: plural("{count} endpoint", "{count} endpoints", number),
    "account": lambda number: plural("{count} account", "{count} accounts", number),
    "allocation": lambda number: plural("{count} allocation", "{count} allocations", number),
    "attempt": lambda number: plural("{count} attempt", "{count} attempts", number),
    "balance": lambda number: plural("{count} balance", "{count} balances", number),
    "bank account": lambda number: plural("{count} bank account", "{count} bank accounts", number),
    "charge": lambda number: plural("{count} charge", "{count} charges", number),
    "contact": lambda number: plural("{count} contact", "{count} contacts", number),
    "credit note": lambda number: plural("{count} credit note", "{count} credit notes", number),
    "customer": lambda number: plural("{count} customer", "{count} customers", number),
    "day": lambda number: plural("{count} day", "{count} days", number),
    "detail": lambda number: plural("{count} detail", "{count} details", number),
    "digit": lambda number: plural("{count} digit", "{count} digits", number),
    "document": lambda number: plural("{count} document", "{count} documents", number),
    "draft": lambda number: plural("{count} draft", "{count} drafts", number),
    "due charge": lambda number: plural("{count} due charge", "{count} due charges", number),
    "e-mail": lambda number: plural("{count} e-mail", "{count} e-mails", number),
    "error": lambda number: plural("{count} error", "{count} errors", number),
    "event": lambda number: plural("{count} event", "{count} events", number),
    "exchange rate": lambda number: plural("{count} exchange rate", "{count} exchange rates", number),
    "held charge": lambda number: plural("{count} held charge", "{count} held charges", number),
    "invoice": lambda number: plural("{count} invoice", "{count} invoices", number),
    "invoice line": lambda number: plural("{count} invoice line", "{count} invoice lines", number),
    "job": lambda number: plural("{count} job", "{count} jobs", number),
    "late source": lambda number: plural("{count} late source", "{count} late sources", number),
    "likely duplicate": lambda number: plural("{count} likely duplicate", "{count} likely duplicates", number),
    "line": lambda number: plural("{count} line", "{count} lines", number),
    "message": lambda number: plural("{count} message", "{count} messages", number),
    "more line": lambda number: plural("{count} more line", "{count} more lines", number),
    "more value": lambda number: plural("{count} more value", "{count} more values", number),
    "new charge": lambda number: plural("{count} new charge", "{count} new charges", number),
    "new contact": lambda number: plural("{count} new contact", "{count} new contacts", number),
    "new customer": lambda number: plural("{count} new customer", "{count} new customers", number),
    "new opening balance": lambda number: plural("{count} new opening balance", "{count} new opening balances", number),
    "new payment": lambda number: plural("{count} new payment", "{count} new payments", number),
    "new recurring charge": lambda number: plural(
        "{count} new recurring charge", "{count} new recurring charges", number
    ),
    "new service": lambda number: plural("{count} new service", "{count} new services", number),
    "newer invoice": lambda number: plural("{count} newer invoice", "{count} newer invoices", number),
    "number": lambda number: plural("{count} number", "{count} numbers", number),
    "older event": lambda number: plural("{count} older event", "{count} older events", number),
    "open item": lambda number: plural("{count} open item", "{count} open items", number),
    "opening credit": lambda number: plural("{count} opening credit", "{count} opening credits", number),
    "opening invoice": lambda number: plural("{count} opening invoice", "{count} opening invoices", number),
    "other selected message": lambda number: plural(
        "{count} other selected message", "{count} other selected messages", number
    ),
    "payment": lambda number: plural("{count} payment", "{count} payments", number),
    "pending charge": lambda number: plural("{count} pending charge", "{count} pending charges", number),
    "rate": lambda number: plural("{count} rate", "{count} rates", number),
    "recipient": lambda number: plural("{count} recipient", "{count} recipients", number),
    "recurring charge": lambda number: plural("{count} recurring charge", "{count} recurring charges", number),
    "refund": lambda number: plural("{count} refund", "{count} refunds", number),
    "reminder": lambda number: plural("{count} reminder", "{count} reminders", number),
    "row": lambda number: plural("{count} row", "{count} rows", number),
    "run": lambda number: plural("{count} run", "{count} runs", number),
    "selected charge": lambda number: plural("{count} selected charge", "{count} selected charges", number),
    "selected document": lambda number: plural("{count} selected document", "{count} selected documents", number),
    "service": lambda number: plural("{count} service", "{count} services", number),
    "service and price": lambda number: plural("{count} service and price", "{count} service and prices", number),
    "step": lambda number: plural("{count} step", "{count} steps", number),
    "time": lambda number: plural("{count} time", "{count} times", number),
    "unallocated payment": lambda number: plural("{count} unallocated payment", "{count} unallocated payments", number),
    "unbilled charge": lambda number: plural("{count} unbilled charge", "{count} unbilled charges", number),
    "unsent document": lambda number: plural("{count} unsent document", "{count} unsent documents", number),
}


def pluralise(number: int, noun: str) -> Phrase:
    """Return a number with its noun: `1 charge`, `2,000 charges`."""
    return _COUNTED[noun](number)


# The words of badges, which also decide about their colour.
_STATUS_LABELS: Mapping[str, str] = {
    label.lower(): label
    for label in (
        Phrase("Accepted"),
        Phrase("Active"),
        Phrase("Allocated"),
        Phrase("Adds up"),
        Phrase("Approved"),
        Phrase("Amount changed"),
        Phrase("Archived"),
        Phrase("Billed"),
        Phrase("Bounced"),
        Phrase("Built-in"),
        Phrase("Cancelled"),
        Phrase("Current"),
        Phrase("Deactivated"),
        Phrase("Default"),
        Phrase("Delivered"),
        Phrase("Does not add up"),
        Phrase("Done"),
        Phrase("Draft"),
        Phrase("Dropped"),
        Phrase("Ended"),
        Phrase("Expired"),
        Phrase("Expires soon"),
        Phrase("Failed"),
        Phrase("Failing"),
        Phrase("Future"),
        Phrase("Given up"),
        Phrase("Held"),
        Phrase("Inactive"),
        Phrase("Incomplete"),
        Phrase("Invitation expired"),
        Phrase("Invited"),
        Phrase("Issued"),
        Phrase("Late"),
        Phrase("Late charges"),
        Phrase("Likely duplicate"),
        Phrase("Likely duplicates"),
        Phrase("Link not sent"),
        Phrase("Missing"),
        Phrase("New"),
        Phrase("Not created"),
        Phrase("Open"),
        Phrase("Opening"),
        Phrase("Overdue"),
        Phrase("Paid"),
        Phrase("Part credited"),
        Phrase("Part paid"),
        Phrase("Past"),
        Phrase("Paused"),
        Phrase("Pending"),
        Phrase("Price changed"),
        Phrase("Queued"),
        Phrase("Recorded"),
        Phrase("Refused"),
        Phrase("Rejected"),
        Phrase("Reversed"),
        Phrase("Revoked"),
        Phrase("Running"),
        Phrase("Second factor"),
        Phrase("Sending"),
        Phrase("Sent"),
        Phrase("Single sign-on"),
        Phrase("Stopped"),
        Phrase("Tax included"),
        Phrase("Temporary password"),
        Phrase("To do"),
        Phrase("Unallocated"),
        Phrase("Uncertain"),
        Phrase("Unpaid"),
        Phrase("Void"),
        Phrase("Waiting"),
        Phrase("Withdrawn"),
    )
}


def status_label(word: str) -> str:
    """Return the label of a badge: `Part paid`; of nothing, nothing."""
    return _STATUS_LABELS.get(word) or word.capitalize()


_RECIPIENT_KINDS: Mapping[str, str] = {"to": Phrase("To"), "cc": Phrase("Cc"), "bcc": Phrase("Bcc")}


def recipient_kind(kind: str) -> str:
    """Return how a recipient gets a message: `Cc`."""
    return _RECIPIENT_KINDS[kind]


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
    return pluralise(digits, "digit") if digits else Phrase("whole units")


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


# The groups of the settings: id → (title, sentence).
SETTINGS_GROUPS = {
    "organisation": (
        Phrase("Organisation"),
        Phrase("Your name and address, and the accounts that customers pay to. Changes apply to future documents."),
    ),
    "tax": (
        Phrase("Tax"),
        Phrase("Your tax numbers, the rates, and the reasons for no tax. Changes apply to future invoices."),
    ),
    "documents": (
        Phrase("Documents and numbers"),
        Phrase("How documents look and how they are numbered. Issued documents do not change."),
    ),
    "billing": (
        Phrase("Customers and charges"),
        Phrase("Your fields of customers; likely duplicates, credit and overdue invoices."),
    ),
    "e-mail": (Phrase("E-mail"), Phrase("How messages to customers are sent, and what they say.")),
    "books": (
        Phrase("Books"),
        Phrase("The day through which the books are locked, and the accounts of the journal."),
    ),
    "access": (
        Phrase("People and access"),
        Phrase("People, API tokens and webhooks of this installation, and the look of pages for you."),
    ),
}


def status_reason(reason: str) -> str:
    """Return why a charge is held or cancelled, in words of the page."""
    # The stored text is plain; the phrase that equals it is translated.
    return LIKELY_DUPLICATE if reason == LIKELY_DUPLICATE else reason


def left_out_reason(reason: str) -> str:
    """Return why a billing run left charges out."""
    return LEFT_OUT_REASONS.get(reason, reason)


# Details of audit events whose values have labels of their own.
_VALUE_LABELS: Mapping[str, Mapping[str, str]] = {"interval": INTERVAL_LABELS, "timing": TIMING_LABELS}
_DAY_NAME = re.compile(r"(.*_)?(day|from|to|on|through|date)")


def detail_label(path: Sequence[str]) -> str:
    """Return the label of a detail of an audit event, such as `Prices › EUR`."""
    return join(" › ", [field_label(name) if _is_identifier(name) else name for name in path])


def detail_text(path: Sequence[str], value: Any) -> str:
    """Return a value in the details of an audit event in words."""
    name = next((part for part in reversed(path) if not part.isdigit()), "")
    match value:
        case None | "":
            return Phrase("none")
        case bool():
            return Phrase("yes") if value else Phrase("no")
        case dict():
            return join(", ", [join(": ", [key, detail_text(path, item)]) for key, item in value.items()]) or Phrase(
                "none"
            )
        case list():
            return join(", ", [detail_text(path, item) for item in value]) or Phrase("none")
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
    return Phrase(
        "Tax in {currency}: {amount} (1 {currency} = {price}, {day}{source})",
        currency=rate.currency,
        amount=amount,
        price=price,
        day=day,
        source=source,
    )

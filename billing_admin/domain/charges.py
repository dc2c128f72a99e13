"""Charges: their requests, their prices, and the comparison of repeated requests."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from billing_admin.domain.dated_values import effective_on
from billing_admin.domain.days import check_calendar_day, count_days
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import currency_code, multiply, plain_decimal, refuse_inexact
from billing_admin.domain.prices import ListPrice
from billing_admin.domain.text import check_not_blank, check_text, refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word

ONE = Decimal(1)
LIKELY_DUPLICATE_HOURS = 24
MAX_DESCRIPTION_LENGTH = 1000
MAX_METADATA_ENTRIES = 50
MAX_METADATA_KEY_LENGTH = 40
MAX_METADATA_VALUE_LENGTH = 500
MAX_PERIOD_YEARS = 10
MAX_PERIOD_DAYS = 3653  # ten years with three leap days
MAX_NAME_LENGTH = 60  # characters of a description in a message
AccountKey: TypeAlias = tuple[UUID, str]  # customer id and currency

# The stored reason of charges that are held as likely duplicates. Keeping such a charge releases it.
LIKELY_DUPLICATE = Phrase("Likely duplicate")


def duplicate_window_start(now: datetime) -> datetime:
    """Return the time (UTC) from which charges are searched for likely duplicates."""
    return now.astimezone(UTC) - timedelta(hours=LIKELY_DUPLICATE_HOURS)


@dataclass(frozen=True, slots=True)
class ChargeSpec:
    """A request to post a charge; None means not given.

    `customer` is an id or a reference, `service` an id or a code. Numbers are exact decimals (see
    `money.exact_decimal`). `tax_included` says whether the given unit price or amount includes tax.
    The charge is for the days from `period_from` to `period_to`, both included, or for its day alone.
    `period_of_days` is the length of the whole period if the charge is for some of its days.
    `purchase_order` is the number of the customer's order; if it is empty, the customer's standing one applies.
    `stored_texts` names the texts that are copied from stored data: they are not checked as new ones.

    Raises:
        Invalid: A value is out of range, or the values contradict each other.
    """

    customer: str
    service: str | None = None
    description: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    currency: str | None = None
    incurred_on: date | None = None
    metadata: Mapping[str, str] | None = None
    tax_included: bool | None = None
    period_from: date | None = None
    period_to: date | None = None
    period_of_days: int | None = None
    purchase_order: str | None = None
    id: UUID | None = None
    stored_texts: Collection[str] = ()

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.unit_price is not None and self.amount is not None:
            raise Invalid("two_prices", Phrase("Enter a unit price or an amount, not both."), "amount")
        if self.service is None and self.description is None:
            raise Invalid("nothing_named", Phrase("Enter a service, or a description with a price."), "service")
        self._check_texts()
        if self.currency is not None:
            currency_code(self.currency)
        if self.incurred_on is not None:
            check_calendar_day(self.incurred_on, "incurred_on")
        if (self.period_from, self.period_to, self.period_of_days) != (None, None, None):
            _check_period(self.period_from, self.period_to, self.period_of_days)

    def _check_texts(self) -> None:
        if self.description is not None:
            check_not_blank(self.description, "description", longest=MAX_DESCRIPTION_LENGTH, stored=True)
        if self.purchase_order:
            check_text(self.purchase_order, "purchase_order", stored=True)
        if self.metadata:
            _check_metadata(self.metadata)

    def _check_numbers(self) -> None:
        for name in ("quantity", "unit_price", "amount"):
            if (value := getattr(self, name)) is not None:
                refuse_inexact(value, name)


def _check_period(first: date | None, last: date | None, of_days: int | None) -> None:
    if first is None or last is None:
        missing = "period_from" if first is None else "period_to"
        raise Invalid(
            "missing", Phrase("Enter the first and the last day of the period, or leave both blank."), missing
        )
    for name, day in (("period_from", first), ("period_to", last)):
        check_calendar_day(day, name)
    days = count_days(first, last)
    if days < 1:
        raise Invalid(
            "out_of_order",
            Phrase("Use {first}, the first day of the period, or a later day.", first=first.isoformat()),
            "period_to",
        )
    if days > MAX_PERIOD_DAYS:
        raise Invalid(
            "out_of_range",
            Phrase("Use a period of at most {max_period_years} years.", max_period_years=MAX_PERIOD_YEARS),
            "period_to",
        )
    if of_days is not None and not days < of_days <= MAX_PERIOD_DAYS:
        message = Phrase(
            "Use a number from {days} to {max_period_days}: {first} to {last} already has {days2} days. "
            "Leave this out if the charge is for the whole period.",
            days=days + 1,
            max_period_days=MAX_PERIOD_DAYS,
            first=first.isoformat(),
            last=last.isoformat(),
            days2=days,
        )
        raise Invalid("out_of_range", message, "period_of_days")


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise Invalid(
            "too_long",
            Phrase("Use at most {max_metadata_entries} entries.", max_metadata_entries=MAX_METADATA_ENTRIES),
            "metadata",
        )
    for key, value in metadata.items():
        check_not_blank(key, "metadata", key[:MAX_METADATA_KEY_LENGTH], longest=MAX_METADATA_KEY_LENGTH, stored=True)
        check_text(value, "metadata", key, longest=MAX_METADATA_VALUE_LENGTH, lines=True, stored=True)


@dataclass(frozen=True, slots=True)
class CustomerTerms:
    """The columns of a customer that pricing a charge and its answer need."""

    id: UUID
    reference: str
    currency: str
    archived: bool = False
    purchase_order: str = ""
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", str(self.id))  # formatting a UUID is slow: once per customer


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """The columns of a service that pricing a charge and its answer need.

    `prices` are the prices of all days by currency.
    """

    id: UUID
    code: str
    name: str
    prices: Mapping[str, list[ListPrice]]
    archived: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", str(self.id))


class NamedCharge(Protocol):
    """The columns of a charge by which people know it."""

    @property
    def description(self) -> str: ...
    @property
    def incurred_on(self) -> date: ...


def charge_name(charge: NamedCharge) -> str:
    """Return a charge as messages name it: `“Support plan” of 15 Mar 2026`."""
    text = charge.description
    shown = text if len(text) <= MAX_NAME_LENGTH else text[: MAX_NAME_LENGTH - 1].rstrip() + "…"
    return Phrase("“{shown}” of {incurred_on}", shown=shown, incurred_on=format_day(charge.incurred_on))


def status_refusal(charge: NamedCharge, status: str, invoice_number: str | None) -> str:
    """Return the message for an act that a charge's status no longer allows.

    `invoice_number` is that of its invoice, None for a draft.
    """
    name = charge_name(charge)
    if status != "billed":
        return Phrase("{name} is {status}. To bill it, add it again.", name=name, status=word(status))
    if invoice_number is None:
        return Phrase("{name} is on a draft. Remove it from the draft first.", name=name)
    return Phrase(
        "{name} is on {invoice_number}. Credit that invoice instead.", name=name, invoice_number=invoice_number
    )


class ChargeFacts(Protocol):
    """The facts of a charge, before or after it is stored."""

    @property
    def customer_id(self) -> UUID: ...
    @property
    def service_id(self) -> UUID | None: ...
    @property
    def description(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def unit_price(self) -> Decimal | None: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def tax_included(self) -> bool: ...
    @property
    def currency(self) -> str: ...
    @property
    def incurred_on(self) -> date: ...
    @property
    def details(self) -> Mapping[str, str] | None: ...
    @property
    def period_from(self) -> date | None: ...
    @property
    def period_to(self) -> date | None: ...
    @property
    def period_of_days(self) -> int | None: ...
    @property
    def purchase_order(self) -> str: ...


class PricedCharge(NamedTuple):
    """A charge with all defaults and its exact amount."""

    id: UUID
    customer_id: UUID
    service_id: UUID | None
    description: str
    quantity: Decimal
    unit_price: Decimal | None
    amount: Decimal
    tax_included: bool
    currency: str
    incurred_on: date
    details: Mapping[str, str] | None
    fingerprint: int
    period_from: date | None = None
    period_to: date | None = None
    period_of_days: int | None = None
    purchase_order: str = ""


def price_charge(
    spec: ChargeSpec, id: UUID, customer: CustomerTerms, service: ServiceTerms | None, today: date
) -> PricedCharge:
    """Return a charge with its exact amount, and with defaults for missing fields.

    A charge without a purchase order gets the customer's standing one.
    The price is the given unit price, else the given amount, else the service's list price in the
    charge's currency on its day. A given price is net unless `tax_included` is true; a list price defines this
    itself.

    Raises:
        Invalid: There is no price, a negative quantity has a positive amount, or a new text has
            unprintable characters. Repeated requests are not priced, so they are not checked.
    """
    _refuse_unprintable(spec)
    currency = spec.currency or customer.currency
    incurred_on = spec.incurred_on or today
    quantity = ONE if spec.quantity is None else spec.quantity
    unit_price, tax_included = spec.unit_price, bool(spec.tax_included)
    if unit_price is None and spec.amount is None:
        unit_price, tax_included = _list_price(service, currency, incurred_on, spec.tax_included)
    amount = spec.amount if unit_price is None else multiply(quantity, unit_price, "quantity")
    assert amount is not None  # noqa: S101 - `_list_price` gave a unit price if there was neither
    if unit_price is None and quantity < 0 < amount:
        message = Phrase("The quantity is negative, but the amount is positive. Give both the same sign.")
        raise Invalid("out_of_range", message, "quantity")
    description = spec.description if spec.description is not None else service.name if service else ""
    service_id = service.id if service else None
    purchase_order = spec.purchase_order or customer.purchase_order
    parts = (  # frozen: charges of the last 24 hours have fingerprints of these parts in this order
        customer.key,
        service.key if service else "",
        description,
        plain_decimal(quantity),
        "" if unit_price is None else plain_decimal(unit_price),
        plain_decimal(amount),
        currency,
        str(incurred_on),
        *(("tax included",) if tax_included else ()),
        *(() if spec.period_from is None else (f"from {spec.period_from}", f"to {spec.period_to}")),
        *(() if spec.period_of_days is None else (f"of {spec.period_of_days} days",)),
        *((f"order {purchase_order}",) if purchase_order else ()),
    )
    return PricedCharge(
        id=id,
        customer_id=customer.id,
        service_id=service_id,
        description=description,
        quantity=quantity,
        unit_price=unit_price,
        amount=amount,
        tax_included=tax_included,
        currency=currency,
        incurred_on=incurred_on,
        details=spec.metadata or None,
        fingerprint=_fingerprint(parts),
        period_from=spec.period_from,
        period_to=spec.period_to,
        period_of_days=spec.period_of_days,
        purchase_order=purchase_order,
    )


def _refuse_unprintable(spec: ChargeSpec) -> None:
    if spec.description is not None and "description" not in spec.stored_texts:
        refuse_unprintable(spec.description, "description")
    if spec.purchase_order and "purchase_order" not in spec.stored_texts:
        refuse_unprintable(spec.purchase_order, "purchase_order")
    if spec.metadata and "metadata" not in spec.stored_texts:
        for key, value in spec.metadata.items():
            refuse_unprintable(key, "metadata", key)
            refuse_unprintable(value, "metadata", key)


def _list_price(
    service: ServiceTerms | None, currency: str, day: date, tax_included: bool | None
) -> tuple[Decimal, bool]:
    if service is None:
        raise Invalid(
            "no_price",
            Phrase("Enter a unit price or an amount: a charge without a service has no list price."),
            "unit_price",
        )
    price = effective_on(day, service.prices.get(currency, ()))
    if price is None or price.unit_price is None:
        message = (
            Phrase(
                "Enter a unit price or an amount: {service_code} has no price in {currency} on {day}.",
                service_code=service.code,
                currency=currency,
                day=format_day(day),
            )
            if currency in service.prices
            else Phrase(
                "Enter a unit price or an amount: {service_code} has no price in {currency}.",
                service_code=service.code,
                currency=currency,
            )
        )
        raise Invalid("no_price", message, "unit_price")
    if tax_included not in {None, price.includes_tax}:
        message = (
            Phrase(
                "The list price of {service_code} in {currency} includes tax: leave this blank, or enter a unit price "
                "or an amount.",
                service_code=service.code,
                currency=currency,
            )
            if price.includes_tax
            else Phrase(
                "The list price of {service_code} in {currency} is net: leave this blank, or enter a unit price "
                "or an amount.",
                service_code=service.code,
                currency=currency,
            )
        )
        raise Invalid("other_price", message, "tax_included")
    return price.unit_price, price.includes_tax


def _fingerprint(parts: tuple[str, ...]) -> int:
    """Return a 64-bit hash of the parts, separated by NUL, which no text can contain."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big", signed=True)


def differing_fields(
    spec: ChargeSpec, customer_id: UUID | None, service_id: UUID | None, stored: ChargeFacts
) -> list[str]:
    """Return the fields in which a repeated request differs from the stored charge.

    Fields that are None in the request are not compared.
    """
    # By field: the requested value and the stored one.
    values = {
        "customer": (customer_id, stored.customer_id),
        "service": (service_id if spec.service is not None else None, stored.service_id),
        "description": (spec.description, stored.description),
        "quantity": (spec.quantity, stored.quantity),
        "unit_price": (spec.unit_price, stored.unit_price),
        "amount": (spec.amount, stored.amount),
        "tax_included": (spec.tax_included, stored.tax_included),
        "currency": (spec.currency, stored.currency),
        "incurred_on": (spec.incurred_on, stored.incurred_on),
        "metadata": (None if spec.metadata is None else dict(spec.metadata), dict(stored.details or {})),
        "period_from": (spec.period_from, stored.period_from),
        "period_to": (spec.period_to, stored.period_to),
        "period_of_days": (spec.period_of_days, stored.period_of_days),
        # An empty one stands for the customer's standing one, which may have changed since.
        "purchase_order": (spec.purchase_order or None, stored.purchase_order),
    }
    return [field for field, (requested, present) in values.items() if requested is not None and requested != present]


def corrected_spec(stored: ChargeFacts, changes: Mapping[str, Any], id: UUID | None) -> ChargeSpec:
    """Return the request for a charge's replacement: its facts with some changes.

    `changes` are by field of ChargeSpec. A new unit price replaces an amount, and the other way round.
    Other days of the period drop `period_of_days`, which was that of the days before.

    Raises:
        Invalid: As ChargeSpec does.
    """
    facts: dict[str, Any] = {
        "customer": str(stored.customer_id),
        "service": str(stored.service_id) if stored.service_id else None,
        "description": stored.description,
        "quantity": stored.quantity,
        "unit_price": stored.unit_price,
        "amount": stored.amount if stored.unit_price is None else None,
        "tax_included": stored.tax_included,
        "currency": stored.currency,
        "incurred_on": stored.incurred_on,
        "metadata": stored.details or {},
        "period_from": stored.period_from,
        "period_to": stored.period_to,
        "period_of_days": stored.period_of_days,
        "purchase_order": stored.purchase_order,
    }
    if changes.get("unit_price") is not None or changes.get("amount") is not None:
        facts |= {"unit_price": None, "amount": None}
    if any(changes.get(name, facts[name]) != facts[name] for name in ("period_from", "period_to")):
        facts["period_of_days"] = None
    values = {**facts, **changes}
    stored_texts = [name for name in ("description", "metadata", "purchase_order") if values[name] == facts[name]]
    return ChargeSpec(**values, id=id, stored_texts=stored_texts)

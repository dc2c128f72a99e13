"""What may be asked of a charge, what it then costs, and when two charges are the same."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import currency_code, multiply, plain_decimal, refuse_inexact
from billing_admin.domain.text import check_not_blank, check_text, refuse_unprintable

ONE = Decimal(1)
LIKELY_DUPLICATE_HOURS = 24
AccountKey: TypeAlias = tuple[UUID, str]  # customer id and currency

# Why a likely duplicate is held where the organisation wants it so; whoever keeps it lets go of a charge held for this.
LIKELY_DUPLICATE = "Likely duplicate"


def duplicate_window_start(now: datetime) -> datetime:
    """When the earliest charge was stored, in UTC, that may still be the first of two likely duplicates."""
    return now.astimezone(UTC) - timedelta(hours=LIKELY_DUPLICATE_HOURS)


@dataclass(frozen=True, slots=True)
class ChargeSpec:
    """One charge as the caller asks for it; None means left out. Raises Invalid where the parts contradict each other.

    `customer` and `service` are an id or the thing's own name. Numbers are exact decimals (see `money.exact_decimal`).
    `tax_included` says whether a unit price or amount of the caller's own includes tax.
    `taken_over` names the texts that come from stored data: they are not checked as new ones.
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
    id: UUID | None = None
    taken_over: Collection[str] = ()

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.unit_price is not None and self.amount is not None:
            raise Invalid("two_prices", "Give a unit price or an amount, not both.", "amount")
        if self.service is None and self.description is None:
            raise Invalid("nothing_named", "Give a service, or a description with a price.", "service")
        if self.description is not None:
            check_not_blank(self.description, "description", longest=1000, stored=True)
        if self.currency is not None:
            currency_code(self.currency)
        if self.incurred_on is not None:
            check_calendar_day(self.incurred_on, "incurred_on")
        if self.metadata:
            _check_metadata(self.metadata)

    def _check_numbers(self) -> None:
        for name in ("quantity", "unit_price", "amount"):
            if (value := getattr(self, name)) is not None:
                refuse_inexact(value, name)


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > 50:
        raise Invalid("too_long", "Use at most 50 entries.", "metadata")
    for key, value in metadata.items():
        check_not_blank(key, "metadata", key[:40], longest=40, stored=True)
        check_text(value, "metadata", key, longest=500, lines=True, stored=True)


@dataclass(frozen=True, slots=True)
class CustomerTerms:
    """What pricing and answering need to know of a customer."""

    id: UUID
    reference: str
    currency: str
    archived: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", str(self.id))  # once, not for each charge


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """What pricing and answering need to know of a service: its unit prices by currency, and in which they include tax."""

    id: UUID
    code: str
    name: str
    prices: Mapping[str, Decimal]
    inclusive: Collection[str] = frozenset()
    archived: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", str(self.id))


class ChargeFacts(Protocol):
    """What a charge says, whether about to be stored or read back."""

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


class PricedCharge(NamedTuple):
    """A charge with every default filled in and its exact amount."""

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


def price_charge(
    spec: ChargeSpec, id: UUID, customer: CustomerTerms, service: ServiceTerms | None, today: date
) -> PricedCharge:
    """Fill in what the caller left out and compute the exact amount.

    The price is the unit price given, else the amount given, else the service's price in the charge's currency, which knows
    whether it includes tax; a price given is net unless said otherwise. Raises Invalid when there is none, and for texts
    with characters that no new text may have: a repeat, which is not priced, may have them.
    """
    _refuse_unprintable(spec)
    currency = spec.currency or customer.currency
    quantity = ONE if spec.quantity is None else spec.quantity
    unit_price, tax_included = spec.unit_price, bool(spec.tax_included)
    if unit_price is None and spec.amount is None:
        unit_price, tax_included = _list_price(service, currency, spec.tax_included)
    amount = spec.amount if unit_price is None else multiply(quantity, unit_price, "quantity")
    assert amount is not None  # noqa: S101 - one of the two prices is there by now
    description = spec.description if spec.description is not None else service.name if service else ""
    service_id = service.id if service else None
    incurred_on = spec.incurred_on or today
    parts = (
        customer.key,
        service.key if service else "",
        description,
        plain_decimal(quantity),
        "" if unit_price is None else plain_decimal(unit_price),
        plain_decimal(amount),
        currency,
        str(incurred_on),
        *(("tax included",) if tax_included else ()),
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
    )


def _refuse_unprintable(spec: ChargeSpec) -> None:
    if spec.description is not None and "description" not in spec.taken_over:
        refuse_unprintable(spec.description, "description")
    if spec.metadata and "metadata" not in spec.taken_over:
        for key, value in spec.metadata.items():
            refuse_unprintable(key, "metadata", key)
            refuse_unprintable(value, "metadata", key)


def _list_price(service: ServiceTerms | None, currency: str, tax_included: bool | None) -> tuple[Decimal, bool]:
    if service is None:
        raise Invalid(
            "no_price", "Give a unit price or an amount: a charge without a service has no list price.", "unit_price"
        )
    if currency not in service.prices:
        raise Invalid(
            "no_price", f"{service.code} has no price in {currency}: give a unit price or an amount.", "unit_price"
        )
    inclusive = currency in service.inclusive
    if tax_included not in {None, inclusive}:
        says = "includes tax" if inclusive else "is net"
        raise Invalid(
            "other_price",
            f"The price of {service.code} in {currency} {says}: leave this out, or give a unit price or an amount.",
            "tax_included",
        )
    return service.prices[currency], inclusive


def _fingerprint(parts: tuple[str, ...]) -> int:
    """64 bits over what makes two charges look alike; NUL separates, as no text may hold one."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big", signed=True)


def differing_fields(
    spec: ChargeSpec, customer_id: UUID | None, service_id: UUID | None, stored: ChargeFacts
) -> list[str]:
    """Name the fields that a repeat under the same id gives another value; what it leaves out is not compared."""
    given = {
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
    }
    return [field for field, (asked, kept) in given.items() if asked is not None and asked != kept]


def corrected_spec(stored: ChargeFacts, changes: Mapping[str, Any], id: UUID | None) -> ChargeSpec:
    """What to post in a charge's place: its own facts, but for the fields given, named as in a ChargeSpec.

    A unit price given takes the place of a plain amount, and the other way round. Raises Invalid as ChargeSpec does.
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
    }
    if changes.get("unit_price") is not None or changes.get("amount") is not None:
        facts |= {"unit_price": None, "amount": None}
    asked = {**facts, **changes}
    taken_over = [name for name in ("description", "metadata") if asked[name] == facts[name]]
    return ChargeSpec(**asked, id=id, taken_over=taken_over)

"""Create the charges of the demo's customers by month.

They are the same in every demo, whatever its first month.
"""

import calendar
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

from billing_admin.demo.company import (
    ALSO_IN_USD,
    CATALOGUE,
    CUSTOMERS,
    IN_ADVANCE,
    LEAVING_CUSTOMER,
    OVERPAID_BACK,
    PLANS,
    RETIRED,
    DemoCustomer,
    Item,
)
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.money import exact_decimal

MONTHS = 14
CURRENT = MONTHS - 1
LEAVES_AFTER, RETIRED_AFTER, GPU_CHEAPER_FROM = 8, 5, 7
GROWTH = 0.02
CONSULTING_PROBABILITY = {"agency": 0.5, "platform": 0.3, "lab": 0.3}
WORK = ("Architecture review", "Migration workshop", "Cost review", "On-call handover", "Restore rehearsal")
REGIONS = ("eu-central-1", "eu-north-1", "us-east-2", "ap-tokyo-1")
ITEMS = {item.code: item for item in CATALOGUE}


def key(*parts: object) -> UUID:
    """Return the id of an object of the demo, derived from its name."""
    return uuid5(NAMESPACE_URL, "https://nimbus-meadow.example/" + "/".join(map(str, parts)))


def monthly_charges(month: int, first: date) -> list[ChargeSpec]:
    """Return the metered and agreed charges of a month that begins on `first`, by day."""
    specs = [
        spec for customer in CUSTOMERS if _is_customer(customer, month) for spec in _charges(customer, month, first)
    ]
    return sorted(specs, key=lambda spec: (spec.incurred_on or first, spec.customer))


def _is_customer(customer: DemoCustomer, month: int) -> bool:
    return customer.since <= month and not (customer.reference == LEAVING_CUSTOMER and month >= LEAVES_AFTER)


def _charges(customer: DemoCustomer, month: int, first: date) -> Iterator[ChargeSpec]:
    items = [ITEMS[code] for code in PLANS[customer.plan]]
    if month < RETIRED_AFTER and customer.plan == "office":
        items.append(RETIRED)
    for item in items:
        for count in range(item.charges):
            yield _metered(customer, item, month, first, count)
    random = _random(customer, "extras", month)
    if random.random() < CONSULTING_PROBABILITY.get(customer.plan, 0):
        yield _consulting(customer, random, month, first)
    yield from _special_charges(customer, month, first)


def _random(customer: DemoCustomer, purpose: str, month: int) -> Random:
    return Random(f"nimbus meadow {customer.reference} {purpose} {month}")  # noqa: S311 - must be the same in every demo


def _day(random: Random, first: date) -> date:
    return first.replace(day=random.randint(2, calendar.monthrange(first.year, first.month)[1]))


def _metered(customer: DemoCustomer, item: Item, month: int, first: date, count: int) -> ChargeSpec:
    random = _random(customer, f"{item.code} {count}", month)
    used = item.monthly * customer.size * (1 + GROWTH * month) * random.uniform(0.8, 1.25) / item.charges
    quantity = max(1, round(used)) if item.whole else round(used, 3)
    return ChargeSpec(
        id=key("charges", customer.reference, item.code, month, count),
        customer=customer.reference,
        service=item.code,
        quantity=Decimal(1) if item.unit == "month" else exact_decimal(str(quantity)),
        incurred_on=first if item.code in IN_ADVANCE else _day(random, first),
        metadata={"region": random.choice(REGIONS)} if item.charges > 1 else None,
    )


def _consulting(customer: DemoCustomer, random: Random, month: int, first: date) -> ChargeSpec:
    return ChargeSpec(
        id=key("charges", customer.reference, "Consulting", month),
        customer=customer.reference,
        service="Consulting",
        description=random.choice(WORK),
        quantity=Decimal(random.randint(4, 32)) / 2,
        incurred_on=_day(random, first),
    )


def _special_charges(customer: DemoCustomer, month: int, first: date) -> Iterator[ChargeSpec]:
    """Yield goodwill as plain amounts, and support in another currency.

    One customer gets more goodwill than its usage costs.
    """
    random, id = _random(customer, "special", month), key("charges", customer.reference, "special", month)
    if customer.reference == OVERPAID_BACK and month == CURRENT - 1:
        yield _goodwill(customer, id, "Goodwill for the storage outage", "-1250.00", _day(random, first))
    elif customer.reference == ALSO_IN_USD and month % 3 == 0:
        yield ChargeSpec(
            id=id,
            customer=customer.reference,
            service="SupportPlan",
            quantity=Decimal(2),
            currency="USD",
            incurred_on=first,
        )
    elif customer.size > 1 and random.random() < 0.06:
        amount = str(-100 * random.randint(20, 90)) if customer.currency == "JPY" else f"{-random.randint(25, 90)}.50"
        yield _goodwill(customer, id, "Goodwill for a slow support case", amount, _day(random, first))


def _goodwill(customer: DemoCustomer, id: UUID, description: str, amount: str, day: date) -> ChargeSpec:
    return ChargeSpec(
        id=id, customer=customer.reference, description=description, amount=exact_decimal(amount), incurred_on=day
    )


# Customer, description, amount, and the reason for holding the charge.
DISPUTED = (
    ("C-0112", "Migration of the archive, second half", "2400.00", "Waits for the customer's acceptance"),
    ("C-0201", "Reserved GPU capacity", "3150.00", "Price is being negotiated"),
    ("C-0303", "On-site training", "180000", "Travel costs are still missing"),
)
REPEATED = (("C-0115", "GenericCompute", "36"), ("C-0203", "ObjectStorage", "120.5"))


def disputed_charges(today: date) -> list[tuple[ChargeSpec, str]]:
    """Return charges to be held, each with the reason."""
    return [
        (
            _goodwill(_demo_customer(reference), key("charges", reference, "disputed"), description, amount, today),
            reason,
        )
        for reference, description, amount, reason in DISPUTED
    ]


def _demo_customer(reference: str) -> DemoCustomer:
    return next(customer for customer in CUSTOMERS if customer.reference == reference)


def repeated_charges(today: date) -> list[ChargeSpec]:
    """Return charges that a script sent twice under different ids."""
    return [
        ChargeSpec(
            id=key("charges", reference, code, "again", count),
            customer=reference,
            service=code,
            quantity=exact_decimal(quantity),
            incurred_on=today,
        )
        for reference, code, quantity in REPEATED
        for count in range(2)
    ]

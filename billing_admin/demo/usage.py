"""What the demo's customers use, month by month: the same each time, wherever the fourteen months begin."""

import calendar
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

from billing_admin.demo.company import (
    ALSO_IN_USD,
    BUYERS,
    CATALOGUE,
    GONE,
    IN_ADVANCE,
    OVERPAID_BACK,
    PLANS,
    RETIRED,
    Buyer,
    Item,
)
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.money import exact_decimal

MONTHS = 14
CURRENT = MONTHS - 1
GONE_AFTER, RETIRED_AFTER, GPU_CHEAPER_FROM = 8, 5, 7
GROWTH = 0.02
CONSULTED = {"agency": 0.5, "platform": 0.3, "lab": 0.3}
WORK = ("Architecture review", "Migration workshop", "Cost review", "On-call handover", "Restore rehearsal")
REGIONS = ("eu-central-1", "eu-north-1", "us-east-2", "ap-tokyo-1")
ITEMS = {item.code: item for item in CATALOGUE}


def key(*parts: object) -> UUID:
    """The id of a thing of the demo."""
    return uuid5(NAMESPACE_URL, "https://nimbus-meadow.example/" + "/".join(map(str, parts)))


def charges_of(month: int, first: date) -> list[ChargeSpec]:
    """Everything metered or agreed in a month that begins on `first`, by day."""
    specs = [spec for buyer in BUYERS if _buys(buyer, month) for spec in _monthly(buyer, month, first)]
    return sorted(specs, key=lambda spec: (spec.incurred_on or first, spec.customer))


def _buys(buyer: Buyer, month: int) -> bool:
    return buyer.since <= month and not (buyer.reference == GONE and month >= GONE_AFTER)


def _monthly(buyer: Buyer, month: int, first: date) -> Iterator[ChargeSpec]:
    items = [ITEMS[code] for code in PLANS[buyer.plan]]
    if month < RETIRED_AFTER and buyer.plan == "office":
        items.append(RETIRED)
    for item in items:
        for count in range(item.charges):
            yield _metered(buyer, item, month, first, count)
    random = _random(buyer, "extras", month)
    if random.random() < CONSULTED.get(buyer.plan, 0):
        yield _consulting(buyer, random, month, first)
    yield from _special(buyer, month, first)


def _random(buyer: Buyer, what: str, month: int) -> Random:
    return Random(f"nimbus meadow {buyer.reference} {what} {month}")  # noqa: S311 - the same each time, on purpose


def _day(random: Random, first: date) -> date:
    return first.replace(day=random.randint(2, calendar.monthrange(first.year, first.month)[1]))


def _metered(buyer: Buyer, item: Item, month: int, first: date, count: int) -> ChargeSpec:
    random = _random(buyer, f"{item.code} {count}", month)
    used = item.monthly * buyer.size * (1 + GROWTH * month) * random.uniform(0.8, 1.25) / item.charges
    quantity = max(1, round(used)) if item.whole else round(used, 3)
    return ChargeSpec(
        id=key("charges", buyer.reference, item.code, month, count),
        customer=buyer.reference,
        service=item.code,
        quantity=Decimal(1) if item.unit == "month" else exact_decimal(str(quantity)),
        incurred_on=first if item.code in IN_ADVANCE else _day(random, first),
        metadata={"region": random.choice(REGIONS)} if item.charges > 1 else None,
    )


def _consulting(buyer: Buyer, random: Random, month: int, first: date) -> ChargeSpec:
    return ChargeSpec(
        id=key("charges", buyer.reference, "Consulting", month),
        customer=buyer.reference,
        service="Consulting",
        description=random.choice(WORK),
        quantity=Decimal(random.randint(4, 32)) / 2,
        incurred_on=_day(random, first),
    )


def _special(buyer: Buyer, month: int, first: date) -> Iterator[ChargeSpec]:
    """Plain amounts: small goodwill now and then, and once more than there was to pay; some licences in another currency."""
    random, id = _random(buyer, "special", month), key("charges", buyer.reference, "special", month)
    if buyer.reference == OVERPAID_BACK and month == CURRENT - 1:
        yield _goodwill(buyer, id, "Goodwill for the storage outage", "-1250.00", _day(random, first))
    elif buyer.reference == ALSO_IN_USD and month % 3 == 0:
        yield ChargeSpec(
            id=id,
            customer=buyer.reference,
            service="PartnerLicence",
            quantity=Decimal(8),
            currency="USD",
            incurred_on=first,
        )
    elif buyer.size > 1 and random.random() < 0.06:
        amount = str(-100 * random.randint(20, 90)) if buyer.currency == "JPY" else f"{-random.randint(25, 90)}.50"
        yield _goodwill(buyer, id, "Goodwill for a slow support case", amount, _day(random, first))


def _goodwill(buyer: Buyer, id: UUID, description: str, amount: str, day: date) -> ChargeSpec:
    return ChargeSpec(
        id=id, customer=buyer.reference, description=description, amount=exact_decimal(amount), incurred_on=day
    )


# Customer, what for, amount, and why a person holds it.
IN_DISPUTE = (
    ("C-0112", "Migration of the archive, second half", "2400.00", "Waits for the customer's acceptance"),
    ("C-0201", "Reserved GPU capacity", "3150.00", "Price is being negotiated"),
    ("C-0303", "On-site training", "180000", "Travel costs are still missing"),
)
TWICE = (("C-0115", "GenericCompute", "36"), ("C-0203", "ObjectStorage", "120.5"))


def in_dispute(today: date) -> list[tuple[ChargeSpec, str]]:
    """Charges to be held, each with the reason."""
    return [
        (_goodwill(_buyer(reference), key("charges", reference, "disputed"), words, amount, today), reason)
        for reference, words, amount, reason in IN_DISPUTE
    ]


def _buyer(reference: str) -> Buyer:
    return next(buyer for buyer in BUYERS if buyer.reference == reference)


def sent_twice(today: date) -> list[ChargeSpec]:
    """Charges that a script sent again under a fresh id."""
    return [
        ChargeSpec(
            id=key("charges", reference, code, "again", count),
            customer=reference,
            service=code,
            quantity=exact_decimal(quantity),
            incurred_on=today,
        )
        for reference, code, quantity in TWICE
        for count in range(2)
    ]

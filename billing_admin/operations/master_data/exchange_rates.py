"""Set, import and remove exchange rates between the base currency and others.

Documents copy the rate that they use when they are issued: a later change does not alter them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound, Problem
from billing_admin.domain.exchange_rates import RateSpec, check_foreign
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.translation import Phrase
from billing_admin.models import ExchangeRate
from billing_admin.operations.audit import record
from billing_admin.queries.master_data.exchange_rates import RateKey, stored_rates
from billing_admin.queries.master_data.organisation import organisation

MAX_LISTED = 100  # changed rates in the details of one audit event


@dataclass(frozen=True, slots=True)
class RatesSet:
    """The numbers of rates that were added, changed, or already stored."""

    added: int
    changed: int
    unchanged: int


def set_rate(session: Session, spec: RateSpec, actor: Actor, now: datetime) -> tuple[ExchangeRate, bool]:
    """Set the rate of a currency on a day, and return it and whether it changed.

    It replaces a rate of the same day; a new rate counts as changed. Raises Invalid for the base currency.
    """
    outcome = set_rates(session, [spec], actor, now)
    key = (organisation(session).base_currency, spec.currency, spec.day)
    return session.get_one(ExchangeRate, key), bool(outcome.added or outcome.changed)


def set_rates(session: Session, specs: Sequence[RateSpec], actor: Actor, now: datetime) -> RatesSet:
    """Set many rates in one act, all or none.

    Raises Invalid for the base currency, and for two different rates of a currency on one day.
    """
    base_currency = organisation(session).base_currency
    rates = _by_key(specs, base_currency)
    days = [day for _, day in rates]
    stored = stored_rates(session, base_currency, min(days), max(days)) if rates else {}
    new = [_row(base_currency, spec) for key, spec in rates.items() if key not in stored]
    changed = [
        (row, spec) for key, spec in rates.items() if (row := stored.get(key)) is not None and _differs(row, spec)
    ]
    details = _details(base_currency, rates, len(new), changed)
    insert_many(session, ExchangeRate, new)
    for row, spec in changed:
        row.rate, row.source = spec.rate, spec.source
    if new or changed:
        session.flush()
        record(session, actor, now, "exchange_rate.set", "exchange_rate", None, details)
    return RatesSet(len(new), len(changed), len(rates) - len(new) - len(changed))


def _by_key(specs: Iterable[RateSpec], base_currency: str) -> dict[RateKey, RateSpec]:
    rates: dict[RateKey, RateSpec] = {}
    for spec in specs:
        check_foreign(spec.currency, base_currency)
        earlier = rates.setdefault((spec.currency, spec.day), spec)
        if earlier.rate != spec.rate:
            day = format_day(spec.day)
            message = Phrase(
                "There are two rates of {currency} on {day}. Remove one of them.", currency=spec.currency, day=day
            )
            raise Invalid.of([Problem("two_rates", message, ("rate",))])
    return rates


def _row(base_currency: str, spec: RateSpec) -> dict[str, Any]:
    return {
        "base_currency": base_currency,
        "currency": spec.currency,
        "day": spec.day,
        "rate": spec.rate,
        "source": spec.source,
    }


def _differs(row: ExchangeRate, spec: RateSpec) -> bool:
    return (row.rate, row.source) != (spec.rate, spec.source)


def _details(
    base_currency: str, rates: Mapping[RateKey, RateSpec], added: int, changed: Sequence[tuple[ExchangeRate, RateSpec]]
) -> dict[str, Any]:
    """Return the audit details: one rate in full, or numbers and changed rates."""
    before = {(row.currency, row.day): row.rate for row, _ in changed}
    if len(rates) == 1:
        [(key, spec)] = rates.items()
        old = plain_decimal(before[key]) if key in before else None
        return {
            "base_currency": base_currency,
            "currency": spec.currency,
            "day": spec.day.isoformat(),
            "rate": [old, plain_decimal(spec.rate)],
            "source": spec.source,
        }
    days = [day for _, day in rates]
    return {
        "base_currency": base_currency,
        "currencies": sorted({currency for currency, _ in rates}),
        "from": min(days).isoformat(),
        "to": max(days).isoformat(),
        "added": added,
        "changed": len(changed),
        "rates": [
            [row.currency, row.day.isoformat(), plain_decimal(row.rate), plain_decimal(spec.rate)]
            for row, spec in changed[:MAX_LISTED]
        ],
    }


def remove_rate(session: Session, currency: str, day: date, actor: Actor, now: datetime) -> ExchangeRate:
    """Remove the rate of a currency on a day, and return it; issued documents keep it.

    Raises NotFound.
    """
    base_currency = organisation(session).base_currency
    rate = session.get(ExchangeRate, (base_currency, currency, day), with_for_update=True)
    if rate is None:
        raise NotFound(
            "unknown_rate",
            Phrase("There is no rate of {currency} on {day}.", currency=currency[:40], day=format_day(day)),
            "day",
        )
    details = {
        "base_currency": base_currency,
        "currency": currency,
        "day": day.isoformat(),
        "rate": [plain_decimal(rate.rate), None],
    }
    session.delete(rate)
    session.flush()
    record(session, actor, now, "exchange_rate.removed", "exchange_rate", None, details)
    return rate

"""Create, change, archive and restore services, and set their prices.

A price is valid from a day and applies to charges incurred on or after it. It never alters a posted charge.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.dated_values import effective_on
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.formatting import format_day
from billing_admin.domain.master_data import (
    SERVICE_RULES,
    ServiceFields,
    check_fields,
    check_new_texts,
    check_version,
    differing_fields,
    refuse_differences,
)
from billing_admin.domain.money import currency_code, plain_decimal, plain_decimal_or_none, refuse_unit_of_account
from billing_admin.domain.prices import PRICES_START, ListPrice, PriceSpec, check_unit_price, prices_on, terms_of
from billing_admin.domain.text import fold_for_search, sort_key
from billing_admin.domain.translation import Phrase
from billing_admin.domain.units import check_unit_code
from billing_admin.formats.code_lists import CodeList, codes
from billing_admin.models import Service, ServicePrice, TaxRate
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.master_data.price_limits import PriceChange, refuse_above_limit
from billing_admin.queries.master_data.organisation import organisation, today
from billing_admin.queries.master_data.services import is_price_used


def create(
    session: Session, fields: ServiceFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[Service, bool]:
    """Create a service, or return the existing one with the same id or code.

    Returns it and whether it is new. The code is mandatory. The name defaults to the code, the tax rate to that of
    the organisation. The prices are valid from the first day. Raises Conflict, with the fields that differ, when the
    id or code belongs to a service with other values.
    """
    values, day = _check_values(fields), today(session, now)
    existing = _find_existing(session, id, values.get("code"))
    if existing is not None:
        _check_same(existing, values, id, day)
        return existing, False
    check_new_texts(values)
    if "code" not in values:
        raise Invalid("missing", Phrase("Enter the service's code."), "code")
    service = Service(
        id=id or new_id(now),
        code=values["code"],
        name=values.get("name", values["code"]),
        unit=values.get("unit", ""),
        unit_code=values.get("unit_code", ""),
        tax_rate=_tax_rate(session, values.get("tax_rate")),
        line_per_charge=values.get("line_per_charge", False),
        revenue_account=values.get("revenue_account", ""),
        created_at=now,
        archived_at=None,
    )
    _set_prices(session, service, values, day)
    _set_search_text(service)
    session.add(service)
    session.flush()
    record(session, actor, now, "service.created", "service", service.id, _audit_details(_stored_fields(service, day)))
    return service, True


def _check_values(fields: ServiceFields) -> dict[str, Any]:
    values = check_fields(SERVICE_RULES, fields)
    if "prices_include_tax" in values:
        values["prices_include_tax"] = sorted(set(values["prices_include_tax"]))
    if values.get("unit_code"):
        check_unit_code(values["unit_code"], codes(CodeList.UNITS), "unit_code")
    return values


def _find_existing(session: Session, id: UUID | None, code: str | None) -> Service | None:
    by_id = session.get(Service, id) if id else None
    if by_id is not None or code is None:
        return by_id
    return session.scalar(select(Service).where(Service.code == code))


def _check_same(existing: Service, values: dict[str, Any], id: UUID | None, day: date) -> None:
    if id is not None and existing.id != id:
        raise Conflict(
            "code_taken",
            Phrase("Code {existing_code} belongs to another service.", existing_code=existing.code),
            "code",
            differs=["id"],
        )
    refuse_differences(
        Phrase("Service {existing_code}", existing_code=existing.code),
        differing_fields(values, _stored_fields(existing, day)),
    )


def _tax_rate(session: Session, code: str | None) -> TaxRate:
    if code is None:
        return organisation(session).default_tax_rate
    rate = session.scalar(select(TaxRate).where(TaxRate.code == code))
    if rate is None:
        raise Invalid("unknown_tax_rate", Phrase("There is no tax rate “{code}”.", code=code[:80]), "tax_rate")
    return rate


def _set_prices(session: Session, service: Service, values: Mapping[str, Any], day: date) -> None:
    """Set the prices of a day and of the days after it."""
    current = {price.currency: price for price in _prices_on(service, day)}
    unit_prices = {currency: price.unit_price for currency, price in current.items()} | values.get("prices", {})
    inclusive = values.get("prices_include_tax", [price.currency for price in current.values() if price.includes_tax])
    if "prices" in values:
        unit_prices |= dict.fromkeys(current.keys() - values["prices"].keys())
    missing = {currency for currency in values.get("prices_include_tax", ()) if unit_prices.get(currency) is None}
    if missing:
        raise Invalid(
            "no_price",
            Phrase("Enter a price in {missing}, or remove the currency from this list.", missing=min(missing)[:40]),
            "prices_include_tax",
        )
    field = "prices" if "prices" in values else "prices_include_tax"
    for currency, unit_price in unit_prices.items():
        _refuse_new_unit_of_account(service, currency, field, currency)
        first_day = default_first_day(service, currency, day)
        includes_tax = unit_price is not None and currency in inclusive
        _set_price(session, service, currency, ListPrice(first_day, unit_price, includes_tax), field)


def _refuse_new_unit_of_account(service: Service, currency: str, *field: str) -> None:
    """Raise Invalid for the first price in a currency that nobody pays in."""
    if all(price.currency != currency for price in service.prices):
        refuse_unit_of_account(currency, *field)


def _set_price(session: Session, service: Service, currency: str, price: ListPrice, field: str) -> None:
    """Set a price from its first day on, unless it is valid then already.

    Raises Conflict at `field` if charges use the price that begins on that day.
    """
    effective = _price_on(service, currency, price.valid_from)
    if effective is not None and (effective.unit_price, effective.includes_tax) == price[1:]:
        return
    if effective is not None and effective.valid_from == price.valid_from:
        _refuse_used(session, service, effective, field)
        effective.unit_price, effective.includes_tax = price.unit_price, price.includes_tax
    else:
        service.prices.append(ServicePrice(currency=currency, **price._asdict()))


def default_first_day(service: Service, currency: str, today: date) -> date:
    """Return the first day of a price that is entered without one.

    Charges of earlier days need a price as well, so the first price in a currency is valid from the first day.
    """
    return today if any(price.currency == currency for price in service.prices) else PRICES_START


def _prices_on(service: Service, day: date) -> list[ServicePrice]:
    return list(prices_on(day, service.prices).values())


def _stored_fields(service: Service, day: date) -> dict[str, Any]:
    """Return the fields of a service, with the prices of a day."""
    return {
        "code": service.code,
        "name": service.name,
        "unit": service.unit,
        "unit_code": service.unit_code,
        "tax_rate": service.tax_rate.code,
        "line_per_charge": service.line_per_charge,
        "revenue_account": service.revenue_account,
        "prices": {price.currency: price.unit_price for price in _prices_on(service, day)},
        "prices_include_tax": [price.currency for price in _prices_on(service, day) if price.includes_tax],
    }


def _audit_details(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"prices": {currency: plain_decimal(price) for currency, price in fields["prices"].items()}}


def _set_search_text(service: Service) -> None:
    service.sort_key = sort_key(service.code)
    service.search = fold_for_search(f"{service.code} {service.name}")


def update(
    session: Session, service_id: UUID, fields: ServiceFields, version: int | None, actor: Actor, now: datetime
) -> Service:
    """Change the given fields; `prices` replaces all prices from today on.

    The first price in a currency is valid from the first day. Raises Stale when the service has changed since
    `version`, Conflict for a price that began today and that charges use, and Denied for a change of a price above the
    limit of the role.
    """
    service, day = _lock_service(session, service_id, version), today(session, now)
    values = _check_values(fields)
    _refuse_taken_code(session, service, values)
    before = _stored_fields(service, day)
    prices_before = {
        currency: (terms_of(_price_on(service, currency, day)), _last_terms(service, currency, day))
        for currency in sorted({price.currency for price in service.prices})
    }
    check_new_texts(values, before)
    for field in ("code", "name", "unit", "unit_code", "line_per_charge", "revenue_account"):
        if field in values:
            setattr(service, field, values[field])
    if "tax_rate" in values:
        service.tax_rate = _tax_rate(session, values["tax_rate"])
    _set_prices(session, service, values, day)
    changes = [
        PriceChange(currency, day, last, price)
        for currency, (price_before, last) in prices_before.items()
        if (price := terms_of(_price_on(service, currency, day))) != price_before
    ]
    refuse_above_limit(session, service, changes, actor, now, may_wait=False, field="prices")
    changed = changed_fields(_audit_details(before), _audit_details(_stored_fields(service, day)))
    if changed:
        _set_search_text(service)
        _count_up_version(session, service)
        record(session, actor, now, "service.changed", "service", service.id, changed)
    return service


def set_price(
    session: Session,
    service_id: UUID,
    spec: PriceSpec,
    version: int | None,
    actor: Actor,
    now: datetime,
    *,
    may_wait: bool = False,
) -> tuple[ServicePrice, bool]:
    """Set the price in a currency from a day on, until the next price begins.

    The day defaults to today, or to the first day for the first price in the currency. The price replaces one that
    begins on the same day. Without `includes_tax` that stays as it is. Returns the price that is valid on the day, and
    whether it is new. Raises Invalid, Stale when the service has changed since `version`, and Conflict for the first
    day of a price that charges use. A change above the limit of the role raises NeedsApproval if it `may_wait`, because
    it is all of the request, or Denied.
    """
    service, current_day = _lock_service(session, service_id, version), today(session, now)
    currency_code(spec.currency)
    _refuse_new_unit_of_account(service, spec.currency, "currency")
    check_unit_price(spec.unit_price, "unit_price")
    day = spec.valid_from or default_first_day(service, spec.currency, current_day)
    check_calendar_day(day, "valid_from")
    before = _price_on(service, spec.currency, day)
    inherited = before is not None and before.includes_tax
    price = ListPrice(day, spec.unit_price, inherited if spec.includes_tax is None else spec.includes_tax)
    if before is not None and (before.unit_price, before.includes_tax) == price[1:]:
        return before, False
    details, terms = _price_details(before), _last_terms(service, spec.currency, day)
    _set_price(session, service, spec.currency, price, "valid_from")
    after = _price_on(service, spec.currency, day)
    assert after is not None  # noqa: S101 - it was set just now
    change = PriceChange(spec.currency, day, terms, terms_of(after))
    refuse_above_limit(session, service, [change], actor, now, may_wait=may_wait, field="unit_price")
    _record_price(session, service, spec.currency, day, details, _price_details(after), actor, now)
    return after, True


def remove_price(
    session: Session,
    service_id: UUID,
    currency: str,
    valid_from: date,
    actor: Actor,
    now: datetime,
    *,
    may_wait: bool = False,
) -> Service:
    """Remove a price that no charge uses.

    The previous price in the currency is then valid on its days. Raises Invalid for an unknown currency, NotFound for a
    day on which no price begins, and Conflict for a price that charges use; and as `set_price` above the limit.
    """
    currency_code(currency)
    service = _lock_service(session, service_id, None)
    price = next((row for row in service.prices if (row.currency, row.valid_from) == (currency, valid_from)), None)
    day = format_day(valid_from)
    if price is None:
        raise NotFound(
            "unknown_price",
            Phrase(
                "No price of {service_code} in {currency} begins on {day}.",
                service_code=service.code,
                currency=currency,
                day=day,
            ),
            "valid_from",
        )
    _refuse_used(session, service, price, "valid_from")
    before, terms = _price_details(price), _last_terms(service, currency, valid_from)
    service.prices.remove(price)
    previous = _price_on(service, currency, valid_from)
    change = PriceChange(currency, valid_from, terms, terms_of(previous), is_removal=True)
    refuse_above_limit(session, service, [change], actor, now, may_wait=may_wait, field="valid_from")
    _record_price(session, service, currency, valid_from, before, _price_details(previous), actor, now)
    return service


def _refuse_used(session: Session, service: Service, price: ServicePrice, field: str) -> None:
    """Raise Conflict at a field for a price that charges use."""
    with session.no_autoflush:  # a flush here would count up the version a second time
        is_used = is_price_used(session, price)
    if is_used:
        raise Conflict(
            "price_used",
            Phrase(
                "Charges use the price of {service_code} in {currency} from {valid_from}. Set the new price from"
                " a later day, then correct the charges.",
                service_code=service.code,
                currency=price.currency,
                valid_from=format_day(price.valid_from),
            ),
            field,
        )


def _price_on(service: Service, currency: str, day: date) -> ServicePrice | None:
    return effective_on(day, [price for price in service.prices if price.currency == currency])


def _last_terms(service: Service, currency: str, day: date) -> ListPrice | None:
    """Return the price on a day, or if the prices have ended, the last one before."""
    prices = [price for price in service.prices if price.currency == currency and price.unit_price is not None]
    return terms_of(effective_on(day, prices))


def _price_details(price: ServicePrice | None) -> dict[str, Any]:
    if price is None:
        return {"unit_price": None, "includes_tax": False}
    return {"unit_price": plain_decimal_or_none(price.unit_price), "includes_tax": price.includes_tax}


def _record_price(
    session: Session,
    service: Service,
    currency: str,
    day: date,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> None:
    _count_up_version(session, service)
    session.refresh(service, ["prices"])
    details = {"currency": currency, "valid_from": day.isoformat(), **changed_fields(before, after)}
    record(session, actor, now, "service.price_changed", "service", service.id, details)


def _count_up_version(session: Session, service: Service) -> None:
    service.version += 1  # prices are rows of their own, whose changes do not count up the version
    session.flush()


def _lock_service(session: Session, service_id: UUID, version: int | None) -> Service:
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    check_version(version, service.version, service.code)
    return service


def _refuse_taken_code(session: Session, service: Service, values: dict[str, Any]) -> None:
    holder = session.scalar(select(Service).where(Service.code == values.get("code", ""), Service.id != service.id))
    if holder is not None:
        raise Conflict(
            "code_taken",
            Phrase(
                "{holder_code} is already the code of {holder_name}.", holder_code=holder.code, holder_name=holder.name
            ),
            "code",
        )


def archive(session: Session, service_id: UUID, actor: Actor, now: datetime) -> bool:
    """Archive a service; posted charges keep it.

    Returns False when it was already archived.
    """
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    if service.archived_at is not None:
        return False
    service.archived_at = now
    record(session, actor, now, "service.archived", "service", service.id)
    return True


def restore(session: Session, service_id: UUID, actor: Actor, now: datetime) -> bool:
    """Restore an archived service, and return whether it was archived."""
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    if service.archived_at is None:
        return False
    service.archived_at = None
    record(session, actor, now, "service.restored", "service", service.id)
    return True

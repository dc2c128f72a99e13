"""Create, change, archive and restore services.

A price change never alters a posted charge.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import (
    SERVICE_RULES,
    ServiceFields,
    check_fields,
    check_new_texts,
    differing_fields,
)
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Service, ServicePrice, TaxRate
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.organisation import organisation


def create(
    session: Session, fields: ServiceFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[Service, bool]:
    """Create a service, or return the existing one with the same id or code.

    Returns it and whether it is new. The code is mandatory. The name defaults to the code, the tax rate to that of
    the organisation. Raises Conflict, with the fields that differ, when the id or code belongs to a service with
    other values.
    """
    values = _check_values(fields)
    existing = _find_existing(session, id, values.get("code"))
    if existing is not None:
        _check_same(existing, values, id)
        return existing, False
    check_new_texts(values)
    if "code" not in values:
        raise Invalid("missing", "Enter the service's code.", "code")
    service = Service(
        id=id or new_id(now),
        code=values["code"],
        name=values.get("name", values["code"]),
        unit=values.get("unit", ""),
        tax_rate=_tax_rate(session, values.get("tax_rate")),
        line_per_charge=values.get("line_per_charge", False),
        revenue_account=values.get("revenue_account", ""),
        created_at=now,
        archived_at=None,
    )
    _set_prices(service, values)
    _set_search_text(service)
    session.add(service)
    session.flush()
    record(session, actor, now, "service.created", "service", service.id, _audit_details(_stored_fields(service)))
    return service, True


def _check_values(fields: ServiceFields) -> dict[str, Any]:
    values = check_fields(SERVICE_RULES, fields)
    if "prices_include_tax" in values:
        values["prices_include_tax"] = sorted(set(values["prices_include_tax"]))
    return values


def _find_existing(session: Session, id: UUID | None, code: str | None) -> Service | None:
    by_id = session.get(Service, id) if id else None
    if by_id is not None or code is None:
        return by_id
    return session.scalar(select(Service).where(Service.code == code))


def _check_same(existing: Service, values: dict[str, Any], id: UUID | None) -> None:
    if id is not None and existing.id != id:
        raise Conflict("code_taken", f"Code {existing.code} belongs to another service.", "code", differs=["id"])
    differs = differing_fields(values, _stored_fields(existing))
    if differs:
        listed = ", ".join(differs)
        raise Conflict(
            "id_conflict",
            f"Service {existing.code} already exists with a different {listed}.",
            *differs[:1],
            differs=differs,
        )


def _tax_rate(session: Session, code: str | None) -> TaxRate:
    if code is None:
        return organisation(session).default_tax_rate
    rate = session.scalar(select(TaxRate).where(TaxRate.code == code))
    if rate is None:
        raise Invalid("unknown_tax_rate", f"There is no tax rate “{code[:80]}”.", "tax_rate")
    return rate


def _set_prices(service: Service, values: Mapping[str, Any]) -> None:
    if "prices" in values:
        _set_unit_prices(service, values["prices"])
    if "prices_include_tax" in values:
        _set_tax_included(service, values["prices_include_tax"])


def _set_unit_prices(service: Service, prices: Mapping[str, Decimal]) -> None:
    prices_by_currency = {price.currency: price for price in service.prices}
    for currency in prices_by_currency.keys() - prices.keys():
        service.prices.remove(prices_by_currency[currency])
    for currency, unit_price in prices.items():
        if currency in prices_by_currency:
            prices_by_currency[currency].unit_price = unit_price
        else:
            service.prices.append(ServicePrice(currency=currency, unit_price=unit_price, includes_tax=False))


def _set_tax_included(service: Service, currencies: Collection[str]) -> None:
    missing = set(currencies) - {price.currency for price in service.prices}
    if missing:
        raise Invalid("no_price", f"Enter a price in {min(missing)[:40]}, or remove it here.", "prices_include_tax")
    for price in service.prices:
        price.includes_tax = price.currency in currencies


def _stored_fields(service: Service) -> dict[str, Any]:
    return {
        "code": service.code,
        "name": service.name,
        "unit": service.unit,
        "tax_rate": service.tax_rate.code,
        "line_per_charge": service.line_per_charge,
        "revenue_account": service.revenue_account,
        "prices": {price.currency: price.unit_price for price in service.prices},
        "prices_include_tax": sorted(price.currency for price in service.prices if price.includes_tax),
    }


def _audit_details(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"prices": {currency: plain_decimal(price) for currency, price in fields["prices"].items()}}


def _set_search_text(service: Service) -> None:
    service.search = fold_for_search(f"{service.code} {service.name}")


def update(
    session: Session, service_id: UUID, fields: ServiceFields, version: int | None, actor: Actor, now: datetime
) -> Service:
    """Change the given fields; `prices` replaces all prices.

    Raises Stale when the service has changed since `version`.
    """
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    if version is not None and version != service.version:
        raise Stale("stale", f"{service.code} has been changed by someone else. Review the change, then try again.")
    values = _check_values(fields)
    _refuse_taken_code(session, service, values)
    before = _stored_fields(service)
    check_new_texts(values, before)
    for field in ("code", "name", "unit", "line_per_charge", "revenue_account"):
        if field in values:
            setattr(service, field, values[field])
    if "tax_rate" in values:
        service.tax_rate = _tax_rate(session, values["tax_rate"])
    _set_prices(service, values)
    changed = changed_fields(_audit_details(before), _audit_details(_stored_fields(service)))
    if changed:
        _set_search_text(service)
        service.version += 1  # prices are rows of their own, whose changes do not count up the version
        session.flush()
        record(session, actor, now, "service.changed", "service", service.id, changed)
    return service


def _refuse_taken_code(session: Session, service: Service, values: dict[str, Any]) -> None:
    holder = session.scalar(select(Service).where(Service.code == values.get("code", ""), Service.id != service.id))
    if holder is not None:
        raise Conflict("code_taken", f"{holder.code} is already the code of {holder.name}.", "code")


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

"""Services are added, changed, archived and restored. A price change never alters a charge that was posted."""

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
from billing_admin.domain.master_data import ServiceFields, check_fields, check_new_texts, differing_fields
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.text import fold_for_search
from billing_admin.models import Service, ServicePrice, TaxRate
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.organisation import organisation


def create(
    session: Session, fields: ServiceFields, id: UUID | None, actor: Actor, now: datetime
) -> tuple[Service, bool]:
    """Add a service, or answer with the one of the same id or code; returns it and whether it is new.

    The code is needed; the name defaults to it, the tax rate to the organisation's. Raises Conflict, naming what differs,
    when id or code belong to a service with other values.
    """
    given = _checked(fields)
    existing = _existing(session, id, given.get("code"))
    if existing is not None:
        _check_same(existing, given, id)
        return existing, False
    check_new_texts(given)
    if "code" not in given:
        raise Invalid("missing", "Enter the service's code.", "code")
    service = Service(
        id=id or new_id(now),
        code=given["code"],
        name=given.get("name", given["code"]),
        unit=given.get("unit", ""),
        tax_rate=_rate(session, given.get("tax_rate")),
        line_per_charge=given.get("line_per_charge", False),
        revenue_account=given.get("revenue_account", ""),
        created_at=now,
        archived_at=None,
    )
    _set_prices(service, given)
    _index(service)
    session.add(service)
    session.flush()
    record(session, actor, now, "service.created", "service", service.id, _plain(_facts(service)))
    return service, True


def _checked(fields: ServiceFields) -> dict[str, Any]:
    given = check_fields(fields)
    if "prices_include_tax" in given:
        given["prices_include_tax"] = sorted(set(given["prices_include_tax"]))
    return given


def _existing(session: Session, id: UUID | None, code: str | None) -> Service | None:
    by_id = session.get(Service, id) if id else None
    if by_id is not None or code is None:
        return by_id
    return session.scalar(select(Service).where(Service.code == code))


def _check_same(existing: Service, given: dict[str, Any], id: UUID | None) -> None:
    if id is not None and existing.id != id:
        raise Conflict("code_taken", f"Code {existing.code} belongs to another service.", "code", differs=["id"])
    differs = differing_fields(given, _facts(existing))
    if differs:
        listed = ", ".join(differs)
        raise Conflict(
            "id_conflict",
            f"Service {existing.code} already exists with a different {listed}.",
            *differs[:1],
            differs=differs,
        )


def _rate(session: Session, code: str | None) -> TaxRate:
    if code is None:
        return organisation(session).default_tax_rate
    rate = session.scalar(select(TaxRate).where(TaxRate.code == code))
    if rate is None:
        raise Invalid("unknown_tax_rate", f"There is no tax rate “{code[:80]}”.", "tax_rate")
    return rate


def _set_prices(service: Service, given: Mapping[str, Any]) -> None:
    if "prices" in given:
        _set_unit_prices(service, given["prices"])
    if "prices_include_tax" in given:
        _set_inclusive(service, given["prices_include_tax"])


def _set_unit_prices(service: Service, prices: Mapping[str, Decimal]) -> None:
    kept = {price.currency: price for price in service.prices}
    for currency in kept.keys() - prices.keys():
        service.prices.remove(kept[currency])
    for currency, unit_price in prices.items():
        if currency in kept:
            kept[currency].unit_price = unit_price
        else:
            service.prices.append(ServicePrice(currency=currency, unit_price=unit_price, includes_tax=False))


def _set_inclusive(service: Service, currencies: Collection[str]) -> None:
    missing = set(currencies) - {price.currency for price in service.prices}
    if missing:
        raise Invalid("no_price", f"Enter a price in {min(missing)[:40]}, or remove it here.", "prices_include_tax")
    for price in service.prices:
        price.includes_tax = price.currency in currencies


def _facts(service: Service) -> dict[str, Any]:
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


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {"prices": {currency: plain_decimal(price) for currency, price in facts["prices"].items()}}


def _index(service: Service) -> None:
    service.search = fold_for_search(f"{service.code} {service.name}")


def update(
    session: Session, service_id: UUID, fields: ServiceFields, version: int | None, actor: Actor, now: datetime
) -> Service:
    """Change the fields given; `prices`, when given, are all the prices there are. Raises Stale as for customers."""
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    if version is not None and version != service.version:
        raise Stale("stale", f"{service.code} has been changed by someone else. Review the change, then try again.")
    given = _checked(fields)
    _check_free(session, service, given)
    before = _facts(service)
    check_new_texts(given, before)
    for field in ("code", "name", "unit", "line_per_charge", "revenue_account"):
        if field in given:
            setattr(service, field, given[field])
    if "tax_rate" in given:
        service.tax_rate = _rate(session, given["tax_rate"])
    _set_prices(service, given)
    changed = changed_fields(_plain(before), _plain(_facts(service)))
    if changed:
        _index(service)
        service.version += 1  # prices live in a table of their own: they count as a change of the service
        session.flush()
        record(session, actor, now, "service.changed", "service", service.id, changed)
    return service


def _check_free(session: Session, service: Service, given: dict[str, Any]) -> None:
    other = session.scalar(select(Service).where(Service.code == given.get("code", ""), Service.id != service.id))
    if other is not None:
        raise Conflict("code_taken", f"{other.code} is already the code of {other.name}.", "code")


def archive(session: Session, service_id: UUID, actor: Actor, now: datetime) -> bool:
    """Take a service out of the catalogue. Returns False when it was already; charges keep it."""
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    if service.archived_at is not None:
        return False
    service.archived_at = now
    record(session, actor, now, "service.archived", "service", service.id)
    return True


def restore(session: Session, service_id: UUID, actor: Actor, now: datetime) -> bool:
    """Bring an archived service back. Returns False when it was not archived."""
    service = session.get_one(Service, service_id, with_for_update={"of": Service})
    if service.archived_at is None:
        return False
    service.archived_at = None
    record(session, actor, now, "service.restored", "service", service.id)
    return True

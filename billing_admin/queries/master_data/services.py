"""Services: one by name, many by filter, and how many charges use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, union_all
from sqlalchemy.orm import Session, aliased

from billing_admin.db.lookup import has_id_or_name, is_any_of
from billing_admin.domain.errors import NotFound
from billing_admin.domain.text import fold_for_search
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Invoice, InvoiceLine, Service, ServicePrice
from billing_admin.models.charge import is_unbilled


def service(session: Session, name: str) -> Service:
    """Return one service by id or code.

    Raises:
        NotFound: No service has this id or code.
    """
    service = session.scalar(select(Service).where(has_id_or_name(Service.id, Service.code, name)))
    if service is None:
        raise NotFound("unknown_service", Phrase("There is no service “{name}”.", name=name[:80]), "service")
    return service


@dataclass(frozen=True, slots=True)
class ServiceFilter:
    """A filter for services.

    `q` is a part of code or name, folded.
    """

    q: str = ""
    archived: bool | None = False


def services(filters: ServiceFilter) -> Select[Service]:
    """Select the services that match a filter; the caller orders them."""
    query = select(Service)
    if filters.q:
        query = query.where(Service.search.contains(fold_for_search(filters.q, "q"), autoescape=True))
    if filters.archived is not None:
        query = query.where(Service.archived_at.is_not(None) if filters.archived else Service.archived_at.is_(None))
    return query


def services_by_code(filters: ServiceFilter) -> Select[Service]:
    """Select the services that match a filter, by code; for `paging.page`."""
    return services(filters).order_by(Service.sort_key, Service.code)


def count_services(session: Session, filters: ServiceFilter) -> int:
    """Count the services that match a filter."""
    return session.scalar(select(func.count()).select_from(services(filters).subquery())) or 0


def is_price_on(day: date) -> ColumnElement[bool]:
    """Return the condition that a price is valid on a day.

    `domain.prices.prices_on` returns the same prices.
    """
    later = aliased(ServicePrice)
    is_replaced = exists().where(
        later.service_id == ServicePrice.service_id,
        later.currency == ServicePrice.currency,
        later.valid_from > ServicePrice.valid_from,
        later.valid_from <= day,
    )
    return and_(ServicePrice.valid_from <= day, ServicePrice.unit_price.is_not(None), ~is_replaced)


def is_price_used(session: Session, price: ServicePrice) -> bool:
    """Return whether a charge uses this price; cancelled charges do not count.

    It reads all charges of the days on which the price was valid.
    """
    next_day = select(func.min(ServicePrice.valid_from)).where(
        ServicePrice.service_id == price.service_id,
        ServicePrice.currency == price.currency,
        ServicePrice.valid_from > price.valid_from,
    )
    uses_price = (
        Charge.service_id == price.service_id,
        Charge.currency == price.currency,
        Charge.incurred_on >= price.valid_from,
        Charge.incurred_on < func.coalesce(next_day.scalar_subquery(), date.max),
        Charge.unit_price == price.unit_price,
        Charge.status != "cancelled",
    )
    return session.scalar(select(Charge.id).where(*uses_price).limit(1)) is not None


def service_choices(session: Session) -> list[Service]:
    """Return the services that are not archived, by code."""
    return list(
        session.scalars(select(Service).where(Service.archived_at.is_(None)).order_by(Service.sort_key, Service.code))
    )


def count_charges_by_service(session: Session, service_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Count the charges of each service, without cancelled ones.

    Billed charges are summed from their invoice lines, which are far fewer.
    """
    billed = (
        select(InvoiceLine.service_id, func.sum(InvoiceLine.charges).label("charges"))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Invoice.status != "void", is_any_of(InvoiceLine.service_id, service_ids))
        .group_by(InvoiceLine.service_id)
    )
    unbilled = (
        select(Charge.service_id, func.count().label("charges"))
        .where(is_unbilled(), is_any_of(Charge.service_id, service_ids))
        .group_by(Charge.service_id)
    )
    both = union_all(billed, unbilled).subquery()
    query = select(both.c.service_id, func.sum(both.c.charges)).group_by(both.c.service_id)
    return dict.fromkeys(service_ids, 0) | {id: int(charges) for id, charges in session.execute(query)}

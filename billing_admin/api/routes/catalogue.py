"""The catalogue: services with their prices, and tax rates."""

from datetime import date, datetime
from typing import Annotated, Any, cast
from uuid import UUID

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    CurrencyCode,
    Exact,
    Flag,
    Key,
    Listing,
    Name,
    Number,
    Paging,
    Parameters,
    ResponseModel,
    ShortText,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import Page, page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import TAX_CATEGORIES, ServiceFields
from billing_admin.models import Service
from billing_admin.operations.master_data import services as operations
from billing_admin.queries.listing import newest_first
from billing_admin.queries.master_data.organisation import tax_rates
from billing_admin.queries.master_data.services import ServiceFilter, service, services


class ServiceChanges(Body):
    """Changes to a service.

    `prices` replaces all prices; `prices_include_tax` lists all currencies whose price includes tax.
    """

    code: Name = OMITTED
    name: Name = OMITTED
    unit: ShortText = OMITTED
    tax_rate: Name = OMITTED
    line_per_charge: bool = OMITTED
    revenue_account: str = OMITTED
    prices: dict[CurrencyCode, Number] = OMITTED
    prices_include_tax: list[CurrencyCode] = OMITTED
    archived: bool = OMITTED


class ServiceIn(Body):
    """A new service.

    `name` defaults to the code, `tax_rate` (a code) to the organisation's default tax rate.
    """

    id: Key = OMITTED
    code: Name
    name: Name = OMITTED
    unit: ShortText = OMITTED
    tax_rate: Name = OMITTED
    line_per_charge: bool = OMITTED
    revenue_account: str = OMITTED
    prices: dict[CurrencyCode, Number] = OMITTED
    prices_include_tax: list[CurrencyCode] = OMITTED


class ServiceOut(ResponseModel):
    """A service.

    `prices` are unit prices by currency.
    """

    id: UUID
    code: str
    name: str
    unit: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: dict[str, Exact]
    prices_include_tax: list[str]
    archived: bool
    created_at: datetime


class ServiceFilters(Parameters):
    """Filters of services.

    `q` searches code and name.
    """

    q: str = ""
    archived: Flag | None = None


class ServiceQuery(ServiceFilters, Paging):
    """A page of services."""


class TaxRateChangeOut(ResponseModel):
    """A percentage for charges incurred on or after a day."""

    valid_from: date
    percent: Exact


class TaxRateOut(ResponseModel):
    """A tax rate: a category code of EN 16931 and a percentage.

    The percentage is valid until the first of its changes. `note` is the reason that invoices show if no tax is
    charged.
    """

    id: UUID
    code: str
    name: str
    category: Annotated[str, enumeration(*TAX_CATEGORIES)]
    percent: Exact
    note: str
    changes: list[TaxRateChangeOut]


def _out(row: Any) -> ServiceOut:
    return ServiceOut(
        id=row.id,
        code=row.code,
        name=row.name,
        unit=row.unit,
        tax_rate=row.tax_rate.code,
        line_per_charge=row.line_per_charge,
        revenue_account=row.revenue_account,
        prices={price.currency: price.unit_price for price in row.prices},
        prices_include_tax=[price.currency for price in row.prices if price.includes_tax],
        archived=row.archived_at is not None,
        created_at=row.created_at,
    )


@route("GET", "/services", scope="read", query=ServiceQuery, response=Listing[ServiceOut])
def list_services(query: ServiceQuery) -> Reply:
    """List services, newest first."""
    rows = newest_first(services(ServiceFilter(**query.filters())), Service)
    return list_reply(page(db.session(), rows, query.limit, query.after), _out)


@route("GET", "/services/{code}", scope="read", response=ServiceOut, versioned=True)
def get_service(code: str) -> Reply:
    """Read one service by ID or code."""
    row = service(db.session(), code)
    return Reply(_out(row), headers={"ETag": etag(row.version)})


@route(
    "POST",
    "/services",
    scope="catalogue:write",
    body=ServiceIn,
    response=ServiceOut,
    statuses=(201, 200),
    versioned=True,
)
def post_service(actor: Actor, body: ServiceIn) -> Reply:
    """Add a service."""
    content, is_new, version = transaction(_create, body, actor, now())
    return created_reply(content, is_new, ETag=etag(version))


def _create(session: Session, body: ServiceIn, actor: Actor, at: datetime) -> tuple[ServiceOut, bool, int]:
    row, is_new = operations.create(session, cast("ServiceFields", body.provided("id")), body.id, actor, at)
    return _out(row), is_new, row.version


@route("PATCH", "/services/{code}", scope="catalogue:write", body=ServiceChanges, response=ServiceOut, versioned=True)
def patch_service(actor: Actor, code: str, body: ServiceChanges) -> Reply:
    """Change the fields that are sent."""
    content, version = transaction(_change, code, body, actor, now())
    return Reply(content, headers={"ETag": etag(version)})


def _change(session: Session, code: str, body: ServiceChanges, actor: Actor, at: datetime) -> tuple[ServiceOut, int]:
    row = service(session, code)
    check_if_match(row.version)
    row = operations.update(session, row.id, cast("ServiceFields", body.provided("archived")), row.version, actor, at)
    if "archived" in body.model_fields_set:
        change_state = operations.archive if body.archived else operations.restore
        change_state(session, row.id, actor, at)
        session.flush()
    return _out(row), row.version


@route("GET", "/tax-rates", scope="read", response=Listing[TaxRateOut])
def list_tax_rates() -> Reply:
    """List all tax rates, sorted by code."""
    return list_reply(Page(tax_rates(db.session()), None, None), TaxRateOut.model_validate)

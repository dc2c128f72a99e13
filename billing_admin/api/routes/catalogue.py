"""The catalogue: services with their prices, and tax rates."""

from datetime import date, datetime
from typing import Annotated, cast
from uuid import UUID

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    CurrencyCode,
    Day,
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
from billing_admin.domain.prices import PRICE_STATES, PriceSpec, price_history, prices_on
from billing_admin.models import Service, ServicePrice
from billing_admin.operations.master_data import services as operations
from billing_admin.queries.listing import newest_first
from billing_admin.queries.master_data.organisation import tax_rates, today
from billing_admin.queries.master_data.services import ServiceFilter, service, services


class ServiceChanges(Body):
    """Changes to a service.

    `prices` replaces all prices from today on; `prices_include_tax` lists all currencies whose price includes tax. The
    first price in a currency has no first day.
    """

    code: Name = OMITTED
    name: Name = OMITTED
    unit: ShortText = OMITTED
    unit_code: ShortText = OMITTED
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
    unit_code: ShortText = OMITTED
    tax_rate: Name = OMITTED
    line_per_charge: bool = OMITTED
    revenue_account: str = OMITTED
    prices: dict[CurrencyCode, Number] = OMITTED
    prices_include_tax: list[CurrencyCode] = OMITTED


class ServiceOut(ResponseModel):
    """A service.

    `prices` are today's unit prices by currency. `unit_code` is the code of the unit in e-invoices (UN/ECE recommendations 20
    and 21); where it is empty, they say C62 (one).
    """

    id: UUID
    code: str
    name: str
    unit: str
    unit_code: str
    tax_rate: str
    line_per_charge: bool
    revenue_account: str
    prices: dict[str, Exact]
    prices_include_tax: list[str]
    archived: bool
    created_at: datetime


class PriceIn(Body):
    """A price for charges incurred on or after a day, until the next price begins.

    `valid_from` defaults to today. The first price in a currency has no first day by default. `includes_tax` stays as it
    is by default.
    """

    currency: CurrencyCode
    unit_price: Number
    valid_from: Day = OMITTED
    includes_tax: bool = OMITTED


class PriceKey(Body):
    """The currency and the first day of a price."""

    currency: CurrencyCode
    valid_from: Day


class PriceOut(ResponseModel):
    """A price for charges incurred on or after a day.

    It is valid until the next price in the currency begins. `unit_price` is null if the service has no price from that day on.
    """

    currency: str
    valid_from: date
    unit_price: Exact | None
    includes_tax: bool
    status: Annotated[str, enumeration(*PRICE_STATES)]


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
    charged, and `vatex` its code in e-invoices.
    """

    id: UUID
    code: str
    name: str
    category: Annotated[str, enumeration(*TAX_CATEGORIES)]
    percent: Exact
    note: str
    vatex: str
    changes: list[TaxRateChangeOut]


def _out(row: Service, day: date) -> ServiceOut:
    prices = prices_on(day, row.prices)
    return ServiceOut(
        id=row.id,
        code=row.code,
        name=row.name,
        unit=row.unit,
        unit_code=row.unit_code,
        tax_rate=row.tax_rate.code,
        line_per_charge=row.line_per_charge,
        revenue_account=row.revenue_account,
        prices={currency: price.unit_price for currency, price in prices.items() if price.unit_price is not None},
        prices_include_tax=[currency for currency, price in prices.items() if price.includes_tax],
        archived=row.archived_at is not None,
        created_at=row.created_at,
    )


@route("GET", "/services", scope="read", query=ServiceQuery, response=Listing[ServiceOut])
def list_services(query: ServiceQuery) -> Reply:
    """List services, newest first."""
    session, rows = db.session(), newest_first(services(ServiceFilter(**query.filters())), Service)
    day = today(session, now())
    return list_reply(page(session, rows, query.limit, query.after), lambda row: _out(row, day))


@route("GET", "/services/{code}", scope="read", response=ServiceOut, versioned=True)
def get_service(code: str) -> Reply:
    """Read one service by ID or code."""
    session = db.session()
    row = service(session, code)
    return Reply(_out(row, today(session, now())), headers={"ETag": etag(row.version)})


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
    return _out(row, today(session, at)), is_new, row.version


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
    return _out(row, today(session, at)), row.version


@route("GET", "/services/{code}/prices", scope="read", response=Listing[PriceOut])
def list_prices(code: str) -> Reply:
    """List past, current and future prices of a service by currency and day."""
    session = db.session()
    history = price_history(today(session, now()), service(session, code).prices)
    return list_reply(Page(history, None, None), lambda price: _price_out(*price))


def _price_out(price: ServicePrice, status: str) -> PriceOut:
    return PriceOut(
        currency=price.currency,
        valid_from=price.valid_from,
        unit_price=price.unit_price,
        includes_tax=price.includes_tax,
        status=status,
    )


@route(
    "POST",
    "/services/{code}/prices",
    scope="catalogue:write",
    body=PriceIn,
    response=PriceOut,
    statuses=(201, 200),
)
def post_price(actor: Actor, code: str, body: PriceIn) -> Reply:
    """Set a price from a day on.

    It replaces a price that begins on the same day. Posted charges keep their price.
    """
    return created_reply(*transaction(_set_price, code, body, actor, now()))


def _set_price(session: Session, code: str, body: PriceIn, actor: Actor, at: datetime) -> tuple[PriceOut, bool]:
    price, is_new = operations.set_price(
        session,
        service(session, code).id,
        PriceSpec(body.currency, body.unit_price, body.valid_from, body.includes_tax),
        None,
        actor,
        at,
        may_wait=True,
    )
    history = price_history(today(session, at), service(session, code).prices)
    return next(_price_out(row, status) for row, status in history if row is price), is_new


@route("POST", "/services/{code}/prices/remove", scope="catalogue:write", body=PriceKey, response=PriceOut)
def remove_price(actor: Actor, code: str, body: PriceKey) -> Reply:
    """Remove a price that no charge uses, and return it.

    The previous price in the currency is then valid on its days.
    """
    return Reply(transaction(_remove_price, code, body, actor, now()))


def _remove_price(session: Session, code: str, body: PriceKey, actor: Actor, at: datetime) -> PriceOut:
    row, day = service(session, code), today(session, at)
    content = next(
        (_price_out(*price) for price in price_history(day, row.prices) if _key(price[0]) == _key(body)), None
    )
    operations.remove_price(session, row.id, body.currency, body.valid_from, actor, at, may_wait=True)
    assert content is not None  # noqa: S101 - the operation raises NotFound without such a price
    return content


def _key(price: ServicePrice | PriceKey) -> tuple[str, date]:
    return price.currency, price.valid_from


@route("GET", "/tax-rates", scope="read", response=Listing[TaxRateOut])
def list_tax_rates() -> Reply:
    """List all tax rates, sorted by code."""
    return list_reply(Page(tax_rates(db.session()), None, None), TaxRateOut.model_validate)

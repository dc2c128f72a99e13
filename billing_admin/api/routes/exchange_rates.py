"""Exchange rates between the base currency and others."""

from datetime import date
from typing import Annotated

from pydantic import Field

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    CurrencyCode,
    Day,
    Exact,
    Listing,
    Number,
    Paging,
    Parameters,
    ResponseModel,
    one_line,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.exchange_rates import MAX_SOURCE_LENGTH, RateSpec
from billing_admin.operations.master_data import exchange_rates as operations
from billing_admin.queries.master_data.exchange_rates import RateFilter, latest_first
from billing_admin.queries.master_data.organisation import organisation

SCOPE = "settings:write"

Source = Annotated[str, one_line(MAX_SOURCE_LENGTH)]


class RateIn(Body):
    """The price of one unit of the base currency in another currency, on a day.

    It replaces a rate of the same currency and day. Issued documents keep the rate that they were issued with.
    """

    currency: CurrencyCode
    day: Day
    rate: Number
    source: Source = OMITTED


class RateDay(Body):
    """The day of a rate."""

    day: Day


class RateOut(ResponseModel):
    """A rate: one unit of `base_currency` costs `rate` units of `currency`."""

    currency: str
    day: date
    rate: Exact
    source: str
    base_currency: str


class RateFilters(Parameters):
    """Filters of exchange rates; `from` and `to` are days, both included."""

    currency: Currency = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None

    def to_filter(self) -> RateFilter:
        """Return the filter for the queries."""
        return RateFilter(**self.filters())


class RateQuery(RateFilters, Paging):
    """A page of exchange rates."""


@route("GET", "/exchange-rates", scope="read", query=RateQuery, response=Listing[RateOut])
def list_exchange_rates(query: RateQuery) -> Reply:
    """List the exchange rates of the base currency, latest first."""
    session = db.session()
    rows = latest_first(query.to_filter(), organisation(session).base_currency)
    return list_reply(page(session, rows, query.limit, query.after), RateOut.model_validate)


@route("POST", "/exchange-rates", scope=SCOPE, body=RateIn, response=RateOut, statuses=(201, 200))
def post_exchange_rate(actor: Actor, body: RateIn) -> Reply:
    """Set the rate of a currency on a day.

    Repeating the request changes nothing.
    """
    return created_reply(*transaction(_set, body, actor))


def _set(session: Session, body: RateIn, actor: Actor) -> tuple[RateOut, bool]:
    spec = RateSpec(body.currency, body.day, body.rate, body.source or "")
    rate, is_new = operations.set_rate(session, spec, actor, now())
    return RateOut.model_validate(rate), is_new


@route("POST", "/exchange-rates/{currency}/remove", scope=SCOPE, body=RateDay, response=RateOut)
def remove_exchange_rate(actor: Actor, currency: str, body: RateDay) -> Reply:
    """Remove the rate of a day, and return it; issued documents keep it."""
    return Reply(transaction(_remove, currency, body, actor))


def _remove(session: Session, currency: str, body: RateDay, actor: Actor) -> RateOut:
    return RateOut.model_validate(operations.remove_rate(session, currency, body.day, actor, now()))

"""Exchange rates: the list, and the latest rates up to a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.document_details import BaseCurrencyRate
from billing_admin.domain.exchange_rates import oldest_day
from billing_admin.domain.money import plain_decimal
from billing_admin.models import ExchangeRate

# The currency and the day of a rate.
RateKey: TypeAlias = tuple[str, date]


@dataclass(frozen=True, slots=True)
class RateFilter:
    """A filter for exchange rates; `from_` and `to` are days, both included."""

    currency: str = ""
    from_: date | None = None
    to: date | None = None


def exchange_rates(filters: RateFilter, base_currency: str) -> Select[ExchangeRate]:
    """Select the rates that match a filter; the caller orders them."""
    query = select(ExchangeRate).where(ExchangeRate.base_currency == base_currency)
    if filters.currency:
        query = query.where(ExchangeRate.currency == filters.currency)
    if filters.from_ is not None:
        query = query.where(ExchangeRate.day >= filters.from_)
    if filters.to is not None:
        query = query.where(ExchangeRate.day <= filters.to)
    return query


def latest_first(filters: RateFilter, base_currency: str) -> Select[ExchangeRate]:
    """Select the rates that match a filter, latest first; for `paging.page`."""
    return exchange_rates(filters, base_currency).order_by(ExchangeRate.day.desc(), ExchangeRate.currency)


def stored_rates(session: Session, base_currency: str, first: date, last: date) -> dict[RateKey, ExchangeRate]:
    """Return the rates of some days by currency and day."""
    rows = session.scalars(exchange_rates(RateFilter("", first, last), base_currency))
    return {(row.currency, row.day): row for row in rows}


def base_rates(session: Session, base_currency: str, issue_date: date) -> Mapping[str, BaseCurrencyRate]:
    """Return the rate of each currency that counts for a document of a day.

    It is the last one up to that day, at most seven days old.
    """
    recent = RateFilter("", oldest_day(issue_date), issue_date)
    rows = session.scalars(exchange_rates(recent, base_currency).order_by(ExchangeRate.day))
    return {
        row.currency: BaseCurrencyRate(base_currency, plain_decimal(row.rate), row.day.isoformat(), row.source)
        for row in rows
    }


def count_exchange_rates(session: Session, filters: RateFilter, base_currency: str) -> int:
    """Count the rates that match a filter."""
    return session.scalar(select(func.count()).select_from(exchange_rates(filters, base_currency).subquery())) or 0


def rate_currencies(session: Session, base_currency: str) -> list[str]:
    """Return the currencies that have a rate, by code."""
    query = select(ExchangeRate.currency).where(ExchangeRate.base_currency == base_currency).distinct()
    return sorted(session.scalars(query))


def latest_rate_day(session: Session, base_currency: str) -> date | None:
    """Return the day of the latest rates, None without any."""
    return session.scalar(select(func.max(ExchangeRate.day)).where(ExchangeRate.base_currency == base_currency))

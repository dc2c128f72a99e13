"""The catalogue: services with their prices, and tax rates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Download, FileTotals, Price, Service, TaxRate
from billing_client.asking import NewPrice, NewService, PriceKey, ServiceChanges, ServiceFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Services(Resource):
    """The calls of `client.services`.

    Name a service by its code or id.
    """

    def create(self, **service: Unpack[NewService]) -> Service:
        """Add a service."""
        return self.ask(Service, calls.SERVICE_CREATE, body=service)

    def list(self, **filters: Unpack[ServiceFilter]) -> Iterator[Service]:
        """Yield all services, newest first."""
        return self.each(Service, calls.SERVICE_LIST, filters)

    def get(self, service: str) -> Service:
        """Return one service."""
        return self.ask(Service, calls.SERVICE_GET, service)

    def update(self, read: Service, **changes: Unpack[ServiceChanges]) -> Service:
        """Change a service that was read with `get`.

        Raises Stale if it has changed since.
        """
        return self.ask(Service, calls.SERVICE_UPDATE, read.id, body=changes, etag=read.etag)

    def prices(self, service: str) -> Iterator[Price]:
        """Yield past, current and future prices of a service by currency and day."""
        return self.each(Price, calls.PRICE_LIST, {}, service, in_pages=False)

    def set_price(self, service: str, **price: Unpack[NewPrice]) -> Price:
        """Set a price from a day on.

        It replaces a price that begins on the same day.
        """
        return self.ask(Price, calls.PRICE_SET, service, body=price)

    def remove_price(self, service: str, **price: Unpack[PriceKey]) -> Price:
        """Remove a price that no charge uses, and return it."""
        return self.ask(Price, calls.PRICE_REMOVE, service, body=price)

    def download(self, path: str | Path, **filters: Unpack[ServiceFilter]) -> Download:
        """Write all matching services with their prices to a CSV file.

        `totals` returns its control totals.
        """
        return self.file(calls.SERVICE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[ServiceFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.SERVICE_FILE, query={**filters, "totals": 1})


class TaxRates(Resource):
    """The calls of `client.tax_rates`."""

    def list(self) -> Iterator[TaxRate]:
        """Yield all tax rates, sorted by code."""
        return self.each(TaxRate, calls.TAX_RATE_LIST, in_pages=False)

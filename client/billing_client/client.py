"""The one object: it knows the server and the token, and has a part for each kind of thing."""

from __future__ import annotations

import ipaddress
import os
import platform
import ssl
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import billing_client
from billing_client import calls
from billing_client.answers import Health
from billing_client.errors import NotConfigured
from billing_client.resources.base import Resource
from billing_client.resources.billing_runs import BillingRuns
from billing_client.resources.books import AuditEvents, Books
from billing_client.resources.catalogue import Services, TaxRates
from billing_client.resources.charges import Charges
from billing_client.resources.customers import Customers
from billing_client.resources.invoices import Invoices
from billing_client.resources.payments import Payments
from billing_client.resources.recurring_charges import RecurringCharges
from billing_client.transport import Secret, Transport

if TYPE_CHECKING:
    from typing_extensions import Self

BASE = "/api/v1"


class Client:
    """The billing server, for any number of threads at once; make it after a fork, not before.

    `base_url` and `token` default to the variables BILLING_URL and BILLING_TOKEN. Certificates are always checked, against
    the system's authorities or those in the file `ca_certs`. Plain http is for this machine; for another one `allow_http` must
    say that the wire is trusted. Seconds: `connect_timeout` and `read_timeout` are for one silence, `deadline` for a call with
    all its tries. Raises NotConfigured, with a sentence that says what to set.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        ca_certs: str | Path | None = None,
        allow_http: bool = False,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        deadline: float = 300.0,
    ) -> None:
        base = _base(_given(base_url, "base_url", "BILLING_URL", "https://billing.example.com"), allow_http)
        secret = _secret(_given(token, "token", "BILLING_TOKEN", "bil_…"))
        agent = f"billing-client/{billing_client.__version__} Python/{platform.python_version()}"
        context = _context(ca_certs) if base.startswith("https:") else None
        times = connect_timeout, read_timeout, deadline
        if min(times) <= 0:
            raise NotConfigured("Time-outs and the deadline are seconds, and more than none.")
        self._transport = transport = Transport(base + BASE, secret, context, agent, times)
        self.charges = Charges(transport)
        self.recurring_charges = RecurringCharges(transport)
        self.customers = Customers(transport)
        self.services = Services(transport)
        self.tax_rates = TaxRates(transport)
        self.billing_runs = BillingRuns(transport)
        self.invoices = Invoices(transport)
        self.payments = Payments(transport)
        self.audit_events = AuditEvents(transport)
        self.books = Books(transport)

    def __repr__(self) -> str:
        """Say where, and never with what."""
        return f"<billing_client.Client of {self._transport.base}>"

    def __enter__(self) -> Self:
        """For `with Client() as client:`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close at the end."""
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open. The client can be used again."""
        self._transport.close()

    def health(self) -> Health:
        """Say whether the service and its database answer; needs no good token."""
        return Resource(self._transport).ask(Health, calls.HEALTH)


def _given(value: str | None, name: str, variable: str, example: str) -> str:
    found = value if value is not None else os.environ.get(variable, "")
    if not found.strip():
        raise NotConfigured(f"Set the variable {variable}, or give Client({name}=…), such as “{example}”.")
    return found.strip()


def _base(url: str, allow_http: bool) -> str:
    """The address, judged; it is not repeated where it may hold a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise NotConfigured("The address of the server cannot be read.") from None
    if parts.username is not None or parts.password is not None:
        raise NotConfigured("Leave name and password out of the server's address: the token is what counts.")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise NotConfigured(f"“{url}” is not the address of a server, such as “https://billing.example.com”.")
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        said = "Plain http would send the token readable to all on the way: use https, or, on a wire you trust, allow_http=True."
        raise NotConfigured(said)
    return url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(token: str) -> Secret:
    if not all("!" <= character <= "~" for character in token):
        raise NotConfigured(
            "The token holds characters that no token has, such as a line break: was more than it copied?"
        )
    return Secret(token)


def _context(ca_certs: str | Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca_certs is None else str(ca_certs))
    except OSError as error:
        raise NotConfigured(f"The certificates in “{ca_certs}” cannot be read: {error}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python 3.9 would take older ones
    return context

"""The client: a connection to one server, with an attribute for each resource."""

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
from billing_client.resources.approvals import Approvals
from billing_client.resources.base import Resource
from billing_client.resources.billing_runs import BillingRuns
from billing_client.resources.books import AuditEvents, Books
from billing_client.resources.catalogue import Services, TaxRates
from billing_client.resources.charges import Charges
from billing_client.resources.customers import CustomerFields, Customers
from billing_client.resources.invoices import Invoices
from billing_client.resources.messages import Messages
from billing_client.resources.opening_balances import OpeningBalances
from billing_client.resources.organisation import BankAccounts, ExchangeRates, MessageTexts, Organisation
from billing_client.resources.payments import Payments
from billing_client.resources.recurring_charges import RecurringCharges
from billing_client.resources.refunds import Refunds
from billing_client.resources.reminders import Reminders
from billing_client.transport import Secret, Transport

if TYPE_CHECKING:
    from typing_extensions import Self

BASE = "/api/v1"


class Client:
    """A client for one billing server.

    Threads may share it; create it after a fork, not before.

    `base_url` and `token` default to the variables BILLING_URL and BILLING_TOKEN. Certificates are always verified, with the
    authorities of the system or of the file `ca_certs`. Plain http is accepted for this machine; for other hosts set `allow_http`
    if you trust the network. All times are in seconds: `connect_timeout` and `read_timeout` limit one wait, `deadline` limits a
    call with all its attempts. Raises NotConfigured with a message that says what to set.
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
        base = _base(_setting(base_url, "base_url", "BILLING_URL", "https://billing.example.com"), allow_http)
        secret = _secret(_setting(token, "token", "BILLING_TOKEN", "bil_…"))
        agent = f"billing-client/{billing_client.__version__} Python/{platform.python_version()}"
        context = _context(ca_certs) if base.startswith("https:") else None
        times = connect_timeout, read_timeout, deadline
        if min(times) <= 0:
            raise NotConfigured("Set time-outs and the deadline to more than 0 seconds.")
        self._transport = transport = Transport(base + BASE, secret, context, agent, times)
        self.charges = Charges(transport)
        self.recurring_charges = RecurringCharges(transport)
        self.customers = Customers(transport)
        self.customer_fields = CustomerFields(transport)
        self.services = Services(transport)
        self.tax_rates = TaxRates(transport)
        self.organisation = Organisation(transport)
        self.bank_accounts = BankAccounts(transport)
        self.exchange_rates = ExchangeRates(transport)
        self.message_texts = MessageTexts(transport)
        self.billing_runs = BillingRuns(transport)
        self.invoices = Invoices(transport)
        self.payments = Payments(transport)
        self.refunds = Refunds(transport)
        self.opening_balances = OpeningBalances(transport)
        self.messages = Messages(transport)
        self.reminders = Reminders(transport)
        self.approvals = Approvals(transport)
        self.audit_events = AuditEvents(transport)
        self.books = Books(transport)

    def __repr__(self) -> str:
        """Show the address, never the token."""
        return f"<billing_client.Client of {self._transport.base}>"

    def __enter__(self) -> Self:
        """Return the client for a `with` statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections at the end of a `with` statement."""
        self.close()

    def close(self) -> None:
        """Close the open connections.

        The client can be used again.
        """
        self._transport.close()

    def health(self) -> Health:
        """Check that the service and its database are available.

        No valid token is needed.
        """
        return Resource(self._transport).ask(Health, calls.HEALTH)


def _setting(value: str | None, name: str, variable: str, example: str) -> str:
    setting = value if value is not None else os.environ.get(variable, "")
    if not setting.strip():
        raise NotConfigured(f"Set the variable {variable} or pass Client({name}=…), for example “{example}”.")
    return setting.strip()


def _base(url: str, allow_http: bool) -> str:
    """Return the address after its checks.

    Errors do not repeat an address that may contain a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise NotConfigured(
            "The address of the server cannot be read. Use an address such as “https://billing.example.com”."
        ) from None
    if parts.username is not None or parts.password is not None:
        raise NotConfigured(
            "Remove the name and password from the server's address. The client signs in with the token."
        )
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise NotConfigured(f"“{url}” is not the address of a server. Use one such as “https://billing.example.com”.")
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        raise NotConfigured("Plain http would expose the token. Use https, or allow_http=True on a network you trust.")
    return url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(token: str) -> Secret:
    if not all("!" <= character <= "~" for character in token):
        raise NotConfigured(
            "The token contains characters that are not allowed, such as a line break. Copy only the token."
        )
    return Secret(token)


def _context(ca_certs: str | Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca_certs is None else str(ca_certs))
    except OSError as error:
        raise NotConfigured(f"The file “{ca_certs}” with certificates cannot be read: {error}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python 3.9 accepts older versions by default
    return context

"""Allowed webhook addresses: https URLs of public hosts.

Other addresses could be used to reach internal hosts (SSRF).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_not_blank
from billing_admin.domain.translation import Phrase

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 1000
_HOST = re.compile(
    r"(?=.{1,253}\.?\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.?", re.ASCII
)
# Programs read a host whose last part is a number as an IPv4 address: 127.1, 0x7f.1, 2130706433.
_NUMERIC = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.ASCII)
_PATH = re.compile(r"[!-~]*", re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}
# Special networks that (some versions of) the standard library calls global, and Azure's internal service address.
_SPECIAL_NETWORKS: Final = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20"))
)
_UNICAST: Final = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Addresses that the configuration allows in addition to https on public hosts."""

    networks: Sequence[Network] = ()
    http: bool = False


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """The parts of a webhook URL; `path` includes the query."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The value of the `Host` header.

        The value has the port if it is not the default.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"


def parse_target(url: str, rules: AddressRules) -> WebhookTarget:
    """Return the parts of a URL, without a DNS look-up.

    Raises:
        Invalid: The URL is malformed, or its scheme or address is not allowed.
    """
    check_not_blank(url, "url", longest=LONGEST_URL, stored=True)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid_url("not_a_url", "Enter a URL such as https://example.com/billing-events.") from None
    _check_form(url, parts, rules)
    if port == 0:
        raise _invalid_url("not_a_port", "Use a port from 1 to 65535.")
    host = _check_host((parts.hostname or "").removesuffix("."))
    address = parse_address(host)
    if address is not None and (reason := refusal_reason([address], rules.networks)):
        raise _invalid_url("receiver_refused", reason)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookTarget(parts.scheme == "https", host, port or _PORTS[parts.scheme], path)


def _check_form(url: str, parts: SplitResult, rules: AddressRules) -> None:
    if parts.scheme == "http" and not rules.http:
        raise _invalid_url(
            "not_https",
            "Use https: http is not encrypted. To allow http, set BILLING_WEBHOOK_ALLOW_HTTP=true.",
        )
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _invalid_url("not_a_url", "Enter a URL such as https://example.com/billing-events.")
    if "@" in parts.netloc:
        raise _invalid_url("password_in_url", "Remove the user name and password: the signature identifies the sender.")
    if "#" in url:
        raise _invalid_url("fragment_in_url", "Remove # and the text after it: this part of a URL is never sent.")
    if not _PATH.fullmatch(url) or "\\" in url:
        raise _invalid_url("not_a_url", "Percent-encode spaces, backslashes and characters that are not ASCII.")


def _check_host(host: str) -> str:
    if ":" in host:
        return host
    if not _HOST.fullmatch(host):
        raise _invalid_url("not_a_host", "Use a host name such as hooks.example.com.")
    if _NUMERIC.fullmatch(host) and parse_address(host) is None:
        raise _invalid_url("not_a_host", "Use four numbers, such as 203.0.113.7, or a host name.")
    return host


def parse_address(host: str) -> Address | None:
    """Return the IP address that a host is in standard notation, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def refusal_reason(addresses: Sequence[Address], allowed: Sequence[Network]) -> str | None:
    """Return the reason why a host with these addresses is refused, or None.

    A host is allowed if each address is public or allowed.
    """
    for address in map(_unmapped, addresses):
        if not is_public(address) and not any(address in network for network in allowed):
            return Phrase(
                "{address} is not a public address. To send webhooks there, add its network to "
                "BILLING_WEBHOOK_ALLOWED_NETWORKS.",
                address=address,
            )
    return None


def is_public(address: Address) -> bool:
    """Return whether an address can be reached from the internet.

    Addresses in special networks cannot.
    """
    plain = _unmapped(address)
    if isinstance(plain, IPv6Address) and plain not in _UNICAST:
        return False
    return plain.is_global and not plain.is_multicast and not any(plain in network for network in _SPECIAL_NETWORKS)


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address in an IPv4-mapped IPv6 address.

    Other addresses are returned unchanged.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _invalid_url(code: str, message: str) -> Invalid:
    return Invalid(code, message, "url")

"""Where webhooks may be sent: https, to public addresses. Else whoever may name a receiver could reach into the own network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_not_blank

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 1000
_HOST = re.compile(
    r"(?=.{1,253}\.?\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.?", re.ASCII
)
# A last part that is a number makes other programs read the whole as an IPv4 address: 127.1, 0x7f.1, 2130706433.
_NUMERIC = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.ASCII)
_PATH = re.compile(r"[!-~]*", re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}
# What the standard library calls public, or does in some of its versions: special blocks, and a cloud's own door (Azure's).
_INWARD: Final = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20"))
)
_UNICAST: Final = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What the configuration allows beyond https to public addresses."""

    networks: Sequence[Network] = ()
    http: bool = False


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A URL taken apart: host as it is looked up, `named` as it is told to the receiver, path with its query."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def named(self) -> str:
        """The host, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"


def parse_target(url: str, rules: AddressRules) -> WebhookTarget:
    """Read a URL, or raise Invalid with what is wrong with it. No name is looked up."""
    check_not_blank(url, "url", longest=LONGEST_URL, stored=True)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong("not_a_url", "Use a URL such as https://example.com/billing-events.") from None
    _check_form(url, parts, rules)
    if port == 0:
        raise _wrong("not_a_port", "Use a port from 1 to 65535.")
    host = _host((parts.hostname or "").removesuffix("."))
    address = parse_address(host)
    if address is not None and (why := refusal_reason([address], rules.networks)):
        raise _wrong("receiver_refused", why)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookTarget(parts.scheme == "https", host, port or _PORTS[parts.scheme], path)


def _check_form(url: str, parts: SplitResult, rules: AddressRules) -> None:
    if parts.scheme == "http" and not rules.http:
        said = "Use https: without it anybody on the way reads what is sent. BILLING_WEBHOOK_ALLOW_HTTP=true would allow http."
        raise _wrong("not_https", said)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _wrong("not_a_url", "Use a URL such as https://example.com/billing-events.")
    if "@" in parts.netloc:
        raise _wrong("password_in_url", "Leave user and password out: the signature says who sends.")
    if "#" in url:
        raise _wrong("fragment_in_url", "Leave out # and what follows: it is never sent.")
    if not _PATH.fullmatch(url) or "\\" in url:
        raise _wrong("not_a_url", "Write spaces, backslashes and letters beyond ASCII in their encoded form.")


def _host(host: str) -> str:
    if ":" in host:
        return host
    if not _HOST.fullmatch(host):
        raise _wrong("not_a_host", "Use a host name such as hooks.example.com.")
    if _NUMERIC.fullmatch(host) and parse_address(host) is None:
        raise _wrong("not_a_host", "Write the address with four numbers, such as 203.0.113.7, or use a name.")
    return host


def parse_address(host: str) -> Address | None:
    """The address that a host is in its usual spelling, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def refusal_reason(addresses: Sequence[Address], allowed: Sequence[Network]) -> str | None:
    """Why a receiver at these addresses is refused; None when each of them is public, or allowed. One bad one is enough."""
    for address in addresses:
        plain = _plain(address)
        if not is_public(plain) and not any(plain in network for network in allowed):
            return (
                f"{plain} is no public address. If the receiver is meant to be there, name its network in"
                " BILLING_WEBHOOK_ALLOWED_NETWORKS."
            )
    return None


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody on the Internet can reach, and no door into a network of its own kind."""
    plain = _plain(address)
    if isinstance(plain, IPv6Address) and plain not in _UNICAST:
        return False
    return plain.is_global and not plain.is_multicast and not any(plain in network for network in _INWARD)


def _plain(address: Address) -> Address:
    """An IPv4 address that is dressed as IPv6 is judged as what it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _wrong(code: str, message: str) -> Invalid:
    return Invalid(code, message, "url")

"""One attempt to deliver: look the receiver up, refuse what must not be reached, connect to the very address that was looked at.

The name is looked up once an attempt, and what is connected is the number that came of it, so that no second answer of the name's
owner can lead elsewhere. There are no proxies here and no redirects: what was checked is what is reached.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from threading import Event, Timer

from billing_admin import clock
from billing_admin.config import VERSION, Settings
from billing_admin.domain.errors import Invalid
from billing_admin.domain.webhook_addresses import Address, AddressRules, WebhookTarget, parse_target, refusal_reason
from billing_admin.domain.webhooks import signature_header
from billing_admin.operations.webhooks.deliveries import AttemptOutcome, DueDelivery

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MOST_READ = 64 * 1024  # bytes of an answer; of which the log keeps
KEPT = 500  # characters
LATE = "The receiver did not answer within 10 seconds."
AGENT = f"billing-admin/{VERSION}"
KEY_CHANGED = (
    "Not sent: BILLING_SECRET_KEY was changed, and with it this webhook’s secret. Rotate the secret, and give the receiver the"
    " new one."
)

# Finds the addresses of a host. Tests have their own.
Lookup = Callable[[str, int], Sequence[Address]]


class _Failed(Exception):
    """There is no answer; the text says why."""


def address_rules(settings: Settings) -> AddressRules:
    """Where the configuration lets webhooks be sent."""
    return AddressRules(settings.webhook_allowed_networks, settings.webhook_allow_http)


def resolve_host(host: str, port: int) -> list[Address]:
    """What the system says of a host: all its addresses, in the order to be tried."""
    return [ip_address(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def attempt_delivery(due: DueDelivery, rules: AddressRules, lookup: Lookup = resolve_host) -> AttemptOutcome:
    """Make one attempt. It raises nothing that a receiver could cause."""
    at, began = clock.now(), time.monotonic()
    status, error, answer = None, None, ""
    try:
        status, answer = _attempt(due, rules, int(at.timestamp()), lookup)
    except _Failed as failure:
        error = _printable(str(failure))
    return AttemptOutcome(at, round((time.monotonic() - began) * 1000), status, error, answer)


def _attempt(due: DueDelivery, rules: AddressRules, at: int, lookup: Lookup) -> tuple[int, str]:
    if not due.secrets:
        raise _Failed(KEY_CHANGED)
    try:
        place = parse_target(due.url, rules)
    except Invalid as refused:
        raise _Failed(refused.message) from None
    until = time.monotonic() + TOTAL_SECONDS
    body = due.body.encode()
    headers = {
        "Host": place.named,
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Billing-Event": due.event,
        "Billing-Delivery": str(due.id),
        "Billing-Signature": signature_header(due.secrets, body, at),
        "Connection": "close",
    }
    with closing(_connected(_addresses(place, rules, lookup), place.port)) as plain, _ended(plain, until) as late:
        return _exchanged(plain, place, body, headers, late)


def _addresses(place: WebhookTarget, rules: AddressRules, lookup: Lookup) -> Sequence[Address]:
    """Where to connect: every address that the host has now, if all of them may be reached."""
    try:
        found = lookup(place.host, place.port)
    except (OSError, ValueError):
        found = []
    if not found:
        raise _Failed(f"The host name {place.host} could not be resolved.")
    why = refusal_reason(found, rules.networks)
    if why is not None:
        raise _Failed(f"Refused: {why}")
    return found


def _connected(addresses: Sequence[Address], port: int) -> socket.socket:
    """A connection to the first address that takes one."""
    until, failure = time.monotonic() + CONNECT_SECONDS, "Could not connect within 5 seconds."
    for address in addresses:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address), port), timeout=left)
        except TimeoutError:
            continue
        except OSError as error:
            failure = f"Could not connect: {error.strerror or error}."
    raise _Failed(failure)


@contextmanager
def _ended(plain: socket.socket, until: float) -> Iterator[Event]:
    """End the connection when the time is up: a socket's own time-out begins anew with each byte that comes.

    The event says that it was ended.
    """
    late = Event()
    with closing(plain.dup()) as line:  # TLS takes the other one over

        def end() -> None:
            late.set()
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

        timer = Timer(max(0, until - time.monotonic()), end)
        timer.start()
        try:
            yield late
        except (OSError, HTTPException, ValueError) as error:
            raise _Failed(LATE if late.is_set() else _said(error)) from error
        finally:
            timer.cancel()
            timer.join()


def _exchanged(
    plain: socket.socket, place: WebhookTarget, body: bytes, headers: dict[str, str], late: Event
) -> tuple[int, str]:
    plain.settimeout(TOTAL_SECONDS)
    connection = HTTPConnection(place.host, place.port)
    connection.sock = _trust().wrap_socket(plain, server_hostname=place.host) if place.secure else plain
    with closing(connection):
        connection.request("POST", place.path, body, headers)
        response = connection.getresponse()
        if late.is_set():  # what ends within the headers is no answer
            raise TimeoutError
        return response.status, _printable(_beginning(response).decode(errors="replace"))


def _beginning(response: HTTPResponse) -> bytes:
    """What the answer begins with. The status has been read: whatever becomes of the rest no longer matters."""
    read = b""
    with suppress(OSError, HTTPException, ValueError):
        while len(read) < MOST_READ and (piece := response.read1(MOST_READ - len(read))):
            read += piece
    return read


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that this machine trusts; names are checked."""
    return ssl.create_default_context()


def _said(error: Exception) -> str:
    """An error as people can act on it."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"The receiver’s certificate is not trusted: {error.verify_message}."
        case ssl.SSLError():
            return f"The TLS handshake with the receiver failed: {error.reason or 'the connection was closed'}."
        case TimeoutError():
            return LATE
        case OSError():
            return "The connection was closed before the receiver answered."
        case _:
            return "The receiver did not answer with HTTP."


def _printable(text: str) -> str:
    """The beginning of what a receiver said, as it can be stored and shown."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text[:KEPT])

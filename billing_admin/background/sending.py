"""Attempt a delivery: resolve the host, check its addresses, connect, and send.

The host name is resolved once in an attempt, and the connection goes to the checked address, so that a second DNS
answer cannot lead to an internal host (SSRF). Proxies are not used and redirects not followed.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from threading import Event

from billing_admin import clock
from billing_admin.background.deadlines import shut_down_after
from billing_admin.config import VERSION, Settings
from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase
from billing_admin.domain.webhook_addresses import Address, AddressRules, WebhookTarget, parse_target, refusal_reason
from billing_admin.domain.webhooks import signature_header
from billing_admin.operations.webhooks.deliveries import AttemptOutcome, DueDelivery

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MAX_RESPONSE_BYTES = 64 * 1024  # read of a response
STORED_CHARACTERS = 500  # stored of a response
TIMEOUT_MESSAGE = Phrase("The receiver did not answer within 10 seconds.")
USER_AGENT = f"billing-admin/{VERSION}"
KEY_CHANGED = Phrase(
    "Not sent: BILLING_SECRET_KEY was changed, and with it this webhook’s secret. Rotate the secret, and give the receiver the"
    " new one."
)

# Returns the addresses of a host. Tests pass their own.
Lookup = Callable[[str, int], Sequence[Address]]


class _Failed(Exception):
    """The attempt failed without a response; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def address_rules(settings: Settings) -> AddressRules:
    """Return the addresses to which the configuration allows webhooks."""
    return AddressRules(settings.webhook_allowed_networks, settings.webhook_allow_http)


def resolve_host(host: str, port: int) -> list[Address]:
    """Return all addresses of a host, in the order in which to try them."""
    return [ip_address(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def attempt_delivery(due: DueDelivery, rules: AddressRules, lookup: Lookup = resolve_host) -> AttemptOutcome:
    """Make one attempt and return its outcome.

    A receiver cannot make it raise an exception.
    """
    sent_at, started = clock.now(), time.monotonic()
    status, error, answer = None, None, ""
    try:
        status, answer = _attempt_request(due, rules, int(sent_at.timestamp()), lookup)
    except _Failed as failure:
        error = failure.reason
    return AttemptOutcome(sent_at, round((time.monotonic() - started) * 1000), status, error, answer)


def _attempt_request(due: DueDelivery, rules: AddressRules, at: int, lookup: Lookup) -> tuple[int, str]:
    if not due.secrets:
        raise _Failed(KEY_CHANGED)
    try:
        target = parse_target(due.url, rules)
    except Invalid as error:
        raise _Failed(error.message) from None
    deadline = time.monotonic() + TOTAL_SECONDS
    body = due.body.encode()
    headers = {
        "Host": target.host_header,
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        "Billing-Event": due.event,
        "Billing-Delivery": str(due.id),
        "Billing-Signature": signature_header(due.secrets, body, at),
        "Connection": "close",
    }
    with (
        closing(_connect(_allowed_addresses(target, rules, lookup), target.port)) as connection,
        _shut_down_at(connection, deadline) as timed_out,
    ):
        return _exchange(connection, target, body, headers, timed_out)


def _allowed_addresses(target: WebhookTarget, rules: AddressRules, lookup: Lookup) -> Sequence[Address]:
    """Return all addresses of the host, or raise _Failed if any of them is forbidden."""
    try:
        addresses = lookup(target.host, target.port)
    except (OSError, ValueError):
        addresses = []
    if not addresses:
        raise _Failed(Phrase("The host name {host} could not be resolved.", host=target.host))
    reason = refusal_reason(addresses, rules.networks)
    if reason is not None:
        raise _Failed(Phrase("Refused: {reason}", reason=reason))
    return addresses


def _connect(addresses: Sequence[Address], port: int) -> socket.socket:
    """Return a connection to the first address that accepts one."""
    deadline, failure = time.monotonic() + CONNECT_SECONDS, Phrase("Could not connect within 5 seconds.")
    for address in addresses:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            break
        try:
            return socket.create_connection((str(address), port), timeout=seconds)
        except TimeoutError:
            continue
        except OSError as error:
            failure = Phrase("Could not connect: {reason}.", reason=error.strerror or error)
    raise _Failed(failure)


@contextmanager
def _shut_down_at(connection: socket.socket, deadline: float) -> Iterator[Event]:
    """Shut the connection down at the deadline, and explain its errors."""
    with shut_down_after(connection, deadline - time.monotonic()) as timed_out:
        try:
            yield timed_out
        except (OSError, HTTPException, ValueError) as error:
            raise _Failed(TIMEOUT_MESSAGE if timed_out.is_set() else _error_message(error)) from error


def _exchange(
    plain: socket.socket, target: WebhookTarget, body: bytes, headers: dict[str, str], timed_out: Event
) -> tuple[int, str]:
    plain.settimeout(TOTAL_SECONDS)
    connection = HTTPConnection(target.host, target.port)
    connection.sock = _tls_context().wrap_socket(plain, server_hostname=target.host) if target.secure else plain
    with closing(connection):
        connection.request("POST", target.path, body, headers)
        response = connection.getresponse()
        if timed_out.is_set():  # headers that were cut off are not a response
            raise TimeoutError
        return response.status, _printable(_read_beginning(response).decode(errors="replace"))


def _read_beginning(response: HTTPResponse) -> bytes:
    """Return the beginning of the response body.

    Errors are ignored: the status has been read.
    """
    beginning = b""
    with suppress(OSError, HTTPException, ValueError):
        while len(beginning) < MAX_RESPONSE_BYTES and (block := response.read1(MAX_RESPONSE_BYTES - len(beginning))):
            beginning += block
    return beginning


@cache
def _tls_context() -> ssl.SSLContext:
    """Return a TLS context that checks host names and certificates.

    It trusts the certificates of this machine.
    """
    return ssl.create_default_context()


def _error_message(error: Exception) -> Phrase:
    """Return the message for an error of the connection."""
    match error:
        case ssl.SSLCertVerificationError():
            return Phrase("The receiver’s certificate is not trusted: {reason}.", reason=error.verify_message)
        case ssl.SSLError():
            reason = error.reason or Phrase("the connection was closed")
            return Phrase("The TLS handshake with the receiver failed: {reason}.", reason=reason)
        case TimeoutError():
            return TIMEOUT_MESSAGE
        case OSError():
            return Phrase("The connection was closed before the receiver answered.")
        case _:
            return Phrase("The receiver did not answer with HTTP.")


def _printable(text: str) -> str:
    """Return the beginning of a receiver's text, without unprintable characters."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text[:STORED_CHARACTERS]
    )

"""Calls over HTTP, repeated while that is safe and within the deadline.

A call is not repeated after an error that would only occur again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Callable, TypeVar

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError, TimeoutError

from billing_client.answers import Download
from billing_client.calls import Call, Repeat
from billing_client.errors import (
    BillingError,
    CertificateRefused,
    ConnectionFailed,
    TimedOut,
    UnexpectedAnswer,
    refusal,
)
from billing_client.values import from_json

CHUNK = 64 * 1024  # bytes
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds
CONNECTIONS = 64  # kept open; more threads open additional connections for one call

log = logging.getLogger("billing_client")
T = TypeVar("T")


class Secret:
    """A token that does not appear when an object that contains it is printed."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        """Hide the token."""
        return "<secret>"

    def header(self) -> str:
        """Return the value of the header `Authorization`."""
        return f"Bearer {self._value}"


@dataclass(frozen=True)
class Request:
    """A call with its URL and body.

    `id` is the id of the object that it creates or changes.
    """

    call: Call
    url: str
    body: bytes | None = None
    id: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Reply:
    """A response that is not an error."""

    content: Any
    etag: str | None
    replayed: bool


class RetryTimer:
    """The time left for all attempts of a call, and the pauses between them."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._tries = 0

    def remaining(self) -> float:
        """Return the remaining seconds, negative after the deadline."""
        return self._end - monotonic()

    def pause(self, error: BillingError) -> None:
        """Sleep before the next attempt.

        Raises the error if the call may not be repeated or the deadline would pass.

        The pause doubles each time. Half of it is random, so that many clients do not repeat their calls at the same moment.
        `Retry-After` replaces the fixed half.
        """
        self._tries += 1
        error.tries = self._tries
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._tries)
        jitter = random.uniform(0, longest / 2)  # noqa: S311 - not a secret
        seconds = jitter + (longest / 2 if error.retry_after is None else error.retry_after)
        if not error.worth_retrying or not error.safe_to_retry or seconds >= self.remaining():
            raise error
        log.info("%s Trying again in %.2f s (attempt %d failed).", error.detail, seconds, self._tries)
        sleep(seconds)


class Transport:
    """Connections to one server, shared by any number of threads."""

    def __init__(
        self, base: str, token: Secret, context: ssl.SSLContext | None, agent: str, times: tuple[float, float, float]
    ) -> None:
        self.base = base
        self._token = token
        self._agent = agent
        self._connect, self._read, self._deadline = times
        self._pool = PoolManager(maxsize=CONNECTIONS, ssl_context=context)

    def close(self) -> None:
        """Close the open connections."""
        self._pool.clear()

    def ask(self, request: Request) -> Reply:
        """Send a call and return its response."""
        return self._send_with_retries(request, _reply)

    def download(self, request: Request, path: Path) -> Download:
        """Send a call and write its response to a file.

        The file appears only when it is complete. The deadline applies until the first byte. After that, only
        `read_timeout` applies.
        """
        return self._send_with_retries(request, lambda response, _: _into_file(response, path))

    def _send_with_retries(self, request: Request, receive: Callable[[BaseHTTPResponse, RetryTimer], T]) -> T:
        timer = RetryTimer(self._deadline)
        while True:
            try:
                return self._send(request, receive, timer)
            except BillingError as error:  # noqa: PERF203 - the loop repeats failed attempts
                error.id = request.id
                error.safe_to_retry = error.unsent or request.call.repeat is not Repeat.NEVER
                timer.pause(error)

    def _send(self, request: Request, receive: Callable[[BaseHTTPResponse, RetryTimer], T], timer: RetryTimer) -> T:
        remaining = max(timer.remaining(), 0.001)
        try:
            response = self._pool.urlopen(
                request.call.method,
                request.url,
                body=request.body,
                headers=self._headers(request),
                timeout=Timeout(connect=min(self._connect, remaining), read=min(self._read, remaining)),
                retries=False,  # `_send_with_retries` decides
                redirect=False,  # the token must not reach another server
                preload_content=False,
            )
            try:
                if not 200 <= response.status < 300:
                    raise _refused(response, timer)
                return receive(response, timer)
            finally:
                response.close()  # after a complete read the connection is already back in the pool
        except HTTPError as error:
            raise _failed(error, self.base) from error

    def _headers(self, request: Request) -> Mapping[str, str]:
        headers = {"Authorization": self._token.header(), "User-Agent": self._agent, "Accept": "application/json, */*"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.etag is not None:
            headers["If-Match"] = request.etag
        return headers


def _read(response: BaseHTTPResponse, timer: RetryTimer) -> bytes:
    """Return the complete body.

    The deadline also applies to a server that sends it slowly.
    """
    parts: list[bytes] = []
    while True:
        part = response.read1(CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
        if timer.remaining() <= 0:
            raise TimedOut("The response was not complete before the deadline.")


def _reply(response: BaseHTTPResponse, timer: RetryTimer) -> Reply:
    content = _read(response, timer)
    if "json" not in response.headers.get("Content-Type", ""):
        raise UnexpectedAnswer("The response is not from the billing API. Check the address of the server.")
    try:
        answer = from_json(content)
    except ValueError as error:
        raise ConnectionFailed("The response was cut off.") from error
    replayed = response.headers.get("Idempotent-Replayed") == "true"
    return Reply(answer, response.headers.get("ETag"), replayed)


def _refused(response: BaseHTTPResponse, timer: RetryTimer) -> BillingError:
    """Return the exception for an error response or a redirect."""
    if response.status < 400:
        target = response.headers.get("Location", "")
        message = (
            f"The server answered {response.status} and redirects to “{target}”."
            " The client does not follow redirects, to protect the token. Set that address if it is right."
        )
        return UnexpectedAnswer(message, status=response.status)
    problem = _problem(_read(response, timer))
    request_id = problem.get("instance") or response.headers.get("X-Request-Id")
    return refusal(response.status, problem, request_id, _retry_after(response.headers))


def _problem(content: bytes) -> Mapping[str, Any]:
    """Return the problem document, or an empty one: a proxy may send other content."""
    try:
        problem = from_json(content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`, a number or a date.

    A date is compared with the server's clock.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (_date(value) - _date(headers.get("Date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None


def _date(text: str) -> datetime:
    """Return an HTTP date, or the current time for an empty text."""
    date = parsedate_to_datetime(text) if text else datetime.now(timezone.utc)
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _failed(error: HTTPError, base: str) -> BillingError:
    """Return the exception for a missing response."""
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return CertificateRefused(
            f"The certificate of {base} is not trusted ({error.args[0].verify_message})."
            " For a certificate authority of your own, pass its file as ca_certs."
        )
    kind = (
        TimedOut if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError) else ConnectionFailed
    )
    failure = kind(f"No response from {base}: {error}")
    failure.unsent = isinstance(error, (NewConnectionError, ConnectTimeoutError))
    return failure


def _into_file(response: BaseHTTPResponse, path: Path) -> Download:
    """Write to a temporary file in the same folder, and rename it when it is complete."""
    if "Content-Length" not in response.headers and not getattr(response, "chunked", False):
        raise UnexpectedAnswer("The response does not say where the file ends. Check the proxy in front of the server.")
    part = path.with_name(f".{path.name}.{os.getpid()}-{random.getrandbits(32):08x}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("xb") as file:
            if path.exists():
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            for chunk in response.stream(CHUNK):
                digest.update(chunk)
                size += file.write(chunk)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Download(path, size, digest.hexdigest())

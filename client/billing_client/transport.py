"""One call over HTTP: sent, and sent again while that is safe, worth it, and within the time the call has."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import ssl
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

CHUNK = 64 * 1024
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds
CONNECTIONS = 64  # kept open at most; more threads than that open some for one call

log = logging.getLogger("billing_client")
T = TypeVar("T")


class Secret:
    """A token that shows itself to nobody who prints what holds it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        """Say only that there is one."""
        return "<secret>"

    def header(self) -> str:
        """What goes into `Authorization`."""
        return f"Bearer {self._value}"


@dataclass(frozen=True)
class Request:
    """A call with all that is sent; `id` is what its body is made under."""

    call: Call
    url: str
    body: bytes | None = None
    id: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Reply:
    """An answer that is not an error."""

    content: Any
    etag: str | None
    replayed: bool


class Patience:
    """The time that a call has for all its tries, and how long it rests between two of them."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds
        self._tries = 0

    def left(self) -> float:
        """Seconds; less than none once the time is over."""
        return self._end - monotonic()

    def rest(self, error: BillingError) -> None:
        """Sleep before the next try; raises the error where that would be past the end.

        The pause doubles, and half of it is chance, so that many clients do not come back at once. `Retry-After` is kept to.
        """
        self._tries += 1
        error.tries = self._tries
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._tries)
        chance = random.uniform(0, longest / 2)  # noqa: S311 - jitter, not a secret
        pause = chance + (longest / 2 if error.retry_after is None else error.retry_after)
        if not error.worth_retrying or not error.safe_to_retry or pause >= self.left():
            raise error
        log.info("%s Trying again in %.2f s (%d tried).", error.detail, pause, self._tries)
        sleep(pause)


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
        """Close the connections that are kept open."""
        self._pool.clear()

    def ask(self, request: Request) -> Reply:
        """Send a call and read its answer."""
        return self._tried(request, _reply)

    def download(self, request: Request, path: Path) -> Download:
        """Send a call and write its answer to a file, which is there only once it is whole.

        The file may take as long as it needs, as long as it keeps coming: the deadline is for its beginning.
        """
        return self._tried(request, lambda response, _: _into_file(response, path))

    def _tried(self, request: Request, receive: Callable[[BaseHTTPResponse, Patience], T]) -> T:
        patience = Patience(self._deadline)
        while True:
            try:
                return self._once(request, receive, patience)
            except BillingError as error:  # noqa: PERF203 - each try may fail, that is what the loop is for
                error.id = request.id
                error.safe_to_retry = error.unsent or request.call.repeat is not Repeat.NEVER
                patience.rest(error)

    def _once(self, request: Request, receive: Callable[[BaseHTTPResponse, Patience], T], patience: Patience) -> T:
        left = max(patience.left(), 0.001)
        try:
            response = self._pool.urlopen(
                request.call.method,
                request.url,
                body=request.body,
                headers=self._headers(request),
                timeout=Timeout(connect=min(self._connect, left), read=min(self._read, left)),
                retries=False,  # they are ours to decide on
                redirect=False,  # the token is for this server, and for no other
                preload_content=False,
            )
            try:
                if not 200 <= response.status < 300:
                    raise _refused(response, patience)
                return receive(response, patience)
            finally:
                response.close()  # a connection whose answer was read whole is back in the pool by now
        except HTTPError as error:
            raise _failed(error, self.base) from error

    def _headers(self, request: Request) -> Mapping[str, str]:
        headers = {"Authorization": self._token.header(), "User-Agent": self._agent, "Accept": "application/json, */*"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.etag is not None:
            headers["If-Match"] = request.etag
        return headers


def _read(response: BaseHTTPResponse, patience: Patience) -> bytes:
    """The whole answer; a server that trickles does not get around the deadline."""
    parts: list[bytes] = []
    while True:
        part = response.read1(CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
        if patience.left() <= 0:
            raise TimedOut("The answer was not whole when the time of this call was over.")


def _reply(response: BaseHTTPResponse, patience: Patience) -> Reply:
    content = _read(response, patience)
    if "json" not in response.headers.get("Content-Type", ""):
        raise UnexpectedAnswer("What answers is not the billing API: is the address of the server right?")
    try:
        found = from_json(content)
    except ValueError as error:
        raise ConnectionFailed("The answer was cut off.") from error
    replayed = response.headers.get("Idempotent-Replayed") == "true"
    return Reply(found, response.headers.get("ETag"), replayed)


def _refused(response: BaseHTTPResponse, patience: Patience) -> BillingError:
    """The exception for an answer that is an error, or a redirect."""
    if response.status < 400:
        where = response.headers.get("Location", "")
        said = f"The server answered {response.status} and points to “{where}”: the token goes nowhere else. Set that address."
        return UnexpectedAnswer(said, status=response.status)
    problem = _problem(_read(response, patience))
    request_id = problem.get("instance") or response.headers.get("X-Request-Id")
    return refusal(response.status, problem, request_id, _retry_after(response.headers))


def _problem(content: bytes) -> Mapping[str, Any]:
    """A problem document; whoever stands between us and the server may send something else."""
    try:
        found = from_json(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, said as a number or as a date; a date is compared with the server's own clock."""
    said = headers.get("Retry-After", "").strip()
    if not said:
        return None
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (_date(said) - _date(headers.get("Date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None


def _date(text: str) -> datetime:
    """A date of HTTP's; now if there is none."""
    found = parsedate_to_datetime(text) if text else datetime.now(timezone.utc)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _failed(error: HTTPError, base: str) -> BillingError:
    """The exception for an answer that did not come."""
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return CertificateRefused(
            f"The certificate of {base} is not to be trusted ({error.args[0].verify_message})."
            " If it is your own, give the file of its authority as ca_certs."
        )
    kind = (
        TimedOut if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError) else ConnectionFailed
    )
    found = kind(f"No answer from {base}: {error}")
    found.unsent = isinstance(error, (NewConnectionError, ConnectTimeoutError))
    return found


def _into_file(response: BaseHTTPResponse, path: Path) -> Download:
    """Write beside the file's place, and put it there at the end."""
    if "Content-Length" not in response.headers and not getattr(response, "chunked", False):
        raise UnexpectedAnswer(
            "The file comes without saying where it ends: what is between here and the server hides it."
        )
    part = path.with_name(f".{path.name}.{os.getpid()}-{random.getrandbits(32):08x}.part")
    seen, size = hashlib.sha256(), 0
    try:
        with part.open("xb") as file:
            for chunk in response.stream(CHUNK):
                seen.update(chunk)
                size += file.write(chunk)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Download(path, size, seen.hexdigest())

"""Rate limits by token and by address, and for exports.

Requests without a valid token count for their address. While the storage is unavailable, requests are
not limited, so that billing does not stop.
"""

import math
import time
from functools import cached_property
from pathlib import Path

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage, SlidingWindowCounterSupport

from billing_admin.config import Settings
from billing_admin.db.errors import driver_message
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import DomainError
from billing_admin.domain.sign_in import attempt_network
from billing_admin.http.rate_limit_storage import SQLiteRateLimitStorage

REDIS_TIMEOUT_SECONDS = 0.25  # a slow Redis must not delay requests
RETRY_STORAGE_SECONDS = 5
RESET_REQUESTS = parse("20/hour")  # of links for new passwords, per network

_log = structlog.get_logger(__name__)


class TooManyRequests(DomainError):
    """The rate limit is exceeded; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__("too_many_requests", message)
        self.retry_after = retry_after


class RateLimiter:
    """The limits of the application, and the storage that its processes share."""

    def __init__(self, settings: Settings) -> None:
        self._storage_address = settings.rate_limit_storage
        self.per_token = parse(settings.rate_limit)
        self.per_address = parse(settings.rate_limit_address)
        self.exports = parse(settings.export_limit)
        self._unavailable_until = 0.0

    @cached_property
    def _storage(self) -> SlidingWindowCounterSupport:
        if "://" not in self._storage_address:
            return SQLiteRateLimitStorage(Path(self._storage_address))
        return RedisStorage(
            self._storage_address,
            wrap_exceptions=True,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        )

    def count(self, limit: RateLimitItem, kind: str, *identifiers: str) -> None:
        """Count a request of a token or address.

        Raises TooManyRequests above the limit, without counting.
        """
        seconds = self._take(limit, kind, *identifiers)
        if seconds:
            raise TooManyRequests(
                f"This {kind} has exceeded its limit of {limit}. Wait {seconds} s, then try again.", seconds
            )

    def count_export(self, identifier: str) -> None:
        """Count an exported file of a person or token.

        Raises TooManyRequests above the limit, without counting.
        """
        seconds = self._take(self.exports, "export", identifier)
        if seconds:
            raise TooManyRequests(
                f"You have reached the limit of {self.exports.amount:,} exported files per"
                f" {self.exports.GRANULARITY.name}. Wait {math.ceil(seconds / 60)} min, then try again.",
                seconds,
            )

    def _take(self, limit: RateLimitItem, kind: str, *identifiers: str) -> int:
        """Count a request and return 0, or return the seconds to wait above the limit."""
        if time.monotonic() < self._unavailable_until:
            return 0
        try:
            key = limit.key_for(kind, *identifiers)
            if self._storage.acquire_sliding_window_entry(key, limit.amount, limit.get_expiry()):
                return 0
            return self._seconds_to_wait(limit, key)
        except StorageError as error:
            self._unavailable_until = time.monotonic() + RETRY_STORAGE_SECONDS
            _log.warning(
                "rate_limit_storage_unavailable", unlimited_seconds=RETRY_STORAGE_SECONDS, error=driver_message(error)
            )
            return 0

    def _seconds_to_wait(self, limit: RateLimitItem, key: str) -> int:
        """Return after how many whole seconds one more request is within the limit."""
        window, allowed = limit.get_expiry(), limit.amount - 1
        previous, previous_seconds, current, seconds = self._storage.get_sliding_window(key, window)
        if current <= allowed:  # wait until enough of the previous window has passed
            wait = previous_seconds - window * (allowed - current) / max(previous, 1)
        else:  # wait until this window is over and enough of it has passed
            wait = (seconds if seconds <= window else seconds - window) + window * (1 - allowed / current)
        return max(1, math.ceil(wait))


def init_rate_limits(app: Flask, settings: Settings) -> None:
    """Create the application's rate limiter."""
    app.extensions["billing_rate_limiter"] = RateLimiter(settings)


def count_token(actor: Actor) -> None:
    """Count a request with a valid token.

    Raises TooManyRequests.
    """
    limiter = _rate_limiter()
    limiter.count(limiter.per_token, "token", str(actor.id))


def count_export(actor: Actor) -> None:
    """Count an exported file of a person or token.

    Raises TooManyRequests.
    """
    _rate_limiter().count_export(str(actor.id))


def count_address(purpose: str) -> None:
    """Count a request without a valid token, by its network and purpose.

    Raises TooManyRequests.
    """
    limiter = _rate_limiter()
    limiter.count(limiter.per_address, "address", attempt_network(request.remote_addr or ""), purpose)


def count_reset_request() -> None:
    """Count a request for a link to choose a new password, by its network.

    Raises TooManyRequests.
    """
    _rate_limiter().count(RESET_REQUESTS, "network", attempt_network(request.remote_addr or ""), "reset")


def _rate_limiter() -> RateLimiter:
    limiter: RateLimiter = current_app.extensions["billing_rate_limiter"]
    return limiter
